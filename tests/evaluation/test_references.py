"""What the reference of each run reaches, and by how much more than the run, stands beside the run."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from tests.small_stage import csv_text, made_scores, made_stage
from vernal.evaluation.evaluate import EvaluationOptions, evaluate_stage
from vernal.evaluation.references import is_under_trained

OPTIONS = EvaluationOptions(n_draws=400)
COLUMNS = ("reference_f1", "reference_auroc", "reference_average_precision")


def stage_with(gain: float, seed: int = 0):
    """A stage of weak points, whose references separate the classes by `gain`; two points share a training."""
    plan, _, splits, counts = made_stage(seed=seed)
    plan = plan.assign(fit_hash=[f"fit{at // 2}" for at in range(len(plan))])
    fits = plan.drop_duplicates("fit_hash")
    references = made_scores(fits, splits, gain=gain, seed=9).rename(columns={"point": "fit_hash"})
    references["fit_hash"] = references.fit_hash.map(fits.set_index("point").fit_hash)
    return plan, made_scores(plan, splits, gain=1.0), splits, counts, references


def evaluated(gain: float, seed: int = 0):
    plan, scores, splits, counts, references = stage_with(gain, seed)
    return evaluate_stage(plan, scores, splits, counts, OPTIONS, reference_scores=references).points


def test_the_reference_of_a_points_training_is_measured_on_every_split():
    plan, _, _, _, references = stage_with(3.0)
    points = evaluated(3.0)
    for at in (0, 1, 5):
        own = references[references.fit_hash == plan.fit_hash[at]]
        for split in ("val", "test_iid", "test_ood"):
            part = own[own.split == split]
            row = points.iloc[at]
            auroc = roc_auc_score(part.is_positive, part.logit)
            precise = average_precision_score(part.is_positive, part.logit)
            assert row[f"{split}_reference_auroc"] == pytest.approx(auroc, abs=1e-6)
            assert row[f"{split}_reference_average_precision"] == pytest.approx(precise, abs=1e-6)
    # Chosen on validation, as the points' own thresholds are.
    assert (points.val_reference_f1 >= points.val_all_positive_f1).all()


def test_a_reference_that_is_surely_better_marks_its_points():
    points = evaluated(3.0)
    gain = points.test_ood_reference_average_precision - points.test_ood_average_precision
    assert points.test_ood_reference_gain.tolist() == pytest.approx(gain.tolist(), abs=2e-6)
    assert (points.test_ood_reference_gain_low > 0).all()
    assert is_under_trained(points, "test_ood").all()
    assert not any(name.startswith(("val_reference_gain", "test_iid_reference_gain")) for name in points)


def test_a_reference_that_is_no_better_marks_none():
    points = evaluated(0.5)
    assert (points.test_ood_reference_gain < 0).all() and points.test_ood_reference_gain_low.isna().all()
    assert not is_under_trained(points, "test_ood").any()


@pytest.mark.simulation  # a minute
@pytest.mark.parametrize("n_studies", [60])
def test_equals_are_seldom_marked(n_studies: int):
    """Points and references of one kind: beyond the interval, one-sided, no more than some 2.5 % can be."""
    marked = [is_under_trained(evaluated(1.0, seed), "test_ood").mean() for seed in range(n_studies)]
    assert np.mean(marked) < 0.06


def test_points_that_still_improved_are_marked_whatever_the_reference_says():
    points = pd.DataFrame(
        {"is_still_improving": [True, False, None], "test_ood_reference_gain_low": [np.nan] * 3}
    )
    assert is_under_trained(points, "test_ood").tolist() == [True, False, False]
    assert not is_under_trained(pd.DataFrame({"point": ["a"]}), "test_ood").any()


def test_without_references_the_tables_are_as_ever():
    plan, scores, splits, counts, references = stage_with(1.0)
    without = evaluate_stage(plan, scores, splits, counts, OPTIONS)
    nothing = evaluate_stage(plan, scores, splits, counts, OPTIONS, reference_scores=references.iloc[:0])
    assert csv_text(without.points) == csv_text(nothing.points)
    assert not [name for name in without.points if "reference" in name]


def test_a_point_whose_reference_was_not_solved_has_none():
    plan, scores, splits, counts, references = stage_with(3.0)
    some = references[references.fit_hash != "fit1"]
    points = evaluate_stage(plan, scores, splits, counts, OPTIONS, reference_scores=some).points
    assert points.loc[plan.fit_hash == "fit1", [f"test_ood_{name}" for name in COLUMNS]].isna().all(axis=None)
    assert points.loc[plan.fit_hash != "fit1", "test_ood_reference_gain"].notna().all()
