"""Which confusion matrices can lie behind rounded metrics.

With `r = tp / P` and `x = fp / P`, what rounding leaves open in precision, recall and F1 are straight lines,
so the possible (r, x) form a small convex polygon. If it is empty, no matrix gives these numbers, whatever
the totals. Accuracy then gives the
share of positives that the numbers imply: `1 - accuracy = prevalence * (1 - r + x)`. Every row counted on the
same clips implies the same share, so rows betray each other.
"""

from typing import NamedTuple

import numpy as np

from vernal.evaluation.metrics import FloatArray

MOST_FALSE_POSITIVES = 1e6  # false positives a positive; beyond it, precision is 0 in any rounding


class Printed(NamedTuple):
    """One row's metrics as printed, with half a unit of their last decimal; NaN where there is none."""

    precision: float
    recall: float
    f1: float
    accuracy: float
    half_precision: float
    half_recall: float
    half_f1: float
    half_accuracy: float


class Interval(NamedTuple):
    """A closed interval; empty when `low` exceeds `high`."""

    low: float
    high: float

    @property
    def is_empty(self) -> bool:
        return self.low > self.high

    def meets(self, other: "Interval") -> bool:
        """Whether the two share a value."""
        return max(self.low, other.low) <= min(self.high, other.high)


def region(row: Printed) -> FloatArray:
    """Corners of the possible (recall, false positives a positive): (n, 2), empty when there are none."""
    low, high = 0.0, 1.0
    if np.isfinite(row.recall):
        low, high = max(0.0, row.recall - row.half_recall), min(1.0, row.recall + row.half_recall)
    if low > high:
        return np.empty((0, 2))
    most = MOST_FALSE_POSITIVES
    corners = [(low, 0.0), (high, 0.0), (high, most), (low, most)]
    for a, b, c in _lines(row):
        corners = _clip(corners, a, b, c)
    return np.array(corners).reshape(-1, 2)


def _lines(row: Printed) -> list[tuple[float, float, float]]:
    """Half planes `a r + b x + c >= 0` for the bounds of precision and F1."""
    lines = []
    if np.isfinite(row.precision):
        low, high = row.precision - row.half_precision, row.precision + row.half_precision
        lines += [(1 - low, -low, 0.0), (high - 1, high, 0.0)]
    if np.isfinite(row.f1):
        low, high = row.f1 - row.half_f1, row.f1 + row.half_f1
        lines += [(2 - low, -low, -low), (high - 2, high, high)]
    return lines


def _clip(corners: list[tuple[float, float]], a: float, b: float, c: float) -> list[tuple[float, float]]:
    """What is left of a convex polygon on one side of a line.

    Source: Sutherland & Hodgman (1974), doi:10.1145/360767.360802.
    """
    kept: list[tuple[float, float]] = []
    for i, here in enumerate(corners):
        before = corners[i - 1]
        side_here, side_before = a * here[0] + b * here[1] + c, a * before[0] + b * before[1] + c
        # The slack keeps corners that lie on the line but for the last bits.
        is_in, was_in = side_here >= -1e-9, side_before >= -1e-9
        if is_in != was_in and side_here != side_before:
            t = side_before / (side_before - side_here)
            kept.append((before[0] + t * (here[0] - before[0]), before[1] + t * (here[1] - before[1])))
        if is_in:
            kept.append(here)
    return kept


def implied_prevalence(row: Printed, corners: FloatArray) -> Interval:
    """The shares of positives that the row's accuracy allows, within [0, 1]; all of them without accuracy."""
    if len(corners) == 0:
        return Interval(1.0, 0.0)
    errors = 1 - corners[:, 0] + corners[:, 1]
    # No more false positives than negatives: x <= (1 - prevalence) / prevalence.
    most = 1 / (1 + corners[:, 1].min())
    if not np.isfinite(row.accuracy):
        return Interval(0.0, most)
    wrong_low = max(0.0, 1 - row.accuracy - row.half_accuracy)
    wrong_high = min(1.0, 1 - row.accuracy + row.half_accuracy)
    low = wrong_low / errors.max() if errors.max() > 1e-12 else (0.0 if wrong_low <= 1e-9 else 2.0)
    high = wrong_high / errors.min() if errors.min() > 1e-12 else 1.0
    return Interval(low, min(high, most))


