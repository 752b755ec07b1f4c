import numpy as np
import pytest
from sklearn.metrics import roc_curve

from vernal.evaluation import bootstrap, curves, metrics


@pytest.fixture
def season():
    rng = np.random.default_rng(0)
    code = np.repeat(np.arange(12), 30)
    truth = rng.random(360) < 0.4
    return rng.normal(size=360) + truth * 1.5, truth, code, bootstrap.draw_counts(1, "test", 12, 100)


def test_a_thinned_curve_keeps_its_ends_and_its_best_threshold(season):
    scores, truth, _, _ = season
    whole, thin = metrics.threshold_counts(scores, truth), curves.thinned(scores, truth, 20)
    assert len(thin) <= 21 and thin.f1.max() == whole.f1.max()
    assert thin.threshold_logit.iloc[[0, -1]].tolist() == [scores.max(), scores.min()]
    assert len(curves.thinned(scores, truth, 1000)) == len(whole)
    assert len(curves.thinned(scores[~truth], truth[~truth], 5)) == 5


def test_the_curves_are_those_of_the_definitions(season):
    scores, truth, code, counts = season
    table = curves.bands(scores, truth, code, counts)
    roc = table[table.curve == "roc"]
    fpr, tpr, _ = roc_curve(truth, scores, drop_intermediate=False)
    expected = [tpr[fpr <= x + 1e-12].max() for x in roc.x]
    assert roc.y.to_numpy() == pytest.approx(expected)
    whole = metrics.threshold_counts(scores, truth)
    pr = table[table.curve == "precision_recall"]
    assert pr.y.to_numpy() == pytest.approx([whole.precision[whole.recall >= x - 1e-12].max() for x in pr.x])


def test_bands_hold_the_curve_nearly_everywhere(season):
    table = curves.bands(*season)
    assert (table.low <= table.high).all()
    assert ((table.low <= table.y) & (table.y <= table.high)).mean() > 0.9


def test_one_class_has_no_curve():
    table = curves.bands(np.ones(4), np.ones(4, bool), np.arange(4), np.ones((5, 4)))
    assert table.empty and list(table.columns) == ["curve", "x", "y", "low", "high"]
