"""How much neighbouring blocks of nights resemble each other is known where it was put in."""

import numpy as np
import pandas as pd
import pytest

from tests import simulated_seasons
from vernal.collection.persistence import block_correlation


def correlations(n_recorders, n_nights, persistence, n_studies=20):
    rng = np.random.default_rng(n_nights)
    made = [simulated_seasons.seasons(n_recorders, n_nights, persistence, 0.0, rng) for _ in range(n_studies)]
    return np.array([block_correlation(*one, 7) for one in made])


def test_nights_that_do_not_resemble_each_other_give_blocks_that_do_not():
    assert np.median(correlations(4, 56, 0.0)) < 0.1


def test_weather_that_outlasts_a_block_is_seen():
    """A night's correlation of 0.9 with the next makes weeks correlate by 0.5 to 0.6."""
    assert 0.4 < np.median(correlations(4, 56, 0.9)) < 0.75


def test_a_lasting_difference_of_recorders_or_seasons_is_none_of_nights():
    rng = np.random.default_rng(0)
    x, nights = simulated_seasons.seasons(4, 56, 0.0, 50.0, rng)
    x = x + 50 * pd.factorize(nights.stratum)[0][:, None]
    assert block_correlation(x, nights, 7) == pytest.approx(block_correlation(
        *simulated_seasons.seasons(4, 56, 0.0, 0.0, np.random.default_rng(0)), 7), abs=1e-6)  # fmt: skip


def test_two_nights_tell_nothing():
    nights = pd.DataFrame({"season": "2025", "stratum": "R0", "date": ["2025-04-01", "2025-04-02"]})
    assert block_correlation(np.eye(2), nights, 7) == 0.0


def test_equal_nights_have_no_correlation():
    dates = pd.date_range("2025-04-01", periods=20).strftime("%Y-%m-%d")
    nights = pd.DataFrame({"season": "2025", "stratum": "R0", "date": dates})
    assert block_correlation(np.ones((20, 3)), nights, 7) == 0.0
