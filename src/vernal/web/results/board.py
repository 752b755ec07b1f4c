"""The leaderboard to look through: filtered by any setting, with a floor of precision, in any order.

Two kinds of rows: configurations (means over seeds, as in `leaderboard.csv`) and points (single runs, as in
`points.csv`). A filter hides rows and changes no number: a mean over seeds stays the mean over all its seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from vernal.common.problems import suggest
from vernal.evaluation.stage_results import METRIC_NAMES, VALIDATION, StageResults, level_words
from vernal.reports.points import point_marks
from vernal.sweeps.point_settings import SETTINGS
from vernal.sweeps.settings_table import SEED

CONFIGURATIONS, POINTS = "configurations", "points"
SHOWN_METRICS = ("f1", "precision", "recall", "auroc", "average_precision")
RANK = "rank"
FIRST_ON_VALIDATION = "first on validation"


@dataclass(frozen=True)
class BoardRow:
    """A configuration or a point.

    `point` stands for it where one point is wanted: the one with the highest average precision on validation.
    `levels`: per setting its levels. `numbers`: by column as in `points.csv` (`test_ood_f1`, `..._low`, `..._high`);
    for a configuration the mean over seeds, and `..._std`.
    """

    point: str
    points: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    numbers: Mapping[str, float]
    n_runs: int = 1
    rank: int | None = None
    remark: str = ""

    def number(self, column: str) -> float:
        """A number; NaN where it is undefined or there is none."""
        return self.numbers.get(column, float("nan"))


@dataclass(frozen=True)
class BoardQuery:
    """What a person asked to see.

    `levels`: accepted levels by setting, settings that are not named accept all. `floor`: least precision on
    `floor_split`. `sort`: `rank` or a column; `split`: whose numbers stand beside the deciding ones.
    """

    rows: str = CONFIGURATIONS
    levels: Mapping[str, frozenset[str]] = field(default_factory=dict)
    floor: float | None = None
    floor_split: str = VALIDATION
    sort: str = RANK
    descending: bool = False
    split: str = ""


@dataclass(frozen=True)
class Board:
    """The rows that are left, in order, and how many were left out for what reason."""

    rows: tuple[BoardRow, ...]
    n_all: int
    n_by_level: int
    n_below_floor: int
    n_undefined: int
    first_on_validation: BoardRow | None


def choices(results: StageResults) -> dict[str, list[str]]:
    """The levels of every setting that varies in a stage, in the order of the points."""
    settings = results.settings
    found: dict[str, list[str]] = {}
    for name in SETTINGS:
        levels = list(dict.fromkeys(map(level_words, settings[name]))) if name in settings else []
        if len(levels) > 1:
            found[name] = levels
    return found


def fixed(results: StageResults) -> dict[str, str]:
    """The settings that are the same in all points, with their level."""
    settings = results.settings
    return {
        name: level_words(settings[name].iloc[0])
        for name in SETTINGS
        if name in settings and settings[name].nunique() == 1
    }


def configuration_rows(results: StageResults) -> list[BoardRow]:
    """One row a configuration, in the order of the leaderboard."""
    point_at = {point: at for at, point in enumerate(results.plan["point"].astype(str))}
    settings = results.settings
    columns = [str(name) for name in results.leaderboard.columns]
    means = {name: name.removesuffix("_mean") for name in columns if name.endswith("_mean")}
    rest = [name for name in columns if name.endswith(("_std", "_low", "_high"))]
    rows = []
    for row in results.leaderboard.to_dict("records"):
        points = tuple(point for point in str(row["points"]).split(", ") if point in point_at)
        part = settings.iloc[[point_at[point] for point in points]]
        levels = {str(name): tuple(dict.fromkeys(level_words(v) for v in part[name])) for name in part}
        numbers = {means[name]: _number(row[name]) for name in means}
        numbers |= {name: _number(row[name]) for name in rest}
        rank = None if pd.isna(row["rank"]) else int(row["rank"])
        rows.append(BoardRow(_stands_for(results, points), points, levels, numbers, int(row["n_runs"]), rank))
    return rows


def point_rows(results: StageResults) -> list[BoardRow]:
    """One row a point, in the order of the plan; points without a result keep their row, with the reason."""
    marks = point_marks(results)
    settings = results.settings.assign(point=results.plan["point"].astype(str)).set_index("point")
    numbers = results.points.set_index("point").apply(pd.to_numeric, errors="coerce")
    wanted = [
        name for name in numbers.columns if name.startswith(("val_", "test_", "threshold_", "n_train_"))
    ]
    table = numbers[wanted].astype(float).to_dict("index")
    rows = []
    for point in results.plan["point"].astype(str):
        levels = {str(name): (level_words(level),) for name, level in settings.loc[point].items()}
        remark = "; ".join(text for text, _ in marks.get(point, []))
        rows.append(BoardRow(point, (point,), levels, table.get(point, {}), remark=remark))
    return rows


def _stands_for(results: StageResults, points: Sequence[str]) -> str:
    """The point of a configuration to look into, chosen on validation, never on a test split; the first if equal."""
    values = [results.number(point, f"{VALIDATION}_average_precision") for point in points]
    return points[int(np.argmax(np.nan_to_num(values, nan=-1.0)))]


def _number(value: object) -> float:
    return float("nan") if pd.isna(value) else float(value)  # type: ignore[arg-type, call-overload]


def parse_query(results: StageResults, asked: Sequence[tuple[str, str]]) -> tuple[BoardQuery, list[str]]:
    """Read a query string's pairs; what cannot be read is left out and said.

    Settings are asked for as `s.<setting>=<level>`, several times for several levels.
    """
    known, values, words = choices(results), dict(asked), []
    levels: dict[str, set[str]] = {}
    for name, value in asked:
        if not name.startswith("s."):
            continue
        setting = name[2:]
        if setting not in known:
            words.append(f"{setting!r} does not vary in this stage, so nothing is filtered by it.")
        elif value not in known[setting]:
            words.append(f"{setting} has no level {value!r}; {suggest(value, known[setting])}.")
        else:
            levels.setdefault(setting, set()).add(value)
    rows = POINTS if values.get("rows") == POINTS else CONFIGURATIONS
    if rows == CONFIGURATIONS and SEED in levels:
        del levels[SEED]
        words.append("Configurations are means over all seeds; show points to filter by seed.")
    floor, floor_words = _floor(values.get("floor", ""))
    words += floor_words
    splits = results.measured_splits
    sort = values.get("sort", RANK)
    if sort != RANK and sort not in sortable(results):
        words.append(f"There is no column {sort!r} to order by.")
        sort = RANK
    return BoardQuery(
        rows,
        {name: frozenset(kept) for name, kept in levels.items()},
        floor,
        _one_of(values.get("floor_split"), splits, VALIDATION),
        sort,
        values.get("order", "desc") != "asc" if sort != RANK else False,
        _one_of(values.get("split"), splits, results.primary_split),
    ), words


def _floor(text: str) -> tuple[float | None, list[str]]:
    if not text.strip():
        return None, []
    try:
        floor = float(text.replace(",", "."))
    except ValueError:
        floor = float("nan")
    if 0 <= floor <= 1:
        return floor, []
    return None, [f"The precision floor {text!r} is no number from 0 to 1, so it is not applied."]


def _one_of(asked: str | None, known: Sequence[str], default: str) -> str:
    if asked in known:
        return str(asked)
    return default if default in known or not known else known[0]


def sortable(results: StageResults) -> list[str]:
    """Columns that a board can be ordered by."""
    columns = [f"{split}_{metric}" for split in results.measured_splits for metric in METRIC_NAMES]
    present = {*results.points.columns, *(name.removesuffix("_mean") for name in results.leaderboard.columns)}
    return [name for name in columns if name in present]


def make_board(results: StageResults, query: BoardQuery, rows: Sequence[BoardRow] | None = None) -> Board:
    """Filter and order.

    Args:
        rows: of the kind that the query asks for; None: made here.
    """
    if rows is None:
        rows = configuration_rows(results) if query.rows == CONFIGURATIONS else point_rows(results)
    fitting = [row for row in rows if fits(row, query.levels)]
    kept, n_below, n_undefined = above_floor(fitting, query)
    ordered = in_order(kept, query.sort, query.descending)
    chosen = f"{VALIDATION}_{results.primary_metric}"
    leading = in_order([row for row in kept if math.isfinite(row.number(chosen))], chosen, True)
    return Board(
        tuple(ordered), len(rows), len(rows) - len(fitting), n_below, n_undefined,
        leading[0] if len(leading) > 1 else None,
    )  # fmt: skip


def fits(row: BoardRow, levels: Mapping[str, frozenset[str]]) -> bool:
    """Whether a row has, of every setting that is filtered by, one of the accepted levels."""
    return all(accepted & set(row.levels.get(name, ())) for name, accepted in levels.items())


def above_floor(rows: Sequence[BoardRow], query: BoardQuery) -> tuple[list[BoardRow], int, int]:
    """Rows at or above the precision floor; how many lie below, and of how many it is undefined."""
    if query.floor is None:
        return list(rows), 0, 0
    column = f"{query.floor_split}_precision"
    values = [row.number(column) for row in rows]
    kept = [row for row, value in zip(rows, values, strict=True) if value >= query.floor]
    n_undefined = sum(not math.isfinite(value) for value in values)
    return kept, len(rows) - len(kept) - n_undefined, n_undefined


def in_order(rows: Sequence[BoardRow], sort: str, descending: bool) -> list[BoardRow]:
    """Rows by a column, what is undefined last in either direction; equal ones keep their order."""
    if sort == RANK:
        return list(reversed(rows)) if descending else list(rows)
    known = [row for row in rows if math.isfinite(row.number(sort))]
    unknown = [row for row in rows if not math.isfinite(row.number(sort))]
    sign = -1 if descending else 1
    return sorted(known, key=lambda row: sign * row.number(sort)) + unknown


def selection_words(results: StageResults, query: BoardQuery) -> list[tuple[str, str]]:
    """What a filter or an order means for the numbers that are left, as words and tone."""
    said = []
    if query.floor is not None:
        mean = "mean precision" if query.rows == CONFIGURATIONS else "precision"
        kept = f"Only those with a {mean} of at least {query.floor:g} on {query.floor_split}"
        if query.floor_split == VALIDATION:
            words = (
                f"{kept}, at the threshold that was chosen there. That choice touches no test split, so the numbers of "
                "test splits mean what they meant before."
            )
            said.append((words, "good"))
        else:
            words = (
                f"{kept}, which is a choice made on a test split: what is left looks better there than it will on new "
                "nights. Look, but choose with the floor on validation."
            )
            said.append((words, "warning"))
    if query.sort == RANK and query.rows == CONFIGURATIONS:
        words = (
            f"Ranks go by the mean {METRIC_NAMES[results.primary_metric]} on {results.primary_split} less "
            f"{results.options.penalty:g} standard deviations over seeds."
        )
        said.append((words, "soft"))
    ordered_by = results.primary_split if query.sort == RANK else _split_of(results, query.sort)
    is_plan_order = query.sort == RANK and query.rows == POINTS
    if ordered_by != VALIDATION and not is_plan_order:
        words = (
            f"The order is by {ordered_by}, which flatters whatever comes first. To choose one, order by a column of "
            "validation."
        )
        said.append((words, "soft"))
    return said


def _split_of(results: StageResults, column: str) -> str:
    return next(name for name in results.measured_splits if column.startswith(f"{name}_"))
