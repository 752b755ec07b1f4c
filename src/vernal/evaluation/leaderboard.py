"""Configurations in the order of a choice that no test split had a part in, with what the test says beside it.

Where validation chooses, the order is the mean over seeds less a fifth of its spread, and never a spread from one run:
a configuration that was run once has no spread and so no score. Published tables that take its spread for 0 rank it
as perfectly stable.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vernal.evaluation import bootstrap
from vernal.evaluation.metrics import FloatArray
from vernal.evaluation.rounding import DECIMALS
from vernal.sweeps.settings_table import CONFIGURATION, joined_levels, settings_of

EMPTY_SUBSETS = "empty_subsets"
PENALTY = 0.2  # standard deviations taken off the mean in the order of the study's leaderboards


def spread(values: Sequence[float] | FloatArray) -> tuple[float, float]:
    """Mean and sample standard deviation (ddof 1) of what is defined; NaN for the spread of a single value.

    >>> [round(number, 3) for number in spread([0.886, 0.864, 0.859])]
    [0.87, 0.014]
    """
    defined = np.asarray(values, dtype=float)
    defined = defined[np.isfinite(defined)]
    if not defined.size:
        return float("nan"), float("nan")
    std = float(np.std(defined, ddof=1)) if defined.size > 1 else float("nan")
    return float(np.mean(defined)), std


def aggregate(runs: pd.DataFrame, by: str | Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """One row per group: `by`, `n_runs`, and `<metric>_mean`, `<metric>_std` of each metric.

    Args:
        runs: one row per distinct run.
        by: column or columns that make a configuration; missing values form their own group.
        metrics: columns of `runs`.
    """
    names = [by] if isinstance(by, str) else list(by)
    rows = []
    for key, group in runs.groupby(names, sort=False, dropna=False):
        row = dict(zip(names, key, strict=True)) | {"n_runs": len(group)}
        for metric in metrics:
            row[f"{metric}_mean"], row[f"{metric}_std"] = spread(group[metric].to_numpy(float))
        rows.append(row)
    columns = [*names, "n_runs", *(f"{m}_{part}" for m in metrics for part in ("mean", "std"))]
    return pd.DataFrame(rows, columns=columns)


def order(
    table: pd.DataFrame,
    by: str | None,
    penalty: float = PENALTY,
    precision: str | None = None,
    precision_floor: float | None = None,
) -> pd.DataFrame:
    """Add `score` and `rank`, and sort by them, highest first; equal rows share a rank and keep their order.

    Rows without a score have no rank. They follow the others, by their mean where there is one. Rows whose precision
    is below the floor (or undefined) are left out.

    Args:
        by: a column, which is the score, or a metric with `<by>_mean` and `<by>_std`, whose score is
            `mean - penalty * std`; None scores nothing and leaves the order as it is.
        precision: column of the precision that the floor is about; None keeps all.
    """
    if precision_floor is not None and precision is not None:
        table = table[table[precision] >= precision_floor]
    nothing = pd.Series(np.nan, index=table.index)
    mean = table.get(f"{by}_mean", nothing)
    score = table[by] if by in table else mean - penalty * table.get(f"{by}_std", nothing)
    scored = table.assign(score=score.astype(float).round(DECIMALS), mean=mean.astype(float).round(DECIMALS))
    scored = scored.sort_values(
        ["score", "mean"], ascending=False, na_position="last", kind="stable", ignore_index=True
    )
    rank = scored["score"].rank(method="min", ascending=False).astype("Int64")
    return scored.drop(columns="mean").assign(rank=rank)


def stage_leaderboard(
    plan: pd.DataFrame,
    runs: pd.DataFrame,
    metrics: Sequence[str],
    primary: str,
    draws: Mapping[str, FloatArray] | None = None,
    effective: float = 0.0,
    axes: Sequence[str] = (),
    penalty: float = PENALTY,
    by: str | None = None,
    cross_validated: pd.DataFrame | None = None,
    precision: str | None = None,
    precision_floor: float | None = None,
    level: float = 0.95,
    hollow: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """One row per configuration of a stage; points of equal hash count once.

    Args:
        plan: `point`, `config_hash`, `configuration_hash` and the settings.
        runs: one row per distinct run that was evaluated: `config_hash` and `metrics`.
        primary: the metric that gets the interval.
        draws: per config hash, the primary metric in every bootstrap draw; None: no interval.
        effective: effective number of nights that `primary` rests on; 0 gives no interval.
        axes: settings to show.
        by: what gives the order: one of `metrics`, or a column of `cross_validated`; see `order`.
        cross_validated: measures of each configuration on folds, `configuration_hash` and columns to show.
        hollow: the subsets without a clip that configurations name, by configuration. Such a configuration trains
            without them and so is none: it is listed last, without a rank. Where all are such, none is treated so.

    Returns:
        `rank` (empty without a score), `configuration_hash`, axes as text, `n_points`, `n_runs` (distinct), `score`,
        the columns of `cross_validated`, `<primary>_low`, `<primary>_high` and `interval_covers` (`nights and seeds`,
        `nights only` after one run, or empty), means and standard deviations, `points`. Equal scores are in the
        order of the plan.
    """
    settings = settings_of(plan)
    run_table = plan.drop_duplicates("config_hash")[["config_hash", CONFIGURATION]].merge(
        runs, on="config_hash"
    )
    table = aggregate(run_table, CONFIGURATION, metrics)
    about = [_about(plan.loc[part], settings.loc[part], axes) for _, part in _parts(plan)]
    ranges = [_interval(name, run_table, primary, draws, effective, level) for name in table[CONFIGURATION]]
    table = table.merge(
        pd.DataFrame(about, columns=[CONFIGURATION, "points", "n_points", *axes]), on=CONFIGURATION
    )
    table = table.assign(
        **pd.DataFrame(ranges, columns=[f"{primary}_low", f"{primary}_high", "interval_covers"])
    )
    beside = pd.DataFrame(columns=[CONFIGURATION]) if cross_validated is None else cross_validated
    table = table.merge(beside, on=CONFIGURATION, how="left")
    empty = table[CONFIGURATION].map(dict(hollow or {}))
    parts = (
        [table[empty.isna()], table[empty.notna()]] if empty.notna().any() and empty.isna().any() else [table]
    )
    ordered = [order(part, by, penalty, precision, precision_floor) for part in parts]
    if len(ordered) > 1 and len(ordered[0]):
        unranked = ordered[1].assign(rank=pd.array([pd.NA] * len(ordered[1]), dtype="Int64"))
        ordered = [pd.concat([ordered[0], unranked], ignore_index=True)]
    table = ordered[0]
    values = [f"{m}_{part}" for m in metrics for part in ("mean", "std")]
    ends = [f"{primary}_low", f"{primary}_high", "interval_covers"]
    scores = ["score", *(name for name in beside if name != CONFIGURATION)]
    if len(parts) > 1:
        table[EMPTY_SUBSETS] = table[CONFIGURATION].map(dict(hollow or {}))
        scores = [EMPTY_SUBSETS, *scores]
    return table[["rank", CONFIGURATION, *axes, "n_points", "n_runs", *scores, *ends, *values, "points"]]


def _parts(plan: pd.DataFrame) -> list[tuple[str, pd.Index]]:
    return [(str(name), rows) for name, rows in plan.groupby(CONFIGURATION, sort=False).groups.items()]


def _about(rows: pd.DataFrame, settings: pd.DataFrame, axes: Sequence[str]) -> dict[str, object]:
    return {
        CONFIGURATION: rows[CONFIGURATION].iloc[0],
        "points": ", ".join(rows["point"].astype(str)),
        "n_points": len(rows),
        **{axis: joined_levels(settings[axis]) for axis in axes},
    }


def _interval(
    configuration: str,
    runs: pd.DataFrame,
    primary: str,
    draws: Mapping[str, FloatArray] | None,
    effective: float,
    level: float,
) -> tuple[float, float, str]:
    """Interval of a configuration's mean over nights and seeds: variances added, t with their joint df."""
    mine = runs[runs[CONFIGURATION] == configuration]
    values = mine[primary].to_numpy(float)
    hashes = mine["config_hash"][np.isfinite(values)]
    values = values[np.isfinite(values)]
    none = (float("nan"), float("nan"), "")
    if draws is None or not effective or not values.size:
        return none
    ends = mean_interval(values, np.array([draws[name] for name in hashes]), effective, level)
    covers = "nights and seeds" if values.size > 1 else "nights only"
    return (*ends, covers if np.isfinite(ends[0]) else "")


def mean_interval(
    values: Sequence[float] | FloatArray, draws: FloatArray, effective: float, level: float
) -> tuple[float, float]:
    """Interval of the mean of a configuration's runs over nights and seeds.

    Args:
        values: (n_runs,) shares in [0, 1].
        draws: (n_runs, n_draws) the same in every bootstrap draw.
        effective: effective number of nights; too few give NaN.
    """
    variances, dfs = [bootstrap.shared_variance(draws, effective)], [effective - 1]
    if len(values) > 1:
        variances.append(float(np.var(values, ddof=1)) / len(values))
        dfs.append(len(values) - 1)
    return bootstrap.interval(
        float(np.mean(values)), float(np.sum(variances)), bootstrap.joint_df(variances, dfs), level, effective
    )
