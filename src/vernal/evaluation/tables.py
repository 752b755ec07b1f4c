"""Measured splits laid out as the tables of a report."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vernal.evaluation import (
    baselines,
    bootstrap,
    breakdown,
    calibration,
    coverage,
    curves,
    effects,
    leaderboard,
    metrics,
    nights,
)
from vernal.evaluation.choice import Choice
from vernal.evaluation.coverage import VALIDATION
from vernal.evaluation.measuring import MeasuredSplit
from vernal.evaluation.operating_points import Goal, OperatingPoint
from vernal.evaluation.options import EvaluationOptions
from vernal.sweeps.settings_table import CONFIGURATION, settings_of

COUNTS, RATES = ("tp", "fp", "fn", "tn"), ("precision", "recall", "f1", "fpr")
BAND_DRAWS = 200  # enough for a drawn band; tables use all draws


def point_rows(
    plan: pd.DataFrame,
    sheet: coverage.Sheet,
    measured: Mapping[str, MeasuredSplit],
    frozen: Sequence[OperatingPoint],
    basics: pd.DataFrame,
    floor: Mapping[str, pd.DataFrame],
    training_counts: pd.DataFrame,
    failed: Mapping[str, str],
    chosen: Choice,
) -> pd.DataFrame:
    """One row per point, in plan order: identity, settings, training counts, threshold, measures.

    Measures are `<split>_<metric>`, and `cv_<metric>` on folds, the same for all points of a configuration.
    """
    run_of = plan["point"].astype(str).map(sheet.run_of)
    identity = ["point", "config_hash", CONFIGURATION, *(["is_edited"] if "is_edited" in plan else [])]
    reasons = [
        np.nan if is_done else failed.get(str(point))
        for point, is_done in zip(plan["point"], run_of.notna(), strict=True)
    ]
    head = plan[identity].assign(error=pd.Series(reasons, index=plan.index, dtype="str"))
    counts = (
        training_counts.drop_duplicates("point")
        .set_index("point")
        .reindex(plan["point"])
        .reset_index(drop=True)
    )
    threshold = pd.DataFrame(
        {
            "goal": [point.goal for point in frozen],
            "is_goal_met": pd.array([point.is_met for point in frozen], dtype="boolean"),
            "threshold_logit": [point.logit for point in frozen],
            "threshold_confidence": [point.confidence for point in frozen],
        }
    )
    blocks = [threshold]
    for name, split in measured.items():
        beside = floor.get(name, pd.DataFrame(index=split.values.index))
        table = pd.concat([split.values.assign(**_beside(basics, name)), beside], axis=1)
        ordered = [*metrics.MEASURES, *(column for column in table.columns if column not in metrics.MEASURES)]
        blocks.append(table[ordered].add_prefix(f"{name}_"))
    by_run = pd.concat(blocks, axis=1)
    measured_rows = _nullable(by_run).reindex(run_of).reset_index(drop=True)
    folds = chosen.values.set_index(CONFIGURATION).reindex(plan[CONFIGURATION]).astype(float)
    # A point without a result of its own shows none of its configuration's.
    folds = folds.reset_index(drop=True)
    folds.loc[run_of.isna().to_numpy()] = np.nan
    settings = settings_of(plan)
    # Where encoders are compared, the one that a point was embedded with is a setting of it.
    counts = counts[[name for name in counts if name not in settings]]
    return pd.concat([head, settings, _nullable(counts), measured_rows, folds], axis=1)


def _beside(basics: pd.DataFrame, split: str) -> dict[str, float]:
    """The baselines' numbers that say something, as columns: `all_positive_f1`, `metadata_auroc`, ..."""
    wanted = {
        baselines.ALL_POSITIVE: ("f1", "precision"),
        baselines.PREVALENCE: ("f1", "average_precision"),
        baselines.METADATA: ("f1", "auroc", "average_precision"),
    }
    rows = {str(row["baseline"]): row for row in basics[basics["split"] == split].to_dict("records")}
    return {
        f"{name}_{metric}": float(rows[name][metric])
        for name, listed in wanted.items()
        if name in rows
        for metric in listed
    }


def _nullable(table: pd.DataFrame) -> pd.DataFrame:
    """Counts and answers in types that can be missing, so that a failed point leaves `7` no `7.0`."""
    kinds = {
        name: "boolean" if pd.api.types.is_bool_dtype(dtype) else "Int64"
        for name, dtype in table.dtypes.items()
        if pd.api.types.is_bool_dtype(dtype)
        or pd.api.types.is_integer_dtype(dtype)
        or str(name).startswith("n_")
    }
    return table.astype(kinds)


