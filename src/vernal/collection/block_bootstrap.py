"""Intervals of any statistic of clips, bootstrapped over whole blocks (recordings or nights)."""

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vernal.evaluation.bootstrap import MIN_BLOCKS, draw_counts, percentiles


def block_interval(
    statistic: Callable[[NDArray[np.intp]], float],
    blocks: NDArray,
    seed: int,
    name: str,
    n_draws: int,
    level: float,
) -> tuple[float, float]:
    """Percentile interval of a statistic; NaN with too few blocks, or too many draws in which it has no value.

    Args:
        statistic: its value for these rows; NaN where it has none.
        blocks: (n_rows,) what is drawn together.
        seed, name: the same give the same draws.
        n_draws, level: how many draws, and the interval's coverage in (0, 1).
    """
    names, code = np.unique(np.asarray(blocks).astype(str), return_inverse=True)
    if len(names) < MIN_BLOCKS:
        return np.nan, np.nan
    rows = np.arange(len(code))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        draws = draw_counts(seed, name, len(names), n_draws).astype(int)
        return percentiles(np.array([statistic(np.repeat(rows, counts[code])) for counts in draws]), level)
