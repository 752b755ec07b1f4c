"""Published leaderboards, read: the lines, the runs that they name, and what their columns stand for."""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vernal.common.problems import InputError, Problems, suggest
from vernal.common.settings import NotNegative, settings
from vernal.common.tables import read_cells
from vernal.studies.published.columns import METRIC_NAMES
from vernal.studies.published.experiments import Experiments, read_experiments

EXPERIMENTS_COLUMN = "Experiments"
STATISTIC = re.compile(r"^(?P<what>.+?)(?:__|_)(?P<statistic>mean|std)$")
BEST_POINT = "best_f1"


@settings("published")
class PublishedOptions:
    """What is compared, and how leaderboards are ordered.

    `experiments`: results CSV, one row a run; `leaderboards`: folder of leaderboard CSVs. `std_weight`: how many
    standard deviations their authors take off the mean before they order the lines, at least 0.
    """

    experiments: str | None = None
    leaderboards: str | None = None
    std_weight: NotNegative = 0.2


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
