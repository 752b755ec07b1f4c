"""Drift that was put in is found with its size; where there is none, alarms stay at their rate."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests import simulated_seasons
from vernal.collection.drift import (
    MOST_ALIKE,
    DriftOptions,
    blocks_of_dates,
    holm,
    level_shifts,
    measure_drift,
)  # fmt: skip

# Nights that do not resemble each other, and recorders that share no weather.
NIGHTS_APART = DriftOptions(n_permutations=199, block_days=1)


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
                # Each recorder has dates of its own.
                date = str(np.datetime64(f"{season}-04-01") + recorder * n_nights + night)
                where = {"season": season, "date": date, "stratum": f"R{recorder}"}
                rows += [{**where, "night": f"{recorder} {season} {night}"}] * a_night
    return np.concatenate(xs), pd.DataFrame(rows)


@pytest.mark.simulation
def test_no_drift_raises_no_more_alarms_than_promised():
    alarms = sum(
        measure_drift(*seasons(seed), replace(NIGHTS_APART, seed=seed)).verdict[0] == "drift"
        for seed in range(100)
    )
    assert alarms <= 11


@pytest.mark.simulation
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
        alarms += measure_drift(x[kept], nights[kept], replace(NIGHTS_APART, seed=seed)).verdict[0] == "drift"
    assert alarms <= 5


def test_planted_drift_is_found():
    found = sum(
        measure_drift(*seasons(seed, shift=1.0), NIGHTS_APART).verdict[0] == "drift" for seed in range(20)
    )
    assert found >= 19


def distance_of(table):
    return table[["distance", "distance_low", "distance_high"]].to_numpy(dtype=float)[0]


@pytest.mark.simulation
@pytest.mark.parametrize("shift", [0.8, 2.0])
def test_its_size_lies_in_the_interval(shift):
    inside = 0
    for seed in range(60):
        x, nights = seasons(seed, shift, n_recorders=1)
        spread = np.sqrt(x.shape[1] * (1 + 0.4**2))
        distance, low, high = distance_of(measure_drift(x, nights, NIGHTS_APART))
        inside += low <= shift / spread <= high
        assert low <= distance <= high
    assert inside >= 52


def test_a_large_distance_is_a_part_of_the_spread_within_seasons():
    x, nights = seasons(0, 6.0, n_nights=60, n_recorders=1)
    distance, low, high = distance_of(measure_drift(x, nights, NIGHTS_APART))
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
    table = measure_drift(np.concatenate([x, third_x[third.season == "2025"]]), nights, NIGHTS_APART)
    assert len(table) == 3 and (table.adjusted_p >= table.p_value).all()
    assert holm(np.array([0.04, np.nan, 0.01])).tolist() == pytest.approx([0.04, np.nan, 0.02], nan_ok=True)


def test_order_of_clips_changes_nothing():
    x, nights = seasons(4, 0.5)
    order = np.random.default_rng(0).permutation(len(x))
    first = measure_drift(x, nights, NIGHTS_APART)
    second = measure_drift(x[order], nights.iloc[order].reset_index(drop=True), NIGHTS_APART)
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
                            f"{season}-04-{5 * recorder + night + 1:02d}",
                            f"R{recorder}",
                            loud + 5 * (season == "2025") + rng.standard_normal(),
                            np.nan,
                        )
                        for _ in range(3)
                    ]
        levels = pd.DataFrame(rows, columns=["season", "night", "date", "stratum", "4 kHz", "16 kHz"])
        shift = level_shifts(levels, "2024", "2025", DriftOptions(level=0.9, block_days=1))
        assert shift.band.tolist() == ["4 kHz"]
        inside += shift.low[0] <= 5 <= shift.high[0]
    assert 64 <= inside <= 79


@pytest.mark.simulation
def test_weather_that_recorders_share_is_no_drift():
    """Nights of several recorders dealt apart gave 62 % false alarms; nights that resemble each other, over 90 %."""
    assert simulated_seasons.alarms(4, 28, 0.0, 0.0, n_studies=60) <= 0.13
    assert simulated_seasons.alarms(4, 28, 0.5, 0.0, n_studies=60) <= 0.25


@pytest.mark.simulation
def test_weather_that_outlasts_a_block_is_not_called_drift():
    """Half of such pairs of seasons were called different."""
    assert simulated_seasons.alarms(4, 28, 0.9, 0.0, n_studies=60) <= 0.2
    x, nights = simulated_seasons.seasons(4, 56, 0.9, 8.0, np.random.default_rng(0))
    row = measure_drift(x, nights, DriftOptions(n_permutations=199)).iloc[0]
    assert row.adjusted_p <= 0.05 and row.block_correlation > MOST_ALIKE and row.verdict == "cannot be shown"


@pytest.mark.simulation
def test_drift_is_still_found_where_recorders_share_the_weather():
    assert simulated_seasons.alarms(4, 56, 0.5, 1.0, n_studies=20) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize(("n_recorders", "n_nights"), simulated_seasons.DESIGNS)
def test_false_alarms_stay_near_their_rate_in_many_studies(n_recorders, n_nights):
    assert simulated_seasons.alarms(n_recorders, n_nights, 0.0, 0.0, n_studies=300) <= 0.09
    assert simulated_seasons.alarms(n_recorders, n_nights, 0.5, 0.0, n_studies=300) <= 0.17
    assert simulated_seasons.alarms(n_recorders, n_nights, 0.9, 0.0, n_studies=300) <= 0.25


def test_a_shift_of_level_allows_for_weather_that_recorders_share():
    inside = 0
    for seed in range(80):
        rng = np.random.default_rng(seed)
        weather = rng.normal(0, 2, (2, 20))
        rows = [
            (season, f"{recorder} {season} {night}", f"{season}-04-{night + 1:02d}", f"R{recorder}",
             -50 + 5 * at + weather[at, night] + rng.normal(0, 0.5))
            for recorder in range(6) for at, season in enumerate(("2024", "2025")) for night in range(20)
        ]  # fmt: skip
        levels = pd.DataFrame(rows, columns=["season", "night", "date", "stratum", "4 kHz"])
        shift = level_shifts(levels, "2024", "2025", DriftOptions(level=0.9, block_days=1))
        inside += shift.low[0] <= 5 <= shift.high[0]
    assert 64 <= inside <= 79


def test_blocks_hold_all_recorders_of_consecutive_dates():
    dates = pd.Series([f"2025-04-{day:02d}" for day in (1, 6, 7, 8, 13, 20, 21)] + ["2026-04-01"])
    season = dates.str.slice(0, 4)
    blocks = blocks_of_dates(dates, season, 7)
    assert blocks.tolist() == ["2025 0"] * 3 + ["2025 1"] * 2 + ["2025 2"] * 2 + ["2026 0"]


def test_two_against_two_blocks_can_show_nothing():
    """Six deals, of which each and its opposite say the same: no p-value of 0.05 can come of them."""
    x, nights = seasons(0, shift=5.0, n_nights=14, n_recorders=1)
    row = measure_drift(x, nights, DriftOptions()).iloc[0]
    assert (row.n_blocks_first, row.n_blocks_second, row.verdict) == (2, 2, "cannot be shown")


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match=r"collection\.drift"):
        DriftOptions(n_permutations=5)