def consensus(intervals: list[Interval], least: int = 4) -> Interval | None:
    """The values that most of the intervals share; None when no more than half of the telling ones agree.

    Args:
        intervals: what each row allows; wide ones tell nothing and do not vote.
        least: telling rows needed.
    """
    telling = [
        interval for interval in intervals if not interval.is_empty and interval.high - interval.low < 0.1
    ]
    if len(telling) < least:
        return None
    ends = sorted([(i.low, 0) for i in telling] + [(i.high, 1) for i in telling])
    depth = deepest = 0
    found = Interval(0.0, 1.0)
    for (value, kind), (following, _) in zip(ends, [*ends[1:], (1.0, 1)], strict=True):
        depth += 1 if kind == 0 else -1
        if kind == 0 and depth > deepest:
            deepest, found = depth, Interval(value, following)
    return found if deepest > len(telling) / 2 else None


def fits_totals(row: Printed, n_positive: int, n_negative: int) -> bool:
    """Whether whole numbers tp and fp give the row's metrics on these totals."""
    tp = np.arange(n_positive + 1, dtype=float)
    if np.isfinite(row.recall):
        share = tp / n_positive
        tp = tp[(share >= row.recall - row.half_recall) & (share <= row.recall + row.half_recall)]
    low, high = np.zeros(len(tp)), np.full(len(tp), float(n_negative))
    for least, most in _false_positives(row, tp, n_positive, n_negative):
        low, high = np.maximum(low, least), np.minimum(high, most)
    return bool((np.ceil(low - 1e-9) <= np.floor(high + 1e-9)).any())


def _false_positives(
    row: Printed, tp: FloatArray, n_positive: int, n_negative: int
) -> list[tuple[FloatArray, FloatArray]]:
    """For each printed metric, the false positives that it allows beside each tp."""
    bounds = []
    everything = np.full(len(tp), np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        if np.isfinite(row.precision):
            low, high = row.precision - row.half_precision, row.precision + row.half_precision
            most = tp / low - tp if low > 0 else everything
            least = tp / high - tp
            # Nothing flagged: precision is undefined and printed as 0 or 1.
            least, most = np.where(tp == 0, 0 if low <= 0 else np.inf, least), np.where(tp == 0, np.inf, most)
            if low > 0 and high >= 1:
                least, most = np.where(tp == 0, 0, least), np.where(tp == 0, 0, most)
            bounds.append((least, most))
        if np.isfinite(row.f1):
            low, high = row.f1 - row.half_f1, row.f1 + row.half_f1
            most = 2 * tp / low - tp - n_positive if low > 0 else everything
            bounds.append((2 * tp / max(high, 1e-12) - tp - n_positive, most))
    if np.isfinite(row.accuracy):
        total = n_positive + n_negative
        right = tp + n_negative
        bounds.append(
            (
                right - (row.accuracy + row.half_accuracy) * total,
                right - (row.accuracy - row.half_accuracy) * total,
            )
        )
    return bounds


def auroc_bounds(corners: FloatArray, prevalence: Interval) -> Interval:
    """The AUROC that a curve through one of these points can have: `[tpr (1 - fpr), 1 - fpr (1 - tpr)]`."""
    if len(corners) == 0 or prevalence.high >= 1 or prevalence.low <= 0:
        return Interval(0.0, 1.0)
    most_fpr = min(1.0, corners[:, 1].max() * prevalence.high / (1 - prevalence.high))
    least_fpr = min(1.0, corners[:, 1].min() * prevalence.low / (1 - prevalence.low))
    return Interval(corners[:, 0].min() * (1 - most_fpr), 1 - least_fpr * (1 - corners[:, 0].max()))
