"""Figures of what thresholds do: precision-recall, ROC, the threshold itself, and calibration."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vernal.clips.manifest import split_name
from vernal.common.formatting import percent
from vernal.evaluation.baselines import ALL_POSITIVE, METADATA
from vernal.evaluation.calibration import METHODS
from vernal.evaluation.stage_results import VALIDATION, StageResults
from vernal.reports.figures.style import (
    BLUE,
    CARD,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    SOFT,
    legend_below,
    nothing,
    panels,
    share_axis,
    width_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT_IN = 4.1
RECALL = "recall: share of positives found"
AXES = {
    "precision_recall": ("recall", "precision", RECALL, "precision: share of flagged right"),
    "roc": ("fpr", "recall", "false positive rate: share of negatives flagged", RECALL),
}


def precision_recall(results: StageResults, title: str) -> "Figure":
    """Precision against recall of the chosen configuration, each seed, with bands over nights."""
    return _ranking(results, title, "precision_recall")


def roc(results: StageResults, title: str) -> "Figure":
    """Recall against false positive rate of the chosen configuration, each seed, with bands over nights."""
    return _ranking(results, title, "roc")


def _ranking(results: StageResults, title: str, curve: str) -> "Figure":
    splits = [name for name in results.shown_splits if _has_both(results, name)]
    if not splits:
        return nothing(title, "No test split holds both classes.")
    figure, listed = panels(len(splits), HEIGHT_IN, title, width_in=width_of(len(splits)))
    x, y, x_label, y_label = AXES[curve]
    for axes, split in zip(listed, splits, strict=True):
        for point in results.leading_points:
            _one_curve(axes, results, point, split, curve)
        _marks(axes, results, split, x, y)
        share_axis(axes, x_label, y_label if axes is listed[0] else "")
        axes.set_title(split_title(results, split))
    legend_below(figure, listed[0], 3)
    return figure


def _has_both(results: StageResults, split: str) -> bool:
    first = results.leading_points[0]
    return all(results.number(first, f"{split}_n_{side}") > 0 for side in ("positive", "negative"))


def split_title(results: StageResults, split: str) -> str:
    """The split, and below it `86 positive, 88 negative`: on one line it is wider than a panel."""
    counts = [
        results.number(results.leading_points[0], f"{split}_n_{side}") for side in ("positive", "negative")
    ]
    return f"{split_name(split)}\n{counts[0]:,.0f} positive, {counts[1]:,.0f} negative"


def _one_curve(axes: "Axes", results: StageResults, point: str, split: str, curve: str) -> None:
    label = "chosen configuration, each seed" if len(results.leading_points) > 1 else "classifier"
    band = results.table("bands", point, split)
    if len(band):
        band = band[band["curve"] == curve]
        axes.fill_between(band["x"], band["low"], band["high"], color=BLUE, alpha=0.13, linewidth=0,
                          label=f"{percent(results.options.level)} band over {results.block_name}")  # fmt: skip
    table = results.table("curves", point, split)
    if curve == "roc":
        x, y, steps = [0.0, *table["fpr"]], [0.0, *table["recall"]], "default"
    else:
        x, y = interpolated(table)
        steps = "steps-pre"
    axes.plot(x, y, color=BLUE, linewidth=1.3, drawstyle=steps, label=label)


def interpolated(curve: pd.DataFrame) -> tuple[list[float], list[float]]:
    """Recall and precision to draw, as steps: at each recall the best precision of all thresholds that reach it.

    Args:
        curve: `recall` and `precision` by falling threshold.
    """
    best = np.maximum.accumulate(curve["precision"].to_numpy(dtype=float)[::-1])[::-1]
    return [0.0, *curve["recall"]], [best[0], *best]


def _marks(axes: "Axes", results: StageResults, split: str, x: str, y: str) -> None:
    """The frozen operating point of each seed, and what is reached without listening."""
    at = results.thresholds[results.thresholds["split"] == split]
    if not results.no_threshold:
        axes.plot(at[x], at[y], "o", color=ORANGE, markeredgecolor=CARD, markersize=7,
                  label="at the threshold from validation")  # fmt: skip
    if x == "fpr":
        axes.plot([0, 1], [0, 1], color=FAINT, linestyle=(0, (4, 2)), linewidth=1.2, label="chance")
    else:
        share = results.baseline(ALL_POSITIVE, split, "precision")
        axes.axhline(
            share, color=FAINT, linestyle=(0, (4, 2)), linewidth=1.2, label="chance: share of positives"
        )
    if not results.no_threshold:
        axes.plot([results.baseline(METADATA, split, x)], [results.baseline(METADATA, split, y)], "D",
                  color=PURPLE, markerfacecolor=CARD, markeredgewidth=1.5, label="place and hour alone")  # fmt: skip


def thresholds(results: StageResults, title: str) -> "Figure":
    """Precision, recall and F1 at every threshold of the point to deploy, with the one that was chosen."""
    from matplotlib import rc_context

    with rc_context({"axes.titley": None}):  # titles stand above the axis of confidence, wherever that ends
        return _thresholds(results, title)


def _thresholds(results: StageResults, title: str) -> "Figure":
    point = results.deployed
    splits = [name for name in results.measured_splits if _has_both(results, name)]
    if not splits:
        return nothing(title, "No split holds both classes.")
    figure, listed = panels(len(splits), 3.6, title, width_in=width_of(len(splits)), sharex=True, sharey=True)
    chosen = results.threshold(point)
    for axes, split in zip(listed, splits, strict=True):
        table = results.table("curves", point, split)
        for column, name, colour, dashes in (
            ("precision", "precision", BLUE, "-"),
            ("recall", "recall", GREEN, (0, (5, 1.5))),
            ("f1", "F1", INK, (0, (1, 1.2))),
        ):
            # Highest first: each value holds down to the next score below.
            axes.plot(table["threshold_logit"], table[column], color=colour, linestyle=dashes, label=name,
                      drawstyle="steps-post")  # fmt: skip
        mark_threshold(axes, chosen)
        axes.set(ylim=(-0.02, 1.04), xlabel="threshold (logit)")
        axes.set_title(split_title(results, split))
        _confidence_axis(axes)
    listed[0].set_ylabel("precision, recall and F1")
    legend_below(figure, listed[0])
    return figure


def no_threshold(results: StageResults) -> str:
    """That no threshold could be chosen, and why; empty where one was."""
    return f"No threshold could be chosen: {results.no_threshold}." if results.no_threshold else ""


def mark_threshold(axes: "Axes", threshold: float) -> None:
    """An upright line where a point flags from, if it has a threshold."""
    if np.isfinite(threshold):
        axes.axvline(threshold, color=ORANGE, linewidth=1.4, label="threshold chosen on validation")


def _confidence_axis(axes: "Axes") -> None:
    """The same thresholds as confidence, on top."""
    logits = {0.01: -4.595, 0.1: -2.197, 0.5: 0.0, 0.9: 2.197, 0.99: 4.595}
    top = axes.secondary_xaxis("top")
    low, high = axes.get_xlim()
    inside = {share: logit for share, logit in logits.items() if low <= logit <= high}
    top.set_xticks(list(inside.values()), [f"{share:g}" for share in inside])
    top.set_xlabel("confidence", color=SOFT, fontsize=8.5)
    top.tick_params(labelsize=8.5, labelcolor=SOFT)
    top.spines["top"].set_visible(True)
    top.spines["top"].set_linewidth(0.5)


def reliability(results: StageResults, title: str) -> "Figure":
    """How often what was called p came true, for the point to deploy, before and after calibration."""
    table = results.table("reliability", results.deployed)
    if table.empty:
        return nothing(title, "Calibration needs both classes in the validation split.")
    splits = [name for name in (VALIDATION, *results.test_splits) if (table["split"] == name).any()]
    figure, listed = panels(len(splits), HEIGHT_IN - 0.4, title, width_in=width_of(len(splits)), sharey=True)
    looks = {"none": ("uncalibrated (sigmoid)", SOFT, "o", (0, (4, 2))), "platt": ("Platt", BLUE, "s", "-"),
             "isotonic": ("isotonic", ORANGE, "^", (0, (1, 1.2)))}  # fmt: skip
    for axes, split in zip(listed, splits, strict=True):
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.0, label="perfect")
        for method in METHODS:
            rows = table[(table["split"] == split) & (table["method"] == method)]
            label, colour, marker, dashes = looks[method]
            axes.plot(rows["mean_probability"], rows["observed"], color=colour, marker=marker, linestyle=dashes,
                      markerfacecolor=CARD, markersize=5, linewidth=1.2, label=label)  # fmt: skip
        share_axis(axes, "predicted probability", "observed share of positives" if axes is listed[0] else "")
        axes.set_title(f"{split_name(split)} (fitted here)" if split == VALIDATION else split_name(split))
    legend_below(figure, listed[0])
    return figure
