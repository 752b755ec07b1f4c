"""A finished point: every clip predicted once, by a network that did not hear its site.

Draws are of groups (nights of a site, source files, what a person grouped), together or not at all; the same draws
serve every point, so that differences are paired.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vernal.evaluation.classification import confusion_matrix, report_of
from vernal.studies.features.classification_tables import ClassificationTable, from_report
from vernal.studies.features.fits import PlannedFit
from vernal.studies.features.fitting import TrainedNetwork
from vernal.studies.features.groups import Groups
from vernal.studies.features.point_settings import PointOptions

METRICS = ("accuracy", "macro_f1")


@dataclass(frozen=True, eq=False)
class MeasuredPoint:
    """A finished point: its metrics and everything that tables show of it.

    `values`: `accuracy`, `macro_f1`, `weighted_f1`. `draws`: the first two in every draw, (n_draws,). `facts`: counts
    of clips, epochs and parameters. `table`: its classification table. `scores`: a row a clip. `history`: a row a fold
    and epoch.
    """

    config_hash: str
    options: PointOptions
    values: dict[str, float]
    draws: dict[str, np.ndarray]
    facts: dict[str, float]
    confusion: pd.DataFrame
    table: ClassificationTable
    scores: pd.DataFrame
    history: pd.DataFrame


def measure_point(
    fits: Sequence[PlannedFit], trained: Sequence[TrainedNetwork], groups: Groups
) -> MeasuredPoint:
    """What a point is worth.

    Args:
        fits: of all its folds.
        trained: what they gave, in the same order.
    """
    logits = out_of_fold(fits, [one.logits for one in trained])
    predicted = np.array(groups.names)[logits.argmax(axis=1)]
    confusion = confusion_matrix(groups.true, predicted, groups.names)
    report = report_of(confusion)
    f1 = report.averages.set_index("average").f1
    name = fits[0].config_hash
    histories = [
        one.history.assign(config_hash=name, fold=fit.fold, is_best=one.history.epoch == one.best_epoch)
        for fit, one in zip(fits, trained, strict=True)
    ]
    return MeasuredPoint(
        name,
        fits[0].options,
        {"accuracy": report.accuracy, "macro_f1": float(f1["macro"]), "weighted_f1": float(f1["weighted"])},
        groups.draws(predicted),
        _facts(fits, trained),
        confusion,
        from_report(report),
        _scores(fits, predicted, logits, groups),
        pd.concat(histories, ignore_index=True),
    )


def out_of_fold(fits: Sequence[PlannedFit], logits: Sequence[np.ndarray]) -> np.ndarray:
    """(n_clips, n_classes): each clip's logits from the fold that tested it."""
    joined = np.full_like(logits[0], np.nan)
    for fit, of_fold in zip(fits, logits, strict=True):
        is_test = (fit.clips.role == "test").to_numpy()
        joined[is_test] = of_fold[is_test]
    assert np.isfinite(joined).all(), "a clip was tested in no fold"
    return joined


def _facts(fits: Sequence[PlannedFit], trained: Sequence[TrainedNetwork]) -> dict[str, float]:
    n_clips = {
        role: float(np.mean([(fit.clips.role == role).sum() for fit in fits])) for role in ("train", "val")
    }
    return {
        "n_folds": len(fits),
        "n_train": n_clips["train"],
        "n_val": n_clips["val"],
        "best_epoch": float(np.mean([one.best_epoch for one in trained])),
        "n_parameters": trained[0].n_parameters,
    }


def _scores(
    fits: Sequence[PlannedFit], predicted: np.ndarray, logits: np.ndarray, groups: Groups
) -> pd.DataFrame:
    clips = fits[0].clips
    fold = pd.Series("", index=clips.index, dtype="str")
    for fit in fits:
        fold = fold.mask(fit.clips.role == "test", fit.fold)
    table = {
        "config_hash": fits[0].config_hash,
        "clip_id": clips.clip_id,
        "fold": fold,
        "class": clips["class"],
        "predicted": predicted,
    }
    columns = zip(groups.names, logits.T, strict=True)
    return pd.DataFrame(table | {f"logit_{label}": values for label, values in columns})
