"""Several trained points as one classifier, with a label and a threshold for each.

Heads share nothing but BirdNET's embedding, so one that holds their weights side by side scores as each does alone.
What differs between points besides (sensitivity, threshold) is put into the bias, or stands in the record.
"""

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vernal import __version__
from vernal.common.files import sha256_of_file, write_text, writing_folder
from vernal.common.hashing import rng_for
from vernal.common.names import folded
from vernal.common.problems import InputError, Problems
from vernal.common.target_folders import TargetFolders
from vernal.field.export.folder import (
    FORMAT,
    MARK,
    PARAMETERS,
    check_place,
    checked_labels,
    operating_point,
    parity_record,
    run_evidence,
    tool_records,
    write_proven,
)
from vernal.field.export.parity import N_CLIPS
from vernal.field.export.programs import Trained
from vernal.field.export.sheet import merged_sheet, params_csv
from vernal.field.export.tool_settings import MIN_CONF
from vernal.field.export.trained_point import ExportPoint, deployed_of_stage, trained_point
from vernal.sweeps.point_settings import config_hash
from vernal.training.birdnet_analyzer import birdnet_analyzer_version
from vernal.training.heads import Head
from vernal.training.scoring import shift_of

NAME = "merged"
# How far the logits of a merged head may lie from those of the single ones.
CLOSE = 1e-6
N_TRIED = 256


@dataclass(frozen=True)
class MergedPoint:
    """A point to be merged, and the data folder that it lies in."""

    data_root: Path
    point: ExportPoint


Finder = Callable[[Path, str, str], ExportPoint]


def find_points(data_root: Path, names: Sequence[str], finder: Finder = trained_point) -> list[MergedPoint]:
    """The points that names mean.

    Args:
        names: `STAGE/POINT`; in a data folder of several targets also `TARGET/STAGE/POINT`, `TARGET/STAGE` for the
            target's point to deploy, and `STAGE` for that of every target.
    Raises:
        InputError: no such target, stage or point.
    """
    targets = TargetFolders(data_root).read()
    by_name = {folded(name): folder for name, folder in targets.items()}
    found = []
    for name in names:
        first, *rest = name.strip("/").split("/")
        if folded(first) in by_name and rest:
            found.append(_point(by_name[folded(first)], rest, name, finder))
        elif not rest and targets:
            found += [_point(folder, [first], name, finder) for folder in targets.values()]
        else:
            found.append(_point(data_root, [first, *rest], name, finder))
    return found


def _point(data_root: Path, parts: Sequence[str], name: str, finder: Finder) -> MergedPoint:
    if not 1 <= len(parts) <= 2:
        raise InputError(
            f"{name!r} names no point; write STAGE/POINT, or TARGET/STAGE/POINT of several targets."
        )
    stage = parts[0]
    point = parts[1] if len(parts) == 2 else deployed_of_stage(data_root, stage)
    return MergedPoint(data_root, finder(data_root, stage, point))


def merged_head(heads: Sequence[Head], shifts: Sequence[float]) -> Head:
    """One head with the outputs of all, in their order.

    A linear head beside one with a hidden layer passes that layer as two units of opposite sign, of which one is 0.

    Args:
        heads: linear, or with one hidden layer.
        shifts: (n_heads,) what is added to the logits of each.

    >>> one = Head(((np.array([[1.0], [-2.0]]), np.array([0.5])),))
    >>> merged_head([one, one], [0.0, 1.0]).logits(np.array([[3.0, 1.0]])).tolist()
    [[1.5, 2.5]]
    """
    biases = [
        head.layers[-1][1].astype(np.float64) + shift for head, shift in zip(heads, shifts, strict=True)
    ]
    if not any(head.hidden_units for head in heads):
        return Head(((np.hstack([head.layers[0][0] for head in heads]), np.concatenate(biases)),))
    split = [_with_hidden(head) for head in heads]
    hidden = np.hstack([weights for weights, _, _ in split])
    hidden_bias = np.concatenate([bias for _, bias, _ in split])
    outer = np.zeros((hidden.shape[1], sum(head.n_classes for head in heads)), np.float32)
    row = column = 0
    for _, _, weights in split:
        outer[row : row + weights.shape[0], column : column + weights.shape[1]] = weights
        row, column = row + weights.shape[0], column + weights.shape[1]
    passed = [
        bias if head.hidden_units else np.full(head.n_classes, shift)
        for head, bias, shift in zip(heads, biases, shifts, strict=True)
    ]
    return Head(((hidden, hidden_bias), (outer, np.concatenate(passed))))


def _with_hidden(head: Head) -> tuple[Any, Any, Any]:
    """Weights and bias of the hidden layer, and weights from there to the outputs."""
    if head.hidden_units:
        (weights, bias), (outer, _) = head.layers
        return weights, bias, outer
    ((weights, bias),) = head.layers
    both = np.vstack([np.eye(head.n_classes), -np.eye(head.n_classes)])
    return np.hstack([weights, -weights]), np.concatenate([bias, -bias]), both


