"""Figures that set configurations and settings side by side: the leaderboard, and what each setting does."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vernal.clips.manifest import on_split, split_name
from vernal.common.formatting import UNDEFINED, percent
from vernal.evaluation.baselines import ALL_POSITIVE, METADATA
from vernal.evaluation.effects import NO_DIFFERENCE, NOT_TESTED
from vernal.evaluation.stage_results import METRIC_NAMES, StageResults, short_levels
from vernal.reports.figures.style import (
    BLUE,
    CARD,
    FAINT,
    GREEN,
    INK,
    LINE,
    ORANGE,
    PURPLE,
    SOFT,
    legend_below,
    nothing,
    panels,
    shortened,
)
from vernal.sweeps.settings_table import level_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROWS = 20  # configurations in the picture; the table has all
CONTRASTS = 40


def leaderboard(results: StageResults, title: str) -> "Figure":
    """The chosen configurations: mean, interval, every seed, and what is reached without listening."""
    board = results.leaderboard.head(ROWS)
    if board.empty:
        return nothing(title, "No configuration reaches the precision floor.")
    primary, n_all = results.primary, len(results.leaderboard)
    shown = f"{title} (first {len(board)} of {n_all:,})" if n_all > len(board) else title
    figure, (axes,) = panels(1, 1.5 + 0.27 * len(board), shown)
    y = np.arange(len(board))
    low, high, mean = (board[f"{primary}_{end}"].astype(float).to_numpy() for end in ("low", "high", "mean"))
    if np.isfinite(low).any():
        axes.hlines(
            y, low, high, color=BLUE, linewidth=1.6, label=f"{percent(results.options.level)} interval"
        )
    runs = [
        (results.number(point, primary), at)
        for at, (_, row) in enumerate(board.iterrows())
        for point in results.points_of(row)
    ]
    seeds = [value for value, _ in runs]
    axes.plot(
        seeds, [at for _, at in runs], "|", color=ORANGE, markersize=10, markeredgewidth=1.4, label="one seed"
    )
    axes.plot(mean, y, "o", color=BLUE, markeredgecolor=CARD, label="mean over seeds")
    beside = _baseline_lines(axes, results)
    axes.set(
        ylim=(len(board) - 0.4, -1.6),
        xlabel=f"{METRIC_NAMES[results.primary_metric]} {on_split(results.primary_split)}",
    )
    axes.set_yticks(y, _labels(results, board))
    axes.tick_params(axis="y", length=0, pad=24)
    settings = shortened(" · ".join(results.axes), 58)
    axes.annotate(settings, (0, -1), (-28, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                  ha="right", va="center", color=SOFT, fontsize=8.5)  # fmt: skip
    for at, rank in enumerate(board["rank"]):
        text = UNDEFINED if pd.isna(rank) else str(int(rank))
        axes.annotate(text, (0, at), (-5, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                      ha="right", va="center", color=SOFT)  # fmt: skip
    axes.grid(axis="y", visible=False)
    axes.set_xlim(_around(np.concatenate([low, high, mean, beside, seeds])))
    legend_below(figure, axes, 5)
    return figure


def _baseline_lines(axes: "Axes", results: StageResults) -> list[float]:
    values = []
    for name, colour, dashes, label in (
        (ALL_POSITIVE, SOFT, (0, (4, 2)), "every clip flagged"),
        (METADATA, PURPLE, (0, (1, 1.4)), "place and hour alone"),
    ):
        value = results.baseline(name, results.primary_split, results.primary_metric)
        axes.axvline(value, color=colour, linestyle=dashes, linewidth=1.5, label=label, zorder=1)
        values.append(value)
    return values


def _labels(results: StageResults, board: pd.DataFrame) -> list[str]:
    parts = [
        short_levels([level_text(value).replace(";", ", ") for value in board[axis]]) for axis in results.axes
    ]
    if not parts:
        return ["the one configuration"] * len(board)
    return [shortened(" · ".join(levels), 58) for levels in zip(*parts, strict=True)]


def _around(values: np.ndarray) -> tuple[float, float]:
    """Limits with a margin about what is finite, within a share's range."""
    finite = values[np.isfinite(values.astype(float))]
    if not finite.size:
        return 0.0, 1.0
    margin = max(0.02, 0.06 * float(np.ptp(finite)))
    return max(-0.01, float(finite.min()) - margin), min(1.01, float(finite.max()) + margin)


