"""Figures of a detection run: nights by recorders, and calls by the hour."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vernal.clips.nights import START_HOUR
from vernal.reports.figures.nights import set_nights
from vernal.reports.figures.style import BLUE, FAINT, LINE, ORANGE, nothing, panels, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Detections in a night, from here on, and how strong the colour is.
STEPS = ((1, 0.25), (2, 0.42), (5, 0.6), (15, 0.8), (50, 1.0))
QUIET, UNHEARD = "recorded, no detection", "recorded, could not be heard"
MOST_ROWS = 80


def activity(nights: pd.DataFrame, title: str) -> "Figure":
    """Recorders by nights: how many detections; nothing drawn where nothing was recorded.

    Args:
        nights: one row a recorder, night and label: `recorder_id, night, label, state, n_detections`.
    """
    dated = nights[nights.night != "unknown"]
    if dated.empty:
        return nothing(title, "No recording's name tells its date, so there are no nights to show.")
    labels = sorted(dated.label.unique())
    everyone = sorted(dated.recorder_id.unique())
    recorders = everyone[:MOST_ROWS]
    of_all = f"  (the first {MOST_ROWS} of {len(everyone):,} recorders)" if len(everyone) > MOST_ROWS else ""
    height = 1.25 + len(labels) * (0.45 + 0.26 * max(len(recorders), 2))
    figure, listed = panels(1, height, title, n_rows=len(labels))
    for axes, label in zip(listed, labels, strict=True):
        _nights(axes, dated[(dated.label == label) & dated.recorder_id.isin(recorders)], recorders)
        axes.set_title(f"{label if len(labels) > 1 else ''}{of_all}".strip())
    _legend(figure)
    return figure


def _nights(axes: "Axes", table: pd.DataFrame, recorders: list[str]) -> None:
    dates = sorted(table.night.unique())
    places = set_nights(axes, dates)
    x = table.night.map(places).to_numpy()
    y = table.recorder_id.map({name: at for at, name in enumerate(recorders)}).to_numpy()
    count, state = table.n_detections.to_numpy(), table.state.to_numpy()
    _cells(axes, x[state == "no calls"], y[state == "no calls"], LINE, 1.0)
    for at, (low, strength) in enumerate(STEPS):
        high = STEPS[at + 1][0] if at + 1 < len(STEPS) else np.inf
        inside = (count >= low) & (count < high)
        _cells(axes, x[inside], y[inside], BLUE, strength)
    broken = state == "not heard"
    axes.plot(x[broken], y[broken], "x", color=ORANGE, markersize=_mark_size(len(dates)), markeredgewidth=1.2)
    axes.set_yticks(range(len(recorders)), [shortened(name, 24) for name in recorders])
    axes.set_ylim(len(recorders) - 0.4, -0.6)
    axes.grid(False)
    axes.tick_params(length=0)


def _mark_size(n_dates: int) -> float:
    return float(np.clip(300 / max(n_dates, 1), 2.5, 6))


def _cells(axes: "Axes", x: np.ndarray, y: np.ndarray, colour: str, strength: float) -> None:
    """Squares of one colour as one shape: a season of a hundred recorders stays a small file."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if not len(x):
        return
    corners = np.array([[-0.45, -0.42], [0.45, -0.42], [0.45, 0.42], [-0.45, 0.42], [-0.45, -0.42]])
    vertices = (np.column_stack([x, y])[:, None, :] + corners[None]).reshape(-1, 2)
    codes = np.tile([Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY], len(x))
    axes.add_patch(PathPatch(Path(vertices, codes), facecolor=colour, alpha=strength, linewidth=0))


def _legend(figure: "Figure") -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    names = [f"{low:,}" if at + 1 < len(STEPS) and STEPS[at + 1][0] == low + 1 else
             f"{low:,} to {STEPS[at + 1][0] - 1:,}" if at + 1 < len(STEPS) else f"{low:,} or more"
             for at, (low, _) in enumerate(STEPS)]  # fmt: skip
    handles: list = [Patch(facecolor=BLUE, alpha=strength, linewidth=0) for _, strength in STEPS]
    handles += [Patch(facecolor=LINE, linewidth=0), Line2D([], [], color=ORANGE, marker="x", linestyle="")]
    handles += [Patch(facecolor="none", edgecolor=FAINT, linewidth=0.7)]
    names = [f"{names[0]} detection", *names[1:], QUIET, UNHEARD, "blank: nothing recorded"]
    figure.legend(handles, names, loc="outside lower left", ncols=4, handlelength=1.2, columnspacing=1.4)


def hours(
    detections: pd.DataFrame, effort: pd.DataFrame, title: str, start_hour: int = START_HOUR
) -> "Figure":
    """Detections an hour of listening, by clock hour; hours that nobody recorded are marked as such.

    Args:
        detections: with `started_at`. effort: `hour`, `heard_s`.
        start_hour: where the axis begins, so that a night is not cut in two.
    """
    heard = effort[effort.hour >= 0].groupby("hour").heard_s.sum() / 3_600
    if heard.empty:
        why = "No recording's name tells its time" if len(effort) else "Nothing was heard"
        return nothing(title, f"{why}, so detections cannot be shown by the hour.")
    counts = detections.started_at.dropna().dt.hour.value_counts()
    clock = [(start_hour + at) % 24 for at in range(24)]
    rates = pd.Series(
        [counts.get(hour, 0) / heard[hour] if hour in heard.index else np.nan for hour in clock]
    )
    figure, (axes,) = panels(1, 3.0, title)
    axes.bar(rates.index, rates.fillna(0), width=0.86, color=BLUE, linewidth=0)
    top = max(float(rates.max()), 1.0)
    missing = rates.index[rates.isna()]
    axes.bar(missing, top * 1.06, width=1.0, color=LINE, alpha=0.55, linewidth=0, label="not recorded")
    axes.set(xlim=(-0.6, 23.6), ylim=(0, top * 1.06), xlabel="clock hour of the recorder")
    axes.set_ylabel("detections per hour heard")
    axes.set_xticks(range(0, 24, 2), [f"{hour}" for hour in clock[::2]])
    axes.grid(False, axis="x")
    if len(missing):
        figure.legend(loc="outside lower left")
    return figure
