"""Exact intervals: what a count still fits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vernal.evaluation.proportions import exact_interval


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_each_end_leaves_the_count_at_one_in_twenty(counted):
    count, total = counted
    low, high = exact_interval(count, total)
    assert low <= count / total <= high
    if count:
        assert stats.binom.sf(count - 1, total, low) == pytest.approx(0.05, abs=1e-6)
    if count < total:
        assert stats.binom.cdf(count, total, high) == pytest.approx(0.05, abs=1e-6)


def test_where_nothing_was_counted_nothing_is_known():
    assert np.isnan(exact_interval(0, 0)).all()
    assert exact_interval(0, 3) == pytest.approx((0, 1 - 0.05 ** (1 / 3)))
