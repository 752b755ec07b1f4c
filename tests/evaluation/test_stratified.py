"""Intervals of stratified shares against a search over a fine grid, and at the ends of the range."""

import numpy as np
import pytest

from vernal.evaluation.stratified import Strata, critical, ratio_interval, sum_interval

GRID = np.linspace(0.0005, 0.9995, 1_500)
ENOUGH = critical(0.95)


def strata(*rows: tuple[float, float, float], error: float = 0.0) -> Strata:
    size, n, k = np.array(rows, dtype=float).T
    return Strata(size, n, k, error)


def by_grid(rows, value, error: float = 0.0) -> tuple[float, float]:
    """The lowest and highest value of two strata's shares that are likely enough, by trying all."""
    seen = error + (1 - 2 * error) * GRID
    (_, n, k), (_, m, j) = rows
    first, second = (hits * np.log(seen) + (of - hits) * np.log1p(-seen) for of, hits in ((n, k), (m, j)))
    lost = 2 * (first.max() + second.max() - first[:, None] - second[None])
    values = value(GRID[:, None], GRID[None])[lost < ENOUGH]
    return values.min(), values.max()


@pytest.mark.parametrize("error", [0.0, 0.05])
@pytest.mark.parametrize(
    "rows", [((1e8, 20, 18), (1e9, 20, 2)), ((1e8, 12, 12), (1e9, 30, 0)), ((1e8, 5, 3), (1e9, 9, 9))]
)
def test_sums_and_ratios_are_those_of_a_search_over_all_shares(rows, error):
    made = strata(*rows, error=error)
    ends = sum_interval(made, np.array([0.3, 0.7]), ENOUGH)
    assert np.array(ends) == pytest.approx(by_grid(rows, lambda p, q: 0.3 * p + 0.7 * q, error), abs=2e-3)
    ends = ratio_interval(made, np.array([0.3, 0.0]), np.array([0.3, 0.7]), ENOUGH)
    expected = by_grid(rows, lambda p, q: 0.3 * p / (0.3 * p + 0.7 * q), error)
    assert np.array(ends) == pytest.approx(expected, abs=5e-3)


def test_all_right_is_not_surely_all_right():
    low, high = sum_interval(strata((1e9, 22, 22)), np.array([1.0]), 2 * np.log(10))
    assert (low, high) == (pytest.approx(0.1 ** (1 / 22), abs=1e-4), 1.0), (
        "Clopper-Pearson where all is right"
    )


def test_what_was_checked_whole_is_known_and_what_was_not_checked_is_not():
    low, high = sum_interval(strata((30, 30, 3)), np.array([1.0]), ENOUGH)
    assert (low, high) == (pytest.approx(0.1, abs=1e-3),) * 2
    assert np.array(sum_interval(strata((30, 0, 0)), np.array([1.0]), ENOUGH)).tolist() == [0, 1]
    few = np.diff(sum_interval(strata((40, 30, 15)), np.array([1.0]), ENOUGH))
    assert 0 < few < np.diff(sum_interval(strata((1e9, 30, 15)), np.array([1.0]), ENOUGH)) / 1.5


def test_rows_are_computed_as_each_alone():
    many = Strata(
        *(np.array([[1e6, 1e6], [1e6, 1e6]]), np.array([[9.0, 9], [20, 4]]), np.array([[3.0, 9], [0, 4]]))
    )
    weights = np.array([[0.5, 0.5], [0.9, 0.1]])
    both = np.array(sum_interval(many, weights, ENOUGH))
    for at in range(2):
        one = Strata(many.size[at], many.n[at], many.k[at])
        assert both[:, at] == pytest.approx(np.array(sum_interval(one, weights[at], ENOUGH)))


def test_errors_of_the_reviewer_are_taken_out():
    made = strata((1e9, 100, 86), (1e9, 100, 5), error=0.05)
    assert made.shares == pytest.approx([0.9, 0.0])
