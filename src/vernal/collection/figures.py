"""The figures of a collection's report, each a function that draws one in the common style."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vernal.clips.nights import START_HOUR
from vernal.collection.agreement import EVERYBODY
from vernal.collection.drift import season_of
from vernal.collection.vectors import x_of
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
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Every figure with its title, and words for those who cannot see it.
FIGURES = {
    "inventory": ("recordings by collector", "Recordings by collector and what became of them"),
    "agreement": ("agreement between annotators", "Agreement coefficients with intervals"),
    "annotators": (
        "mistakes of each annotator",
        "Rates of misses and false alarms of each annotator with intervals",
    ),
    "quality": ("signal-to-noise ratio of the calls", "Histogram of signal-to-noise ratios by quality tier"),
    "learning_curve": (
        "score by number of labelled clips",
        "Scores against the number of labelled clips, with the fitted law",
    ),
    "strategies": (
        "the queue and random choice",
        "Scores of the queue and of random choice against the number of labelled clips",
    ),
    "coverage": ("training and deployment", "Shares of training and deployment clips by site and hour"),
    "drift": (
        "change of the background between seasons",
        "Change of the background level by octave with intervals",
    ),
    "embedding_map": (
        "clips in the space of the embeddings",
        "Clips in the first two components of the embedding",
    ),
}
DEMO = "DEMO GROUP, no result"
UNGRADED = "not graded by a person"
_STATES = {"used": BLUE, "double": FAINT, "held back": ORANGE}
_SERIES = ((BLUE, "o"), (ORANGE, "s"), (GREEN, "^"), (PURPLE, "D"), (INK, "v"), (SOFT, "P"))
# No score is above 1; a mark at 1 is seen whole.
_TOP = 1.01


def inventory(stock: pd.DataFrame, title: str) -> "Figure":
    """Recordings by who gave them, and what became of them."""
    sounds = stock[(stock.kind == "recording") & (stock.state != "superseded")]
    if sounds.empty:
        return nothing(title, "No recordings were added.")
    roles = sounds.role.map({"adversarial": " (adversarial)", "deployment": " (deployment)"})
    who = sounds.collector.astype("str").fillna("unknown") + roles.fillna("")
    counts = pd.crosstab(who, sounds.state)
    counts = counts.loc[counts.sum(axis=1).sort_values().index]
    figure, (axes,) = panels(1, 1.1 + 0.3 * len(counts), title)
    left = np.zeros(len(counts))
    for state, colour in _STATES.items():
        width = counts.get(state, pd.Series(0, index=counts.index)).to_numpy()
        axes.barh(
            range(len(counts)),
            width,
            left=left,
            color=colour,
            label="duplicate" if state == "double" else state,
            height=0.62,
        )
        left = left + width
    axes.set_yticks(range(len(counts)), counts.index)
    axes.set_xlabel("recordings")
    axes.grid(axis="y", visible=False)
    legend_below(figure, axes)
    return figure


def agreement(table: pd.DataFrame, title: str) -> "Figure":
    """Coefficients with intervals: annotators with each other, all of them, and each with themselves."""
    shown = table[table.coefficient.isin(["cohen", "krippendorff"]) & table.value.notna()]
    if shown.empty:
        return nothing(title, "Nobody labelled what somebody else labelled too.")
    labels = sorted(shown.label.unique())
    # From the top: everybody, each with themselves, pairs.
    between = sorted(
        shown.between.unique(), key=lambda name: (name == EVERYBODY, "session" in name, name), reverse=True
    )
    figure, (axes,) = panels(1, 1.2 + 0.22 * len(between) * max(1, len(labels) / 2), title)
    rows = {name: at for at, name in enumerate(between)}
    for place, label in enumerate(labels):
        mine = shown[shown.label == label]
        y = mine.between.map(rows).to_numpy() + _beside(place, len(labels))
        _with_intervals(axes, mine, mine.value, y, place, label)
    names = ["all annotators (Krippendorff's alpha)" if name == EVERYBODY else name for name in between]
    axes.set_yticks(range(len(between)), names)
    axes.set(
        xlim=(min(-0.02, float(np.nanmin([0, *shown.low, *shown.value]))), 1.02),
        ylim=(-0.6, len(between) - 0.4),
        xlabel="agreement beyond chance (Cohen's kappa)",
    )
    legend_below(figure, axes)
    return figure


def annotators(rates: pd.DataFrame, planted: Mapping[str, Any], title: str) -> "Figure":
    """How often each annotator misses a class and how often they hear what is not there, with intervals."""
    is_yes_or_no = rates.true_value.map(lambda value: isinstance(value, bool | np.bool_)).astype(bool)
    wrong = rates[(rates.true_value != rates.said_value) & is_yes_or_no]
    if wrong.empty:
        return nothing(title, "There are no votes to compare.")
    labels, names = sorted(wrong.label.unique()), sorted(wrong.annotator.unique())
    figure, listed = panels(2, 1.3 + 0.3 * len(names) * max(1, len(labels) / 2), title, sharey=True)
    mistakes = (
        ("miss", True, "missed: share of clips with the call"),
        ("false_alarm", False, "false alarms: share of clips without"),
    )
    has_put_in = False
    for axes, (kind, true_value, words) in zip(listed, mistakes, strict=True):
        part = wrong[wrong.true_value == true_value]
        for place, label in enumerate(labels):
            mine = part[part.label == label].set_index("annotator").reindex(names)
            y = np.arange(len(names)) + _beside(place, len(labels))
            _with_intervals(axes, mine, mine.rate, y, place, label)
            put_in = [_put_in(planted, name, label, kind) for name in names]
            if np.isfinite(put_in).any():
                axes.plot(put_in, y, linestyle="", marker="|", markersize=11, color=INK)
                has_put_in = True
        axes.set_title(words)
        largest = float(np.nanmax([0, *part.rate, *part.high]))
        axes.set(xlim=(0, max(0.05, 1.05 * largest)), ylim=(-0.6, len(names) - 0.4))
        axes.set_yticks(range(len(names)), names)
    if has_put_in:
        listed[0].plot([], [], linestyle="", marker="|", markersize=11, color=INK, label="planted")
    legend_below(figure, listed[0], 6)
    return figure


def _beside(place: int, n: int) -> float:
    """How far the series at one of `n` places lies from the middle of its row."""
    return (place - (n - 1) / 2) * 0.7 / n


def _look(place: int) -> tuple[str, str]:
    """Colour and marker of one of several series."""
    return _SERIES[place % len(_SERIES)]


def _with_intervals(axes: "Axes", rows: pd.DataFrame, x: pd.Series, y: Any, place: int, label: str) -> None:
    colour, marker = _look(place)
    axes.hlines(y, rows.low, rows.high, color=colour, linewidth=1.4)
    axes.plot(x, y, linestyle="", marker=marker, color=colour, label=label)


def _put_in(planted: Mapping[str, Any], annotator: str, label: str, kind: str) -> float:
    """The planted rate of a mistake; NaN where nothing was planted."""
    return float(planted.get("error_rates", {}).get(annotator, {}).get(label, {}).get(kind, np.nan))


def learning_curve(curves: pd.DataFrame, lines: pd.DataFrame, metric: str, title: str) -> "Figure":
    """Scores over growing parts of the collection, and the fitted law beyond it, with its band."""
    labels = sorted(curves.label.unique()) if len(curves) else []
    if not labels:
        return nothing(title, "Too few labelled nights for a learning curve.")
    n_rows = -(-len(labels) // 3)
    figure, listed = panels(min(3, len(labels)), 2.9 * n_rows, title, n_rows=n_rows, sharey=True)
    for axes, label in zip(listed, labels, strict=False):
        points, line = curves[curves.label == label], lines[lines.label == label]
        axes.fill_between(line.n_clips, line.low, line.high, color=BLUE, alpha=0.15, linewidth=0)
        axes.plot(
            points.n_clips, points.score, "o", markersize=2.5, color=FAINT, label="one split of the nights"
        )
        axes.plot(line.n_clips, line.score, color=BLUE, label="fitted power law, with its band")
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


def coverage(table: pd.DataFrame, title: str) -> "Figure":
    """Shares of training and deployment by site and by hour, side by side."""
    facets = [by for by in ("site", "hour") if (table.by == by).any()] if len(table) else []
    if not facets:
        return nothing(title, "No clips to compare.")
    sizes = [(table.by == by).sum() for by in facets]
    figure, listed = panels(len(facets), 1.3 + 0.3 * max(sizes), title)
    for axes, by in zip(listed, facets, strict=True):
        mine = _in_order(table[table.by == by], by).iloc[::-1]
        y = np.arange(len(mine))
        axes.barh(y + 0.19, mine.training_share, height=0.36, color=BLUE, label="training")
        if mine.n_deployment.any():
            axes.barh(y - 0.19, mine.deployment_share, height=0.36, color=ORANGE, label="deployment")
        gap = (" (" + mine.state + ")").where(mine.state.isin(["missing", "thin"]), "")
        axes.set_yticks(y, mine.value + gap)
        axes.set_title(f"by {by}")
        axes.set_xlabel("share of clips")
        axes.grid(axis="y", visible=False)
    legend_below(figure, listed[0])
    return figure


def _in_order(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """Rows as they are; hours from noon to noon, so that a night is not cut in two."""
    if by != "hour":
        return rows
    return rows.sort_values("value", key=lambda hours: (hours.astype(int) - START_HOUR) % 24)


def drift(shifts: pd.DataFrame, planted: Mapping[str, Any], title: str) -> "Figure":
    """Change of the background from one season to the next, octave by octave."""
    if shifts.empty:
        return nothing(title, "No recorder has nights in two seasons.")
    pairs = list(dict.fromkeys(zip(shifts["first"], shifts["second"], strict=True)))
    figure, (axes,) = panels(1, 2.9, title)
    for place, (first, second) in enumerate(pairs):
        mine = shifts[(shifts["first"] == first) & (shifts["second"] == second)]
        colour, marker = _look(place)
        x = np.arange(len(mine)) + 0.15 * (place - (len(pairs) - 1) / 2)
        axes.vlines(x, mine.low, mine.high, color=colour, linewidth=1.4)
        axes.plot(x, mine.shift_db, marker, color=colour, label=f"{second} against {first}")
        axes.set_xticks(range(len(mine)), mine.band)
    bands = list(shifts.band.unique())
    if planted and "4 kHz" in bands:
        at, put_in = bands.index("4 kHz"), [planted["drift_db"]] * 2
        axes.plot([at - 0.3, at + 0.3], put_in, color=INK, linewidth=1, linestyle=":", label="planted")
    axes.axhline(0, color=SOFT, linewidth=0.8)
    axes.set(ylabel="change of level, dB", xlabel="octave band of the background")
    legend_below(figure, axes)
    return figure


def embedding_map(vectors: pd.DataFrame, clips: pd.DataFrame, season_by: str, title: str) -> "Figure":
    """The clips in the first two dimensions of the embedding, by season and by use."""
    shown = clips[clips.clip_id.isin(vectors.clip_id)].sort_values("clip_id")
    if shown.empty:
        return nothing(title, "No clips were embedded.")
    x = x_of(vectors, shown.clip_id)
    season = season_of(shown.date, season_by).fillna("not known").to_numpy()
    points = pd.DataFrame({
        "x": x[:, 0], "y": x[:, 1] if x.shape[1] > 1 else 0.0, "season": season, "use": shown.role.to_numpy(),
    })  # fmt: skip
    figure, listed = panels(2, 3.4, title, sharex=True, sharey=True)
    for axes, by, words in zip(listed, ("season", "use"), ("by season", "by what they are for"), strict=True):
        for place, (name, mine) in enumerate(points.groupby(by, sort=True)):
            colour, marker = _look(place)
            axes.plot(mine.x, mine.y, marker, markersize=2.8, alpha=0.6, markeredgewidth=0, color=colour,
                      label=str(name))  # fmt: skip
        axes.set_title(words)
        axes.set_xlabel("first component")
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=3, markerscale=1.8, handletextpad=0.1)
    listed[0].set_ylabel("second component")
    return figure


def quality(clips: pd.DataFrame, title: str) -> "Figure":
    """Signal-to-noise ratios of the positive clips by the tier that people gave, or none."""
    known = clips[clips.snr_db.notna()]
    if known.empty:
        return nothing(title, "No positive clip has a signal-to-noise ratio.")
    figure, (axes,) = panels(1, 2.6, title)
    bins = np.arange(np.floor(known.snr_db.min() / 2) * 2, known.snr_db.max() + 2.1, 2.0).tolist()
    colours = {UNGRADED: FAINT, "low": ORANGE, "medium": PURPLE, "high": BLUE}
    tier = known.quality_assigned.astype("str").fillna(UNGRADED)
    parts = [known.snr_db[tier == name] for name in colours]
    axes.hist(parts, bins=bins, stacked=True, color=list(colours.values()), label=list(colours))
    axes.set(xlabel="signal-to-noise ratio, dB", ylabel="positive clips")
    axes.grid(axis="x", visible=False)
    legend_below(figure, axes)
    return figure


def strategies(simulation: pd.DataFrame, metric: str, title: str) -> "Figure":
    """What the queue and chance reach with the same number of labels."""
    if simulation.empty:
        return nothing(title, "Too few labelled clips to try it out.")
    figure, (axes,) = panels(1, 2.8, title)
    for name, colour, marker in (("queue", BLUE, "o"), ("random", ORANGE, "s")):
        scores = simulation[simulation.strategy == name].groupby("n_labelled").score
        mean, error = scores.mean(), scores.sem()
        axes.fill_between(mean.index, mean - error, mean + error, color=colour, alpha=0.15, linewidth=0)
        axes.plot(mean.index, mean, color=colour, marker=marker, markeredgecolor=CARD, label=name)
    axes.set(xlabel="labelled clips", ylabel=metric.replace("_", " "))
    axes.set_ylim(top=min(_TOP, axes.get_ylim()[1]))
    legend_below(figure, axes)
    return figure
