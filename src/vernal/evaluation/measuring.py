"""One split measured for every run of a stage: values, intervals over nights, and what stands beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vernal.evaluation import bootstrap, metrics, nights
from vernal.evaluation.coverage import VALIDATION
from vernal.evaluation.metrics import FloatArray
from vernal.evaluation.operating_points import OperatingPoint, optimism, review_minutes
from vernal.evaluation.options import EvaluationOptions

NIGHT_COUNTS = ("false_absences", "false_presences", "missed_nights")


@dataclass(frozen=True)
class MeasuredSplit:
    """One split measured for every run.

    Attributes:
        units: one row per unit.
        logits: (n_runs, n_units).
        nights: its blocks and their draws.
        values: one row per run.
        draws: per metric (n_runs, n_draws); NaN on validation, where nothing is claimed about other nights.
    """

    name: str
    units: pd.DataFrame
    logits: FloatArray
    nights: bootstrap.Nights
    values: pd.DataFrame
    draws: dict[str, FloatArray]

    @property
    def truth(self) -> np.ndarray:
        """(n_units,) bool: which units are positive."""
        return self.units["is_positive"].to_numpy(dtype=bool)


def measure_split(
    name: str,
    units: pd.DataFrame,
    logits: FloatArray,
    frozen: Sequence[OperatingPoint],
    options: EvaluationOptions,
) -> MeasuredSplit:
    """Measure every run on one split at thresholds that were chosen before.

    Args:
        units: one row per unit, with `is_positive`.
        logits: (n_runs, n_units).
        frozen: (n_runs,) the operating point of each run.
    """
    truth = units["is_positive"].to_numpy(dtype=bool)
    recorders = units["recorder_id"].to_numpy(dtype=object) if "recorder_id" in units else None
    drawn = bootstrap.nights_of(units, options.seed, name, options.n_draws)
    of_nights = nights.codes_of(units) if nights.has_nights(units) else None
    pairs = {} if recorders is None else {"n_pairs_within_recorder": metrics.pairs_within(truth, recorders)}
    rows, draws = [], {metric: np.full((len(logits), options.n_draws), np.nan) for metric in metrics.MEASURES}
    for at, (row, point) in enumerate(zip(logits, frozen, strict=True)):
        values = metrics.measured(row, truth, point.logit, recorders)
        if name != VALIDATION:
            # The threshold was chosen on validation, so nothing is claimed about other nights from there.
            for metric, values_drawn in draw_metrics(row, truth, recorders, drawn, point.logit).items():
                draws[metric][at] = values_drawn
            values |= _intervals(
                values, {metric: draws[metric][at] for metric in values}, drawn, options.level
            )
        rows.append(values | _further(of_nights, row, truth, point, values, options) | pairs)
    return MeasuredSplit(name, units, logits, drawn, pd.DataFrame(rows), draws)


def draw_metrics(
    row: FloatArray, truth: np.ndarray, recorders: np.ndarray | None, drawn: bootstrap.Nights, logit: float
) -> dict[str, FloatArray]:
    """Each metric of one run over the draws of nights, (n_draws,); within recorders only where they are known.

    Those at a threshold are NaN where `logit` is.
    """
    code, counts = drawn.blocks.code, drawn.counts
    ranking = bootstrap.ranking_draws(row, truth, code, counts)
    found = dict.fromkeys(metrics.AT_THRESHOLD, np.full(len(counts), np.nan))
    if not np.isnan(logit):
        found = bootstrap.rate_draws(row, truth, code, counts, logit)
    found |= {metric: ranking[metric] for metric in ("auroc", "average_precision")}
    if recorders is not None:
        found["auroc_within_recorder"] = bootstrap.within_draws(row, truth, recorders, code, counts)
    return found


def _intervals(
    values: Mapping[str, float], draws: Mapping[str, FloatArray], drawn: bootstrap.Nights, level: float
) -> dict[str, float]:
    ends = {}
    for metric, value in values.items():
        ends[f"{metric}_low"], ends[f"{metric}_high"] = drawn.interval(metric, value, draws[metric], level)
    return ends


def _further(
    of_nights: nights.NightCodes | None,
    row: FloatArray,
    truth: np.ndarray,
    point: OperatingPoint,
    values: Mapping[str, float],
    options: EvaluationOptions,
) -> dict[str, object]:
    """What stands beside the measures: counts, optimism, the field, the night."""
    at = metrics.metrics_at(row, truth, point.logit)
    picked, gain = optimism(row, truth, point.logit)
    found: dict[str, object] = {
        "n_positive": int(truth.sum()),
        "n_negative": int((~truth).sum()),
        **{cell: at[cell] for cell in metrics.CELLS},
        "accuracy": at["accuracy"],
        "f1_test_picked": picked,
        "f1_optimism": gain,
        "precision_at_field_prevalence": float(
            metrics.precision_at_prevalence(values["recall"], values["fpr"], options.field_prevalence)
        ),
        "review_minutes": float(
            review_minutes(values["fpr"], options.clips_per_night, options.seconds_per_clip)
        ),
        "is_constant": metrics.is_constant(row),
    }
    if of_nights is not None:
        summary = nights.presence_summary(nights.night_columns(of_nights, truth, row, point.logit))
        found |= {name: summary[name] for name in ("n_nights", "n_present")}
        found |= {name: float("nan") if np.isnan(point.logit) else summary[name] for name in NIGHT_COUNTS}
    return found
