"""A stage's scores turned into every table of its report.

The order is the argument: join the scores on the split table, choose each point's threshold on validation and
the order of configurations by folds of the train split, freeze both, then look at the test splits; set the trivial
and the metadata-only baselines beside; draw nights, the same for all points; and only then compare.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from vernal.common.problems import InputError
from vernal.evaluation import baselines, coverage, metrics, references, tables
from vernal.evaluation.choice import choice_of
from vernal.evaluation.coverage import VALIDATION
from vernal.evaluation.measuring import MeasuredSplit, measure_split
from vernal.evaluation.notes import notes_table
from vernal.evaluation.operating_points import OperatingPoint, choose
from vernal.evaluation.options import EvaluationOptions
from vernal.evaluation.rounding import TableGroup, settled
from vernal.sweeps.settings_table import axes_of

TRAIN = "train"


@dataclass(frozen=True)
class EvaluationResult(TableGroup):
    """Every table of a stage; floats rounded, rows in an order that no input order changes.

    Attributes:
        points: one row per point of the plan, failed ones included (`points.csv`).
        leaderboard: one row per configuration (`leaderboard.csv`).
        effects: one row per contrast, split and metric (`effects.csv`).
        operating_points: one row per (point, goal, split): the threshold and what it gave there.
        baselines: one row per (split, baseline).
        groups: one row per (point, split, quality or call type or recorder or site).
        calibration: one row per (point, split, method): Brier score and calibration error.
        For the points of the chosen configuration alone, `point` in front:
        curves: thresholds with counts and rates. bands: curves with bands over nights. reliability: bins of
            probability.
        nights: recorder-nights. review: minutes against missed nights. seasons: totals with intervals.
        notes: `scope`, `note`: everything a reader of the tables has to know (what is undefined, and why). The scope
            `choice` says how configurations were chosen among, and why it was not as asked.
    """

    points: pd.DataFrame
    leaderboard: pd.DataFrame
    effects: pd.DataFrame
    operating_points: pd.DataFrame
    baselines: pd.DataFrame
    groups: pd.DataFrame
    calibration: pd.DataFrame
    curves: pd.DataFrame
    bands: pd.DataFrame
    reliability: pd.DataFrame
    nights: pd.DataFrame
    review: pd.DataFrame
    seasons: pd.DataFrame
    notes: pd.DataFrame


def evaluate_stage(
    plan: pd.DataFrame,
    scores: pd.DataFrame,
    splits: pd.DataFrame,
    training_counts: pd.DataFrame,
    options: EvaluationOptions | None = None,
    failed: Mapping[str, str] | None = None,
    axes: Sequence[str] | None = None,
    fold_scores: pd.DataFrame | None = None,
    reference_scores: pd.DataFrame | None = None,
) -> EvaluationResult:
    """Evaluate every point of a stage and compare them.

    Args:
        plan: one row per point: `point, config_hash, configuration_hash, is_edited` and every setting; its order
            is the order of the tables.
        scores: `point, clip_id, split, logit, is_positive` for every clip of the evaluated splits (`val,
            test_iid, test_ood`) and every point, or one point of each `config_hash`.
        splits: labelled clips with `split`; training clips serve the metadata-only baseline.
        training_counts: `point, n_train_positive, n_train_negative`, and what else is to stand beside.
        failed: points without scores, with the reason.
        axes: the stage's axes in order; None: every setting that varies.
        fold_scores: `configuration_hash, fold, clip_id, logit` of training clips that a configuration did not train
            on, which choose among configurations; None: none were trained so, and validation chooses.
        reference_scores: see `references.reference_columns`; the plan then has `fit_hash` too.

    Raises:
        InputError: the tables do not fit each other (see `coverage.join`), or no point has scores.
    """
    options = options or EvaluationOptions()
    failed = dict(failed or {})
    plan = plan.reset_index(drop=True)
    splits = splits.sort_values("clip_id", ignore_index=True)
    sheet = coverage.join(plan, scores, splits, options.unit, failed)
    _refuse_nothing(sheet, plan, failed)
    names = _names_of_runs(plan, sheet)
    chosen = _choose_all(sheet, options)
    frozen = [goals[0] for goals in chosen]
    options = _able_to_order(options, frozen)
    evaluated = {name: units for name, units in sheet.units.items() if len(units)}
    measured = {
        name: measure_split(name, units, sheet.logits[name], frozen, options)
        for name, units in evaluated.items()
    }
    basics = baselines.baseline_table(splits[splits["split"] == TRAIN], evaluated, options.goals[0])
    primary = _primary_split(measured, options)
    floor = references.reference_columns(
        plan, reference_scores, splits, sheet.runs, measured, options, primary
    )
    varying = axes_of(plan, axes)
    validation = measured[VALIDATION].values if VALIDATION in measured else None
    chosen_by = choice_of(plan, fold_scores, splits, validation, options)
    board = tables.leaderboard_table(
        plan, sheet, measured, primary, varying, options, chosen_by, training_counts
    )
    leading = tables.leading_runs(board, plan, sheet)
    shown = [(run, names[run]) for run in leading]
    found = {
        "points": tables.point_rows(
            plan, sheet, measured, frozen, basics, floor, training_counts, failed, chosen_by
        ),
        "leaderboard": board,
        "effects": tables.effects_table(plan, sheet, measured, varying, options),
        "operating_points": tables.operating_points_table(measured, chosen, names, options.goals),
        "baselines": basics,
        "groups": tables.groups_table(measured, frozen, names),
        **tables.calibration_tables(measured, names, leading),
        "curves": tables.curves_table(measured, shown, options),
        "bands": tables.bands_table(measured, shown, options),
        **tables.night_tables(measured, frozen, shown, options),
        "notes": notes_table(measured, sheet, frozen, names, failed, options, primary, chosen_by),
    }
    return EvaluationResult(**{name: settled(table.reset_index(drop=True)) for name, table in found.items()})


def _refuse_nothing(sheet: coverage.Sheet, plan: pd.DataFrame, failed: Mapping[str, str]) -> None:
    if not sheet.runs:
        reasons = "; ".join(f"{point}: {reason}" for point, reason in list(failed.items())[:5])
        raise InputError(
            f"none of the {len(plan):,} points has scores, so there is nothing to evaluate"
            + (f" ({reasons})" if reasons else "; run the stage")
        )


def _names_of_runs(plan: pd.DataFrame, sheet: coverage.Sheet) -> list[str]:
    """Each run under the name of the first point that stands for it."""
    first = plan.drop_duplicates("config_hash").set_index("config_hash")["point"]
    return [str(first[run]) for run in sheet.runs]


def _choose_all(sheet: coverage.Sheet, options: EvaluationOptions) -> list[list[OperatingPoint]]:
    truth = sheet.units[VALIDATION]["is_positive"].to_numpy(dtype=bool)
    return [
        [choose(row, truth, goal, VALIDATION) for goal in options.goals] for row in sheet.logits[VALIDATION]
    ]


def _able_to_order(asked: EvaluationOptions, frozen: Sequence[OperatingPoint]) -> EvaluationOptions:
    """The options, with average precision in place of a metric at a threshold where there is no threshold."""
    if asked.primary_metric in metrics.AT_THRESHOLD and np.isnan([point.logit for point in frozen]).all():
        return replace(asked, primary_metric="average_precision")
    return asked


def _primary_split(measured: Mapping[str, MeasuredSplit], options: EvaluationOptions) -> str:
    """The split asked for, or the next that holds both classes: with one alone, no metric can order detectors."""
    order = dict.fromkeys([options.primary_split, "test_ood", "test_iid", VALIDATION])
    for name in order:
        if name in measured and np.isfinite(measured[name].values[options.primary_metric]).any():
            truth = measured[name].truth
            if truth.any() and not truth.all():
                return name
    return next(name for name in order if name in measured)
