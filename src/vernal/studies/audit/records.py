"""Is the table whole, and is it written down where its numbers come from?"""

import math
import re

import numpy as np
import pandas as pd

from vernal.common.formatting import count
from vernal.studies.audit.findings import NotChecked, Told, check, sentence, some
from vernal.studies.audit.options import AuditOptions
from vernal.studies.published.columns import RATES, Metric
from vernal.studies.published.experiments import Experiments

LEAST_GRID = 6  # rows below which no grid is read into a family
LEAST_COVERAGE = 0.75  # share of a grid's cells that must be there before the others count as missing


@check("missing_results", "Does every row have its metrics?")
def check_missing(experiments: Experiments, options: AuditOptions) -> Told:
    """Rows without a metric that the others have."""
    for metric in experiments.metrics:
        if metric.name not in RATES:
            continue
        is_missing = experiments.values[metric.column].isna() & ~_is_undefined(experiments, metric)
        # A column that most rows lack is one that few were measured by.
        if is_missing.any() and is_missing.mean() < 0.5:
            text = sentence("findings.missing", n=is_missing.sum(), column=metric.column)
            yield "warning", experiments.names[is_missing], text


def _is_undefined(experiments: Experiments, metric: Metric) -> pd.Series:
    """Where a blank is the right answer: precision and F1 of a row that flags nothing."""
    recall = experiments.of(metric.test_set, "recall", metric.point)
    if metric.name not in ("precision", "f1") or recall is None:
        return pd.Series(False, index=experiments.cells.index)
    return experiments.values[recall.column] == 0


@check("incomplete_grid", "Are grids of settings whole, with no cell run twice?")
def check_grid(experiments: Experiments, options: AuditOptions) -> Told:
    """Numbered runs that fill most of a grid of settings: cells left out, and cells run twice."""
    n_grids = 0
    for family, rows in experiments.families.groupby(experiments.families):
        if len(rows) < LEAST_GRID:
            continue
        factors = _factors(pd.concat([experiments.settings, experiments.seeds], axis=1).loc[rows.index])
        if factors.shape[1] < 2:
            continue
        n_grids += 1
        yield from _grid(experiments, str(family), factors)
    if not n_grids:
        raise NotChecked("No family of numbered runs varies two settings or more.")


