"""Counts at every threshold once, and every number of one detector from them.

Conventions, for the whole module:

* `scores` is (n,) float, one score per unit (clip, file or recorder-night), higher means more likely; logits
  here, but only their order matters except where a threshold is given.
* `is_positive` is (n,) bool. A unit is flagged at threshold t if its score is `>= t`; ties share one threshold.
* A number that its definition leaves undefined is NaN, never a silent 0: recall without positives, false
  positive rate without negatives, precision with nothing flagged, F1 with neither positives nor anything
  flagged; AUROC and average precision unless both classes are there.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
CELLS, AT_THRESHOLD = ("tp", "fp", "fn", "tn"), ("f1", "precision", "recall", "fpr")
MEASURES = (*AT_THRESHOLD, "auroc", "average_precision", "auroc_within_recorder")


class Counts(NamedTuple):
    """Confusion counts at thresholds in descending order; all fields (n_thresholds,)."""

    threshold: FloatArray
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    fn: NDArray[np.int64]
    tn: NDArray[np.int64]


def checked(scores: ArrayLike, is_positive: ArrayLike) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Both as arrays of one length, with finite scores.

    Raises:
        ValueError: lengths differ, a score is not finite, or `is_positive` is not boolean.
    """
    values, truth = np.asarray(scores, dtype=float), np.asarray(is_positive)
    if values.ndim != 1 or values.shape != truth.shape:
        raise ValueError(
            f"scores have shape {values.shape} and is_positive {truth.shape}; give one of each a unit"
        )
    if truth.size and truth.dtype != bool:
        raise ValueError(f"is_positive has type {truth.dtype}; give booleans")
    if not np.isfinite(values).all():
        raise ValueError(f"{(~np.isfinite(values)).sum():,} of {values.size:,} scores are not finite")
    return values, truth.astype(bool)


def counts_at_all(scores: ArrayLike, is_positive: ArrayLike) -> Counts:
    """Confusion counts at every distinct score, highest first.

    Raises:
        ValueError: as `checked`.
        AssertionError: the counts do not add up to the classes (a defect of this program).
    """
    values, truth = checked(scores, is_positive)
    order = np.argsort(-values, kind="stable")
    values, truth = values[order], truth[order]
    last = (
        np.flatnonzero(np.append(values[1:] != values[:-1], True)) if values.size else np.array([], dtype=int)
    )
    tp = np.cumsum(truth, dtype=np.int64)[last]
    fp = last + 1 - tp
    n_positive = int(truth.sum())
    n_negative = truth.size - n_positive
    counts = Counts(values[last], tp, fp, n_positive - tp, n_negative - fp)
    _assert_totals(counts, n_positive, n_negative)
    return counts


def counts_at(scores: ArrayLike, is_positive: ArrayLike, thresholds: ArrayLike) -> Counts:
    """Confusion counts at given thresholds, in the order given.

    >>> [int(n[0]) for n in counts_at([2.0, 1.0, 0.0], np.array([True, False, True]), [1.0])[1:]]
    [1, 1, 1, 0]
    """
    values, truth = checked(scores, is_positive)
    wanted = np.atleast_1d(np.asarray(thresholds, dtype=float))
    positives, negatives = np.sort(values[truth]), np.sort(values[~truth])
    tp = positives.size - np.searchsorted(positives, wanted, side="left")
    fp = negatives.size - np.searchsorted(negatives, wanted, side="left")
    counts = Counts(wanted, tp, fp, positives.size - tp, negatives.size - fp)
    _assert_totals(counts, positives.size, negatives.size)
    return counts


def _assert_totals(counts: Counts, n_positive: int, n_negative: int) -> None:
    assert (counts.tp + counts.fn == n_positive).all(), "tp + fn differs from the number of positives"
    assert (counts.tn + counts.fp == n_negative).all(), "tn + fp differs from the number of negatives"
    assert all((part >= 0).all() for part in counts[1:]), "a confusion count is negative"


def ratio(part: ArrayLike, whole: ArrayLike) -> FloatArray:
    """`part / whole` as (n,) float; NaN where `whole` is 0."""
    top, bottom = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    if top.shape != bottom.shape:
        top, bottom = np.broadcast_arrays(top, bottom)
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom != 0)


