"""Ranking metrics depend on the order of the scores alone, so nothing that keeps the order may move them."""

import pandas as pd

from vernal.studies.audit.findings import NotChecked, Told, check, sentence
from vernal.studies.audit.options import AuditOptions
from vernal.studies.published.columns import RANKING
from vernal.studies.published.experiments import Experiments, codes


def monotone_columns(experiments: Experiments, options: AuditOptions) -> list[str]:
    """Settings whose last word is one of those that shift or scale every score alike."""
    words = {str(word).lower() for word in options.monotone_settings}
    return [
        column
        for column in experiments.columns("setting")
        if column.split(".")[-1].lower().replace("-", "_") in words
    ]


@check("ranking_moves_under_monotone_shift", "Do ranking metrics stay when all scores move alike?")
def check_monotone(experiments: Experiments, options: AuditOptions) -> Told:
    """Rows equal but for a monotone setting whose AUROC or average precision differ."""
    columns = monotone_columns(experiments, options)
    metrics = [metric for metric in experiments.metrics if metric.name in RANKING]
    if not columns or not metrics:
        raise NotChecked(
            f"Needs AUROC or average precision, and a setting named {' or '.join(options.monotone_settings)}."
        )
    # Runs that were numbered together are compared with each other; those that stand alone, among themselves.
    families = experiments.families.where(experiments.families.duplicated(keep=False), "")
    others = codes(pd.concat([experiments.effective.drop(columns=columns), experiments.seeds], axis=1))
    groups = codes(pd.DataFrame({"others": others, "family": families}))
    n_levels = codes(experiments.effective[columns]).groupby(groups).transform("nunique")
    if not (n_levels > 1).any():
        raise NotChecked(f"No two rows are equal but for {', '.join(columns)}.")
    groups = groups.where(n_levels > 1)
    moved = {metric: spread_in(experiments.values[metric.column], groups) for metric in metrics}
    # One unit of the last decimal may be rounding.
    is_moved = {metric: spread > 2 * metric.half + 1e-9 for metric, spread in moved.items()}
    rows = pd.concat(is_moved.values(), axis=1).any(axis=1)
    if not rows.any():
        return
    told = ", ".join(
        f"{metric.column} by up to {moved[metric].max():.3f}" for metric in metrics if is_moved[metric].any()
    )
    text = sentence(
        "findings.ranking_moves",
        columns=", ".join(columns),
        told=told,
        n=rows.sum(),
        n_groups=groups[rows].nunique(),
        n_all=groups.nunique(),
    )
    yield "error", experiments.names[rows], text


def spread_in(values: pd.Series, groups: pd.Series) -> pd.Series:
    """(n_rows,) largest less smallest value of each row's group; missing outside the groups."""
    grouped = values.groupby(groups)
    return grouped.transform("max") - grouped.transform("min")
