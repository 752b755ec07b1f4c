"""The choice among configurations, against scikit-learn, and blind to every test split."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve, roc_auc_score

from tests.simulated_choices import chosen
from tests.small_stage import made_counts, made_plan, made_scores, split_table
from vernal.clips.folds import folds_of
from vernal.evaluation.choice import CV_COLUMNS, choice_of, cross_validated
from vernal.evaluation.deployment import deployed_point, leading_points
from vernal.evaluation.evaluate import EvaluationResult, evaluate_stage
from vernal.evaluation.options import EvaluationOptions
from vernal.sweeps.settings_table import CONFIGURATION

OPTIONS = EvaluationOptions(n_draws=100)
BETTER = "hard"


def season(seed: int = 0) -> pd.DataFrame:
    """A split table with three training sites."""
    table = split_table({"train": 9, "val": 6, "test_iid": 7, "test_ood": 8}, seed=seed)
    ponds = np.array(["north", "south", "west"])[table.date.str[-2:].astype(int) % 3]
    site = table.site.where(table.split != "train", pd.Series(ponds, index=table.index))
    return table.assign(site=site, block=site + " " + table.night)


def scored_folds(
    plan: pd.DataFrame, splits: pd.DataFrame, choose_by: str = "sites", gain: float = 2.0
) -> pd.DataFrame:
    """Scores out of fold; configurations with hard negatives separate better by `gain`."""
    clips = folds_of(splits, choose_by).clips
    parts = []
    for row in plan.drop_duplicates(CONFIGURATION).itertuples():
        rng = np.random.default_rng(int(row.config_hash, 16))
        better = gain if row.negative_subsets == BETTER else 0.0
        logit = rng.normal(size=len(clips)) + (1.0 + better) * clips.is_positive - 1
        parts.append(
            clips[["fold", "clip_id"]].assign(logit=logit, **{CONFIGURATION: row.configuration_hash})
        )
    return pd.concat(parts, ignore_index=True)


def evaluated(splits, plan, scores, folds):
    return evaluate_stage(plan, scores, splits, made_counts(plan), OPTIONS, fold_scores=folds)


@cache
def of_the_season(with_folds: bool) -> EvaluationResult:
    """The season's evaluation, for reading only."""
    splits, plan = season(), made_plan()
    return evaluated(
        splits, plan, made_scores(plan, splits), scored_folds(plan, splits) if with_folds else None
    )


def test_measures_of_folds_are_those_of_plain_scikit_learn():
    splits, plan = season(), made_plan()
    folds, scores = folds_of(splits, "sites"), scored_folds(made_plan(), season())
    values, problem = cross_validated(scores, splits, folds, OPTIONS)
    assert not problem and values.columns.tolist() == [CONFIGURATION, *CV_COLUMNS]
    truth = folds.clips.set_index("clip_id").is_positive.astype(bool)
    for row in values.itertuples():
        own = scores[scores[CONFIGURATION] == row.configuration_hash].set_index("clip_id")
        own = own.assign(truth=truth.loc[own.index])
        flagged = pd.Series(False, index=own.index)
        for fold, part in own.groupby("fold"):
            others = own[own.fold != fold]
            precision, recall, thresholds = precision_recall_curve(others.truth, others.logit)
            f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
            flagged[part.index] = part.logit >= thresholds[int(np.argmax(f1[:-1]))]
        assert row.cv_f1 == pytest.approx(f1_score(own.truth, flagged), abs=0.02)
        by_fold = [part for _, part in own.groupby("fold")]
        assert row.cv_auroc == pytest.approx(np.mean([roc_auc_score(p.truth, p.logit) for p in by_fold]))
        assert row.cv_average_precision == pytest.approx(
            np.mean([average_precision_score(p.truth, p.logit) for p in by_fold])
        )
    assert len(values) == plan[CONFIGURATION].nunique()


def test_the_order_is_that_of_the_folds_with_the_test_beside():
    result = of_the_season(True)
    board = result.leaderboard
    assert (board.chosen_by == "sites").all() and (board.score == board.cv_f1).all()
    assert board.score.is_monotonic_decreasing and board.negative_subsets.tolist()[:2] == [BETTER] * 2
    assert {"test_ood_f1_mean", "test_ood_f1_low"} <= set(board) and set(CV_COLUMNS) <= set(result.points)
    assert (result.points.groupby(CONFIGURATION).cv_f1.nunique() == 1).all()


