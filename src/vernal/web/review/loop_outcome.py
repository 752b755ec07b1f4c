"""What comes out of a loop of listening: manifests of what was decided, and the detector as `detection` takes it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.collection.listening import LinearDetector
from vernal.common.files import write_text
from vernal.common.tables import safe_csv_text
from vernal.evaluation.operating_points import Goal, choose
from vernal.web.project import ProjectContext
from vernal.web.review.loop_files import FOLDER

MODELS = "06_models/listening"
_LEAST_POSITIVES = 5
_MANIFEST = (
    "file_path", "start_s", "end_s", "label", "quality", "call_type", "site", "recorder_id", "date", "time", "group"
)  # fmt: skip


def write_manifests(
    project: ProjectContext, name: str, decisions: pd.DataFrame, names: list[str], y: NDArray[np.bool_]
) -> list[Path]:
    """Write a manifest of each source of clips.

    Args:
        name: of the loop.
        decisions: of the loop's queue, the oldest first.
        names, y: clips, and whether each holds the class.
    """
    target = str(project.setting("target"))
    said = decisions.drop_duplicates("clip_id", keep="last").set_index("clip_id")
    clips = project.clips().set_index("clip_id").loc[names]
    table = clips.assign(
        label=np.where(y, target, f"not {target}"),
        quality=said.quality.reindex(names),
        call_type=said.call_type.reindex(names),
    ).reindex(columns=["source", *_MANIFEST])
    paths = []
    for source, part in table.groupby("source", sort=True):
        path = project.data_root / FOLDER / f"{name}.{source}.manifest.csv"
        write_text(path, safe_csv_text(part.drop(columns="source")).to_csv(index=False, lineterminator="\n"))
        paths.append(path)
    return paths


def write_model(
    project: ProjectContext,
    name: str,
    detector: LinearDetector,
    audio: EmbeddingOptions,
    point: Mapping[str, Any],
) -> Path:
    """Write the detector as an exported classifier; `point` is what `threshold_of` gives."""
    from vernal.field.export.folder import export_head
    from vernal.training.heads import Head

    weights, bias = detector.weights[:, None], np.array([detector.bias])
    head = Head(((weights.astype(np.float32), bias.astype(np.float32)),))
    out = project.data_root / MODELS / name
    return export_head(out, name, head, [str(project.setting("target"))], audio, point)


def threshold_of(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> dict[str, Any]:
    """The logit from which on to detect: the best F1 on the random share, where it has five positives.

    >>> threshold_of(np.array([1.0]), np.array([True]))["no_threshold"]
    'the random share holds 1 clip of the class, and 5 are needed'
    """
    is_known = np.isfinite(scores)
    scores, truth = scores[is_known], truth[is_known]
    n = int(truth.sum())
    if n < _LEAST_POSITIVES or truth.all():
        clips = "clip" if n == 1 else "clips"
        return {
            "no_threshold": f"the random share holds {n} {clips} of the class, and {_LEAST_POSITIVES} are needed"
        }
    goal = Goal()
    return {"threshold_logit": choose(scores, truth, goal).logit, "goal": goal.kind}