def precision(counts: Counts) -> FloatArray:
    """Share of flagged units that are positive; NaN with nothing flagged."""
    return ratio(counts.tp, counts.tp + counts.fp)


def recall(counts: Counts) -> FloatArray:
    """Share of positive units that are flagged; NaN without positives."""
    return ratio(counts.tp, counts.tp + counts.fn)


def f1(counts: Counts) -> FloatArray:
    """`tp / (tp + (fp + fn) / 2)`: the harmonic mean of precision and recall."""
    return ratio(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn)


def false_positive_rate(counts: Counts) -> FloatArray:
    """Share of negative units that are flagged; NaN without negatives."""
    return ratio(counts.fp, counts.fp + counts.tn)


def threshold_table(counts: Counts) -> pd.DataFrame:
    """Counts as a table with `precision`, `recall`, `f1` and `fpr` beside them."""
    return pd.DataFrame(counts._asdict()).assign(
        precision=precision(counts), recall=recall(counts), f1=f1(counts), fpr=false_positive_rate(counts)
    )


def threshold_counts(scores: ArrayLike, is_positive: ArrayLike) -> pd.DataFrame:
    """Everything that thresholds decide, at every distinct score.

    Returns:
        One row per distinct score, descending: `threshold, tp, fp, fn, tn, precision, recall, f1, fpr`.

    >>> threshold_counts([0.9, 0.1], np.array([True, False])).recall.tolist()
    [1.0, 1.0]
    """
    return threshold_table(counts_at_all(scores, is_positive))


def average_precision_of(counts: Counts) -> float:
    """Sum over thresholds, descending, of the gain in recall times the precision; NaN with one class."""
    if not _has_both(counts):
        return float("nan")
    gained = np.diff(counts.tp, prepend=0)
    return float((gained * precision(counts)).sum() / (counts.tp[0] + counts.fn[0]))


def auroc_of(counts: Counts) -> float:
    """Probability that a positive scores above a negative, ties counting half; NaN with one class."""
    if not _has_both(counts):
        return float("nan")
    won, pairs = _pairs(counts)
    return won / pairs


def _has_both(counts: Counts) -> bool:
    return bool(len(counts.tp) and counts.tp[0] + counts.fn[0] and counts.fp[0] + counts.tn[0])


def _pairs(counts: Counts) -> tuple[float, float]:
    """Pairs of a positive and a negative that are ordered right (ties half), and all pairs."""
    if not _has_both(counts):
        return 0.0, 0.0
    gained, tied = np.diff(counts.tp, prepend=0), np.diff(counts.fp, prepend=0)
    won = float((gained * (counts.tn + tied / 2)).sum())
    return won, float(counts.tp[-1]) * float(counts.fp[-1])


def average_precision(scores: ArrayLike, is_positive: ArrayLike) -> float:
    """Average precision in [0, 1], as scikit-learn's; chance level is the prevalence.

    >>> average_precision([3.0, 2.0, 1.0], np.array([True, False, True])).__round__(3)
    0.833
    """
    return average_precision_of(counts_at_all(scores, is_positive))


def auroc(scores: ArrayLike, is_positive: ArrayLike) -> float:
    """Area under the ROC curve in [0, 1], as scikit-learn's; chance level is 0.5.

    >>> auroc([3.0, 2.0, 1.0], np.array([True, False, True]))
    0.5
    """
    return auroc_of(counts_at_all(scores, is_positive))


def auroc_within(scores: ArrayLike, is_positive: ArrayLike, groups: ArrayLike) -> float:
    """AUROC over pairs from the same group only (recorder): what is left when a place cannot be recognised.

    Groups weigh by their pairs of a positive and a negative; NaN if no group holds both classes.

    Args:
        groups: (n,) group of each unit; units whose group is missing are left out.
    """
    values, truth = checked(scores, is_positive)
    codes, _ = pd.factorize(np.asarray(groups, dtype=object), sort=False)
    won = total = 0.0
    for code in range(codes.max(initial=-1) + 1):
        inside = codes == code
        ordered, pairs = _pairs(counts_at_all(values[inside], truth[inside]))
        won, total = won + ordered, total + pairs
    return won / total if total else float("nan")


