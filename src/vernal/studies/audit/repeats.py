"""Runs that should agree and do not, runs that are listed twice, and spread that nobody measured."""

import re

import numpy as np
import pandas as pd

from vernal.common.formatting import count
from vernal.studies.audit.findings import NotChecked, Told, check, sentence, some
from vernal.studies.audit.options import AuditOptions
from vernal.studies.published.columns import SPREAD, Metric
from vernal.studies.published.experiments import Experiments, codes


@check("same_settings_disagree", "Do runs that differ in nothing agree?")
def check_same_settings(experiments: Experiments, options: AuditOptions) -> Told:
    """Rows with every setting and seed the same whose metrics differ: training that its seed does not fix."""
    if not experiments.columns("seed"):
        raise NotChecked("No column of seeds, so runs of one configuration cannot be told from repeats.")
    # Switched-off details cannot matter, and rows that differ in nothing else are the same run.
    runs = experiments.runs
    is_repeated = runs.duplicated(keep=False)
    if not is_repeated.any():
        raise NotChecked("No two rows share every setting and seed.")
    differs = pd.Series(False, index=runs.index)
    for metric in experiments.metrics:
        grouped = experiments.values[metric.column].groupby(runs)
        differs |= (grouped.transform("max") - grouped.transform("min")) > 1e-9
    if not differs.any():
        return
    facts = " ".join(_spread_facts(experiments, metric) for metric in experiments.headlines())
    text = sentence("findings.same_settings", n=differs.sum(), n_groups=runs[differs].nunique(), facts=facts)
    yield "error", experiments.names[differs], text


def _spread_facts(experiments: Experiments, metric: Metric) -> str:
    """Standard deviation with the same seed and across seeds, and what difference the design can show."""
    values = experiments.values[metric.column]
    same, n_same = pooled_sd(values, experiments.runs)
    if not n_same or not np.isfinite(same):
        return ""
    first = ~experiments.runs.duplicated()
    across, n_across = pooled_sd(values[first], experiments.configurations[first])
    said = f"SD of {metric.column} with the same seed: {same:.3f} ({n_same} degrees of freedom)"
    if n_across and np.isfinite(across):
        said += f"; across seeds of one configuration: {across:.3f} ({n_across})"
    sizes = experiments.configurations.value_counts()
    typical = int(sizes[sizes > 1].median()) if (sizes > 1).any() else 0
    if typical > 1:
        least = least_difference(across if np.isfinite(across) and n_across else same, typical)
        said += (
            f"; with {typical} runs an arm a difference must exceed about {least:.2f} to be more than chance"
        )
    return said + "."


def pooled_sd(values: pd.Series, groups: pd.Series) -> tuple[float, int]:
    """Standard deviation within groups, pooled, and its degrees of freedom; NaN and 0 without repeats."""
    known = values.notna()
    values, groups = values[known], groups[known]
    freedom = len(values) - groups.nunique()
    if freedom <= 0:
        return float("nan"), 0
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers near the largest there are
        rest = values - values.groupby(groups).transform("mean")
        return float(np.sqrt((rest**2).sum() / freedom)), int(freedom)


def least_difference(sd: float, n_runs: int) -> float:
    """The difference of two means of `n_runs` runs each that a two-sided t-test at 5 % takes for real."""
    from scipy import stats

    return float(stats.t.ppf(0.975, 2 * n_runs - 2) * sd * np.sqrt(2 / n_runs))


@check("counted_more_than_once", "Is every listed configuration another one in effect?")
def check_counted_twice(experiments: Experiments, options: AuditOptions) -> Told:
    """Configurations that are listed apart although what tells them apart is switched off."""
    listed = codes(experiments.settings)
    distinct = listed.groupby(experiments.configurations).transform("nunique")
    within = listed.groupby([experiments.configurations, experiments.families]).transform("nunique") > 1
    is_twice = (distinct > 1) & within
    if not is_twice.any():
        return
    inert = [
        str(column)
        for column in experiments.settings
        if (experiments.settings[column] != experiments.effective[column])[is_twice].any()
    ]
    text = sentence(
        "findings.counted_twice",
        n_listed=listed[is_twice].nunique(),
        n_distinct=experiments.configurations[is_twice].nunique(),
        listed=some(inert),
        n_rows=is_twice.sum(),
    )
    yield "warning", experiments.names[is_twice], text


@check("spread_from_one_run", "Is every spread from more than one run?")
def check_one_run(experiments: Experiments, options: AuditOptions) -> Told:
    """Spread that is stated for, or would be computed from, a single run."""
    columns = [column for column in experiments.columns("spread") if SPREAD.match(column)]
    if columns:
        yield from _stated_spread(experiments, columns)
        return
    sizes = experiments.runs.groupby(experiments.configurations).transform("size")
    is_single = sizes == 1
    if not is_single.any():
        return
    n_single = count(int(is_single.sum()), "configuration")
    if is_single.all():
        yield "note", experiments.names, sentence("findings.all_single", n_single=n_single)
        return
    text = sentence("findings.some_single", n_single=n_single, n_all=experiments.configurations.nunique())
    yield "warning", experiments.names[is_single], text


def _stated_spread(experiments: Experiments, columns: list[str]) -> Told:
    """Standard deviations that are given for one run."""
    n_runs = _runs_behind(experiments)
    if n_runs is None:
        raise NotChecked("It gives standard deviations, but not how many runs they are from.")
    has_spread = (experiments.cells[columns] != "").any(axis=1)
    is_claimed = has_spread & (n_runs == 1)
    if not is_claimed.any():
        return
    text = sentence("findings.stated_spread", n=is_claimed.sum(), listed=some(columns, 3))
    yield "error", experiments.names[is_claimed], text


def _runs_behind(experiments: Experiments) -> pd.Series | None:
    """How many runs each aggregated row stands for, from a column of their names or of their count."""
    for column in experiments.columns("names"):
        return experiments.cells[column].map(
            lambda cell: len([name for name in re.split(r"[,;|]", cell) if name.strip()])
        )
    for column in experiments.columns("count"):
        if column.lower().replace(" ", "_") in ("n", "n_runs", "runs", "n_seeds", "num_runs", "count"):
            return pd.to_numeric(experiments.cells[column], errors="coerce")
    return None


@check("duplicated_rows", "Is every run in the table once, under a name of its own?")
def check_duplicates(experiments: Experiments, options: AuditOptions) -> Told:
    """Rows of one name, and rows that are the same run entered twice."""
    for column in experiments.columns("name"):
        given = experiments.cells[column]
        is_double = given.duplicated(keep=False) & (given != "")
        if is_double.any():
            text = sentence(
                "findings.one_name", n_names=given[is_double].nunique(), column=column, n_rows=is_double.sum()
            )
            yield "error", experiments.names[is_double], text
    told = [
        c
        for c, role in experiments.roles.items()
        if role in ("setting", "seed", "metric", "outcome", "spread", "names")
    ]
    is_same = experiments.cells[told].duplicated(keep=False)
    if is_same.any():
        n_extra = int(experiments.cells[told].duplicated().sum())
        yield (
            "warning",
            experiments.names[is_same],
            sentence("findings.same_run", n=is_same.sum(), n_extra=n_extra),
        )
