"""A table of experiments that somebody else wrote: one row a run, settings and metrics side by side.

Nothing about the table is known beforehand; each column's part is read from its name
(`vernal.studies.published.columns`).
`Experiments.roles` says what each column was taken for, so that a wrong reading can be seen.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from vernal.common.problems import InputError
from vernal.common.tables import read_cells
from vernal.studies.published.cells import canonical, numbers
from vernal.studies.published.columns import RATES, Metric, find_metrics, find_roles, find_switches

MOST_EXAMPLES = 20


@dataclass(frozen=True)
class Experiments:
    """A results table with each column's part known.

    Attributes:
        source: the file's name.
        cells: (n_rows,) every column as text, stripped; empty = missing.
        roles: column -> name, names, metric, spread, setting, seed, metadata, path, machine or count.
        metrics: the metric columns in the file's order.
        values: (n_rows, n_metrics) float; percent as a share; missing where a cell is no number.
    """

    source: str
    cells: pd.DataFrame
    roles: dict[str, str]
    metrics: tuple[Metric, ...]
    values: pd.DataFrame

    def __len__(self) -> int:
        return len(self.cells)

    def columns(self, role: str) -> list[str]:
        """The columns of one role, in the file's order."""
        return [column for column, known in self.roles.items() if known == role]

    @cached_property
    def names(self) -> pd.Series:
        """What to call each row: its name, with the row's number where that is missing or not alone."""
        column = next(iter(self.columns("name")), None)
        numbers = pd.Series(
            [f"row {number}" for number in range(1, len(self) + 1)], index=self.cells.index, dtype="str"
        )
        if column is None:
            return numbers
        given = self.cells[column]
        is_shared = given.duplicated(keep=False) & (given != "")
        return given.where(given != "", numbers).mask(is_shared, given + " (" + numbers + ")")

    @cached_property
    def families(self) -> pd.Series:
        """Names without the number at their end: runs numbered together. Without names, all are one."""
        column = next(iter(self.columns("name")), None)
        if column is None:
            return pd.Series("", index=self.cells.index, dtype="str")
        return self.cells[column].str.replace(r"[\s_.\-]*\d+$", "", regex=True)

    @cached_property
    def settings(self) -> pd.DataFrame:
        """Settings in one spelling: numbers, lists, separators and nothing agree however written."""
        return self.cells[self.columns("setting")].apply(lambda column: column.map(canonical))

    @cached_property
    def effective(self) -> pd.DataFrame:
        """Settings without those that cannot matter in their row: the details of something switched off."""
        settings = self.settings.copy()
        for column, switch in find_switches(list(settings.columns)).items():
            settings[column] = settings[column].mask(settings[switch].isin(("false", "0")), "")
        return settings

    @cached_property
    def seeds(self) -> pd.DataFrame:
        """All seeds of each row, in one spelling."""
        return self.cells[self.columns("seed")].apply(lambda column: column.map(canonical))

    @cached_property
    def configurations(self) -> pd.Series:
        """(n_rows,) a number a configuration: everything that matters but the seed."""
        return codes(self.effective)

    @cached_property
    def runs(self) -> pd.Series:
        """(n_rows,) a number for each configuration with its seed."""
        return codes(pd.concat([self.effective, self.seeds], axis=1))

    def of(self, test_set: str, name: str, point: str | None = None) -> Metric | None:
        """The metric of a set by name, at one operating point or at the first."""
        found = (
            m for m in self.metrics if m.test_set == test_set and m.name == name and point in (None, m.point)
        )
        return next(found, None)

    @cached_property
    def test_sets(self) -> list[str]:
        """Names of the sets that the metrics are of, in the file's order."""
        return list(dict.fromkeys(metric.test_set for metric in self.metrics))

    def headlines(self) -> list[Metric]:
        """One metric a set that stands for it: F1, else AUROC, else the first rate."""
        chosen = []
        for test_set in self.test_sets:
            for name in ("f1", "auroc", "auprc", *RATES):
                metric = self.of(test_set, name)
                if metric is not None:
                    chosen.append(metric)
                    break
        return chosen


def codes(frame: pd.DataFrame) -> pd.Series:
    """(n_rows,) a number for each different row of a table; missing cells are alike."""
    if frame.shape[1] == 0:
        return pd.Series(0, index=frame.index)
    return frame.groupby(list(frame.columns), sort=False, dropna=False).ngroup()


def read_experiments(path: Path | str, setting: str = "audit.experiments") -> Experiments:
    """Read a results CSV and find each column's part.

    Raises:
        InputError: the file cannot be read, or no column in it is a metric.
    """
    return understand(read_cells(path, "The results table", setting), Path(path).name)


def understand(cells: pd.DataFrame, source: str = "the table") -> Experiments:
    """Give every column of a table of text its part.

    Raises:
        InputError: no column is a metric with at least one number.
    """
    metrics = find_metrics(cells)
    if not metrics:
        shown = ", ".join(list(cells.columns)[:MOST_EXAMPLES])
        raise InputError(
            f"{source} has no column of metrics: none of its {cells.shape[1]} columns reads as "
            "metrics.<set>.<metric> or <set>_<metric> (precision, recall, f1, accuracy, auroc, auprc) "
            f"with numbers in it. Found: {shown}. Rename the metric columns to one of these forms."
        )
    roles = find_roles(cells, metrics)
    values = pd.DataFrame(
        {metric.column: numbers(cells[metric.column]) for metric in metrics}, index=cells.index
    )
    for metric in metrics:
        if metric.is_percent:
            values[metric.column] /= 100
    return Experiments(source, cells, roles, tuple(metrics), values)
