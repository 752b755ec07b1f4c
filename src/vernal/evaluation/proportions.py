"""Exact intervals of counted shares: none of 88 is not none of all.

Each trial counts as one of its own. Clips of one night hang together, so that of clips these intervals are the
narrowest that can be claimed.
"""

BOUND = 0.95
BOUND_WORDS = f"Clopper-Pearson, each end a one-sided {BOUND:.0%} bound"


def exact_interval(count: int, total: int, bound: float = BOUND) -> tuple[float, float]:
    """Lowest and highest share that a count still fits, each end by itself.

    Args:
        count: out of `total`.
        bound: confidence of each end, in (0.5, 1); both together hold at least `2 bound - 1`.
    Returns:
        Two shares in [0, 1]; NaN where nothing was counted.
    Raises:
        ValueError: more were counted than there are.
    Source: Clopper & Pearson (1934), doi:10.1093/biomet/26.4.404.

    >>> [round(end, 4) for end in exact_interval(0, 88)]
    [0.0, 0.0335]
    """
    from scipy.stats import binomtest

    if not total:
        return float("nan"), float("nan")
    found = binomtest(count, total).proportion_ci(confidence_level=2 * bound - 1, method="exact")
    return float(found.low), float(found.high)
