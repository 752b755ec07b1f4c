"""Figures of clips: where their scores lie by quality, and how the threshold sorts them."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vernal.clips.manifest import QUALITIES, split_name
from vernal.common.formatting import count, percent
from vernal.common.problems import InputError
from vernal.evaluation.stage_results import UNIT_NAMES, StageResults
from vernal.reports.figures.curves import mark_threshold, no_threshold, split_title
from vernal.reports.figures.style import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    SOFT,
    legend_below,
    nothing,
    panels,
    shortened,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEGATIVE, UNKNOWN = "negative", "quality unknown"
BINS = 30


def score_histograms(
    results: StageResults, scores: pd.DataFrame, splits: pd.DataFrame, title: str
) -> "Figure":
    """Scores of the point to deploy, one row of histograms a quality tier and one for the negatives."""
    table = tiered_scores(results, scores, splits)
    shown = [name for name in results.shown_splits if (table["split"] == name).any()]
    if not shown:
        return nothing(title, "No clip of a test split was scored.")
    _check_agreement(results, table)
    tiers = [tier for tier in (*QUALITIES, UNKNOWN, NEGATIVE) if (table["tier"] == tier).any()]
    figure, listed = panels(len(shown), 1.4 + 0.75 * len(tiers), title, n_rows=len(tiers), sharex=True)
    logits = table["logit"].to_numpy(dtype=float)
    edges = np.linspace(logits.min() - 0.05, logits.max() + 0.05, BINS + 1)
    threshold = results.threshold(results.deployed)
    for at, axes in enumerate(listed):
        tier, split = tiers[at // len(shown)], shown[at % len(shown)]
        values = table.loc[(table["tier"] == tier) & (table["split"] == split), "logit"].to_numpy(dtype=float)
        _histogram(axes, values, edges, threshold, INK if tier == NEGATIVE else BLUE)
        if at < len(shown):
            axes.set_title(split_title(results, split))
        if at % len(shown) == 0:
            axes.set_ylabel(f"{tier}\n(clips)", rotation=0, ha="right", va="center")
        if at // len(shown) == len(tiers) - 1:
            axes.set_xlabel("score (logit)")
    legend_below(figure, listed[0])
    return figure


def tiered_scores(results: StageResults, scores: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """`split, tier, logit` of every clip that the point to deploy scored; the tier is the quality, or negative."""
    own = scores[scores["point"] == results.deployed]
    quality = splits.set_index("clip_id")["quality"] if "quality" in splits else pd.Series(dtype="str")
    tier = own["clip_id"].astype("str").map(quality).astype("str").fillna(UNKNOWN)
    tier = tier.where(tier.isin(QUALITIES), UNKNOWN).where(own["is_positive"].to_numpy(dtype=bool), NEGATIVE)
    return pd.DataFrame({"split": own["split"].astype("str"), "tier": tier, "logit": own["logit"]})


def _check_agreement(results: StageResults, table: pd.DataFrame) -> None:
    """Scores and evaluation must be of one run: what the threshold flags has to be what was counted.

    Raises:
        InputError: they are not.
    """
    if results.options.unit != "clip" or results.no_threshold:
        return
    flagged = table[table["logit"] >= results.threshold(results.deployed)]
    for split in results.measured_splits:
        counted = sum(results.number(results.deployed, f"{split}_{cell}") for cell in ("tp", "fp"))
        found = int((flagged["split"] == split).sum())
        if found != counted:
            raise InputError(
                f"{results.deployed} flags {found:,} clips of {split} by its scores, but {counted:,.0f} by its "
                f"evaluation: the two are of different runs. Run the stage {results.spec.stage} again."
            )


def _histogram(axes: "Axes", values: np.ndarray, edges: np.ndarray, threshold: float, colour: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.hist(values, bins=edges.tolist(), color=colour, alpha=0.75)
    mark_threshold(axes, threshold)
    said = count(values.size, "clip") if values.size else "no clip"
    if values.size and np.isfinite(threshold):
        said = f"{percent(float(np.mean(values >= threshold)))} of {values.size:,} flagged"
    axes.text(0.01, 0.95, said, transform=axes.transAxes, va="top", fontsize=8.5, color=SOFT)
    if values.size:
        axes.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    else:
        axes.set_yticks([])
    axes.grid(axis="y", visible=False)
    axes.margins(y=0.5)


def confusion(results: StageResults, title: str) -> "Figure":
    """Counts of the point to deploy at its threshold, every split."""
    rows = results.thresholds[results.thresholds["point"] == results.deployed]
    if results.no_threshold:
        return nothing(title, no_threshold(results))
    if rows.empty:
        return nothing(title, "No split was measured.")
    figure, listed = panels(len(rows), 2.9, title)
    for axes, row in zip(listed, rows.to_dict("records"), strict=True):
        _matrix(axes, row, results.target, UNIT_NAMES[results.options.unit])
    return figure


def _matrix(axes: "Axes", row: dict, target: str, unit: str) -> None:
    from matplotlib.patches import Rectangle

    cells = [
        [("found", "tp", GREEN), ("missed", "fn", ORANGE)],
        [("false alarm", "fp", PURPLE), ("left alone", "tn", BLUE)],
    ]
    for y, line in enumerate(cells):
        whole = sum(int(row[cell]) for _, cell, _ in line)
        for x, (word, cell, colour) in enumerate(line):
            share = int(row[cell]) / whole if whole else float("nan")
            alpha = 0.06 + 0.44 * (share if np.isfinite(share) else 0)
            axes.add_patch(
                Rectangle((x + 0.02, y + 0.02), 0.96, 0.96, color=colour, alpha=alpha, linewidth=0)
            )
            said = f" ({percent(share)})" if np.isfinite(share) else ""
            axes.text(x + 0.5, y + 0.42, f"{int(row[cell]):,}", ha="center", va="center", fontsize=15)
            axes.text(x + 0.5, y + 0.74, f"{word}{said}", ha="center", va="center", fontsize=8)
    axes.set(xlim=(0, 2), ylim=(2, 0))
    axes.set_xticks([0.5, 1.5], ["flagged", "not flagged"])
    axes.set_yticks([0.5, 1.5], [f"{unit} with\n{shortened(target, 14)}", "without"])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(split_name(str(row["split"])))
