"""The leaderboard to look through: filtered by any setting, with a floor of precision, in any order.

Two kinds of rows: configurations (means over seeds, as in `leaderboard.csv`) and points (single runs, as in
`points.csv`). A filter hides rows and changes no number: a mean over seeds stays the mean over all its seeds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from vernal.clips.manifest import on_split, split_name
from vernal.common.problems import suggest
from vernal.evaluation.choice import CROSS_VALIDATED
from vernal.evaluation.deployment import deployed_point
from vernal.evaluation.stage_results import METRIC_NAMES, VALIDATION, StageResults, level_words, short_levels
from vernal.reports.points import point_marks
from vernal.reports.results import SHOWN_METRICS, order_words
from vernal.sweeps.point_settings import SETTINGS
from vernal.sweeps.settings_table import SEED
from vernal.web.http import one_of

CONFIGURATIONS, POINTS = "configurations", "points"
RANK = "rank"


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

    def measure(self, column: str) -> tuple[float, float, float]:
        """A number with the ends of its interval."""
        return self.number(column), self.number(f"{column}_low"), self.number(f"{column}_high")

    def has_result(self, column: str) -> bool:
        """Whether there is anything to look into."""
        return math.isfinite(self.number(column)) or math.isfinite(self.number("threshold_logit"))


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


def choices(results: StageResults) -> dict[str, list[str]]:
    """The levels of every setting that varies in a stage, in the order of the points."""
    return {name: levels for name, levels in _levels(results).items() if len(levels) > 1}


def fixed(results: StageResults) -> dict[str, str]:
    """The settings that are the same in all points, with their level."""
    return {name: levels[0] for name, levels in _levels(results).items() if len(levels) == 1}


def _levels(results: StageResults) -> dict[str, list[str]]:
    settings = results.settings
    return {name: _distinct(settings[name]) for name in SETTINGS if name in settings}


def _distinct(levels: pd.Series) -> list[str]:
    return list(dict.fromkeys(map(level_words, levels)))


def short_choices(results: StageResults) -> dict[str, dict[str, str]]:
    """The levels of every varying setting as they stand in a narrow column."""
    found = choices(results).items()
    return {name: dict(zip(levels, short_levels(levels), strict=True)) for name, levels in found}


def board_rows(results: StageResults, rows: str) -> list[BoardRow]:
    """One row a configuration in the order of the leaderboard, or one a point in the order of the plan."""
    return configuration_rows(results) if rows == CONFIGURATIONS else point_rows(results)


def configuration_rows(results: StageResults) -> list[BoardRow]:
    """One row a configuration, in the order of the leaderboard."""
    settings = results.settings.set_index(results.plan["point"].astype(str))
    table = results.leaderboard
    numbers = table.filter(regex="^cv_|_(mean|std|low|high)$").rename(
        columns=lambda name: name.removesuffix("_mean")
    )
    rows = []
    for row, measured in zip(table.to_dict("records"), _numbers(numbers), strict=True):
        points = tuple(point for point in str(row["points"]).split(", ") if point in settings.index)
        part = settings.loc[list(points)]
        levels = {str(name): tuple(_distinct(part[name])) for name in part}
        rank = None if pd.isna(row["rank"]) else int(row["rank"])
        rows.append(
            BoardRow(_stands_for(results, points), points, levels, measured, int(row["n_runs"]), rank)
        )
    return rows


def point_rows(results: StageResults) -> list[BoardRow]:
    """One row a point, in the order of the plan; points without a result keep their row, with the reason."""
    marks = point_marks(results)
    points = results.plan["point"].astype(str)
    settings = results.settings.map(level_words).set_index(points).to_dict("index")
    numbers = results.points.set_index("point").filter(regex="^(val|test|threshold|n_train|cv)_")
    measured = dict(zip(numbers.index, _numbers(numbers), strict=True))
    rows = []
    for point in points:
        levels = {str(name): (level,) for name, level in settings[point].items()}
        remark = "; ".join(text for text, _ in marks.get(point, []))
        rows.append(BoardRow(point, (point,), levels, measured.get(point, {}), remark=remark))
    return rows


def _numbers(table: pd.DataFrame) -> list[dict[Any, float]]:
    return table.apply(pd.to_numeric, errors="coerce").astype(float).to_dict("records")


def _stands_for(results: StageResults, points: Sequence[str]) -> str:
    """The point of a configuration to look into: the one that would be deployed, the first where none is trained."""
    return deployed_point(results.points[results.points["point"].isin(points)]) or points[0]


def parse_query(results: StageResults, asked: Sequence[tuple[str, str]]) -> tuple[BoardQuery, list[str]]:
    """Read a query string's pairs; what cannot be read is left out and said.

    Settings are asked for as `s.<setting>=<level>`, several times for several levels.
    """
    values, words = dict(asked), []
    levels, level_problems = _asked_levels(choices(results), asked)
    words += level_problems
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
        levels,
        floor,
        _split(values.get("floor_split"), splits, VALIDATION),
        sort,
        sort != RANK and values.get("order") != "asc",
        _split(values.get("split"), splits, results.primary_split),
    ), words


def _asked_levels(
    known: Mapping[str, Sequence[str]], asked: Sequence[tuple[str, str]]
) -> tuple[dict[str, frozenset[str]], list[str]]:
    levels: dict[str, frozenset[str]] = {}
    words = []
    for name, value in asked:
        setting = name.removeprefix("s.")
        if setting == name:
            continue
        if setting not in known:
            words.append(f"{setting!r} does not vary in this stage, so nothing is filtered by it.")
        elif value not in known[setting]:
            words.append(f"{setting} has no level {value!r}; {suggest(value, known[setting])}.")
        else:
            levels[setting] = levels.get(setting, frozenset()) | {value}
    return levels, words


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


def _split(asked: str | None, splits: Sequence[str], default: str) -> str:
    return one_of(asked, splits, default if default in splits or not splits else splits[0])


def sortable(results: StageResults) -> list[str]:
    """Columns that a board can be ordered by."""
    columns = [
        f"{part}_{metric}" for part in (CROSS_VALIDATED, *results.measured_splits) for metric in METRIC_NAMES
    ]
    present = {*results.points.columns, *(name.removesuffix("_mean") for name in results.leaderboard.columns)}
    return [name for name in columns if name in present]


def number_columns(results: StageResults, split: str) -> list[tuple[str, str, str]]:
    """Columns of numbers beside the deciding one: name, split and metric in words."""
    listed = [f"{CROSS_VALIDATED}_{results.primary_metric}"] if results.is_cross_validated else []
    listed += [f"{split}_{metric}" for metric in SHOWN_METRICS]
    listed += [f"{name}_{results.primary_metric}" for name in results.measured_splits]
    known = set(sortable(results)) - {results.primary}
    columns = [(name, split_of(results, name)) for name in dict.fromkeys(listed) if name in known]
    return [(name, split, METRIC_NAMES[name.removeprefix(f"{split}_")]) for name, split in columns]


def split_of(results: StageResults, column: str) -> str:
    """The split that a column of numbers is about, or `cv` for the folds of the train split."""
    return next(name for name in (CROSS_VALIDATED, *results.measured_splits) if column.startswith(f"{name}_"))


def make_board(results: StageResults, query: BoardQuery, rows: Sequence[BoardRow] | None = None) -> Board:
    """Filter and order.

    Args:
        rows: of the kind that the query asks for; None: made here.
    """
    rows = board_rows(results, query.rows) if rows is None else rows
    fitting = [row for row in rows if fits(row, query.levels)]
    kept, n_below, n_undefined = above_floor(fitting, query)
    return Board(
        tuple(in_order(kept, query.sort, query.descending)),
        len(rows),
        len(rows) - len(fitting),
        n_below,
        n_undefined,
    )


def fits(row: BoardRow, levels: Mapping[str, frozenset[str]]) -> bool:
    """Whether a row has, of every setting that is filtered by, one of the accepted levels."""
    return all(accepted & set(row.levels.get(name, ())) for name, accepted in levels.items())


def above_floor(rows: Sequence[BoardRow], query: BoardQuery) -> tuple[list[BoardRow], int, int]:
    """Rows at or above the precision floor; how many lie below, and of how many it is undefined."""
    if query.floor is None:
        return list(rows), 0, 0
    column = f"{query.floor_split}_precision"
    kept = [row for row in rows if row.number(column) >= query.floor]
    n_undefined = sum(not math.isfinite(row.number(column)) for row in rows)
    return kept, len(rows) - len(kept) - n_undefined, n_undefined


def in_order(rows: Sequence[BoardRow], sort: str, descending: bool) -> list[BoardRow]:
    """Rows by a column, what is undefined last in either direction; equal ones keep their order."""
    if sort == RANK:
        return list(rows)[::-1] if descending else list(rows)

    def place(row: BoardRow) -> float:
        value = row.number(sort)
        if not math.isfinite(value):
            return math.inf
        return -value if descending else value

    return sorted(rows, key=place)


def selection_words(results: StageResults, query: BoardQuery) -> list[tuple[str, str]]:
    """What a filter or an order means for the numbers that are left, as words and tone."""
    said = [_floor_words(query)] if query.floor is not None else []
    if query.sort == RANK:
        return (
            [*said, (f"Ranks go by {order_words(results)}.", "soft")]
            if query.rows == CONFIGURATIONS
            else said
        )
    if (ordered_by := split_of(results, query.sort)) in results.test_splits:
        words = (
            f"The order is by {split_name(ordered_by)}, which flatters whatever comes first. "
            "To choose one, order by rank."
        )
        said.append((words, "soft"))
    return said


def _floor_words(query: BoardQuery) -> tuple[str, str]:
    mean = "mean precision" if query.rows == CONFIGURATIONS else "precision"
    kept = f"Only those with a {mean} of at least {query.floor:g} {on_split(query.floor_split)}"
    if query.floor_split == VALIDATION:
        words = (
            ", at the threshold that was chosen there. That choice touches no test split, so the numbers of test "
            "splits mean what they meant before."
        )
        return kept + words, "good"
    words = (
        ", which is a choice made on a test split: what is left looks better there than it will on new nights. Look, "
        "but choose with the floor on validation."
    )
    return kept + words, "warning"
