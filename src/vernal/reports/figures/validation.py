"""Figures of a checked sample: precision by threshold with its interval, and call density by night."""

from typing import TYPE_CHECKING

import pandas as pd

from vernal.reports.figures.style import BLUE, ORANGE, SOFT, nothing, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_UNCHECKED = "Nobody has checked the sample yet, so nothing can be drawn."
MOST_RECORDERS = 12


def precision(curve: pd.DataFrame, wanted: float, title: str) -> "Figure":
    """Precision and share of calls by threshold, each with its 95 % interval; the run's own threshold is marked.

    Args:
        curve: as `validation.validate` gives it.
        wanted: precision that is looked for, drawn as a line.
    """
    told = curve[curve.precision.notna()]
    if told.empty:
        return nothing(title, _UNCHECKED)
    labels = sorted(told.label.unique())
    figure, listed = panels(1, 0.8 + 2.6 * len(labels), title, n_rows=len(labels))
    for axes, label in zip(listed, labels, strict=True):
        part = told[told.label == label]
        for name, colour, words in (
            ("precision", BLUE, "precision"),
            ("share_of_calls", ORANGE, "share of calls from the floor up"),
        ):
            x = part.threshold_logit
            axes.fill_between(
                x, part[f"{name}_low"], part[f"{name}_high"], color=colour, alpha=0.18, linewidth=0
            )
            axes.plot(x, part[name], color=colour, label=words)
        for own in part.threshold_logit[part.is_own_threshold]:
            axes.axvline(own, color=SOFT, linestyle=(0, (4, 3)), linewidth=1, label="this run's threshold")
        axes.axhline(wanted, color=SOFT, linestyle=(0, (1, 2)), linewidth=1, label="wanted precision")
        axes.set(xlabel="threshold (logit)", ylim=(0, 1.02), title=label)
        axes.legend(loc="lower center", fontsize=8.5, ncols=2, frameon=False)
    return figure


def call_density(density: pd.DataFrame, title: str) -> "Figure":
    """Share of windows with the target by night, one panel a recorder and label, with 95 % intervals.

    Args:
        density: as `validation.validate` gives it.
    """
    dated = density[(density.night != "unknown") & density.call_density.notna()]
    if dated.empty:
        return nothing(title, _UNCHECKED)
    groups = list(dated.groupby(["label", "recorder_id"], sort=True))
    shown = groups[:MOST_RECORDERS]
    figure, listed = panels(1, 0.8 + 1.3 * len(shown), title, n_rows=len(shown), sharex=True, sharey=True)
    nights = sorted(dated.night.unique())
    several = dated.label.nunique() > 1
    for axes, ((label, recorder), part) in zip(listed, shown, strict=True):
        _nights(axes, part, nights)
        axes.set_title(f"{recorder}, {label}" if several else str(recorder))
    every = -(-len(nights) // 12)
    listed[-1].set_xticks(
        range(0, len(nights), every), nights[::every], rotation=30, ha="right", fontsize=8.5
    )
    if len(groups) > len(shown):
        figure.supxlabel(
            f"the first {len(shown)} of {len(groups):,}; all are in call_density.csv", fontsize=8.5
        )
    return figure


def _nights(axes: "Axes", part: pd.DataFrame, nights: list[str]) -> None:
    x = part.night.map({night: at for at, night in enumerate(nights)})
    axes.vlines(x, part.call_density_low, part.call_density_high, color=BLUE, alpha=0.3, linewidth=3)
    axes.plot(x, part.call_density, "o", color=BLUE, markersize=3.5)
    axes.set(xlim=(-0.7, max(len(nights), 12) - 0.3), ylim=(0, None))