def _factors(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns that vary; of several that vary together, the first."""
    kept: dict[str, np.ndarray] = {}
    for column in frame.columns:
        codes, levels = pd.factorize(frame[column])
        if len(levels) > 1 and not any((codes == other).all() for other in kept.values()):
            kept[column] = codes
    return frame[list(kept)]


def _grid(experiments: Experiments, family: str, factors: pd.DataFrame) -> Told:
    levels = {column: sorted(factors[column].unique()) for column in factors.columns}
    n_cells = math.prod(map(len, levels.values()))
    n_seen = len(factors.drop_duplicates())
    is_twice = factors.duplicated(keep=False)
    n_missing = n_cells - n_seen
    if n_missing == 0 or n_seen / n_cells < LEAST_COVERAGE or n_cells > 100_000:
        return
    design = " x ".join(f"{column} ({len(values)})" for column, values in levels.items())
    absent = _absent_cells(factors, levels)
    told = (
        f"The rows {family + '...' if family else 'of the table'} fill {n_seen:,} of the {n_cells:,} cells "
        f"of {design}: {count(n_missing, 'cell')} missing (such as {absent})"
    )
    if is_twice.any():
        n_again = int(factors.duplicated().sum())
        text = sentence("findings.grid_resumed", told=told, n=n_again)
        yield "error", experiments.names.loc[factors.index[is_twice]], text
        return
    yield "note", (), sentence("findings.grid_gaps", told=told)


def _absent_cells(factors: pd.DataFrame, levels: dict[str, list[str]]) -> str:
    full = pd.MultiIndex.from_product(list(levels.values()), names=list(levels))
    absent = full.difference(pd.MultiIndex.from_frame(factors.drop_duplicates()))
    cells = [
        ", ".join(
            f"{name.split('.')[-1]} {value or 'none'}" for name, value in zip(levels, cell, strict=True)
        )
        for cell in absent[:2]
    ]
    return "; ".join(cells)


@check("names_and_seeds", "Do names, numbers and seeds agree?")
def check_names(experiments: Experiments, options: AuditOptions) -> Told:
    """Names that contradict their row's seed, seeds that contradict each other, and numbers left out."""
    if not experiments.columns("name"):
        raise NotChecked("No column of names.")
    yield from _seed_in_name(experiments)
    yield from _seeds_differ(experiments)
    yield from _numbers_left_out(experiments)


def _seed_in_name(experiments: Experiments) -> Told:
    column = next(iter(experiments.columns("seed")), None)
    if column is None:
        return
    named = experiments.cells[experiments.columns("name")[0]].str.extract(
        r"seed[\s_\-=]*0*(\d+)", flags=re.IGNORECASE
    )[0]
    seed = experiments.seeds[column]
    differs = named.notna() & (seed != "") & (named.where(named != "", "0") != seed)
    if not differs.any():
        return
    yield (
        "warning",
        experiments.names[differs],
        sentence("findings.seed_in_name", n=differs.sum(), column=column),
    )


def _seeds_differ(experiments: Experiments) -> Told:
    """Two columns of seeds that agree in nearly all rows: the others are slips, not a design."""
    columns = list(experiments.seeds.columns)
    for i, first in enumerate(columns):
        for second in columns[i + 1 :]:
            a, b = experiments.seeds[first], experiments.seeds[second]
            is_known = (a != "") & (b != "")
            differs = is_known & (a != b)
            if 0 < differs.sum() <= 0.1 * is_known.sum():
                text = sentence("findings.seeds_differ", first=first, second=second, n=differs.sum())
                yield "warning", experiments.names[differs], text


def _numbers_left_out(experiments: Experiments) -> Told:
    given = experiments.cells[experiments.columns("name")[0]]
    parts = given.str.extract(r"^(.*?)[\s_.\-]*(\d{1,9})$").dropna()
    told, total = [], 0
    for family, number in parts[1].astype(int).groupby(parts[0]):
        seen = set(number)
        span = max(seen) - min(seen) + 1
        # Numbers that are mostly absent are dates or ids, not a count of runs.
        if len(seen) < LEAST_GRID or len(seen) / span < LEAST_COVERAGE:
            continue
        absent = sorted(set(range(min(seen), max(seen) + 1)) - seen)
        if absent:
            told.append(f"{family}: {', '.join(map(str, absent[:5]))}{'...' if len(absent) > 5 else ''}")
            total += len(absent)
    if not told:
        return
    yield "note", (), sentence("findings.numbers_left_out", n=total, listed=some(told, 5))


@check("provenance", "Are versions, commits, times and seeds recorded?")
def check_provenance(experiments: Experiments, options: AuditOptions) -> Told:
    """Versions, times, commits and seeds: enough to repeat a run?"""
    metadata = experiments.columns("metadata")
    versions = [c for c in metadata if re.search(r"version", c, re.IGNORECASE)]
    if not versions:
        yield "note", (), sentence("findings.no_version")
    if not experiments.columns("seed"):
        yield "note", (), sentence("findings.no_seed")
    for column in metadata:
        if re.search(r"commit|sha|version|timestamp|created", column, re.IGNORECASE):
            yield from _gaps(experiments, column)
    for column in metadata:
        if re.search(r"commit|sha|version", column, re.IGNORECASE):
            yield from _mixed(experiments, column)


def _gaps(experiments: Experiments, column: str) -> Told:
    is_missing = experiments.cells[column] == ""
    if not is_missing.any() or is_missing.all():
        return
    yield "note", experiments.names[is_missing], sentence("findings.blank", n=is_missing.sum(), column=column)


def _mixed(experiments: Experiments, column: str) -> Told:
    given = experiments.cells[column].where(experiments.cells[column] != "")
    n_each = given.groupby(experiments.families).transform("nunique")
    # A family of runs is compared with itself; different ones may well be of different days.
    families = experiments.families[(n_each > 1) & given.notna()]
    told = [
        f"{family or 'the table'} ({int(n_each[rows.index].iloc[0])})"
        for family, rows in families.groupby(families)
    ]
    if not told:
        return
    usual = given.groupby(experiments.families).transform(
        lambda cells: cells.mode().iloc[0] if cells.notna().any() else ""
    )
    is_other = families.index[(given != usual)[families.index]]
    text = sentence(
        "findings.mixed_versions", n=len(told), column=column, listed=some(told, 8), n_other=len(is_other)
    )
    yield "warning", experiments.names.loc[is_other], text
