import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from vernal.evaluation import calibration

UNITS = st.lists(st.tuples(st.floats(-20, 20), st.booleans()), min_size=4, max_size=60).filter(
    lambda units: len({truth for _, truth in units}) == 2
)


def season(n=4000, slope=0.5, offset=-1.0, seed=0):
    """Logits of a detector that is too sure of itself: the true log odds are `slope * logit + offset`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, n)
    return logits, rng.random(n) < calibration.sigmoid(slope * logits + offset)


def test_platt_finds_the_line_that_made_the_labels():
    fitted = calibration.fit(*season(20_000), "platt")
    assert (fitted.slope, fitted.offset) == pytest.approx((0.5, -1.0), abs=0.05)


def test_platt_is_logistic_regression_on_softened_labels():
    logits, truth = season(300)
    fitted = calibration.fit(logits, truth, "platt")
    n_positive, n_negative = truth.sum(), (~truth).sum()
    target = np.where(truth, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    twice = np.r_[logits, logits][:, None]
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(
        twice, np.r_[np.ones(300), np.zeros(300)], sample_weight=np.r_[target, 1 - target]
    )
    assert (fitted.slope, fitted.offset) == pytest.approx((model.coef_[0, 0], model.intercept_[0]), abs=1e-4)


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_calibrating_on_one_half_mends_the_other(method):
    fitted = calibration.fit(*season(seed=1), method)
    logits, truth = season(seed=2)
    before = calibration.calibration_errors(calibration.sigmoid(logits), truth)
    after = calibration.calibration_errors(fitted(logits), truth)
    assert after["ece"] < 0.03 < before["ece"] and after["brier"] < before["brier"]


@given(UNITS, st.sampled_from(calibration.METHODS))
def test_probabilities_are_in_range_and_never_fall_as_the_logit_rises(units, method):
    logits, truth = (np.array(part) for part in zip(*units, strict=True))
    fitted = calibration.fit(logits, truth, method)
    values = fitted(np.linspace(-50, 50, 101))
    assert ((values >= 0) & (values <= 1)).all() and (np.diff(values) >= -1e-12).all()


def test_separable_scores_give_a_finite_line():
    fitted = calibration.fit([-1.0, -2.0, 1.0, 2.0], np.array([False, False, True, True]), "platt")
    assert np.isfinite([fitted.slope, fitted.offset]).all() and fitted(3.0) < 1


def test_scores_that_rank_backwards_give_no_information():
    fitted = calibration.fit([2.0, 1.0, -1.0, -2.0], np.array([False, False, True, True]), "platt")
    assert fitted.slope == 0 and fitted(5.0) == fitted(-5.0) == pytest.approx(0.5)


def test_equal_scores_give_the_share_of_positives():
    fitted = calibration.fit(np.zeros(98), np.arange(98) < 24, "platt")
    assert fitted(0.0) == pytest.approx(25 / 100, abs=0.01)


def test_one_class_cannot_be_calibrated():
    with pytest.raises(ValueError, match="both classes; 2 of 2 units are positive"):
        calibration.fit([1.0, 2.0], np.array([True, True]))
    with pytest.raises(ValueError, match="method is 'plat'"):
        calibration.fit([1.0, 2.0], np.array([True, False]), "plat")


def test_reliability_in_bins_of_equal_count():
    table = calibration.reliability(np.arange(100) / 100, np.arange(100) % 2 == 0, 10)
    assert table.n.tolist() == [10] * 10 and (table.observed == 0.5).all()
    assert table.mean_probability.round(3).tolist()[:2] == [0.045, 0.145]


def test_equal_probabilities_stay_in_one_bin():
    table = calibration.reliability([0.2] * 50 + [0.9] * 2, np.array([True] * 26 + [False] * 26), 10)
    assert table.n.tolist() == [50, 2]
    assert len(calibration.reliability([], np.array([], dtype=bool))) == 0


@given(UNITS)
def test_bins_hold_every_unit_once(units):
    logits, truth = (np.array(part) for part in zip(*units, strict=True))
    probability = calibration.sigmoid(logits)
    table = calibration.reliability(probability, truth, 5)
    assert table.n.sum() == len(units) and len(table) <= 5
    assert (table.observed * table.n).sum() == pytest.approx(truth.sum())
    assert (table.mean_probability * table.n).sum() == pytest.approx(probability.sum())


def test_errors_of_a_coin_that_is_called_right():
    assert calibration.calibration_errors([0.5, 0.5], np.array([True, False])) == {"brier": 0.25, "ece": 0.0}
    assert calibration.calibration_errors([1.0, 0.0], np.array([False, True])) == {"brier": 1.0, "ece": 1.0}