def leaderboard_table(
    plan: pd.DataFrame,
    sheet: coverage.Sheet,
    measured: Mapping[str, MeasuredSplit],
    primary: str,
    axes: Sequence[str],
    options: EvaluationOptions,
    chosen: Choice,
    training_counts: pd.DataFrame,
) -> pd.DataFrame:
    """One row per configuration in the order of the choice, with `chosen_by`; see `leaderboard.stage_leaderboard`.

    The primary split's columns come first.
    """
    listed = ("f1", "precision", "recall", "auroc", "average_precision")
    order = [primary, *(name for name in measured if name != primary)]
    values = pd.concat(
        [
            measured[name]
            .values[list(dict.fromkeys([options.primary_metric, *listed]))]
            .add_prefix(f"{name}_")
            for name in order
        ],
        axis=1,
    )
    split = measured[primary]
    board = leaderboard.stage_leaderboard(
        plan,
        values.assign(config_hash=sheet.runs),
        list(values.columns),
        f"{primary}_{options.primary_metric}",
        draws=dict(zip(sheet.runs, split.draws[options.primary_metric], strict=True)),
        effective=split.nights.effective_for(options.primary_metric) if primary != VALIDATION else 0.0,
        axes=axes,
        penalty=options.penalty,
        by=chosen.column,
        cross_validated=chosen.values,
        precision=chosen.precision,
        precision_floor=options.precision_floor,
        level=options.level,
        hollow=_hollow(plan, training_counts),
    )
    board.insert(list(board.columns).index("score"), "chosen_by", chosen.by)
    return board


def _hollow(plan: pd.DataFrame, training_counts: pd.DataFrame) -> dict[str, str]:
    """Subsets without a clip that configurations name, by configuration."""
    if leaderboard.EMPTY_SUBSETS not in training_counts:
        return {}
    named = training_counts.set_index("point")[leaderboard.EMPTY_SUBSETS].fillna("").astype(str)
    of_points = plan["point"].map(named).fillna("")
    return dict(zip(plan[CONFIGURATION][of_points != ""], of_points[of_points != ""], strict=True))


def leading_runs(board: pd.DataFrame, plan: pd.DataFrame, sheet: coverage.Sheet) -> list[int]:
    """Runs of the configuration at the top, in plan order; the first run if a floor left none."""
    if board.empty:
        return [0]
    leading = plan.loc[plan[CONFIGURATION] == board[CONFIGURATION].iloc[0], "config_hash"].astype(str)
    return [at for at, run in enumerate(sheet.runs) if run in set(leading)]


def effects_table(
    plan: pd.DataFrame,
    sheet: coverage.Sheet,
    measured: Mapping[str, MeasuredSplit],
    axes: Sequence[str],
    options: EvaluationOptions,
) -> pd.DataFrame:
    """One row per contrast, test split and metric; see `effects.effects`."""
    done = plan[plan["config_hash"].astype(str).isin(sheet.runs)]
    found = effects.contrasts(done, axes, options.all_pairs, options.within_levels) if len(done) else []
    tables = []
    for name, split in measured.items():
        if name == VALIDATION:
            continue
        for metric in options.effect_metrics:
            values = dict(zip(sheet.runs, split.values[metric].astype(float), strict=True))
            draws = dict(zip(sheet.runs, split.draws[metric], strict=True))
            table = effects.effects(found, values, draws, split.nights.effective_for(metric), options.level)
            tables.append(table.assign(split=name, metric=metric))
    columns = ["split", "metric", *effects.COLUMNS]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def operating_points_table(
    measured: Mapping[str, MeasuredSplit],
    chosen: Sequence[Sequence[OperatingPoint]],
    names: Sequence[str],
    goals: Sequence[Goal],
) -> pd.DataFrame:
    """One row per (point, goal, split): the threshold that the goal led to, and what it gives there.

    `is_goal_met` is of validation, `is_met_here` of the split of the row; empty where clips cannot tell.
    """
    rows = []
    for at, name in enumerate(names):
        for point, goal in zip(chosen[at], goals, strict=True):
            for split, part in measured.items():
                found = metrics.metrics_at(part.logits[at], part.truth, point.logit)
                row = {
                    "point": name,
                    "goal": point.goal,
                    "threshold_logit": point.logit,
                    "is_goal_met": point.is_met,
                }
                row |= {"split": split, "is_met_here": goal.is_reached(found)}
                rows.append(row | found | {"note": point.note})
    columns = [
        "point",
        "goal",
        "threshold_logit",
        "is_goal_met",
        "split",
        "is_met_here",
        *COUNTS,
        *RATES,
        "accuracy",
        "note",
    ]
    return pd.DataFrame(rows, columns=columns).astype(
        dict.fromkeys(("is_goal_met", "is_met_here"), "boolean")
    )


