"""Published leaderboards against the experiments they are made of, cell by cell.

A leaderboard names in `Experiments` the runs behind each line. Their mean and sample standard deviation (0
for a single run, as such tables print it) are computed again and compared at the precision that is printed.
The same experiments also give leaderboards of our own, grouped by everything but the seed, where a single run
has no spread at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from vernal.identity import digest
from vernal.problems import InputError, Problems, suggest
from vernal.published.cells import canonical, decimals, numbers
from vernal.published.columns import METRIC_NAMES
from vernal.published.experiments import Experiments, read_experiments
from vernal.tables import read_cells

EXPERIMENTS_COLUMN = "Experiments"
STATISTIC = re.compile(r"^(?P<what>.+?)(?:__|_)(?P<statistic>mean|std)$")
CELL_COLUMNS = ["table", "row", "column", "published", "recomputed", "difference", "agrees"]
BEST_POINT = "best_f1"
# A half in the last digit may be rounded to either side; this is what floats add to it.
SLACK = 1e-9


@dataclass(frozen=True)
class PublishedOptions:
    """What is compared, and how leaderboards are ordered.

    `experiments`: results CSV, one row a run; `leaderboards`: folder of leaderboard CSVs. `std_weight`: how many
    standard deviations are taken off the mean, at least 0. `precision_floor`: leave configurations with a lower
    mean precision, 0 to 1, out of our leaderboard.
    """

    experiments: str | None = None
    leaderboards: str | None = None
    std_weight: float = 0.2
    precision_floor: float | None = None

    def __post_init__(self) -> None:
        if self.std_weight < 0:
            raise InputError(f"published.std_weight is {self.std_weight}; give a number of at least 0.")
        if self.precision_floor is not None and not 0 <= self.precision_floor <= 1:
            raise InputError(
                f"published.precision_floor is {self.precision_floor}; give a precision from 0 to 1, or null."
            )


@dataclass(frozen=True)
class Leaderboard:
    """One leaderboard as text, with what its columns stand for.

    Attributes:
        table: the file's name; cells: (n_lines,) text.
        members: the names of the runs of each line.
        statistics: column -> (metric's column in the experiments, `mean` or `std`).
        settings: column -> setting columns that it may show.
        unknown: columns that nothing in the experiments stands for.
    """

    table: str
    cells: pd.DataFrame
    members: list[list[str]]
    statistics: dict[str, tuple[str, str]]
    settings: dict[str, list[str]]
    unknown: list[str]


def read_published(options: PublishedOptions) -> tuple[Experiments, list[Leaderboard]]:
    """Read both inputs; everything that is wrong with either is said at once.

    Raises:
        InputError: not given, not there, unreadable, no names of runs, or a table that is no leaderboard.
    """
    problems = Problems("What was given to compare")
    absent = [
        f"published.{name}" for name in ("experiments", "leaderboards") if getattr(options, name) is None
    ]
    problems.add(
        "not given", absent, "Use --params=published.experiments=results.csv,published.leaderboards=FOLDER."
    )
    experiments = None
    if options.experiments is not None:
        try:
            experiments = read_experiments(options.experiments, "published.experiments")
        except InputError as error:
            problems.add("results table", [str(error)], "")
    boards = (
        _read_folder(Path(options.leaderboards).expanduser(), problems)
        if options.leaderboards is not None
        else {}
    )
    if experiments is not None:
        _check_names(experiments, problems)
    problems.raise_if_any()
    assert experiments is not None
    return experiments, [_understand(name, cells, experiments) for name, cells in boards.items()]


def _check_names(experiments: Experiments, problems: Problems) -> None:
    columns = experiments.columns("name")
    if not columns:
        known = ", ".join(list(experiments.cells.columns)[:10])
        problems.add(
            "results table without names",
            [f"{experiments.source} (columns: {known})"],
            "A leaderboard names its runs: the results need a column `experiment.name` or `name`.",
        )
        return
    given = experiments.cells[columns[0]]
    problems.add(
        "name of several runs",
        sorted(given[given.duplicated() & (given != "")].unique()),
        "Leaderboards name runs, so each run needs a name of its own.",
    )


def _read_folder(folder: Path, problems: Problems) -> dict[str, pd.DataFrame]:
    if not folder.is_dir():
        problems.add(
            "folder of leaderboards not found",
            [str(folder)],
            "Give a folder of CSV files as published.leaderboards.",
        )
        return {}
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".csv" and path.is_file())
    if not paths:
        problems.add("no leaderboard", [str(folder)], "Give a folder of CSV files as published.leaderboards.")
    boards, unreadable, incomplete = {}, [], []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            cells = read_cells(path, "The leaderboard", "published.leaderboards")
        except InputError as error:
            unreadable.append(str(error))
            continue
        if EXPERIMENTS_COLUMN not in cells:
            incomplete.append(
                f"{name} has no column {EXPERIMENTS_COLUMN} ({suggest(EXPERIMENTS_COLUMN, cells.columns)})"
            )
        elif not any(STATISTIC.match(column) for column in cells.columns):
            incomplete.append(f"{name} has no column of means or standard deviations (such as ood.f1__mean)")
        else:
            boards[name] = cells
    problems.add("unreadable leaderboard", unreadable, "")
    problems.add(
        "table that is no leaderboard",
        incomplete,
        "Each line of a leaderboard names its runs and gives means; take other tables out of the folder.",
    )
    return boards


def _understand(table: str, cells: pd.DataFrame, experiments: Experiments) -> Leaderboard:
    statistics, settings, unknown = {}, {}, []
    for column in cells.columns:
        if column == EXPERIMENTS_COLUMN:
            continue
        match = STATISTIC.match(column)
        metric = find_metric(match["what"], experiments) if match else None
        shown = _settings_named(match["what"] if match else column, experiments)
        if match and metric:
            statistics[column] = (metric, match["statistic"])
        elif shown and not (match and match["statistic"] == "std"):
            settings[column] = shown
        else:
            unknown.append(column)
    members = [
        [name.strip() for name in re.split(r"[,;|]", cell) if name.strip()]
        for cell in cells[EXPERIMENTS_COLUMN]
    ]
    return Leaderboard(table, cells, members, statistics, settings, unknown)


def find_metric(what: str, experiments: Experiments) -> str | None:
    """The column that a leaderboard's `<set>.<metric>` stands for; of several, that at the best F1."""
    test_set, _, name = what.strip().lower().rpartition(".")
    wanted = METRIC_NAMES.get(name, name)
    found = [
        m
        for m in experiments.metrics
        if m.name == wanted
        and (m.test_set == test_set or m.test_set.endswith("_" + test_set) or not test_set)
    ]
    if not found:
        return None
    return next((m.column for m in found if m.point == BEST_POINT), found[0].column)


def _settings_named(what: str, experiments: Experiments) -> list[str]:
    """Setting columns whose last words are the heading's: `Label Smoothing` is `training.label_smoothing`."""
    words = re.sub(r"[\s\-_]+", "_", what.strip().lower())
    return [
        c
        for c in experiments.columns("setting")
        if re.sub(r"[\s\-_]+", "_", c.split(".")[-1].lower()) == words
    ]


def compare_cells(experiments: Experiments, boards: list[Leaderboard]) -> pd.DataFrame:
    """Every mean and standard deviation of every leaderboard, as published and as recomputed.

    Returns:
        `table`, `row` (the line's number, from 1), `column`, `published`, `recomputed` (rounded as the column is
        printed; missing when a run of the line is not in the experiments), `difference` (published less
        unrounded), `agrees`.
    """
    rows = [row for board in boards for row in _cells(experiments, board)]
    return pd.DataFrame(rows, columns=CELL_COLUMNS)


def _cells(experiments: Experiments, board: Leaderboard) -> list[tuple]:
    # As the file has them, not as shares: both tables print the same unit.
    printed_metrics = experiments.cells[[metric.column for metric in experiments.metrics]].apply(numbers)
    by_name = printed_metrics.set_axis(experiments.cells[experiments.columns("name")[0]], axis=0)
    rows = []
    for column, (metric, statistic) in board.statistics.items():
        places, printed = decimals(board.cells[column]), numbers(board.cells[column])
        for line, (members, published) in enumerate(zip(board.members, printed, strict=True), 1):
            exact = _statistic(by_name, members, metric, statistic)
            shown = _rounded(exact, published, places)
            agrees = (
                bool(np.isnan(exact) and np.isnan(published) and _all_known(by_name, members))
                or shown == published
            )
            rows.append(
                (board.table, line, column, published, shown, round(published - exact, 6), bool(agrees))
            )
    return sorted(rows, key=lambda row: row[1])


def _all_known(by_name: pd.DataFrame, members: list[str]) -> bool:
    return bool(members) and all(name in by_name.index for name in members)


def _statistic(by_name: pd.DataFrame, members: list[str], metric: str, statistic: str) -> float:
    if not _all_known(by_name, members):
        return float("nan")
    values = by_name.loc[members, metric].astype(float)
    if statistic == "mean":
        return float(values.mean())
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def _rounded(exact: float, published: float, places: int) -> float:
    """The exact value as it would be printed; of the two ways to print a half, the published one."""
    if abs(published - exact) <= 0.5 * 10**-places + SLACK:
        return published
    return round(exact, places)


def compare_labels(experiments: Experiments, boards: list[Leaderboard]) -> pd.DataFrame:
    """What each line says its settings are, and what the runs behind it have.

    Returns:
        `table, row, column, published, recomputed, agrees`, all text. Columns that nothing in the experiments
        is named like are left out.
    """
    by_name = experiments.cells.set_axis(experiments.cells[experiments.columns("name")[0]], axis=0)
    rows = []
    for board in boards:
        for line, members in enumerate(board.members, 1):
            if not _all_known(by_name, members):
                continue
            for column, settings in board.settings.items():
                published = board.cells[column].iloc[line - 1]
                found = {
                    setting: sorted({readable(cell) for cell in by_name.loc[members, setting]})
                    for setting in settings
                }
                fitting = [setting for setting, values in found.items() if values == [readable(published)]]
                chosen = fitting[0] if fitting else settings[0]
                rows.append((board.table, line, column, published, " | ".join(found[chosen]), bool(fitting)))
    return pd.DataFrame(rows, columns=["table", "row", "column", "published", "recomputed", "agrees"])


def readable(cell: str) -> str:
    """A setting as leaderboards print it: lists by comma in order of their words, folders by their last part.

    >>> [readable(cell) for cell in ("['high', 'medium']", "high, medium", "True", "[]", "1.0")]
    ['high, medium', 'high, medium', 'yes', 'none', '1']
    """
    text = canonical(cell)
    if text in ("", "true", "false", "yes", "no", "Yes", "No"):
        return {"": "none", "true": "yes", "false": "no"}.get(text, text.lower())
    return ", ".join(sorted(canonical(item.rsplit("/", 1)[-1]) for item in text.strip("[]").split(", ")))


def summarise(
    experiments: Experiments,
    boards: list[Leaderboard],
    cells: pd.DataFrame,
    labels: pd.DataFrame,
    options: PublishedOptions,
) -> pd.DataFrame:
    """One row a leaderboard: how much of it follows from the experiments.

    Returns:
        `table`, `lines`, `cells`, `agree`, `differ`, `largest_difference` (between printed and unrounded),
        `is_reproduced`, `is_in_order` (lines by mean less `std_weight` standard deviations of F1),
        `lines_of_one_run`, `lines_of_several_configurations`, `labels_differ`, `unknown_runs` (named, not in the
        experiments), `not_compared` (columns).
    """
    names = experiments.cells[experiments.columns("name")[0]]
    known = set(names)
    configuration = dict(zip(names, experiments.configurations, strict=True))
    rows = []
    for board in boards:
        mine = cells[cells.table == board.table]
        unknown = sorted({name for members in board.members for name in members} - known)
        several = [
            len({configuration[name] for name in members if name in known}) > 1 for members in board.members
        ]
        n_wrong = int((~labels.agrees[labels.table == board.table].astype(bool)).sum()) if len(labels) else 0
        rows.append(
            {
                "table": board.table,
                "lines": len(board.cells),
                "cells": len(mine),
                "agree": int(mine.agrees.sum()),
                "differ": int((~mine.agrees).sum()),
                "largest_difference": float(mine.difference.abs().max()) if len(mine) else float("nan"),
                "is_reproduced": bool(len(mine) and mine.agrees.all()),
                "is_in_order": is_in_order(board, options.std_weight),
                "lines_of_one_run": sum(len(members) == 1 for members in board.members),
                "lines_of_several_configurations": sum(several),
                "labels_differ": n_wrong,
                "unknown_runs": ", ".join(unknown),
                "not_compared": ", ".join(board.unknown),
            }
        )
    return pd.DataFrame(rows)


def is_in_order(board: Leaderboard, std_weight: float) -> bool | None:
    """Whether the lines stand by mean less `std_weight` standard deviations of F1, as far as rounding lets one tell.

    None when the leaderboard has no F1, or that of several sets.
    """
    parts = {column: STATISTIC.match(column) for column in board.statistics}
    f1 = {
        (match["what"], match["statistic"]): column
        for column, match in parts.items()
        if match and re.search(r"(^|[._])f1(_score)?$", match["what"].lower())
    }
    columns = {statistic: column for (_, statistic), column in f1.items()}
    if len(f1) != 2 or set(columns) != {"mean", "std"}:
        return None
    score = numbers(board.cells[columns["mean"]]) - std_weight * numbers(board.cells[columns["std"]])
    unit = 10.0 ** -decimals(board.cells[columns["mean"]])
    # Each printed number may be half a unit off, on both lines.
    return bool((score.diff().dropna() <= unit * (1 + std_weight) + SLACK).all())


def own_leaderboard(experiments: Experiments, options: PublishedOptions) -> pd.DataFrame:
    """Our leaderboard of the same experiments: one row a configuration of a family of runs, seeds together.

    Returns:
        `family` (names without their number), `configuration` (hash of the settings that matter), `n_runs`,
        `experiments`, and for each set `<set>_<metric>_mean`, `<set>_<metric>_std` (missing for one run),
        `<set>_score` (mean less `std_weight` standard deviations of F1; missing for one run) and `<set>_rank`
        within the family. Rounded to three decimals; configurations below the precision floor have neither score
        nor rank.
    """
    effective = experiments.effective
    hashes = pd.Series(
        [digest(row, length=8) for row in effective.to_dict("records")],
        index=effective.index,
        name="configuration",
    )
    by = [experiments.families.rename("family"), hashes]
    groups = experiments.values.groupby(by)
    names = experiments.names.groupby(by).agg(", ".join)
    board = pd.DataFrame({"n_runs": groups.size(), "experiments": names})
    for test_set in experiments.test_sets:
        prefix = f"{test_set}_" if test_set else ""
        for name in ("f1", "precision", "recall", "auroc", "auprc"):
            metric = experiments.of(test_set, name, BEST_POINT) or experiments.of(test_set, name)
            if metric is not None:
                board[f"{prefix}{name}_mean"] = groups[metric.column].mean()
                board[f"{prefix}{name}_std"] = groups[metric.column].std(ddof=1)
        if f"{prefix}f1_mean" in board:
            score = _score(board, prefix, options)
            ranks = score.groupby(level="family").rank(ascending=False, method="min")
            board = board.assign(**{f"{prefix}score": score, f"{prefix}rank": ranks.astype("Int64")})
    board = board.reset_index().sort_values(["family", "configuration"])
    first_rank = next((str(column) for column in board if str(column).endswith("rank")), None)
    if first_rank:
        board = board.sort_values(["family", first_rank, "configuration"], na_position="last")
    return board.round(3).reset_index(drop=True)


def _score(board: pd.DataFrame, prefix: str, options: PublishedOptions) -> pd.Series:
    score = board[f"{prefix}f1_mean"] - options.std_weight * board[f"{prefix}f1_std"]
    if options.precision_floor is None or f"{prefix}precision_mean" not in board:
        return score
    return score.where(board[f"{prefix}precision_mean"] >= options.precision_floor)


def said(summary: pd.DataFrame) -> list[str]:
    """The summary in a line a table, for the terminal."""
    lines = []
    for row in summary.to_dict("records"):
        told = "reproduces"
        if not row["is_reproduced"]:
            by = f"by up to {row['largest_difference']:.3f}"
            told = f"{row['differ']:,} of {row['cells']:,} cells differ, {by}"
        if row["unknown_runs"]:
            told += f"; runs that are not in the experiments: {row['unknown_runs']}"
        lines.append(f"{row['table']}: {told}")
    return lines
