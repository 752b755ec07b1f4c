"""How much is enough? Scores over growing parts of the collection, and what the next clips would bring.

Each replicate deals the nights anew: some are held out, the others are added one after another, so that a
larger part contains every smaller one. The error is extrapolated by a power law, `a + b n^-c`, the usual
shape of learning curves. Replicates share most of their nights, so their spread counts for more than that of
independent ones would; and all share one collection, so the interval does not cover what other sites or seasons would
change. What no number of clips would pass is not told: it lies too far outside of what was measured.
"""

from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from vernal.collection.linear_model import METRICS, probabilities
from vernal.common.hashing import rng_for
from vernal.common.settings import Count, InnerShare, PositiveShare, one_of, settings

CURVE_COLUMNS = ("label", "replicate", "fraction", "n_groups", "n_clips", "n_positive", "score")
GAIN_COLUMNS = ("score_now", "score_more", "gain", "gain_low", "gain_high", "exponent")
_EXPONENTS = np.geomspace(0.1, 2.0, 40)
_SMALLEST_N = 5


@settings("collection.learning_curve")
class LearningCurveOptions:
    """How learning curves are made.

    `fractions`: parts of the nights that are trained on, in (0, 1]. `n_replicates`: deals of the nights.
    `test_share`: part of the nights held out. `metric`: average_precision or auroc. `more`: clips whose gain
    is asked for. `level`: coverage of intervals. `seed`: of the deals.
    """

    fractions: Annotated[
        list[PositiveShare], Field(min_length=1, description="a list of parts above 0, up to 1")
    ]
    n_replicates: Annotated[int, Field(ge=3)] = 12
    test_share: InnerShare = 0.3
    metric: Annotated[str, one_of(METRICS)] = "average_precision"
    more: Count = 100
    level: InnerShare = 0.9
    seed: int = 0


def measure_curve(
    x: NDArray, y: NDArray, groups: NDArray, label: str, options: LearningCurveOptions
) -> pd.DataFrame:
    """Scores of models trained on nested parts of the nights.

    Args:
        x: (n, n_dims) embeddings, reduced.
        y: (n,) bool.
        groups: (n,) nights, never divided.
        label: name of the class.
        options: fractions, replicates, metric.
    Returns:
        `CURVE_COLUMNS`, one row a replicate and fraction; parts that lack a class are left out.
    """
    names, code = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    y = np.asarray(y, dtype=bool)
    rows = []
    n_test = max(1, round(options.test_share * len(names)))
    for replicate in range(options.n_replicates if len(names) > n_test else 0):
        order = rng_for(options.seed, "learning curve", label, replicate).permutation(len(names))
        rank = np.empty(len(names), dtype=np.int64)
        rank[order] = np.arange(len(names))
        place = rank[code] - n_test
        test = place < 0
        for fraction in sorted(options.fractions):
            n_groups = max(1, round(fraction * (len(names) - n_test)))
            train = (place >= 0) & (place < n_groups)
            if train.sum() < _SMALLEST_N or y[train].all() or not y[train].any():
                continue
            score = METRICS[options.metric](probabilities(x[train], y[train], x[test]), y[test])
            if np.isfinite(score):
                sizes = n_groups, int(train.sum()), int(y[train].sum())
                rows.append((label, replicate, fraction, *sizes, score))
    return pd.DataFrame(rows, columns=list(CURVE_COLUMNS)).astype({"label": "str"})


