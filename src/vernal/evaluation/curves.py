"""Precision-recall and ROC curves: thinned for drawing, with bands over nights."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vernal.evaluation import metrics
from vernal.evaluation.metrics import FloatArray, checked, ratio

GRID = np.linspace(0, 1, 101)


def thinned(scores: FloatArray, is_positive: NDArray[np.bool_], n_points: int) -> pd.DataFrame:
    """`metrics.threshold_counts` at some `n_points` thresholds, evenly by rank, ends and best F1 kept.

    Returns:
        As `threshold_counts`, with the threshold as `threshold_logit`.
    """
    table = metrics.threshold_counts(scores, is_positive).rename(columns={"threshold": "threshold_logit"})
    if len(table) <= n_points:
        return table
    kept = set(np.linspace(0, len(table) - 1, n_points).round().astype(int).tolist())
    if table["f1"].notna().any():
        kept.add(int(table["f1"].to_numpy().argmax()))
    return table.iloc[sorted(kept)].reset_index(drop=True)


def bands(
    scores: FloatArray,
    is_positive: NDArray[np.bool_],
    code: NDArray[np.intp],
    counts: FloatArray,
    level: float = 0.95,
) -> pd.DataFrame:
    """Pointwise bands over nights: precision at given recall, recall at given false positive rate.

    Args:
        code: (n,) block of each unit.
        counts: (n_draws, n_blocks), as from `bootstrap.nights_of`.

    Returns:
        `curve` (`precision_recall`, `roc`), `x` (0 to 1 in hundredths), `y`, `low`, `high`; empty with one
        class.
    """
    columns = ["curve", "x", "y", "low", "high"]
    values, truth = checked(scores, is_positive)
    if not truth.any() or truth.all() or not counts.size:
        return pd.DataFrame(columns=columns)
    order = np.argsort(-values, kind="stable")
    last = np.flatnonzero(np.append(np.diff(values[order]) != 0, True))
    whole = _on_grid(np.ones(values.size), truth[order], last)
    drawn = [_on_grid(count[code[order]], truth[order], last) for count in counts]
    parts = []
    for at, curve in enumerate(("precision_recall", "roc")):
        lines = np.array([lines[at] for lines in drawn if lines is not None])
        low, high = (
            np.nanquantile(lines, [(1 - level) / 2, (1 + level) / 2], axis=0)
            if len(lines)
            else (np.nan, np.nan)
        )
        parts.append(
            pd.DataFrame(
                {"curve": curve, "x": GRID, "y": whole[at] if whole else np.nan, "low": low, "high": high}
            )
        )
    return pd.concat(parts, ignore_index=True)[columns]


def _on_grid(
    weight: FloatArray, truth: NDArray[np.bool_], last: NDArray[np.intp]
) -> tuple[FloatArray, FloatArray] | None:
    tp, fp = np.cumsum(weight * truth)[last], np.cumsum(weight * ~truth)[last]
    if not (tp[-1] and fp[-1]):
        return None
    recall, fpr = tp / tp[-1], fp / fp[-1]
    # Precision at a recall is the best among thresholds that reach it; recall at a rate, the last within it.
    precise = np.nan_to_num(ratio(tp, tp + fp))
    best_from = np.maximum.accumulate(precise[::-1])[::-1]
    at_recall = best_from[np.minimum(np.searchsorted(recall, GRID - 1e-12), recall.size - 1)]
    within = np.searchsorted(fpr, GRID + 1e-12, side="right")
    return at_recall, np.append(0.0, recall)[within]
