"""A table of experiments that somebody else wrote: one row a run, settings and metrics side by side.

Nothing about the table is known beforehand. Each column's part is read from its name:
`metrics.<set>.<point>.<metric>` and `<set>_<metric>` are metrics, a last word `seed` is a seed, times and
versions are metadata, folders are paths, and what is left is a setting. `Experiments.roles` says what each
column was taken for, so that a wrong reading can be seen.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vernal.problems import InputError
from vernal.tables import read_cells

# Other spellings of a metric -> ours. `sensitivity` is not here: in BirdNET's tables it is a setting.
METRIC_NAMES = {
    "precision": "precision",
    "recall": "recall",
    "tpr": "recall",
    "fpr": "fpr",
    "specificity": "specificity",
    "f1": "f1",
    "f1_score": "f1",
    "f1score": "f1",
    "accuracy": "accuracy",
    "acc": "accuracy",
    "balanced_accuracy": "balanced_accuracy",
    "mcc": "mcc",
    "auroc": "auroc",
    "auc_roc": "auroc",
    "roc_auc": "auroc",
    "rocauc": "auroc",
    "auc": "auroc",
    "auprc": "auprc",
    "average_precision": "auprc",
    "auc_pr": "auprc",
    "pr_auc": "auprc",
    "ap": "auprc",
    "threshold": "threshold",
    "tp": "tp",
    "fp": "fp",
    "fn": "fn",
    "tn": "tn",
    "n_positive": "n_positive",
    "n_positives": "n_positive",
    "positives": "n_positive",
    "positive_count": "n_positive",
    "n_negative": "n_negative",
    "n_negatives": "n_negative",
    "negatives": "n_negative",
    "negative_count": "n_negative",
}
RATES = ("precision", "recall", "f1", "accuracy", "fpr", "specificity", "balanced_accuracy", "auroc", "auprc")
RANKING = ("auroc", "auprc")
COUNTS = ("tp", "fp", "fn", "tn", "n_positive", "n_negative")
# Too short or too common to be a metric without a set's name before them.
NEEDS_A_SET = frozenset(
    {
        "threshold",
        "positives",
        "negatives",
        "positive_count",
        "negative_count",
        "n_positive",
        "n_negative",
        "n_positives",
        "n_negatives",
    }
)
# `min_precision` is a demand, not a result.
DEMANDS = ("min", "max", "goal", "target", "floor", "at")
# Columns that stand beside a set's metrics to compare with: no detector's own result.
BESIDE = re.compile(r"(^|_)(all_positive|prevalence|metadata|baseline|trivial|optimism|difference|delta)$")
OUTCOME = re.compile(r"^(threshold(_\w+)?|is_goal_met)$")
METRIC_SECTIONS = ("metrics", "metric", "results", "scores")
METADATA_SECTIONS = ("metadata", "meta", "provenance", "environment", "versions", "version")
METADATA = re.compile(
    r"(^|_)(timestamp|datetime|created|created_at|started|finished|commit|sha|hash|version|host|hostname|"
    r"user|elapsed|runtime|wall_time|duration|duration_s|status|notes?|comments?|error|reason)$|"
    r"^(date|time|is_edited|is_reused|configuration|config)$"
)
PATHS = re.compile(r"(^|_)(path|dir|directory|root|file|folder|manifest|output|out)$")
MACHINE = re.compile(r"(^|_)(threads?|workers?|n_jobs|jobs|device|gpu|verbose|cpus?)$")
COUNT = re.compile(r"^(n|num)_|(^|_)counts?$|^(total|n_runs|runs)$")
SEED = re.compile(r"(^|_)(seed|random_state)$")
NAMES = (
    "name",
    "experiment",
    "experiment_name",
    "point",
    "run",
    "run_name",
    "run_id",
    "model",
    "id",
    "signature",
)
LISTS = ("experiments", "runs", "members", "points")
SPREAD = re.compile(r"^(.*?)(?:__|_|\.|\s)(?:std|sd|stdev)$")
MEAN = re.compile(r"^(.*?)(?:__|_|\.|\s)mean$")
NOTHING = frozenset({"", "[]", "()", "{}", "none", "null", "nan", "na", "n/a"})
MOST_EXAMPLES = 20


@dataclass(frozen=True)
class Metric:
    """One column of metrics: its test set, its operating point, and how many decimals it prints."""

    column: str
    test_set: str
    point: str
    name: str
    decimals: int
    is_percent: bool = False

    @property
    def half(self) -> float:
        """Half a unit of the last printed decimal: how far the value may lie from what is printed."""
        return max(0.5 * 10.0**-self.decimals, 1e-9) + 1e-9


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
        for column, switch in _switches(list(settings.columns)).items():
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
    metrics = _find_metrics(cells)
    if not metrics:
        shown = ", ".join(list(cells.columns)[:MOST_EXAMPLES])
        raise InputError(
            f"{source} has no column of metrics: none of its {cells.shape[1]} columns reads as "
            "metrics.<set>.<metric> or <set>_<metric> (precision, recall, f1, accuracy, auroc, auprc) "
            f"with numbers in it. Found: {shown}. Rename the metric columns to one of these forms."
        )
    roles = _roles(cells, metrics)
    values = pd.DataFrame(
        {metric.column: numbers(cells[metric.column]) for metric in metrics}, index=cells.index
    )
    for metric in metrics:
        if metric.is_percent:
            values[metric.column] /= 100
    return Experiments(source, cells, roles, tuple(metrics), values)


def numbers(column: pd.Series) -> pd.Series:
    """Text as floats; what is no finite number is missing."""
    return pd.to_numeric(column, errors="coerce").astype(float).replace([np.inf, -np.inf], np.nan)


def decimals(column: pd.Series) -> int:
    """How many decimals a column of text prints: the most of any of its cells.

    >>> decimals(pd.Series(["0.5", "0.125", "1"], dtype="str"))
    3
    """
    found = column.str.extract(r"^[+-]?\d*\.(\d+)$")[0].dropna()
    # 1e-05 and the like print every digit they have.
    if column.str.fullmatch(r"[+-]?[\d.]+[eE][+-]?\d+").any():
        return 12
    return int(found.str.len().max()) if len(found) else 0


def canonical(cell: Any) -> str:
    r"""One spelling of a setting's value.

    Numbers lose needless digits, booleans are lower case, lists are sorted, `\` is `/`, and `[]`, `None` or
    missing are nothing.

    >>> [canonical(cell) for cell in ("0.50", "True", r"['b\\x', 'a']", "[]", "data\\splits/")]
    ['0.5', 'true', '[a, b/x]', '', 'data/splits']
    """
    text = str(cell).strip()
    if text.lower() in NOTHING:
        return ""
    if text[:1] in "[(" and text[-1:] in "])":
        try:
            items = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            items = None
        if isinstance(items, list | tuple):
            return "[" + ", ".join(sorted(canonical(item) for item in items)) + "]"
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if np.isfinite(number):
        return f"{number:.12g}"
    if text.lower() in ("true", "false"):
        return text.lower()
    return re.sub(r"[\\/]+", "/", text).rstrip("/") or "/"


def _find_metrics(cells: pd.DataFrame) -> list[Metric]:
    found = {column: parts for column in cells.columns if (parts := _metric_parts(column)) is not None}
    strong = {
        test_set
        for column, (test_set, _, name, is_sure) in found.items()
        if is_sure or name not in ("threshold", *COUNTS)
    }
    metrics = []
    for column, (test_set, point, name, is_sure) in found.items():
        # `threshold` or `positives` alone may be a setting; beside the metrics of its set it is one of them.
        if not is_sure and name in ("threshold", *COUNTS) and test_set not in strong:
            continue
        text, values = cells[column], numbers(cells[column])
        if values.isna().all():
            continue
        is_percent = name in RATES and values.median() > 1.5 and values.max() <= 100
        places = decimals(text) + (2 if is_percent else 0)
        metrics.append(Metric(column, test_set, point, name, places, bool(is_percent)))
    return metrics


def _metric_parts(column: str) -> tuple[str, str, str, bool] | None:
    """Set, operating point and name of a metric's column, and whether its section says that it is one."""
    if SPREAD.match(column):
        return None
    mean = MEAN.match(column)
    parts = [_plain(part) for part in (mean.group(1) if mean else column).split(".")]
    if parts[0] in METRIC_SECTIONS and len(parts) > 1:
        name = METRIC_NAMES.get(parts[-1], parts[-1])
        test_set = parts[1] if len(parts) > 2 else ""
        return test_set, ".".join(parts[2:-1]), name, True
    last = parts[-1]
    for known in sorted(METRIC_NAMES, key=len, reverse=True):
        if last == known:
            if len(parts) == 1 and known in NEEDS_A_SET:
                return None
            # A section that is not one of metrics (`training.threshold`) leaves doubtful names to be
            # settings.
            return ".".join(parts[:-1]), "", METRIC_NAMES[known], False
        test_set = last[: -len(known) - 1]
        if len(parts) == 1 and last.endswith("_" + known):
            if test_set in DEMANDS or BESIDE.search(test_set):
                return None
            return last[: -len(known) - 1], "", METRIC_NAMES[known], False
    return None


def _plain(part: str) -> str:
    return re.sub(r"[\s\-]+", "_", part.strip().lower())


def _roles(cells: pd.DataFrame, metrics: list[Metric]) -> dict[str, str]:
    known = {metric.column: "metric" for metric in metrics}
    sets = {metric.test_set for metric in metrics if metric.test_set}
    roles = {column: known.get(column) or _role(column, sets) for column in cells.columns}
    named = [column for column, role in roles.items() if role == "name"]
    named.sort(key=lambda column: NAMES.index(_plain(column.split(".")[-1])))
    for column in named[1:]:
        roles[column] = "metadata"
    return roles


def _role(column: str, sets: set[str]) -> str:
    parts = [_plain(part) for part in column.split(".")]
    section, last = parts[0], parts[-1]
    if SPREAD.match(column):
        return "spread"
    if last in LISTS:
        return "names"
    if last in NAMES and section not in METRIC_SECTIONS:
        return "name"
    if SEED.search(last):
        return "seed"
    if section in METADATA_SECTIONS or METADATA.search(last):
        return "metadata"
    # What stands beside the metrics under a set's name was measured, not set; so is a threshold on its own.
    if section in METRIC_SECTIONS or (
        len(parts) == 1
        and (OUTCOME.search(last) or BESIDE.search(last) or last.startswith(tuple(f"{s}_" for s in sets)))
    ):
        return "outcome"
    if COUNT.search(last):
        return "count"
    if PATHS.search(last):
        return "path"
    if MACHINE.search(last):
        return "machine"
    return "setting"


def _switches(columns: list[str]) -> dict[str, str]:
    """Settings that mean nothing while another is off -> that other.

    `focal_gamma` goes with `focal`, `upsampling_mode` with `upsampling_ratio`.
    """
    by_name = {_full(column): column for column in columns}
    switches = {}
    for name, column in by_name.items():
        section, _, last = name.rpartition(".")
        words = last.split("_")
        for cut in range(len(words) - 1, 0, -1):
            switch = ".".join(filter(None, (section, "_".join(words[:cut]))))
            if switch in by_name:
                switches[column] = by_name[switch]
                break
        if words[-1] in ("mode", "method") and f"{name[: -len(words[-1])]}ratio" in by_name:
            switches[column] = by_name[f"{name[: -len(words[-1])]}ratio"]
    return switches


def _full(column: str) -> str:
    return ".".join(_plain(part) for part in column.split("."))
