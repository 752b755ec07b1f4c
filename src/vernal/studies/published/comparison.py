"""Published leaderboards against the experiments they are made of, cell by cell.

A leaderboard names in `Experiments` the runs behind each line. Their mean and sample standard deviation (0 for a
single run, as such tables print it) are computed again and compared at the precision that is printed.
"""

import re

import numpy as np
import pandas as pd

from vernal.reports.sentences import sentences_of
from vernal.studies.published.cells import canonical, decimals, numbers
from vernal.studies.published.experiments import Experiments
from vernal.studies.published.leaderboards import STATISTIC, Leaderboard, PublishedOptions

sentence = sentences_of("vernal.studies.published")
CELL_COLUMNS = ["table", "row", "column", "published", "recomputed", "difference", "agrees"]
# A half in the last digit may be rounded to either side; this is what floats add to it.
SLACK = 1e-9


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


def said(summary: pd.DataFrame) -> list[str]:
    """The summary in a line a table."""
    return [sentence("published.table", row=row) for row in summary.to_dict("records")]
