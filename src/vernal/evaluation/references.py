"""What a logistic regression, solved to its optimum on the same clips, reaches beside each run: the floor to beat.

The places of columns in `points.csv` are those of the baselines. Where the reference ranks better than the run by more
than nights would explain, the run was trained too little, or its settings do harm.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vernal.evaluation import bootstrap, coverage, metrics
from vernal.evaluation.coverage import VALIDATION
from vernal.evaluation.measuring import MeasuredSplit
from vernal.evaluation.metrics import FloatArray
from vernal.evaluation.operating_points import choose
from vernal.evaluation.options import EvaluationOptions

SHOWN = ("f1", "auroc", "average_precision")
# Compared where no threshold enters: a threshold of few positives moves more than a want of training.
COMPARED = "average_precision"
GAIN = "reference_gain"


def reference_columns(
    plan: pd.DataFrame,
    reference_scores: pd.DataFrame | None,
    splits: pd.DataFrame,
    runs: Sequence[str],
    measured: Mapping[str, MeasuredSplit],
    options: EvaluationOptions,
    primary: str,
) -> dict[str, pd.DataFrame]:
    """Metrics of each run's reference, by split, and on the primary split what it is better by.

    Args:
        plan: `config_hash`, `fit_hash`.
        reference_scores: as `scores` of `evaluate_stage`, with `fit_hash` in the place of `point`; None or empty: there
            are no references, and no columns.
        runs: config hash of each run.
        measured: the runs, measured on each split.
        primary: the split on which they are compared.
    Returns:
        By split one row per run: `reference_f1`, `reference_auroc`, `reference_average_precision`, and on the primary
        split `reference_gain` with `_low` and `_high`: its average precision less the run's, with an interval over
        nights, paired. The interval is NaN where nights are too few, or where the reference is not better.
    """
    if reference_scores is None or reference_scores.empty:
        return {}
    known = reference_scores["fit_hash"].unique()
    listed = pd.DataFrame({"point": known, "config_hash": known})
    sheet = coverage.join(
        listed, reference_scores.rename(columns={"fit_hash": "point"}), splits, options.unit
    )
    fit_of = plan.drop_duplicates("config_hash").set_index("config_hash")["fit_hash"]
    place = [sheet.run_of.get(str(fit), -1) for fit in fit_of[list(runs)]]
    thresholds = _thresholds(sheet, options)
    found = {}
    for name, split in measured.items():
        rows = [
            metrics.measured(row, split.truth, threshold)
            for row, threshold in zip(sheet.logits[name], thresholds, strict=True)
        ]
        table = pd.DataFrame(rows)[list(SHOWN)].add_prefix("reference_").reindex(place).reset_index(drop=True)
        found[name] = (
            table.assign(**_gains(split, sheet.logits[name], place, table, options))
            if name == primary
            else table
        )
    return found


def _thresholds(sheet: coverage.Sheet, options: EvaluationOptions) -> list[float]:
    """Chosen on validation for the same goal as the runs' own."""
    truth = sheet.units[VALIDATION]["is_positive"].to_numpy(dtype=bool)
    return [choose(row, truth, options.goals[0], VALIDATION).logit for row in sheet.logits[VALIDATION]]


def _gains(
    split: MeasuredSplit,
    logits: FloatArray,
    place: Sequence[int],
    table: pd.DataFrame,
    options: EvaluationOptions,
) -> dict[str, FloatArray]:
    gain = (table[f"reference_{COMPARED}"] - split.values[COMPARED]).to_numpy(dtype=float)
    ends = np.full((len(gain), 2), np.nan)
    draws: dict[int, FloatArray] = {}
    for run in np.flatnonzero(gain > 0).tolist():
        at = place[run]
        if at not in draws:
            drawn = split.nights
            draws[at] = bootstrap.ranking_draws(logits[at], split.truth, drawn.blocks.code, drawn.counts)[
                COMPARED
            ]
        ends[run] = _interval(gain[run], draws[at] - split.draws[COMPARED][run], split.nights, options.level)
    return {GAIN: gain, f"{GAIN}_low": ends[:, 0], f"{GAIN}_high": ends[:, 1]}


def _interval(gain: float, draws: FloatArray, nights: bootstrap.Nights, level: float) -> tuple[float, float]:
    """Student's t over nights; NaN where there are too few."""
    from scipy import stats

    effective = nights.effective_for(COMPARED)
    reach = stats.t.ppf(0.5 + level / 2, max(effective - 1, 1)) * np.sqrt(
        bootstrap.sampling_variance(draws, effective)
    )
    return float(gain - reach), float(gain + reach)


def is_under_trained(points: pd.DataFrame, split: str) -> pd.Series:
    """Which points still improved at their last epoch, or are worse than their reference beyond its interval.

    Args:
        points: rows of `points.csv`.
        split: the one on which points and references were compared.
    """
    nothing = pd.Series(np.nan, index=points.index)
    still = points.get("is_still_improving", nothing).astype("boolean").fillna(False).astype(bool)
    return still | (points.get(f"{split}_{GAIN}_low", nothing).astype(float) > 0)
