"""Learning curves are nested by nights, and extrapolations cover what really comes."""

import numpy as np
import pandas as pd
import pytest

from tests import simulated_collections
from vernal.collection.learning_curve import (
    LearningCurveOptions,
    extrapolate,
    fit_power_law,
    measure_curve,
    predict,
)

FRACTIONS = [0.1, 0.2, 0.4, 0.7, 1.0]


def collection(seed, n_nights=40, a_night=8, n_dims=12):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_nights), a_night)
    y = rng.random(len(groups)) < 0.35
    x = rng.standard_normal((len(groups), n_dims)) + 0.3 * rng.standard_normal((n_nights, n_dims))[groups]
    x[:, 0] += 1.6 * y
    return x, y, np.array([f"night {g:03d}" for g in groups])


def test_larger_parts_contain_smaller_ones_and_held_out_nights_stay_out(monkeypatch):
    x, y, groups = collection(0)
    seen = []
    from vernal.collection import learning_curve as module

    def spy(x_train, y_train, x_test):
        seen.append(({tuple(row) for row in x_train}, {tuple(row) for row in x_test}))
        return np.linspace(0, 1, len(x_test))

    monkeypatch.setattr(module, "probabilities", spy)
    curve = measure_curve(x, y, groups, "RADR", LearningCurveOptions(FRACTIONS, n_replicates=3))
    night_of = {tuple(row): group for row, group in zip(x, groups, strict=True)}
    assert len(curve) == 15
    for number, (train, test) in enumerate(seen):
        assert not {night_of[row] for row in train} & {night_of[row] for row in test}
        if number % 5:
            assert seen[number - 1][0] < train and seen[number - 1][1] == test


def test_the_curve_does_not_depend_on_the_order_of_clips():
    x, y, groups = collection(1)
    order = np.random.default_rng(0).permutation(len(y))
    options = LearningCurveOptions(FRACTIONS, n_replicates=3)
    first, second = (
        measure_curve(x, y, groups, "a", options),
        measure_curve(x[order], y[order], groups[order], "a", options),
    )
    pd.testing.assert_frame_equal(first.drop(columns="score"), second.drop(columns="score"))
    np.testing.assert_allclose(first.score, second.score, atol=2e-3)


def test_a_power_law_without_noise_is_found_again():
    n = np.array([20.0, 40, 80, 160, 320])
    fit = fit_power_law(n, 0.1 + 0.9 * n**-0.5, np.ones((1, 5)))
    assert predict(fit, 640.0)[0] == pytest.approx(1 - 0.1 - 0.9 * 640**-0.5, abs=0.003)
    assert fit[0, 0] == pytest.approx(0.1, abs=0.01)


def test_a_flat_curve_promises_nothing_and_a_rising_error_too():
    n = np.array([20.0, 40, 80, 160])
    for error in (np.full(4, 0.3), np.array([0.1, 0.2, 0.3, 0.4])):
        fit = fit_power_law(n, error, np.ones((1, 4)))
        assert predict(fit, 1e6)[0] - predict(fit, 160.0)[0] == pytest.approx(0, abs=1e-9)


def test_the_expected_gain_covers_the_true_one():
    """Curves whose law is known: the interval of the gain holds it at about its rate."""
    inside = 0
    sizes = np.array([20, 40, 80, 140, 200])
    truth = 0.9 * (200.0**-0.5 - 300.0**-0.5)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rows = []
        for replicate in range(12):
            offset = 0.02 * rng.standard_normal()
            errors = 0.1 + 0.9 * sizes**-0.5 + offset + 0.01 * rng.standard_normal(5)
            rows += [("a", replicate, 1.0, 1, n, 1, 1 - e) for n, e in zip(sizes, errors, strict=True)]
        curve = pd.DataFrame(
            rows, columns=["label", "replicate", "fraction", "n_groups", "n_clips", "n_positive", "score"]
        )
        row, *_ = extrapolate(curve, 200, LearningCurveOptions(FRACTIONS, seed=seed))
        inside += row["gain_low"] <= truth <= row["gain_high"]
    assert inside >= 47


def made_curve(n_replicates, seed=0):
    """Replicates whose curves differ in height and in gain."""
    rng = np.random.default_rng(seed)
    sizes = np.array([20, 40, 80, 140, 200])
    rows = [
        ("a", replicate, 1.0, 1, n, 1, 0.9 - (0.9 + rng.normal(0, 0.2)) * n**-0.5)
        for replicate in range(n_replicates)
        for n in sizes
    ]
    names = ["label", "replicate", "fraction", "n_groups", "n_clips", "n_positive", "score"]
    return pd.DataFrame(rows, columns=names)


def test_dealing_the_same_nights_more_often_makes_nobody_sure():
    """As if deals were independent collections, sixteen times as many would quarter the interval."""
    widths = []
    for n_replicates in (12, 192):
        row, *_ = extrapolate(made_curve(n_replicates), 200, LearningCurveOptions(FRACTIONS))
        assert row["gain_low"] < row["gain"] < row["gain_high"]
        widths.append(row["gain_high"] - row["gain_low"])
    assert widths[1] > 0.6 * widths[0]


def test_no_limit_is_told_that_lies_far_outside_of_what_was_measured():
    row, *_ = extrapolate(made_curve(12), 200, LearningCurveOptions(FRACTIONS))
    assert not [name for name in row if "limit" in name]


@pytest.mark.slow
@pytest.mark.parametrize("design", simulated_collections.DESIGNS)
def test_intervals_cover_the_expected_gain_in_many_collections(design):
    found = simulated_collections.coverage(design, n_studies=300)
    assert found["gain"] >= 0.82 and found["score"] >= 0.78, found


@pytest.mark.simulation
def test_more_clips_are_really_worth_what_was_promised():
    """The curve of a small collection, extrapolated, against models trained on a larger one of the same kind."""
    x, y, groups = collection(3, n_nights=200)
    small = np.isin(groups, sorted(set(groups))[:40])
    options = LearningCurveOptions(FRACTIONS, n_replicates=10, metric="auroc", more=400)
    curve = measure_curve(x[small], y[small], groups[small], "a", options)
    row, sizes, band = extrapolate(curve, int(small.sum()), options)
    large = measure_curve(x, y, groups, "a", LearningCurveOptions([0.5], n_replicates=6, metric="auroc"))
    assert large.score.mean() == pytest.approx(row["score_more"], abs=0.03)
    assert (band[1] <= band[2]).all() and len(sizes) == band.shape[1]


def test_too_little_to_say_is_said():
    x, y, groups = collection(0, n_nights=3, a_night=2)
    options = LearningCurveOptions(FRACTIONS)
    row, _, band = extrapolate(measure_curve(x, y, groups, "a", options), 6, options)
    assert np.isnan(row["gain"]) and np.isnan(band).all()


@pytest.mark.parametrize(
    "settings",
    [
        {"fractions": []},
        {"fractions": [0]},
        {"fractions": [1], "metric": "f1"},
        {"fractions": [1], "n_replicates": 1},
    ],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match=r"collection\.learning_curve"):
        LearningCurveOptions(**settings)
