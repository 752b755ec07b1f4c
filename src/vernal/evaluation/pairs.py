"""Two points of a stage set against each other on the same clips and the same drawn nights.

A difference of two points says which of two *trained classifiers* is ahead. What another seed would have given is
not in it; that is what the effects of a stage are for.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from vernal.evaluation import bootstrap, coverage
from vernal.evaluation.measuring import VALIDATION, MeasuredSplit, measure_split
from vernal.evaluation.operating_points import choose
from vernal.evaluation.options import EvaluationOptions
from vernal.metrics import FloatArray
from vernal.problems import InputError, suggest

COLUMNS = ("split", "metric", "a", "b", "difference", "low", "high")
METRICS = ("f1", "precision", "recall", "fpr", "auroc", "average_precision")


def compare_points(
    a: str,
    b: str,
    plan: pd.DataFrame,
    scores: pd.DataFrame,
    splits: pd.DataFrame,
    options: EvaluationOptions | None = None,
) -> pd.DataFrame:
    """What point b reaches beyond point a, each at the threshold it was given on validation.

    Args:
        a, b: names of points of `plan`.
        plan: `point`, `config_hash`.
        scores: `point, clip_id, split, logit, is_positive`, of these points at least.
        splits: labelled clips with `split`.
    Returns:
        One row a test split and metric: `split`, `metric`, both values, `difference` (b less a), and its
        interval over nights, `low` to `high`; NaN where too few nights hold a class.
    Raises:
        InputError: no such point, the same run twice, or tables that do not fit (see `coverage.join`).
    """
    options = options or EvaluationOptions()
    pair = [a, b]
    strangers = [name for name in pair if name not in set(plan["point"])]
    if strangers:
        raise InputError(f"There is no point {strangers[0]!r}; {suggest(strangers[0], plan['point'])}")
    rows = plan.set_index("point", drop=False).loc[pair].reset_index(drop=True)
    if rows["config_hash"].nunique() < 2:
        raise InputError(f"{a} and {b} are the same run: they differ in nothing that has an effect.")
    sheet = coverage.join(rows, scores[scores["point"].isin(pair)], splits, options.unit)
    truth = sheet.units[VALIDATION]["is_positive"].to_numpy(dtype=bool)
    frozen = [choose(logits, truth, options.goals[0], VALIDATION) for logits in sheet.logits[VALIDATION]]
    found: list[dict[str, object]] = []
    for name, units in sheet.units.items():
        if name != VALIDATION and len(units):
            found += _differences(measure_split(name, units, sheet.logits[name], frozen, options), options)
    return pd.DataFrame(found, columns=list(COLUMNS))


def _differences(split: MeasuredSplit, options: EvaluationOptions) -> list[dict[str, object]]:
    rows = []
    for metric in METRICS:
        first, second = (float(value) for value in split.values[metric])
        low, high = _interval(
            second - first,
            np.diff(split.draws[metric], axis=0)[0],
            split.nights.effective_for(metric),
            options.level,
        )
        rows.append(
            dict(zip(COLUMNS, (split.name, metric, first, second, second - first, low, high), strict=True))
        )
    return rows


def _interval(difference: float, draws: FloatArray, effective: float, level: float) -> tuple[float, float]:
    """Student's t about the difference, with the spread of the paired draws."""
    from scipy import stats

    variance = bootstrap.sampling_variance(draws, effective)
    if not (np.isfinite(difference) and np.isfinite(variance)):
        return float("nan"), float("nan")
    reach = float(stats.t.ppf(0.5 + level / 2, effective - 1) * np.sqrt(variance))
    return difference - reach, difference + reach


def disagreements(a: str, b: str, scores: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.DataFrame:
    """Test clips that one of two points flags and the other does not, the widest apart first.

    Args:
        scores: `point, clip_id, split, logit, is_positive`.
        thresholds: logit of each point.
    Returns:
        `clip_id`, `split`, `is_positive`, `margin_a`, `margin_b` (logit less threshold) and `right`: the name of
        the point that has it right.
    """
    tested = scores[scores["point"].isin([a, b]) & (scores["split"] != VALIDATION)]
    tested = tested.astype({"point": "str", "clip_id": "str", "split": "str"}).sort_values("clip_id")
    logits = tested.pivot(index="clip_id", columns="point", values="logit")
    margins = logits[[a, b]].astype(float) - pd.Series(thresholds)[[a, b]]
    flagged = margins >= 0
    apart = margins[flagged[a] != flagged[b]]
    about = tested.drop_duplicates("clip_id").set_index("clip_id")[["split", "is_positive"]].loc[apart.index]
    table = about.assign(
        margin_a=apart[a],
        margin_b=apart[b],
        right=np.where(flagged.loc[apart.index, a] == about["is_positive"], a, b),
    )
    order = (apart[a] - apart[b]).abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].reset_index()