@pytest.mark.parametrize("with_folds", [True, False])
def test_no_test_split_has_a_part_in_the_choice(with_folds):
    """Other scores and other labels of both tests leave the order and the point to use as they were."""
    splits, plan = season(), made_plan()
    scores, folds = made_scores(plan, splits), scored_folds(plan, splits) if with_folds else None
    in_test = scores.split.str.startswith("test")
    turned = scores.assign(logit=scores.logit.where(~in_test, -scores.logit))
    chosen = [
        (
            result.leaderboard[CONFIGURATION].tolist(),
            deployed_point(result.points, leading_points(result.leaderboard)),
        )
        for result in (of_the_season(with_folds), evaluated(splits, plan, turned, folds))
    ]
    assert chosen[0] == chosen[1]


def test_without_folds_validation_chooses_and_it_is_said():
    result = of_the_season(False)
    assert (result.leaderboard.chosen_by == "validation").all()
    notes = result.notes[result.notes.scope == "choice"].note.tolist()
    assert notes == ["configurations were compared on validation", "no configuration was trained on folds"]


def test_where_validation_holds_one_class_nothing_is_chosen():
    splits, plan = season(), made_plan()
    kept = splits[(splits.split != "val") | ~splits.is_positive]
    scores = made_scores(plan, kept)
    result = evaluated(kept, plan, scores, None)
    assert (result.leaderboard.chosen_by == "nothing").all() and result.leaderboard["rank"].isna().all()
    assert result.leaderboard[CONFIGURATION].tolist() == plan[CONFIGURATION].drop_duplicates().tolist()


def test_a_configuration_that_lacks_a_fold_is_not_ranked():
    splits, plan = season(), made_plan()
    folds = scored_folds(plan, splits)
    lacking = folds[CONFIGURATION].iloc[0]
    partial = folds[(folds[CONFIGURATION] != lacking) | (folds.fold != "north")]
    choice = choice_of(plan, partial, splits, None, OPTIONS)
    assert choice.by == "sites" and choice.values.set_index(CONFIGURATION).loc[lacking].isna().all()
    assert choice.reasons == ("1 of 4 configurations lack a classifier of some fold and are not ranked",)


def test_equal_configurations_tie():
    splits, plan = season(), made_plan()
    folds = scored_folds(plan, splits)
    one = folds[folds[CONFIGURATION] == folds[CONFIGURATION].iloc[0]]
    same = pd.concat(
        [one.assign(**{CONFIGURATION: name}) for name in plan[CONFIGURATION].unique()], ignore_index=True
    )
    board = evaluated(splits, plan, made_scores(plan, splits), same).leaderboard
    assert board["rank"].tolist() == [1] * 4
    assert board[CONFIGURATION].tolist() == plan[CONFIGURATION].drop_duplicates().tolist()


def test_a_unit_that_training_clips_cannot_be_gathered_into_leaves_it_to_validation():
    splits, plan = season(), made_plan()
    splits.loc[splits.index[splits.split == "train"][0], "night"] = np.nan
    options = EvaluationOptions(n_draws=100, unit="night")
    validation = pd.DataFrame({"auroc": [0.9], "f1": [0.8]})
    choice = choice_of(plan, scored_folds(plan, splits), splits, validation, options)
    assert choice.by == "validation"
    assert choice.reasons == ("night is unknown of training clips, which a night needs",)


def test_folds_whose_units_are_of_one_class_choose_no_threshold():
    """Every training night holds the target, so that no threshold of nights can be chosen."""
    splits = season()
    options = EvaluationOptions(n_draws=100, unit="night")
    values, problem = cross_validated(
        scored_folds(made_plan(), splits), splits, folds_of(splits, "sites"), options
    )
    assert not problem and values[list(CV_COLUMNS)].isna().all(axis=None)


def test_the_order_of_rows_changes_nothing():
    splits, plan = season(), made_plan()
    folds = scored_folds(plan, splits)
    one = choice_of(plan, folds, splits, None, OPTIONS)
    other = choice_of(
        plan, folds.sample(frac=1, random_state=1), splits.sample(frac=1, random_state=2), None, OPTIONS
    )
    pd.testing.assert_frame_equal(one.values, other.values)


@pytest.mark.simulation
def test_a_choice_by_folds_is_not_flattered_as_one_by_the_test_is():
    found = chosen(40)
    flattered = found.test - found.truth
    assert flattered["test"] > 0.08
    assert abs(flattered["sites"]) < 0.05


@pytest.mark.slow
def test_a_choice_by_folds_is_as_good_as_one_by_the_test_in_many_studies():
    found = chosen(400)
    flattered = found.test - found.truth
    assert flattered["test"] > 0.1 and abs(flattered["sites"]) < 0.02 and abs(flattered["nights"]) < 0.02
    assert found.truth["sites"] > found.truth["test"] - 0.005
    assert found.truth["sites"] > found.truth["validation"]
