"""What the columns of somebody's results table stand for, read from their names.

`metrics.<set>.<point>.<metric>` and `<set>_<metric>` are metrics, a last word `seed` is a seed, times and versions are
metadata, folders are paths, and what is left is a setting.
"""

import re
from dataclasses import dataclass

import pandas as pd

from vernal.studies.published.cells import decimals, numbers

# Our name of a metric -> how it is spelled. `sensitivity` is not here: in BirdNET's tables it is a setting.
SPELLINGS = {
    "precision": ("precision",),
    "recall": ("recall", "tpr"),
    "fpr": ("fpr",),
    "specificity": ("specificity",),
    "f1": ("f1", "f1_score", "f1score"),
    "accuracy": ("accuracy", "acc"),
    "balanced_accuracy": ("balanced_accuracy",),
    "mcc": ("mcc",),
    "auroc": ("auroc", "auc_roc", "roc_auc", "rocauc", "auc"),
    "auprc": ("auprc", "average_precision", "auc_pr", "pr_auc", "ap"),
    "threshold": ("threshold",),
    **{name: (name,) for name in ("tp", "fp", "fn", "tn")},
    "n_positive": ("n_positive", "n_positives", "positives", "positive_count"),
    "n_negative": ("n_negative", "n_negatives", "negatives", "negative_count"),
}
METRIC_NAMES = {spelling: name for name, spellings in SPELLINGS.items() for spelling in spellings}
RATES = ("precision", "recall", "f1", "accuracy", "fpr", "specificity", "balanced_accuracy", "auroc", "auprc")
RANKING = ("auroc", "auprc")
COUNTS = ("tp", "fp", "fn", "tn", "n_positive", "n_negative")
# Too short or too common to be a metric without a set's name before them.
NEEDS_A_SET = frozenset(SPELLINGS["threshold"] + SPELLINGS["n_positive"] + SPELLINGS["n_negative"])
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


def find_metrics(cells: pd.DataFrame) -> list[Metric]:
    """The columns that are metrics, in the file's order; those without a single number are none."""
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
        is_percent = name in RATES and values.abs().max() <= 100 and values.median() > 1.5
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


def find_roles(cells: pd.DataFrame, metrics: list[Metric]) -> dict[str, str]:
    """What each column is taken for; see `experiments.Experiments`."""
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


def find_switches(columns: list[str]) -> dict[str, str]:
    """Settings that mean nothing while another is off -> that other.

    `focal_gamma` goes with `focal`, `upsampling_mode` with `upsampling_ratio`.
    """
    by_name = {".".join(map(_plain, column.split("."))): column for column in columns}
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