def pairs_within(is_positive: ArrayLike, groups: ArrayLike) -> int:
    """Pairs of a positive and a negative from the same group: what `auroc_within` rests on.

    >>> pairs_within([True, False, False, True], ["a", "a", "a", None])
    2
    """
    table = pd.DataFrame(
        {"group": np.asarray(groups, dtype=object), "is_positive": np.asarray(is_positive, bool)}
    )
    counts = table.groupby("group").is_positive.agg(["sum", "size"])
    return int((counts["sum"] * (counts["size"] - counts["sum"])).sum())


def precision_at_prevalence(recall: ArrayLike, fpr: ArrayLike, prevalence: float) -> FloatArray:
    """Precision that the same recall and false positive rate give where positives are rarer or commoner.

    Args:
        recall, fpr: of an operating point, in [0, 1].
        prevalence: share of units that hold the target in the field, in (0, 1).

    >>> precision_at_prevalence(0.9, 0.05, 0.01).round(3).tolist()
    0.154
    """
    if not 0 < prevalence < 1:
        raise ValueError(f"prevalence is {prevalence}; give a share between 0 and 1")
    true, false = np.asarray(recall, float) * prevalence, np.asarray(fpr, float) * (1 - prevalence)
    return ratio(true, true + false)


def metrics_at(scores: ArrayLike, is_positive: ArrayLike, threshold: float) -> dict[str, float]:
    """Counts and rates at one threshold: `tp, fp, fn, tn, precision, recall, f1, fpr, accuracy`.

    A threshold of NaN is none: all are NaN then.
    """
    if np.isnan(threshold):
        return dict.fromkeys((*CELLS, "precision", "recall", "f1", "fpr", "accuracy"), float("nan"))
    values, truth = checked(scores, is_positive)
    flagged = values >= threshold
    tp, n_flagged = int(np.count_nonzero(flagged & truth)), int(np.count_nonzero(flagged))
    n_positive = int(np.count_nonzero(truth))
    fp = n_flagged - tp
    return rates_of(tp, fp, n_positive - tp, truth.size - n_positive - fp)


def rates_of(tp: float, fp: float, fn: float, tn: float) -> dict[str, float]:
    """Counts with their rates: `tp, fp, fn, tn, precision, recall, f1, fpr, accuracy`; NaN where undefined.

    >>> rates_of(tp=3, fp=1, fn=1, tn=5)["f1"]
    0.75
    """
    return {
        **dict(zip(CELLS, (tp, fp, fn, tn), strict=True)),
        "precision": _share(tp, tp + fp),
        "recall": _share(tp, tp + fn),
        "f1": _share(2 * tp, 2 * tp + fp + fn),
        "fpr": _share(fp, fp + tn),
        "accuracy": _share(tp + tn, tp + fp + fn + tn),
    }


def _share(part: float, whole: float) -> float:
    """`ratio` of two numbers, without the arrays, which take ten times as long."""
    return float(part / whole) if whole else float("nan")


def measured(
    scores: ArrayLike, is_positive: ArrayLike, threshold: float, recorders: ArrayLike | None = None
) -> dict[str, float]:
    """The numbers of `MEASURES` for one detector on one split; those undefined are NaN.

    Args:
        threshold: where `f1, precision, recall, fpr` are taken; they are NaN where it is.
        recorders: (n,) recorder of each unit, for `auroc_within_recorder`; None leaves it undefined.
    """
    counts, at = counts_at_all(scores, is_positive), metrics_at(scores, is_positive, threshold)
    within = auroc_within(scores, is_positive, recorders) if recorders is not None else float("nan")
    return {
        **{name: at[name] for name in AT_THRESHOLD},
        "auroc": auroc_of(counts),
        "average_precision": average_precision_of(counts),
        "auroc_within_recorder": within,
    }


def is_constant(scores: ArrayLike) -> bool:
    """Whether a detector says the same of every unit, so that its metrics say nothing about it."""
    values = np.asarray(scores, dtype=float)
    return bool(values.size) and bool((values == values[0]).all())
