"""How far a number would move with other nights: block bootstrap over nights, paired across points.

Clips of one site and night share weather, animals and noise, so they are drawn together or not at all. A
draw is a count for each block; the same draws serve every point, so that what two points share cancels in
their difference.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from vernal.common.hashing import rng_for
from vernal.evaluation.metrics import FloatArray, checked, ratio

# Measured: the (units, draws) matrices then stay in the processor's cache.
DRAWS_AT_ONCE = 32
_CELLS_AT_ONCE = 2**17
MIN_BLOCKS = 5  # fewer blocks of a class give intervals that are all of [0, 1] or miss the truth (simulated)
MIN_EFFECTIVE = 2.0
MIN_DEFINED = 0.8  # share of draws in which a metric must be defined
SIDES = {"recall": "positive", "fpr": "negative", "auroc_within_recorder": "within"}


class Blocks(NamedTuple):
    """What is drawn together: `code` (n,) index into `names`, and what a block is, in a word."""

    code: NDArray[np.intp]
    names: list[str]
    kind: str


def blocks_of(clips: pd.DataFrame) -> Blocks:
    """Nights of a site; nights of a recorder where no site is known; without a night, the group or the clip itself.

    Recorders at one site share the weather and the animals of a night, so they are drawn together.

    Args:
        clips: one row per unit; `clip_id` and, where known, `site`, `recorder_id`, `night`, `group`.
    """
    keys = pd.Series([f"clip {clip}" for clip in clips["clip_id"]], index=clips.index, dtype="object")
    kinds = pd.Series("clip", index=clips.index, dtype="object")
    for columns, kind in (
        (["group"], "group"),
        (["recorder_id", "night"], "recorder-night"),
        (["site", "night"], "site-night"),
    ):
        if all(name in clips.columns for name in columns):
            known = clips[columns].notna().all(axis=1)
            if not known.any():  # joining no rows would give no column
                continue
            keys[known], kinds[known] = kind, kind
            for name in columns:
                keys[known] = keys[known] + " " + clips.loc[known, name].astype(str)
    names, code = np.unique(keys.to_numpy(dtype=str), return_inverse=True)
    return Blocks(code, names.tolist(), " or ".join(sorted(kinds.unique())) or "clip")


def draw_counts(seed: int, split: str, n_blocks: int, n_draws: int) -> FloatArray:
    """How often each block occurs in each draw: (n_draws, n_blocks), rows adding up to `n_blocks`."""
    if n_blocks == 0:
        return np.zeros((n_draws, 0))
    rng = rng_for(seed, "bootstrap", split)
    return rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=n_draws).astype(float)


def rate_draws(
    scores: ArrayLike, is_positive: ArrayLike, code: NDArray[np.intp], counts: FloatArray, logit: float
) -> dict[str, FloatArray]:
    """`f1, precision, recall, fpr` at one threshold in every draw; each (n_draws,).

    Args:
        code: (n,) block of each unit, an index into the columns of `counts`.
        counts: (n_draws, n_blocks).
    """
    values, truth = checked(scores, is_positive)
    flagged = values >= logit
    cells = {"tp": flagged & truth, "fp": flagged & ~truth, "fn": ~flagged & truth, "tn": ~flagged & ~truth}
    n_blocks = counts.shape[1]
    tp, fp, fn, tn = (counts @ np.bincount(code, weights=cell, minlength=n_blocks) for cell in cells.values())
    return {
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "precision": ratio(tp, tp + fp),
        "recall": ratio(tp, tp + fn),
        "fpr": ratio(fp, fp + tn),
    }


def ranking_draws(
    scores: ArrayLike, is_positive: ArrayLike, code: NDArray[np.intp], counts: FloatArray
) -> dict[str, FloatArray]:
    """`auroc, average_precision` in every draw, and the `won` and `pairs` behind the AUROC; each (n_draws,).

    A unit weighs as often as its block was drawn.
    """
    ranking = _ranking(*checked(scores, is_positive), code)
    n_draws = counts.shape[0]
    found = {name: np.zeros(n_draws) for name in ("won", "pairs", "average_precision")}
    for part, weight in _weights(counts, len(code)):
        drawn = _Drawn(ranking, weight)
        found["won"][part], found["pairs"][part] = drawn.won(), drawn.pairs
        # With one class drawn away the value would be 1 whatever the scores: undefined, as in `metrics`.
        found["average_precision"][part] = ratio(
            drawn.precise(), np.where(drawn.n_negative > 0, drawn.n_positive, 0)
        )
    return found | {"auroc": ratio(found["won"], found["pairs"])}


def within_draws(
    scores: ArrayLike, is_positive: ArrayLike, groups: ArrayLike, code: NDArray[np.intp], counts: FloatArray
) -> FloatArray:
    """`metrics.auroc_within` in every draw: (n_draws,), NaN where no group keeps both classes."""
    values, truth = checked(scores, is_positive)
    group_codes, _ = pd.factorize(np.asarray(groups, dtype=object), sort=False)
    won, pairs = np.zeros(counts.shape[0]), np.zeros(counts.shape[0])
    for group in range(group_codes.max(initial=-1) + 1):
        inside = group_codes == group
        if not truth[inside].any() or truth[inside].all():
            continue
        ranking = _ranking(values[inside], truth[inside], code[inside])
        for part, weight in _weights(counts, int(inside.sum())):
            drawn = _Drawn(ranking, weight)
            won[part] += drawn.won()
            pairs[part] += drawn.pairs
    return ratio(won, pairs)


class _Ranking(NamedTuple):
    """The order of one detector's scores, which serves all draws.

    Blocks of the positives and of the negatives, highest score first; and for each positive the last one with its
    score, the number of negatives above it, and that of negatives not below it.
    """

    positive: NDArray[np.intp]
    negative: NDArray[np.intp]
    last: NDArray[np.intp]
    above: NDArray[np.intp]
    not_below: NDArray[np.intp]


def _ranking(values: FloatArray, truth: NDArray[np.bool_], code: NDArray[np.intp]) -> _Ranking:
    order = np.argsort(-values, kind="stable")
    is_true = truth[order]
    falling, blocks = -values[order], np.asarray(code)[order]
    high, low = falling[is_true], falling[~is_true]
    return _Ranking(
        blocks[is_true],
        blocks[~is_true],
        np.searchsorted(high, high, side="right") - 1,
        np.searchsorted(low, high, side="left"),
        np.searchsorted(low, high, side="right"),
    )


def _weights(counts: FloatArray, n_units: int) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Draws in parts, each with the weights of all blocks, (n_blocks, draws of the part).

    Single precision is enough: cumulated counts are whole numbers and halves far below 2^23.
    """
    at_once = max(DRAWS_AT_ONCE, _CELLS_AT_ONCE // max(1, n_units))
    for start in range(0, len(counts), at_once):
        part = slice(start, start + at_once)
        yield part, np.ascontiguousarray(counts[part].T, dtype=np.float32)


class _Drawn:
    """What a part of the draws gives of one ranking; arrays are (units, draws)."""

    def __init__(self, ranking: _Ranking, weight: NDArray[np.float32]) -> None:
        n_draws = weight.shape[1]
        self._gained = weight[ranking.positive]
        self._tp = np.cumsum(self._gained, axis=0)
        fp = np.zeros((len(ranking.negative) + 1, n_draws), np.float32)
        np.cumsum(weight[ranking.negative], axis=0, out=fp[1:])
        self.n_negative = fp[-1].astype(float)
        self.n_positive = self._tp[-1].astype(float) if len(self._tp) else np.zeros(n_draws)
        if (ranking.last != np.arange(len(ranking.last))).any():
            self._tp = self._tp[ranking.last]
        self._fp = fp[ranking.not_below]
        is_tied = (ranking.above != ranking.not_below).any()
        self._fp_above = fp[ranking.above] if is_tied else self._fp

    @property
    def pairs(self) -> FloatArray:
        """Pairs of a positive and a negative."""
        return self.n_positive * self.n_negative

    def won(self) -> FloatArray:
        """Pairs that are ordered right, ties half."""
        below = self.n_negative.astype(np.float32) - (self._fp + self._fp_above) / 2
        return np.einsum("ij,ij->j", self._gained, below, dtype=float)

    def precise(self) -> FloatArray:
        """Precision at each positive's score, summed over the positives."""
        share = self._tp / np.maximum(self._tp + self._fp, 1)
        return np.einsum("ij,ij->j", self._gained, share, dtype=float)


@dataclass(frozen=True)
class Nights:
    """The blocks of one split and how often each is drawn.

    Attributes:
        blocks: the block of each unit.
        counts: (n_draws, n_blocks).
        n_blocks, effective: for positives, negatives, `both` (the fewer) and `within` (the fewer, of recorders
            that hold both classes): blocks that hold any, and Kish's effective number, which is lower the more
            unequal the blocks are.
    """

    blocks: Blocks
    counts: FloatArray
    n_blocks: dict[str, int]
    effective: dict[str, float]

    def side(self, metric: str) -> str:
        """Which units a metric rests on."""
        return SIDES.get(metric, "both")

    def effective_for(self, metric: str) -> float:
        """Effective number of blocks behind a metric; 0 where they are too few (see `is_enough`)."""
        side = self.side(metric)
        return self.effective[side] if is_enough(self.n_blocks[side], self.effective[side]) else 0.0

    def interval(self, metric: str, estimate: float, draws: FloatArray, level: float) -> tuple[float, float]:
        """Interval of one detector's metric over nights; NaN where there are too few."""
        effective = self.effective_for(metric)
        return interval(estimate, sampling_variance(draws, effective), effective - 1, level, effective)


def nights_of(units: pd.DataFrame, seed: int, split: str, n_draws: int) -> Nights:
    """Blocks and draws of one split; they depend on its blocks, not on the order of rows or any score."""
    blocks = blocks_of(units)
    is_positive = units["is_positive"].to_numpy(dtype=bool)
    compared = _with_both(units)
    parts = {
        "positive": is_positive,
        "negative": ~is_positive,
        "within positive": is_positive & compared,
        "within negative": ~is_positive & compared,
    }
    sizes = {
        side: np.bincount(blocks.code, weights=part, minlength=len(blocks.names))
        for side, part in parts.items()
    }
    held = {side: int((of > 0).sum()) for side, of in sizes.items()}
    worth = {side: effective_number(of) for side, of in sizes.items()}
    counts = draw_counts(seed, split, len(blocks.names), n_draws)
    return Nights(blocks, counts, _by_side(held), _by_side(worth))


def _with_both(units: pd.DataFrame) -> NDArray[np.bool_]:
    """(n,) which units are of a recorder that holds both classes: those that an AUROC within recorders rests on."""
    if "recorder_id" not in units:
        return np.zeros(len(units), dtype=bool)
    kinds = units["is_positive"].astype(bool).groupby(units["recorder_id"]).transform("nunique")
    return (kinds == 2).to_numpy(dtype=bool)


def _by_side(found: dict[str, Any]) -> dict[str, Any]:
    """What units of each class give, and for both together the lesser."""
    positive, negative = found["positive"], found["negative"]
    within = min(found["within positive"], found["within negative"])
    return {
        "positive": positive, "negative": negative, "both": min(positive, negative), "within": within
    }  # fmt: skip


def effective_number(sizes: ArrayLike) -> float:
    """Kish's number of equal blocks that these unequal ones are worth: `sum^2 / sum of squares`; 0 of none.

    >>> effective_number([10, 10]), round(effective_number([100, 1]), 2)
    (2.0, 1.02)
    """
    weights = np.asarray(sizes, dtype=float)
    return float(weights.sum() ** 2 / (weights**2).sum()) if weights.any() else 0.0


def is_enough(n_blocks: int, effective: float) -> bool:
    """Whether there are blocks enough to say anything about other nights (see docs/evaluation.md)."""
    return n_blocks >= MIN_BLOCKS and effective >= MIN_EFFECTIVE


def sampling_variance(draws: ArrayLike, effective: float) -> float:
    """Variance of an estimate over samples of nights, from its bootstrap draws; NaN if it is not to be had.

    The draws' variance is `1 - 1/n` of what it estimates, n blocks; the factor puts that right.
    """
    values = np.asarray(draws, dtype=float)
    defined = values[np.isfinite(values)]
    if effective < MIN_EFFECTIVE or defined.size < MIN_DEFINED * values.size or defined.size < 2:
        return float("nan")
    return float(np.var(defined, ddof=1) * effective / (effective - 1))


def percentiles(draws: FloatArray, level: float) -> tuple[float, float]:
    """The middle `level` of the defined draws; NaN when more than a fifth are undefined."""
    defined = draws[np.isfinite(draws)]
    if len(defined) < MIN_DEFINED * len(draws):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def shared_variance(draws: FloatArray, effective: float) -> float:
    """Variance over nights of the mean of several estimates, as far as they move together.

    What moves each of them alone is already in the spread between them (over seeds, say); adding that spread
    to `sampling_variance` of the mean would count it twice.

    Args:
        draws: (n_estimates, n_draws), paired; those in which an estimate is undefined are left out.
    """
    mean = draws.mean(axis=0)  # undefined in the draws in which any of them is
    total = sampling_variance(mean, effective)
    if len(draws) < 2 or not np.isfinite(total):
        return total
    paired = draws[:, np.isfinite(mean)]
    apart = paired - paired.mean(axis=1, keepdims=True)
    alone = float(np.mean(np.var(apart, axis=0, ddof=1))) / len(draws) * effective / (effective - 1)
    return max(total - alone, 0.0)


def interval(
    estimate: float, variance: float, df: float, level: float = 0.95, effective: float = np.nan
) -> tuple[float, float]:
    """Interval of a share in [0, 1]: Student's t on the logit scale, so that it stays inside.

    At an estimate of exactly 0 or 1 every draw is the same, which is no proof that every night would be: the
    bound is then the one for `effective` nights without a single failure (Clopper-Pearson).

    Args:
        variance: of the estimate, on its own scale; NaN gives no interval.
        df: degrees of freedom of the variance.
        level: coverage in (0, 1).

    >>> [round(end, 3) for end in interval(0.8, 0.0025, 20)]
    [0.676, 0.885]
    """
    from scipy import stats

    if not (np.isfinite(estimate) and np.isfinite(variance) and df > 0):
        return float("nan"), float("nan")
    if estimate in (0, 1):
        bound = (
            ((1 - level) / 2) ** (1 / effective) if np.isfinite(effective) and effective > 0 else float("nan")
        )
        return (bound, 1.0) if estimate == 1 else (0.0, 1 - bound)
    centre = np.log(estimate / (1 - estimate))
    reach = stats.t.ppf(0.5 + level / 2, df) * np.sqrt(variance) / (estimate * (1 - estimate))
    low, high = (1 / (1 + np.exp(-np.clip(centre + sign * reach, -500, 500))) for sign in (-1, 1))
    return float(low), float(high)


def joint_df(variances: ArrayLike, dfs: ArrayLike) -> float:
    """Degrees of freedom of a sum of variance estimates (Satterthwaite 1946, doi:10.2307/3002019).

    >>> joint_df([1.0, 1.0], [10, 10])
    20.0
    """
    parts, numbers = np.asarray(variances, dtype=float), np.asarray(dfs, dtype=float)
    used = parts > 0
    if not used.any():
        return float(numbers.max())
    return float(parts[used].sum() ** 2 / (parts[used] ** 2 / numbers[used]).sum())