def fit_power_law(n: NDArray, error: NDArray, weights: NDArray) -> NDArray[np.float64]:
    """Least squares of `a + b n^-c` with `a`, `b` of 0 or more, for many weightings at once.

    Args:
        n: (n_points,) clips trained on.
        error: (n_points,) one minus the score.
        weights: (n_fits, n_points).
    Returns:
        (n_fits, 3): `a`, `b`, `c`; `c` from a grid between 0.1 and 2.
    """
    best = np.full((len(weights), 3), np.nan)
    least = np.full(len(weights), np.inf)
    total = weights.sum(axis=1)
    mean_error = weights @ error / total
    for c in _EXPONENTS:
        # Scaled to 1 at the smallest part, which keeps the sums well conditioned.
        feature = (n / n.min()) ** -c
        mean_feature = weights @ feature / total
        spread = weights @ feature**2 / total - mean_feature**2
        covariance = weights @ (feature * error) / total - mean_feature * mean_error
        slope = covariance / np.where(spread > 1e-15, spread, np.inf)
        through_zero = (weights @ (feature * error)) / (weights @ feature**2)
        b = np.maximum(slope, 0.0)
        a = mean_error - b * mean_feature
        b, a = np.where(a < 0, through_zero, b), np.maximum(a, 0.0)
        loss = (weights * (error - a[:, None] - b[:, None] * feature) ** 2).sum(axis=1)
        better = loss < least - 1e-15
        best[better] = np.stack([a, b * n.min() ** c, np.full_like(a, c)], axis=1)[better]
        least = np.where(better, loss, least)
    return best


def predict(fits: NDArray, n: float | NDArray) -> NDArray[np.float64]:
    """Score that fitted power laws expect with `n` clips: (n_fits,) or (n_fits, n_sizes)."""
    sizes = np.atleast_1d(np.asarray(n, dtype=float))
    found = 1 - fits[:, :1] - fits[:, 1:2] * sizes[None, :] ** -fits[:, 2:3]
    return found if np.ndim(n) else found[:, 0]


def extrapolate(
    curve: pd.DataFrame, n_now: int, options: LearningCurveOptions
) -> tuple[dict, NDArray, NDArray]:
    """What the collection would reach with all of it trained on, and with more.

    Args:
        curve: one class's rows of `measure_curve`.
        n_now: clips of the collection.
        options: `more`, `level`, `test_share`.
    Returns:
        A row: `n_now`, `score_now`, `score_more`, `gain` with `gain_low`, `gain_high`, `exponent`; and sizes
        (n_sizes,) with (3, n_sizes) expected score and band.
    """
    sizes = np.geomspace(max(5, curve.n_clips.min() if len(curve) else 5), (n_now + options.more) * 2, 60)
    row = {"n_now": n_now, "more": options.more}
    if curve.replicate.nunique() < 3 or curve.n_clips.nunique() < 3:
        return row | dict.fromkeys(GAIN_COLUMNS, np.nan), sizes, np.full((3, len(sizes)), np.nan)
    # One fit of all replicates together, then one of each.
    alone = curve.replicate.to_numpy() == curve.replicate.unique()[:, None]
    weights = np.concatenate([np.ones((1, len(curve))), alone.astype(float)])
    fits = fit_power_law(curve.n_clips.to_numpy(dtype=float), 1 - curve.score.to_numpy(), weights)
    now, then = predict(fits, float(n_now)), predict(fits, float(n_now + options.more))
    gain = then - now
    half = _half_width(gain[1:], options)
    values = [now[0], then[0], gain[0], gain[0] - half, gain[0] + half, fits[0, 2]]
    lines = predict(fits, sizes)
    half = _half_width(lines[1:], options)
    band = np.clip([lines[0] - half, lines[0] + half], 0, 1)
    return row | dict(zip(GAIN_COLUMNS, map(float, values), strict=True)), sizes, np.stack([lines[0], *band])


def _half_width(values: NDArray, options: LearningCurveOptions) -> NDArray[np.float64]:
    """Half the interval of the mean over re-deals of the same nights: (...,) of (n_replicates, ...).

    Source: Nadeau & Bengio (2003), doi:10.1023/A:1024068626366: the variance of a mean over deals is taken as
    `1 / n + n_test / n_train` times that between them, where independent ones would give `1 / n`.
    """
    from scipy.stats import t

    n = len(values)
    factor = np.sqrt(1 / n + options.test_share / (1 - options.test_share))
    return float(t.ppf((1 + options.level) / 2, n - 1)) * factor * values.std(axis=0, ddof=1)
