"""Figures of nights: which were found and which missed, and what finding them costs in review."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vernal.clips.manifest import split_name
from vernal.common.formatting import percent
from vernal.evaluation.stage_results import StageResults
from vernal.reports.figures.curves import no_threshold
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
    shortened,
    width_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNKNOWN_NIGHTS = "Recorder or date is unknown of some clips, so there is no table of nights."
LONGEST_GAP = 10  # days that a gap without nights takes at most
# What happened to a night: colour and mark; the mark alone tells them apart too.
OUTCOMES = {
    "found, and confirmed by a true clip": (GREEN, "s"),
    "flagged, but none of the flagged clips is right": (PURPLE, "D"),
    "missed: nothing flagged": (ORANGE, "X"),
    "without the target, flagged": (INK, "^"),
    "without the target, left alone": (FAINT, "o"),
}


def outcome(nights: pd.DataFrame) -> pd.Series:
    """What happened to each night, in the words of `OUTCOMES`."""
    found, unconfirmed, missed, invented, quiet = OUTCOMES
    conditions = [
        nights["is_confirmed"],
        nights["is_present"] & nights["is_reported"],
        nights["is_present"],
        nights["is_reported"],
    ]
    return pd.Series(
        np.select(
            [part.to_numpy(dtype=bool) for part in conditions], [found, unconfirmed, missed, invented], quiet
        ),
        index=nights.index,
        dtype="str",
    )


def nights(results: StageResults, title: str, point: str = "") -> "Figure":
    """Every recorder-night of the test splits: what a point made of it, the one to deploy where none is named."""
    table = results.table("nights", point or results.deployed)
    splits = [name for name in results.shown_splits if len(table) and (table["split"] == name).any()]
    if not splits:
        return nothing(title, no_threshold(results) or UNKNOWN_NIGHTS)
    sizes = [table.loc[table["split"] == name, "recorder_id"].nunique() for name in splits]
    figure, listed = panels(
        1, 1.3 + sum(0.75 + 0.24 * size for size in sizes), title, n_rows=len(splits),
        gridspec_kw={"height_ratios": [0.5 + size * 0.24 for size in sizes]},
    )  # fmt: skip
    for axes, split in zip(listed, splits, strict=True):
        _calendar(axes, table[table["split"] == split])
        axes.set_title(split_name(split))
    legend_below(figure, listed[0], 2)
    return figure


def night_places(dates: Sequence[str]) -> tuple[dict[str, float], list[float]]:
    """Where nights stand on an axis of days, and where it is broken: a longer gap is drawn as `LONGEST_GAP` days.

    Args:
        dates: of evenings, sorted.

    >>> night_places(["2025-03-08", "2025-03-10", "2025-06-01"])
    ({'2025-03-08': 0.0, '2025-03-10': 2.0, '2025-06-01': 12.0}, [7.0])
    """
    days = pd.to_datetime(pd.Series(list(dates))).diff().dt.days.fillna(0.0)
    steps = days.clip(upper=LONGEST_GAP)
    places = steps.cumsum()
    return dict(zip(dates, places.tolist(), strict=True)), (places - steps / 2)[days > LONGEST_GAP].tolist()


def set_nights(axes: "Axes", dates: Sequence[str], most_ticks: int = 12) -> dict[str, float]:
    """Make the lower axis one of nights, and return the place of each; dotted lines mark where it is broken."""
    places, breaks = night_places(dates)
    for at in breaks:
        axes.axvline(at, color=SOFT, linewidth=0.8, linestyle=(0, (2, 2)))
    end = places[dates[-1]]
    ticks: list[str] = []
    for date in dates:
        if not ticks or places[date] - places[ticks[-1]] >= max(1.0, end / most_ticks):
            ticks.append(date)
    axes.set_xticks([places[date] for date in ticks], ticks, rotation=30, ha="right", fontsize=8.5)
    axes.set_xlim(-0.8, max(end + 1, 12) - 0.2)
    return places


def _calendar(axes: "Axes", table: pd.DataFrame) -> None:
    dates, recorders = (sorted(table[name].astype(str).unique()) for name in ("night", "recorder_id"))
    places = set_nights(axes, dates)
    x = table["night"].astype(str).map(places).to_numpy()
    y = table["recorder_id"].astype(str).map({name: at for at, name in enumerate(recorders)}).to_numpy()
    what = outcome(table).to_numpy()
    size = float(np.clip(3_600 / (places[dates[-1]] + 1), 6, 75))
    for name, (colour, marker) in OUTCOMES.items():
        inside = what == name
        axes.scatter(x[inside], y[inside], s=size, color=colour, marker=marker, linewidths=0, label=name)
    axes.set_yticks(range(len(recorders)), [shortened(name, 24) for name in recorders])
    axes.set_ylim(len(recorders) - 0.5, -0.5)
    axes.tick_params(length=0)


def review(results: StageResults, title: str) -> "Figure":
    """Minutes of review a night against the share of nights with the target that are missed all the same."""
    table = results.table("review")
    usable = (
        table[table["missed_nights_share"].notna() & table["review_minutes"].notna()] if len(table) else table
    )
    splits = [name for name in results.shown_splits if len(usable) and (usable["split"] == name).any()]
    if not splits:
        return nothing(
            title,
            UNKNOWN_NIGHTS if table.empty else "No test split has nights with the target and negatives.",
        )
    figure, listed = panels(len(splits), 3.7, title, width_in=width_of(len(splits)), sharey=True)
    for axes, split in zip(listed, splits, strict=True):
        for point in results.leading_points:
            part = usable[(usable["split"] == split) & (usable["point"] == point)]
            label = "each seed" if len(results.leading_points) > 1 else "classifier"
            minutes, missed = part["review_minutes"], part["missed_nights_share"]
            axes.plot(minutes, missed, color=BLUE, linewidth=1.2, drawstyle="steps-post", label=label)
        _operating_points(axes, results, split)
        axes.set_xscale("symlog", linthresh=1)
        axes.set(ylim=(-0.03, 1.04), xlabel="review of false alarms (minutes a night)")
        axes.set_xlim(-0.1, max(60.0, float(usable["review_minutes"].max()) * 1.2))
        _minute_ticks(axes)
        axes.set_title(_night_title(results, split))
    listed[0].set_ylabel("nights missed")
    listed[0].yaxis.set_major_formatter(lambda value, _: percent(value))
    legend_below(figure, listed[0])
    return figure


def _night_title(results: StageResults, split: str) -> str:
    point = results.leading_points[0]
    return f"{split_name(split)}: {results.number(point, f'{split}_n_present'):,.0f} nights with the target"


def _minute_ticks(axes: "Axes") -> None:
    top = axes.get_xlim()[1]
    ticks = [tick for tick in (0, 1, 3, 10, 30, 100, 300, 1000, 3000) if tick <= top]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()


def _operating_points(axes: "Axes", results: StageResults, split: str) -> None:
    """Where the frozen thresholds of the leading points lie on their curves, and what listening to all takes."""
    axes.axvline(results.options.clips_per_night * results.options.seconds_per_clip / 60, color=SOFT,
                 linestyle=(0, (4, 2)), linewidth=1.1, label="listening to everything")  # fmt: skip
    if results.no_threshold:
        return
    minutes, missed = [], []
    for point in results.leading_points:
        lost, present = (results.number(point, f"{split}_{name}") for name in ("missed_nights", "n_present"))
        minutes.append(results.number(point, f"{split}_review_minutes"))
        missed.append(lost / present if present else np.nan)
    axes.plot(minutes, missed, "o", color=ORANGE, markeredgecolor=CARD, markersize=7,
              label="at the threshold from validation")  # fmt: skip