def check_merged(merged: Head, heads: Sequence[Head], shifts: Sequence[float]) -> float:
    """The largest difference of logits between a merged head and the single ones, on drawn embeddings.

    Raises:
        InputError: it is more than `CLOSE` of the largest logit or of 1, whichever is more.
    """
    x = rng_for(0, "merged head").gamma(0.5, 0.7, size=(N_TRIED, merged.n_dims)).astype(np.float32)
    alone = np.hstack([head.logits(x) + shift for head, shift in zip(heads, shifts, strict=True)])
    apart = np.abs(merged.logits(x) - alone)
    if (apart > CLOSE * np.maximum(1.0, np.abs(alone))).any():
        raise InputError(
            f"The merged classifier differs from the single ones by {apart.max():.2g}; nothing was exported."
        )
    return float(apart.max())


def export_merged(data_root: Path, names: Sequence[str], out: Path, n_clips: int = N_CLIPS) -> Path:
    """Write several points as one classifier for BirdNET-Analyzer, its scores there proven for each label.

    Args:
        data_root: where the stages' results are.
        names: the points, see `find_points`.
        out: folder to make; may exist if it is empty or an earlier export.
        n_clips: recorded clips to prove it on, as far as their audio is there.
    Returns:
        The folder.
    Raises:
        InputError: no such points, points that read audio differently or share a label, a folder of somebody else's
            files, or scores that differ; nothing is left behind then.
    """
    found = find_points(data_root, names)
    points = [one.point for one in found]
    labels = checked_labels(same_audio(points))
    check_place(out)
    evidence = run_evidence(found[0].data_root, points[0].audio, n_clips)
    heads, shifts = [p.model.head for p in points], [shift_of(float(p.settings.sensitivity)) for p in points]
    merged = merged_head(heads, shifts)
    apart = check_merged(merged, heads, shifts)
    trained = Trained(merged, labels, points[0].audio, 1.0)
    with writing_folder(out) as folder:
        parity = write_proven(folder, NAME, trained, _params(points), evidence)
        record = _record(
            folder, points, trained, parity_record(parity) | {"largest_difference_from_single": apart}
        )
        _write_record(folder, record)
        check_place(out)
    return out


def same_audio(points: Sequence[ExportPoint]) -> tuple[str, ...]:
    """The labels of points that can be one classifier.

    Raises:
        InputError: fewer than two points, or audio that is read in different ways.
    """
    if len(points) < 2:
        raise InputError("Merging takes two points or more; name them as STAGE/POINT.")
    first = points[0].audio
    others = [
        f"{p.stage}/{p.name} ({', '.join(p.model.labels)}): {_heard(p)}" for p in points if p.audio != first
    ]
    problems = Problems("The merged classifier")
    remedy = f"One classifier hears in one way; the first point's is {_heard(points[0])}. Use these alone."
    problems.add("point that reads audio in another way", others, remedy)
    problems.raise_if_any()
    return tuple(label for point in points for label in point.model.labels)


def _heard(point: ExportPoint) -> str:
    audio = point.audio
    return f"{audio.encoder}, {audio.fmin:g} to {audio.fmax:g} Hz, overlap {audio.overlap:g} s"


def _params(points: Sequence[ExportPoint]) -> str:
    """Training parameters in BirdNET-Analyzer's form; values that differ between points stand side by side."""
    tables = [list(csv.reader(io.StringIO(params_csv(point.settings)))) for point in points]
    text = io.StringIO()
    values = [" | ".join(dict.fromkeys(column)) for column in zip(*(rows[1] for rows in tables), strict=True)]
    csv.writer(text, lineterminator="\n").writerows([tables[0][0], values])
    return text.getvalue()


def _record(
    folder: Path, points: Sequence[ExportPoint], trained: Trained, parity: Mapping[str, Any]
) -> dict[str, Any]:
    from scipy.special import expit

    merged = [
        {
            "labels": list(point.model.labels),
            "stage": point.stage,
            "point": point.name,
            "config_hash": config_hash(point.settings),
            "fit_key": point.model.parameters.get("fit_key"),
            "sensitivity": float(point.settings.sensitivity),
            "operating_point": operating_point(point),
        }
        for point in points
    ]
    thresholds = {
        label: None if point.no_threshold else point.threshold_logit
        for point in points
        for label in point.model.labels
    }
    known = [logit for logit in thresholds.values() if logit is not None]
    lowest = float(expit(min(known))) if known else None
    # Rounded down, so that no clip at the lowest threshold is lost by rounding.
    min_conf = None if lowest is None else min(max(math.floor(lowest * 1e4) / 1e4, MIN_CONF[0]), MIN_CONF[1])
    return {
        MARK: FORMAT,
        "vernal_version": __version__,
        "birdnet_analyzer_version": birdnet_analyzer_version(),
        "stage": NAME,
        "point": NAME,
        "settings": {"sensitivity": 1.0},
        "audio": points[0].model.parameters["audio"],
        "labels": list(trained.labels),
        "merged": merged,
        **tool_records(trained, {"min_conf": min_conf, "sensitivity": 1.0}, thresholds),
        "parity": dict(parity),
        "files": {path.name: sha256_of_file(path) for path in sorted(folder.iterdir())},
    }


def _write_record(folder: Path, record: Mapping[str, Any]) -> None:
    import yaml

    text = yaml.safe_dump(dict(record), sort_keys=False, allow_unicode=True)
    write_text(folder / f"{NAME}{PARAMETERS}", text)
    write_text(folder / f"{NAME}_settings.md", merged_sheet(NAME, record))
