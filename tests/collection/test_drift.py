"""Drift that was put in is found with its size; where there is none, alarms stay at their rate."""

import numpy as np
import pandas as pd
import pytest

from vernal.collection.drift import DriftOptions, holm, level_shifts, mean_distance, measure_drift


def seasons(seed, shift=0.0, n_nights=10, a_night=6, n_dims=5, n_recorders=2, between=0.4):
    """Two seasons of nights at recorders that differ from each other much more than the seasons do."""
    rng = np.random.default_rng(seed)
    rows, xs = [], []
    place = 2 * rng.standard_normal((n_recorders, n_dims))
    for recorder in range(n_recorders):
        for season in ("2024", "2025"):
            for night in range(n_nights):
                centre = place[recorder] + between * rng.standard_normal(n_dims)
                centre[0] += shift * (season == "2025")
                xs.append(centre + rng.standard_normal((a_night, n_dims)))
                rows += [
                    {"season": season, "night": f"{recorder} {season} {night}", "stratum": f"R{recorder}"}
                ] * a_night
    return np.concatenate(xs), pd.DataFrame(rows)


def test_no_drift_raises_no_more_alarms_than_promised():
    alarms = sum(
        measure_drift(*seasons(seed), DriftOptions(n_permutations=199, seed=seed)).verdict[0] == "drift"
        for seed in range(100)
    )
    assert alarms <= 11


def test_another_mix_of_sites_is_no_drift():
    """The second season has three times as many nights at the second recorder."""
    alarms = 0
    for seed in range(30):
        x, nights = seasons(seed, n_nights=12)
        number = nights.night.str.split().str[2].astype(int)
        kept = np.where(
            nights.stratum == "R0",
            number < np.where(nights.season == "2025", 4, 12),
            number < np.where(nights.season == "2024", 4, 12),
        )
        alarms += (
            measure_drift(x[kept], nights[kept], DriftOptions(n_permutations=199, seed=seed)).verdict[0]
            == "drift"
        )
    assert alarms <= 5


def test_planted_drift_is_found():
    found = sum(
        measure_drift(*seasons(seed, shift=1.0), DriftOptions(n_permutations=199)).verdict[0] == "drift"
        for seed in range(20)
    )
    assert found >= 19


@pytest.mark.parametrize("shift", [0.8, 2.0])
def test_its_size_lies_in_the_interval(shift):
    inside = 0
    for seed in range(60):
        x, nights = seasons(seed, shift, n_recorders=1)
        names, code = np.unique(nights.night, return_inverse=True)
        is_second = np.array(["2025" in name for name in names])
        spread = np.sqrt(x.shape[1] * (1 + 0.4**2))
        distance, low, high = mean_distance(x, code, is_second, 0.95)
        inside += low <= shift / spread <= high
        assert low <= distance <= high
    assert inside >= 52


def test_a_large_distance_is_a_part_of_the_spread_within_seasons():
    x, nights = seasons(0, 6.0, n_nights=60, n_recorders=1)
    _, code = np.unique(nights.night, return_inverse=True)
    is_second = np.array(["2025" in name for name in np.unique(nights.night)])
    distance, low, high = mean_distance(x, code, is_second, 0.95)
    assert distance == pytest.approx(6.0 / np.sqrt(5 * (1 + 0.4**2)), rel=0.05) and high - low < 0.3


def test_few_nights_cannot_show_anything():
    x, nights = seasons(0, shift=5.0, n_nights=1, n_recorders=1)
    row = measure_drift(x, nights, DriftOptions())
    assert row.verdict.tolist() == ["cannot be shown"] and np.isnan(row.p_value[0])


def test_seasons_that_share_no_recorder_are_not_compared():
    x, nights = seasons(0, n_recorders=2)
    apart = nights.season.eq("2024") == nights.stratum.eq("R0")
    assert len(measure_drift(x[apart], nights[apart], DriftOptions())) == 0


def test_three_seasons_are_corrected_for_their_number():
    x, nights = seasons(1)
    third_x, third = seasons(2)
    nights = pd.concat(
        [nights, third[third.season == "2025"].assign(season="2026", night=lambda t: "x" + t.night)]
    )
    table = measure_drift(
        np.concatenate([x, third_x[third.season == "2025"]]), nights, DriftOptions(n_permutations=199)
    )
    assert len(table) == 3 and (table.adjusted_p >= table.p_value).all()
    assert holm(np.array([0.04, np.nan, 0.01])).tolist() == pytest.approx([0.04, np.nan, 0.02], nan_ok=True)


def test_order_of_clips_changes_nothing():
    x, nights = seasons(4, 0.5)
    order = np.random.default_rng(0).permutation(len(x))
    first = measure_drift(x, nights, DriftOptions(n_permutations=199))
    second = measure_drift(
        x[order], nights.iloc[order].reset_index(drop=True), DriftOptions(n_permutations=199)
    )
    pd.testing.assert_frame_equal(first, second)


def test_a_planted_change_of_level_is_measured_in_decibels():
    inside = 0
    for seed in range(80):
        rng = np.random.default_rng(seed)
        rows = []
        for recorder in range(3):
            for season in ("2024", "2025"):
                for night in range(5):
                    loud = -50 + 4 * recorder + 1.5 * rng.standard_normal()
                    rows += [
                        (
                            season,
                            f"{recorder}{season}{night}",
                            f"R{recorder}",
                            loud + 5 * (season == "2025") + rng.standard_normal(),
                            np.nan,
                        )
                        for _ in range(3)
                    ]
        levels = pd.DataFrame(rows, columns=["season", "night", "stratum", "4 kHz", "16 kHz"])
        shift = level_shifts(levels, "2024", "2025", 0.9)
        assert shift.band.tolist() == ["4 kHz"]
        inside += shift.low[0] <= 5 <= shift.high[0]
    assert 64 <= inside <= 79


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match=r"collection\.drift"):
        DriftOptions(n_permutations=5)
