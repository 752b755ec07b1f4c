"""Several targets side by side, held against what each says for itself and against plain counting."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from tests.plain_metrics import rates
from tests.small_stage import made_counts, made_plan, made_scores, split_table
from vernal.evaluation.across import EACH, FOR_ALL, NOBODY, OneTarget, across_targets, paired_draws
from vernal.evaluation.bootstrap import sampling_variance
from vernal.evaluation.evaluate import evaluate_stage
from vernal.evaluation.options import EvaluationOptions
from vernal.evaluation.stage_results import StageResults
from vernal.sweeps.spec import parse_spec

OPTIONS = EvaluationOptions(n_draws=200, choose_by="validation")
SPEC = parse_spec({"stage": "made", "axes": {"balance": [True, False]}, "base_params": {}}, "made")
NAMES = ("owl", "frog", "dog")
PLAN = made_plan(balance=[True, False])


def labelled(seed: int, gain: float, known: float = 1.0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Splits and scores: the same clips for every target, with labels of its own; the share that is known of it."""
    splits = split_table()
    rng = np.random.default_rng(seed)
    splits = splits.assign(is_positive=rng.random(len(splits)) < 0.5)
    splits = splits[rng.random(len(splits)) < known].reset_index(drop=True)
    return splits, made_scores(PLAN, splits, gain=gain, seed=seed)


def one_target(name: str, splits: pd.DataFrame, scores: pd.DataFrame) -> OneTarget:
    result = evaluate_stage(PLAN, scores, splits, made_counts(PLAN), OPTIONS)
    results = StageResults(
        SPEC, name, PLAN, result.points, result.leaderboard, result.effects, result.tables(),
        pd.DataFrame(columns=["point", "step", "message"]), OPTIONS, False,
    )  # fmt: skip
    return OneTarget(results, scores, splits)


@cache
def three_targets() -> dict[str, OneTarget]:
    """Targets of which each is harder to tell than the one before, for reading only."""
    return {name: one_target(name, *labelled(at, gain=3.0 - at, known=0.9)) for at, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def targets() -> dict[str, OneTarget]:
    return three_targets()


@pytest.fixture(scope="module")
def found(targets):
    return across_targets(targets)


def test_a_target_stands_as_its_own_stage_says(targets, found):
    assert found.targets.target.tolist() == list(NAMES)
    for row in found.targets.to_dict("records"):
        own = targets[row["target"]].results
        assert row["point"] == own.deployed
        for column in ("test_ood_auroc", "test_ood_f1_low", "test_iid_recall", "threshold_logit", "val_f1"):
            assert row[column] == pytest.approx(own.number(own.deployed, column), abs=1e-6)


def test_means_are_those_of_the_targets_and_micro_counts_every_clip(targets, found):
    means = found.means.set_index(["split", "metric", "average"])
    values = [one.results.number(one.point, "test_ood_f1") for one in targets.values()]
    assert means.value["test_ood", "f1", "macro"] == pytest.approx(np.mean(values), abs=1e-6)
    assert means.value["test_ood", "f1", "worst"] == pytest.approx(min(values), abs=1e-6)
    assert means.target["test_ood", "f1", "worst"] == NAMES[int(np.argmin(values))]
    assert means.value["test_ood", "fpr", "worst"] == pytest.approx(
        max(one.results.number(one.point, "test_ood_fpr") for one in targets.values()), abs=1e-6
    )
    flagged, truth = [], []
    for one in targets.values():
        rows = one.scored(one.point, "test_ood")
        flagged += list(rows.logit >= one.results.number(one.point, "threshold_logit"))
        truth += list(rows.is_positive)
    assert means.value["test_ood", "f1", "micro"] == pytest.approx(rates(flagged, truth, 1)["f1"], abs=1e-6)
    low, value, high = (means[end]["test_ood", "auroc", "macro"] for end in ("low", "value", "high"))
    assert low < value < high


def test_a_target_with_too_few_nights_is_in_no_mean_unnoticed(targets):
    splits, scores = labelled(2, gain=1.0)
    few = splits[(splits.split != "test_ood") | (splits.night <= "2025-03-02")]
    poor = {**targets, "dog": one_target("dog", few, scores[scores.clip_id.isin(few.clip_id)])}
    found = across_targets(poor)
    row = found.means.set_index(["split", "metric", "average"]).loc[("test_ood", "auroc", "macro")]
    assert row.n_targets == 2 and row.left_out == "dog (too few nights)"
    assert "too few nights on test_ood" in found.targets.set_index("target").note["dog"]
    assert found.targets.set_index("target").note["owl"] == ""


def test_draws_are_shared_so_the_same_target_twice_is_as_sure_as_once(targets):
    owl = targets["owl"]
    once = paired_draws({"a": owl}, "test_ood", "auroc", {"a": [owl.point]})
    twice = paired_draws({"a": owl, "b": owl}, "test_ood", "auroc", {"a": [owl.point], "b": [owl.point]})
    np.testing.assert_allclose(once.values, twice.values)
    apart = sampling_variance(once.values, once.effective)
    assert sampling_variance(twice.values, twice.effective) == pytest.approx(apart)


def test_configurations_are_ordered_by_their_mean_score_and_compared_in_pairs(targets, found):
    table = found.configurations
    scores = pd.DataFrame(
        {name: one.results.leaderboard.set_index("configuration_hash").score for name, one in targets.items()}
    )
    assert table.mean_score.tolist() == pytest.approx(sorted(scores.mean(axis=1), reverse=True), abs=1e-6)
    assert table["rank"].tolist() == [1, 2] and table.n_scored.tolist() == [3, 3]
    best = scores.mean(axis=1).idxmax()
    assert table.configuration_hash[0] == best and table.worst_target[0] == scores.loc[best].idxmin()
    assert table.difference[0] == 0 and np.isnan(table.difference_low[0])
    assert table.difference_low[1] <= table.difference[1] <= table.difference_high[1]
    choices = found.choices.set_index("choice")
    assert choices.configuration_hash[FOR_ALL] == best
    assert choices.mean_score[EACH] >= choices.mean_score[FOR_ALL] - 1e-9


def test_confusion_counts_who_is_flagged_where_it_is_known_to_be_absent(targets, found):
    table = found.confusion.set_index(["split", "true", "target"])
    for true in (*NAMES, NOBODY):
        for name in NAMES:
            n = flagged = 0
            one = targets[name]
            threshold = one.results.number(one.point, "threshold_logit")
            own = one.scored(one.point, "test_iid").set_index("clip_id")
            labels = {
                other: targets[other]
                .scored(targets[other].point, "test_iid")
                .set_index("clip_id")
                .is_positive
                for other in NAMES
            }
            for clip in own.index:
                known = {other: bool(truth[clip]) for other, truth in labels.items() if clip in truth.index}
                is_of_it = known.get(true, False) if true != NOBODY else (
                    len(known) == len(NAMES) and not any(known.values())
                )  # fmt: skip
                if is_of_it and known[name] == (true == name):
                    n += 1
                    flagged += own.logit[clip] >= threshold
            row = table.loc[("test_iid", true, name)]
            assert (row.n, row.n_flagged) == (n, flagged), (true, name)
