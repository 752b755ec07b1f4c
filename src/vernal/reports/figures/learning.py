"""The figure of how training went."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vernal.evaluation.stage_results import StageResults
from vernal.reports.figures.style import BLUE, FAINT, INK, ORANGE, legend_below, nothing, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = (
    ("loss", "loss on the training clips", INK),
    ("val_loss", "loss on the held-out clips", BLUE),
    ("val_auprc", "precision-recall area, held-out clips", BLUE),
)


def learning_curves(
    results: StageResults, histories: Mapping[str, pd.DataFrame], best_epochs: Mapping[str, int], title: str
) -> "Figure":
    """Loss and held-out score by epoch: the chosen configuration's points, and the range of all others.

    Args:
        histories: by point, one row an epoch: `epoch` and any of `loss, val_loss, val_auprc`.
        best_epochs: by point, the epoch whose weights were kept.
    """
    known = [column for column, _, _ in PANELS if any(column in table for table in histories.values())]
    if not known:
        return nothing(title, "Training left no learning curves.")
    figure, listed = panels(len(known), 3.3, title)
    for axes, column in zip(listed, known, strict=True):
        _range_of(axes, histories, column)
        for point in results.leading_points:
            _curve(axes, histories, point, column, best_epochs.get(point))
        axes.set_title({name: text for name, text, _ in PANELS}[column], fontsize=9)
        axes.set_xlabel("epoch")
        if column != "val_auprc":
            axes.set_ylim(bottom=0)
    legend_below(figure, listed[0])
    return figure


def _range_of(axes: "Axes", histories: Mapping[str, pd.DataFrame], column: str) -> None:
    if len(histories) < 2:
        return
    listed = [table[["epoch", column]] for table in histories.values() if column in table]
    by_epoch = pd.concat(listed).groupby("epoch")[column]
    lowest, highest = by_epoch.min(), by_epoch.max()
    axes.fill_between(
        lowest.index, lowest, highest, color=FAINT, alpha=0.45, linewidth=0,
        label=f"range of all {len(histories):,} points",
    )  # fmt: skip


def _curve(
    axes: "Axes", histories: Mapping[str, pd.DataFrame], point: str, column: str, best: int | None
) -> None:
    table = histories.get(point, pd.DataFrame())
    if column not in table:
        return
    axes.plot(
        table["epoch"],
        table[column],
        color=BLUE,
        linewidth=1.2,
        label="chosen configuration, each seed" if len(histories) > 1 else "classifier",
    )
    kept = table[table["epoch"] == best]
    if len(kept) and np.isfinite(kept[column].astype(float)).all():
        axes.plot(kept["epoch"], kept[column], "o", color=ORANGE, label="weights kept from here")