def effects(results: StageResults, title: str) -> "Figure":
    """What each level of each axis changes, with intervals and the least change that would have been found."""
    table = main_effects(results)
    if table.empty:
        return nothing(title, "No setting varies in pairs of points, so no effect can be estimated.")
    splits = [name for name in results.test_splits if (table["split"] == name).any()]
    return contrasts(table, splits, METRIC_NAMES[results.primary_metric], title)


def contrasts(table: pd.DataFrame, splits: Sequence[str], metric: str, title: str) -> "Figure":
    """Contrasts of one metric, a panel for each split; `table` is of the form of `effects.csv`."""
    rows = table[table["split"] == splits[0]].head(CONTRASTS)
    keys = list(zip(rows["axis"], rows["level_a"], rows["level_b"], strict=True))
    y = _spaced([axis for axis, _, _ in keys])
    figure, listed = panels(len(splits), 1.5 + 0.27 * (max(y) + 1), title, sharey=True)
    for axes, split in zip(listed, splits, strict=True):
        part = table[table["split"] == split].set_index(["axis", "level_a", "level_b"]).reindex(keys)
        _draw_effects(axes, part, np.asarray(y))
        axes.set_title(split_name(split))
        axes.set_xlabel(f"change of {metric}")
    listed[0].set_yticks(y, [shortened(_contrast_text(key, keys), 46) for key in keys])
    listed[0].set_ylim(max(y) + 0.6, -0.6)
    legend_below(figure, listed[0], 4)
    return figure


def main_effects(results: StageResults) -> pd.DataFrame:
    """Contrasts over the whole stage in the primary metric: not those within levels of another axis."""
    table = results.effects
    if table.empty:
        return table
    whole = table["within"].fillna("").astype(str) == ""
    return table[whole & (table["metric"] == results.primary_metric)].reset_index(drop=True)


def _spaced(names: list[str]) -> list[float]:
    """Rows with a gap before each new axis."""
    y, at = [], -1.0
    for before, name in zip([None, *names[:-1]], names, strict=True):
        at += 1.0 if before in (None, name) else 1.5
        y.append(at)
    return y


def _contrast_text(key: tuple[str, str, str], keys: list[tuple[str, str, str]]) -> str:
    axis, a, b = key
    levels = [level_text(level) for other, *pair in keys if other == axis for level in pair]
    short = dict(zip(levels, short_levels(levels), strict=True))
    return f"{axis}: {short[level_text(a)]} → {short[level_text(b)]}"


def _draw_effects(axes: "Axes", part: pd.DataFrame, y: np.ndarray) -> None:
    effect, low, high, detectable = (
        part[name].astype(float).to_numpy() for name in ("effect", "low", "high", "minimum_detectable_effect")
    )
    verdict = part["verdict"].fillna(NOT_TESTED).to_numpy()
    axes.barh(y, 2 * np.nan_to_num(detectable), left=-np.nan_to_num(detectable), height=0.62, color=LINE,
              label="too small to be found reliably here", zorder=0)  # fmt: skip
    axes.axvline(0, color=INK, linewidth=0.9)
    kinds = (
        ("higher", verdict == "higher", GREEN, "^", GREEN),
        ("lower", verdict == "lower", ORANGE, "v", ORANGE),
        (NO_DIFFERENCE, verdict == NO_DIFFERENCE, SOFT, "o", CARD),
        ("not tested: no interval", verdict == NOT_TESTED, SOFT, "x", FAINT),
    )
    for label, chosen, colour, marker, face in kinds:
        if chosen.any():
            axes.hlines(y[chosen], low[chosen], high[chosen], color=colour, linewidth=1.6)
            axes.plot(effect[chosen], y[chosen], marker, color=colour, markerfacecolor=face,
                      markeredgewidth=1.3, linestyle="none", label=label)  # fmt: skip
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    left, right = axes.get_xlim()
    # A share cannot change by more than 1; and what is next to nothing must not fill the picture.
    axes.set_xlim(max(min(left, -0.02), -1.05), min(max(right, 0.02), 1.05))
    axes.locator_params(axis="x", nbins=6)
