"""The same numbers by quality, call type, recorder and site.

Negatives have no quality and no call type, so by those only the positives are divided: each part is ranked
against all negatives, and precision and F1, which would mix one part's hits with everybody's false alarms,
are left undefined.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from vernal.evaluation import metrics
from vernal.evaluation.metrics import FloatArray

OF_POSITIVES = ("quality", "call_type")
OF_ALL = ("recorder_id", "site")
COLUMNS = (
    "group_by", "level", "n_positive", "n_negative",
    "precision", "recall", "f1", "fpr", "auroc", "average_precision",
)  # fmt: skip
UNKNOWN = "unknown"


class _Part(NamedTuple):
    """One level of one column: which units it takes, `inside` (n,) bool."""

    column: str
    level: str
    inside: np.ndarray


def by_group(
    units: pd.DataFrame, scores: FloatArray, logits: Sequence[float], names: Sequence[str]
) -> pd.DataFrame:
    """Metrics of several detectors on each part of one split.

    Args:
        units: one row per unit: `is_positive` and any of `quality, call_type, recorder_id, site`.
        scores: (n_runs, n) logits in the order of `units`.
        logits, names: (n_runs,) operating point and name of each detector.

    Returns:
        One row per detector and level, `point` and `COLUMNS`; levels in alphabetical order, missing ones as
        `unknown`.
    """
    truth = units["is_positive"].to_numpy(dtype=bool)
    parts = list(_parts(units, truth))
    rows = [
        {"point": name, "group_by": part.column, "level": part.level}
        | _measures(row[part.inside], truth[part.inside], logit, part.column)
        for row, logit, name in zip(scores, logits, names, strict=True)
        for part in parts
    ]
    return pd.DataFrame(rows, columns=["point", *COLUMNS])


def _parts(units: pd.DataFrame, truth: np.ndarray) -> Iterator[_Part]:
    for column in (*OF_POSITIVES, *OF_ALL):
        if column not in units.columns or units[column].isna().all():
            continue
        levels = units[column].astype("str").fillna(UNKNOWN).to_numpy(dtype=object)
        counted = truth if column in OF_POSITIVES else np.ones(truth.shape, dtype=bool)
        for level in sorted(set(levels[counted])):
            inside = (levels == level) & counted
            yield _Part(column, level, inside | ~truth if column in OF_POSITIVES else inside)


def _measures(scores: FloatArray, truth: np.ndarray, logit: float, column: str) -> dict[str, float]:
    found = metrics.measured(scores, truth, logit)
    if column in OF_POSITIVES:
        found |= dict.fromkeys(("precision", "f1"), float("nan"))
    return {"n_positive": int(truth.sum()), "n_negative": int((~truth).sum()), **found}