def groups_table(
    measured: Mapping[str, MeasuredSplit], frozen: Sequence[OperatingPoint], names: Sequence[str]
) -> pd.DataFrame:
    """One row per (point, split, group): see `breakdown.by_group`."""
    logits = [point.logit for point in frozen]
    parts = [
        breakdown.by_group(split.units, split.logits, logits, names).assign(split=name)
        for name, split in measured.items()
    ]
    return pd.concat(parts, ignore_index=True)[["point", "split", *breakdown.COLUMNS]]


def calibration_tables(
    measured: Mapping[str, MeasuredSplit], names: Sequence[str], leading: Sequence[int]
) -> dict[str, pd.DataFrame]:
    """`calibration` of all runs, `reliability` of the leading; empty unless validation has both classes."""
    errors: list[dict[str, object]] = []
    bins: list[pd.DataFrame] = []
    validation = measured.get(VALIDATION)
    if validation is not None and validation.truth.any() and not validation.truth.all():
        for at, name in enumerate(names):
            for method in calibration.METHODS:
                fitted = calibration.fit(validation.logits[at], validation.truth, method)
                for split, part in measured.items():
                    probability = fitted(part.logits[at])
                    found = calibration.calibration_errors(probability, part.truth)
                    errors.append({"point": name, "split": split, "method": method, **found})
                    if at in leading:
                        table = calibration.reliability(probability, part.truth)
                        bins.append(_in_front(table, point=name, split=split, method=method))
    return {
        "calibration": pd.DataFrame(errors, columns=["point", "split", "method", "brier", "ece"]),
        "reliability": _stacked(bins),
    }


def curves_table(
    measured: Mapping[str, MeasuredSplit], shown: Sequence[tuple[int, str]], options: EvaluationOptions
) -> pd.DataFrame:
    """Thinned threshold tables of the runs shown, every split."""
    return _stacked(
        [
            _in_front(
                curves.thinned(part.logits[at], part.truth, options.curve_points), point=name, split=split
            )
            for split, part in measured.items()
            for at, name in shown
        ]
    )


def bands_table(
    measured: Mapping[str, MeasuredSplit], shown: Sequence[tuple[int, str]], options: EvaluationOptions
) -> pd.DataFrame:
    """Curves with bands over nights of the runs shown, on the test splits that have nights enough."""
    tables = []
    for split, part in measured.items():
        drawn = part.nights
        if split == VALIDATION or not bootstrap.is_enough(drawn.n_blocks["both"], drawn.effective["both"]):
            continue
        counts = drawn.counts[:BAND_DRAWS]
        for at, name in shown:
            table = curves.bands(part.logits[at], part.truth, drawn.blocks.code, counts, options.level)
            tables.append(_in_front(table, point=name, split=split))
    return _stacked(tables)


def night_tables(
    measured: Mapping[str, MeasuredSplit],
    frozen: Sequence[OperatingPoint],
    shown: Sequence[tuple[int, str]],
    options: EvaluationOptions,
) -> dict[str, pd.DataFrame]:
    """`nights`, `review` and `seasons` of the runs shown, on the splits whose nights are known.

    Without a threshold no night is reported or missed, so there is the review curve alone.
    """
    found: dict[str, list[pd.DataFrame]] = {"nights": [], "review": [], "seasons": []}
    for split, part in measured.items():
        if not nights.has_nights(part.units):
            continue
        for at, name in shown:
            review = nights.review_curve(
                part.units,
                part.logits[at],
                options.clips_per_night,
                options.seconds_per_clip,
                options.curve_points,
            )
            found["review"].append(_in_front(review, point=name, split=split))
            if np.isnan(frozen[at].logit):
                continue
            table = nights.night_table(part.units, part.logits[at], frozen[at].logit)
            found["nights"].append(_in_front(table, point=name, split=split))
            totals = nights.season_totals(table, part.units, part.nights, options.level)
            found["seasons"].append(_in_front(totals, point=name, split=split))
    return {name: _stacked(tables) for name, tables in found.items()}


def _in_front(table: pd.DataFrame, **columns: str) -> pd.DataFrame:
    return table.assign(**columns)[[*columns, *table.columns]]


def _stacked(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"point": pd.Series(dtype="str")})
