"""A finished point: every clip predicted once, by a network that did not hear its site.

Draws are of groups (recorder-nights, source files, what a person grouped), together or not at all; the same draws
serve every point, so that differences are paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vernal.evaluation.classification import confusion_matrix, report_of
from vernal.studies.features.classification_tables import ClassificationTable, from_report
from vernal.studies.features.fits import PlannedFit
from vernal.studies.features.groups import Groups
from vernal.studies.features.study import PointOptions

METRICS = ("accuracy", "macro_f1")


@dataclass(frozen=True, eq=False)
class Run:
    """A finished point: its predictions and its draws.

    `predicted`: (n_clips,) classes in the order of clip ids. `draws`: per metric (n_draws,). `table`: its own
    classification table.
    """

    config_hash: str
    configuration: str
    options: PointOptions
    predicted: np.ndarray
    values: dict[str, float]
    draws: dict[str, np.ndarray]
    confusion: pd.DataFrame
    table: ClassificationTable


def out_of_fold(members: Sequence[PlannedFit], logits: Sequence[np.ndarray]) -> np.ndarray:
    """(n_clips, n_classes): each clip's logits from the fold that tested it."""
    found = np.full_like(logits[0], np.nan)
    for fit, of_fold in zip(members, logits, strict=True):
        is_test = (fit.clips.role == "test").to_numpy()
        found[is_test] = of_fold[is_test]
    assert np.isfinite(found).all(), "a clip was tested in no fold"
    return found


def measured_run(
    config_hash: str, configuration: str, options: PointOptions, logits: np.ndarray, groups: Groups
) -> Run:
    """What a point's logits, (n_clips, n_classes) in the order of clip ids, are worth."""
    predicted = np.array(groups.names)[logits.argmax(axis=1)]
    confusion = confusion_matrix(groups.true, predicted, groups.names)
    report = report_of(confusion)
    values = {"accuracy": report.accuracy}
    values |= {
        f"{name}_f1": f1
        for name, f1 in zip(report.averages.average, report.averages.f1, strict=True)
        if name != "micro"
    }
    return Run(
        config_hash,
        configuration,
        options,
        predicted,
        values,
        groups.draws(predicted),
        confusion,
        from_report(report),
    )
