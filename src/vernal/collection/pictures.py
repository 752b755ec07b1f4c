"""The collection's pictures, each a figure function in the common style."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vernal.collection.agreement import EVERYBODY
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
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STATES = {"used": BLUE, "double": FAINT, "held back": ORANGE}
_SERIES = ((BLUE, "o"), (ORANGE, "s"), (GREEN, "^"), (PURPLE, "D"), (INK, "v"), (SOFT, "P"))


# No score is above 1; a mark at 1 is seen whole.
_TOP = 1.01


def inventory(stock: pd.DataFrame, title: str) -> Figure:
    """Recordings by who gave them, and what became of them."""
    sounds = stock[(stock.kind == "recording") & (stock.state != "superseded")]
    if sounds.empty:
        return nothing(title, "No recordings were added.")
    who = sounds.collector.astype("str").fillna("unknown") + sounds.role.map(_role_words).fillna("")
    counts = pd.crosstab(who, sounds.state)
    counts = counts.loc[counts.sum(axis=1).sort_values().index]
    figure, (axes,) = panels(1, 1.1 + 0.3 * len(counts), title)
    left = np.zeros(len(counts))
    for state, colour in _STATES.items():
        width = counts.get(state, pd.Series(0, index=counts.index)).to_numpy()
        axes.barh(range(len(counts)), width, left=left, color=colour, label=state, height=0.62)
        left = left + width
    axes.set_yticks(range(len(counts)), counts.index)
    axes.set_xlabel("recordings")
    axes.grid(axis="y", visible=False)
    legend_below(figure, axes)
    return figure


def _role_words(role: Any) -> str:
    return "" if role == "training" else f" ({role})"


def agreement(table: pd.DataFrame, title: str) -> Figure:
    """Coefficients with intervals: annotators with each other, all of them, and each with themselves."""
    shown = table[table.coefficient.isin(["cohen", "krippendorff"]) & table.value.notna()]
    if shown.empty:
        return nothing(title, "Nobody labelled what somebody else labelled too.")
    labels = sorted(shown.label.unique())
    order = {EVERYBODY: 2}
    between = sorted(
        shown.between.unique(),
        key=lambda name: (order.get(name, 1 if "session" in name else 0), name),
        reverse=True,
    )
    figure, (axes,) = panels(1, 1.2 + 0.22 * len(between) * max(1, len(labels) / 2), title)
    rows = {name: at for at, name in enumerate(between)}
    for place, label in enumerate(labels):
        mine = shown[shown.label == label]
        y = mine.between.map(rows).to_numpy() + _beside(place, len(labels))
        _with_intervals(axes, mine, "value", y, place, label)
    names = [f"{name} (Krippendorff)" if name == EVERYBODY else name for name in between]
    axes.set_yticks(range(len(between)), names)
    axes.set(
        xlim=(min(-0.02, float(np.nanmin([0, *shown.low, *shown.value]))), 1.02),
        ylim=(-0.6, len(between) - 0.4),
        xlabel="agreement beyond chance (Cohen's kappa)",
    )
    legend_below(figure, axes)
    return figure


def annotators(rates: pd.DataFrame, planted: Mapping[str, Any], title: str) -> Figure:
    """How often each annotator misses a class and how often they hear what is not there, with intervals."""
    wrong = rates[
        (rates.true_value != rates.said_value)
        & rates.true_value.map(lambda value: isinstance(value, bool | np.bool_))
    ]
    if wrong.empty:
        return nothing(title, "There are no votes to compare.")
    labels, names = sorted(wrong.label.unique()), sorted(wrong.annotator.unique())
    figure, listed = panels(2, 1.3 + 0.3 * len(names) * max(1, len(labels) / 2), title, sharey=True)
    has_put_in = False
    for axes, true_value, words in zip(
        listed,
        (True, False),
        ("misses: share of what is there", "false alarms: share of what is not"),
        strict=True,
    ):
        part = wrong[wrong.true_value == true_value]
        for place, label in enumerate(labels):
            mine = part[part.label == label].set_index("annotator").reindex(names)
            y = np.arange(len(names)) + _beside(place, len(labels))
            _with_intervals(axes, mine, "rate", y, place, label)
            kind = "miss" if true_value else "false_alarm"
            put_in = [_put_in(planted, name, label, kind) for name in names]
            if np.isfinite(put_in).any():
                axes.plot(put_in, y, linestyle="", marker="|", markersize=11, color=INK)
                has_put_in = True
        axes.set_title(words)
        axes.set(xlim=(0, max(0.05, 1.05 * _largest(part))), ylim=(-0.6, len(names) - 0.4))
        axes.set_yticks(range(len(names)), names)
    if has_put_in:
        listed[0].plot([], [], linestyle="", marker="|", markersize=11, color=INK, label="put in")
    legend_below(figure, listed[0], 6)
    return figure


def _largest(rows: pd.DataFrame) -> float:
    """The largest rate or end of an interval."""
    return float(np.nanmax([0, *rows.rate, *rows.high]))


def _beside(place: int, n: int) -> float:
    """How far the series at one of `n` places lies from the middle of its row."""
    return (place - (n - 1) / 2) * 0.7 / n


def _with_intervals(axes: Axes, rows: pd.DataFrame, value: str, y: Any, place: int, label: str) -> None:
    colour, marker = _SERIES[place % len(_SERIES)]
    axes.hlines(y, rows.low, rows.high, color=colour, linewidth=1.4)
    axes.plot(rows[value], y, linestyle="", marker=marker, color=colour, label=label)


def _put_in(planted: Mapping[str, Any], annotator: str, label: str, kind: str) -> float:
    """The planted rate of a mistake; NaN where nothing was planted."""
    return float(planted.get("error_rates", {}).get(annotator, {}).get(label, {}).get(kind, np.nan))


def learning_curve(curves: pd.DataFrame, lines: pd.DataFrame, metric: str, title: str) -> Figure:
    """Scores over growing parts of the collection, and the fitted law beyond it, with its band."""
    labels = sorted(curves.label.unique()) if len(curves) else []
    if not labels:
        return nothing(title, "Too few labelled nights for a learning curve.")
    figure, listed = panels(
        min(3, len(labels)), 2.9 * -(-len(labels) // 3), title, n_rows=-(-len(labels) // 3), sharey=True
    )
    for axes, label in zip(listed, labels, strict=False):
        points, line = curves[curves.label == label], lines[lines.label == label]
        axes.fill_between(line.n_clips, line.low, line.high, color=BLUE, alpha=0.15, linewidth=0)
        axes.plot(
            points.n_clips,
            points.score,
            linestyle="",
            marker="o",
            markersize=2.5,
            color=FAINT,
            label="one deal of the nights",
        )
        axes.plot(line.n_clips, line.score, color=BLUE, label="power law, with its band")
        now = float(line.n_now.iloc[0])
        axes.axvline(now, color=ORANGE, linewidth=1, linestyle="--", label="all labelled clips")
        axes.set_title(label)
        axes.set_xlabel("labelled clips trained on")
    listed[0].set_ylabel(metric.replace("_", " "))
    listed[0].set_ylim(top=_TOP)
    for axes in listed[len(labels) :]:
        axes.set_axis_off()
    legend_below(figure, listed[0])
    return figure


def coverage(table: pd.DataFrame, title: str) -> Figure:
    """Shares of training and deployment by site and by hour, side by side."""
    facets = [by for by in ("site", "hour") if (table.by == by).any()] if len(table) else []
    if not facets:
        return nothing(title, "No clips to compare.")
    sizes = [(table.by == by).sum() for by in facets]
    figure, listed = panels(len(facets), 1.3 + 0.3 * max(sizes), title)
    for axes, by in zip(listed, facets, strict=True):
        mine = table[table.by == by].iloc[::-1]
        y = np.arange(len(mine))
        axes.barh(y + 0.19, mine.training_share, height=0.36, color=BLUE, label="training")
        if mine.n_deployment.any():
            axes.barh(y - 0.19, mine.deployment_share, height=0.36, color=ORANGE, label="deployment")
        axes.set_yticks(
            y,
            [
                f"{value} ({state})" if state in ("missing", "thin") else value
                for value, state in zip(mine.value, mine.state, strict=True)
            ],
        )
        axes.set_title(f"by {by}")
        axes.set_xlabel("share of clips")
        axes.grid(axis="y", visible=False)
    legend_below(figure, listed[0])
    return figure


def drift(shifts: pd.DataFrame, planted: Mapping[str, Any], title: str) -> Figure:
    """Change of the background from one season to the next, octave by octave."""
    if shifts.empty:
        return nothing(title, "No recorder has nights in two seasons.")
    pairs = list(dict.fromkeys(zip(shifts["first"], shifts["second"], strict=True)))
    figure, (axes,) = panels(1, 2.9, title)
    for place, (first, second) in enumerate(pairs):
        mine = shifts[(shifts["first"] == first) & (shifts["second"] == second)]
        colour, marker = _SERIES[place % len(_SERIES)]
        x = np.arange(len(mine)) + 0.15 * (place - (len(pairs) - 1) / 2)
        axes.vlines(x, mine.low, mine.high, color=colour, linewidth=1.4)
        axes.plot(
            x, mine.shift_db, linestyle="", marker=marker, color=colour, label=f"{second} against {first}"
        )
        axes.set_xticks(range(len(mine)), mine.band)
    bands = list(shifts.band.unique())
    if planted and "4 kHz" in bands:
        at, put_in = bands.index("4 kHz"), [planted["drift_db"]] * 2
        axes.plot([at - 0.3, at + 0.3], put_in, color=INK, linewidth=1, linestyle=":", label="put in")
    axes.axhline(0, color=SOFT, linewidth=0.8)
    axes.set(ylabel="dB", xlabel="octave band of the background")
    legend_below(figure, axes)
    return figure


def embedding_map(points: pd.DataFrame, title: str) -> Figure:
    """The clips in the first two dimensions of the embedding, by season and by use."""
    if points.empty:
        return nothing(title, "No clips were embedded.")
    figure, listed = panels(2, 3.4, title, sharex=True, sharey=True)
    for axes, by, words in zip(listed, ("season", "use"), ("by season", "by what they are for"), strict=True):
        for place, (name, mine) in enumerate(points.groupby(by, sort=True)):
            colour, marker = _SERIES[place % len(_SERIES)]
            axes.plot(
                mine.x,
                mine.y,
                linestyle="",
                marker=marker,
                markersize=2.8,
                alpha=0.6,
                markeredgewidth=0,
                color=colour,
                label=str(name),
            )
        axes.set_title(words)
        axes.set_xlabel("first component")
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=3, markerscale=1.8, handletextpad=0.1)
    listed[0].set_ylabel("second component")
    return figure


def quality(clips: pd.DataFrame, title: str) -> Figure:
    """Signal-to-noise ratios of the positive clips by the tier that people gave, or none."""
    known = clips[clips.snr_db.notna()]
    if known.empty:
        return nothing(title, "No positive clip has a signal-to-noise ratio.")
    figure, (axes,) = panels(1, 2.6, title)
    bins = np.arange(np.floor(known.snr_db.min() / 2) * 2, known.snr_db.max() + 2.1, 2.0).tolist()
    groups = [("no tier given", FAINT), ("low", ORANGE), ("medium", PURPLE), ("high", BLUE)]
    parts = [
        known.snr_db[known.quality_assigned.astype("str").fillna("no tier given") == name]
        for name, _ in groups
    ]
    axes.hist(
        parts,
        bins=bins,
        stacked=True,
        color=[colour for _, colour in groups],
        label=[name for name, _ in groups],
    )
    axes.set(xlabel="signal-to-noise ratio, dB", ylabel="positive clips")
    axes.grid(axis="x", visible=False)
    legend_below(figure, axes)
    return figure


def strategies(simulation: pd.DataFrame, metric: str, title: str) -> Figure:
    """What the queue and chance reach with the same number of labels."""
    if simulation.empty:
        return nothing(title, "Too few labelled clips to try it out.")
    figure, (axes,) = panels(1, 2.8, title)
    for name, colour, marker in (("queue", BLUE, "o"), ("random", ORANGE, "s")):
        mine = (
            simulation[simulation.strategy == name].groupby("n_labelled").score.agg(["mean", "std", "count"])
        )
        error = mine["std"] / np.sqrt(mine["count"])
        _banded(axes, mine.index.to_numpy(), mine["mean"].to_numpy(), error.to_numpy(), colour, marker, name)
    axes.set(xlabel="labelled clips", ylabel=metric.replace("_", " "))
    axes.set_ylim(top=min(_TOP, axes.get_ylim()[1]))
    legend_below(figure, axes)
    return figure


def _banded(axes: Axes, x: Any, y: Any, error: Any, colour: str, marker: str, label: str) -> None:
    axes.fill_between(x, y - error, y + error, color=colour, alpha=0.15, linewidth=0)
    axes.plot(x, y, color=colour, marker=marker, markeredgecolor=CARD, label=label)
