"""Runs that ought to differ and do not: a setting that never arrived, a copied or an old result."""

from collections.abc import Iterator

import pandas as pd

from vernal.common.formatting import count
from vernal.studies.audit.findings import NotChecked, Said, Told, check, sentence, some
from vernal.studies.audit.options import AuditOptions
from vernal.studies.audit.ranking import monotone_columns
from vernal.studies.published.columns import RANKING, RATES, Metric
from vernal.studies.published.experiments import Experiments, codes

# So many printed digits must agree before agreement is more than chance.
TELLING_DIGITS = 12
CHANCE = 0.5  # agreements expected by chance from which on one proves nothing


@check("different_settings_agree", "Do runs that differ in something differ in their results?")
def check_different_settings(experiments: Experiments, options: AuditOptions) -> Told:
    """Rows with different settings whose metrics agree to the last digit."""
    metrics = [metric for metric in experiments.metrics if metric.name in (*RATES, "threshold")]
    is_told = _telling_digits(experiments, [m for m in metrics if m.name in RATES]) >= TELLING_DIGITS
    if is_told.sum() < 2:
        raise NotChecked(
            f"Too few printed digits to tell agreement from chance (fewer than {TELLING_DIGITS} a row)."
        )
    alike = codes(experiments.values[[metric.column for metric in metrics]])[is_told]
    by_meaning: dict[tuple[str, tuple[str, ...]], list[list[str]]] = {}
    for _, rows in alike[alike.duplicated(keep=False)].groupby(alike):
        for meaning, columns, names in _differences(experiments, rows.index, options):
            by_meaning.setdefault((meaning, columns), []).append(names)
    severity = "note" if expected_by_chance(experiments, metrics) >= CHANCE else "warning"
    for (meaning, columns), groups in by_meaning.items():
        yield _agreement(meaning, columns, groups, severity)


def expected_by_chance(experiments: Experiments, metrics: list[Metric]) -> float:
    """How many pairs of rows would agree everywhere if each set, and ranking within it, agreed on its own.

    Few clips give few possible results, and many rows then share one. From a single such block nothing can be
    told: 1.
    """
    blocks: dict[tuple[str, bool], list[str]] = {}
    for metric in metrics:
        blocks.setdefault((metric.test_set, metric.name in RANKING), []).append(metric.column)
    n_pairs = len(experiments) * (len(experiments) - 1) / 2
    if len(blocks) < 2:
        return 1.0
    expected = n_pairs
    for columns in blocks.values():
        sizes = codes(experiments.values[columns]).value_counts()
        expected *= float((sizes * (sizes - 1) / 2).sum()) / n_pairs
    return expected


def _telling_digits(experiments: Experiments, metrics: list[Metric]) -> pd.Series:
    """(n_rows,) digits printed in different values that are neither 0 nor 1; trivial rows have few."""
    digits = pd.Series(0, index=experiments.cells.index)
    seen = pd.DataFrame({m.column: experiments.values[m.column] for m in metrics})
    for i, metric in enumerate(metrics):
        value = seen[metric.column]
        is_new = pd.Series(True, index=value.index)
        for earlier in metrics[:i]:
            is_new &= (seen[earlier.column] - value).abs() > 1e-12
        digits += (is_new & (value > 0) & (value < 1)).astype(int) * metric.decimals
    return digits


def _differences(
    experiments: Experiments, index: pd.Index, options: AuditOptions
) -> Iterator[tuple[str, tuple[str, ...], list[str]]]:
    """What tells the rows of one result apart: their settings, or only their seeds."""
    settings, seeds = experiments.effective.loc[index], experiments.seeds.loc[index]
    columns = tuple(column for column in settings.columns if settings[column].nunique(dropna=False) > 1)
    names = experiments.names.loc[index].tolist()
    if columns:
        kind = _kind(settings, columns, options, experiments)
        # A shift moves the best threshold and nothing else: without thresholds, agreement is as it should be.
        if kind != "monotone" or any(metric.name == "threshold" for metric in experiments.metrics):
            yield kind, columns, names
    elif seeds.shape[1] and seeds.nunique(dropna=False).max() > 1:
        yield "seeds", tuple(c for c in seeds.columns if seeds[c].nunique(dropna=False) > 1), names


def _kind(
    settings: pd.DataFrame, columns: tuple[str, ...], options: AuditOptions, experiments: Experiments
) -> str:
    if set(columns) <= set(monotone_columns(experiments, options)):
        return "monotone"
    given = settings[list(columns)].where(settings[list(columns)] != "")
    return "unrecorded" if (given.nunique() <= 1).all() else "settings"


def _agreement(meaning: str, columns: tuple[str, ...], groups: list[list[str]], severity: str) -> Said:
    rows = tuple(dict.fromkeys(name for group in groups for name in group))
    pairs = "; ".join(" = ".join(group[:4]) for group in groups[:5])
    told = (
        f"{count(len(groups), 'group')} of rows agree in every metric to the last digit "
        f"({pairs}{'; ...' if len(groups) > 5 else ''})"
    )
    listed = some(columns, 6)
    chance = (
        "That is not chance"
        if severity == "warning"
        else "With so few possible results it may be chance; if not"
    )
    return severity, rows, sentence(f"findings.{meaning}", told=told, listed=listed, chance=chance)
