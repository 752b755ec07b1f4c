"""Which classifier listens: a point of any stage, or an exported one, with its threshold and where that came from."""

import dataclasses
import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.encoders import EncoderFile
from vernal.clips.mining import logit_of
from vernal.common.hashing import digest
from vernal.common.names import CLASS_DIVIDER, folded
from vernal.common.problems import InputError, is_number
from vernal.common.storage import as_path
from vernal.common.target_folders import TargetFolders
from vernal.field.detection.options import DetectionOptions
from vernal.field.export.folder import load_export
from vernal.field.export.merging import MergedPoint, find_points, merged_head, same_audio
from vernal.field.export.trained_point import audio_of_model, deployed_of_stage, trained_point
from vernal.sweeps.stage_folder import StageFolder
from vernal.training.heads import Head
from vernal.training.scoring import shift_of

DEFAULT_STAGES = ("stage5", "baseline")
_SCORES_REVISION = 1  # raise it when windows or their scores change


@dataclass(frozen=True)
class LabelThreshold:
    """A label's own threshold where a classifier has several: where it came from, and the rates measured there."""

    threshold_logit: float
    threshold_from: str
    results: Mapping[str, float]

    @property
    def threshold_confidence(self) -> float:
        """The threshold as a confidence; 1 where the label is flagged nowhere."""
        from scipy.special import expit

        return float(expit(self.threshold_logit))


@dataclass(frozen=True, eq=False)
class Classifier:
    """What listens, ready to use: the settings of the run are already in it.

    `threshold_logit`: a window is flagged from here on, with the sensitivity in its logit. `threshold_from` says in
    words where that number came from; `notes` what a reader has to know about the settings. `results`: measured rates
    at the classifier's own threshold, by name as in `points.csv`, as far as they are known. `fit_key`: of the
    training that its weights came from; of several trainings, one after the other. `of_labels`: of several merged
    points, one for each label; their `threshold_logit` is then the lowest.
    """

    name: str
    head: Head
    labels: tuple[str, ...]
    audio: EmbeddingOptions
    sensitivity: float
    threshold_logit: float
    threshold_from: str
    has_own_threshold: bool
    notes: tuple[str, ...]
    results: Mapping[str, float]
    encoder_version: str | None = None
    fit_key: str | None = None
    of_labels: tuple[LabelThreshold, ...] = ()

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The logit from which each label is flagged."""
        own = tuple(one.threshold_logit for one in self.of_labels)
        return own or (self.threshold_logit,) * len(self.labels)

    @property
    def shift(self) -> float:
        """What the sensitivity adds to a logit."""
        return shift_of(self.sensitivity)

    @property
    def threshold_confidence(self) -> float:
        from scipy.special import expit

        return float(expit(self.threshold_logit))

    @property
    def score_settings(self) -> dict[str, Any]:
        """All that a window's score depends on beside the audio, as plain values."""
        weights = hashlib.sha256()
        for layer in self.head.layers:
            for array in layer:
                weights.update(
                    repr(array.shape).encode() + np.ascontiguousarray(array, dtype="<f4").tobytes()
                )
        return {
            "classifier": self.name,
            "weights": weights.hexdigest(),
            "labels": list(self.labels),
            "audio": self.audio.settings,
            "scores_revision": _SCORES_REVISION,
        }

    @property
    def run_key(self) -> str:
        """The folder of this classifier's scores; names are no part of it, nor are threshold and sensitivity."""
        named = ("classifier", "labels")
        return digest({name: value for name, value in self.score_settings.items() if name not in named})

    def as_record(self) -> dict[str, Any]:
        """All but the weights, as plain values."""
        record = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "head"
        }
        # JSON knows no infinite threshold.
        threshold = {"threshold_logit": repr(float(self.threshold_logit))}
        return record | threshold | {
            "audio": {name: value for name, value in asdict(self.audio).items() if value != ()},
            "labels": list(self.labels),
            "notes": list(self.notes),
            "results": dict(self.results),
            "of_labels": [
                [repr(float(one.threshold_logit)), one.threshold_from, dict(one.results)] for one in self.of_labels
            ],
        }  # fmt: skip

    @classmethod
    def from_record(cls, head: Head, record: Mapping[str, Any]) -> "Classifier":
        """Undo `as_record`."""
        return cls(
            **{
                **record,
                "head": head,
                "audio": EmbeddingOptions(**record["audio"]),
                "threshold_logit": float(record["threshold_logit"]),
                "labels": tuple(record["labels"]),
                "notes": tuple(record["notes"]),
                "of_labels": tuple(
                    LabelThreshold(float(logit), words, results)
                    for logit, words, results in record.get("of_labels", ())
                ),
            }
        )


def choose_classifier(
    options: DetectionOptions, data_root: Path, encoders: EmbeddingOptions | None = None
) -> Classifier:
    """The classifier that the settings name, with the settings applied.

    A name is a file or folder if there is one of that name, else a stage with or without a point. A stage stands for
    its chosen configuration's point with the highest average precision on validation, as its report names it; in a
    data folder of several targets, for that of every target. Several names are divided by `;` (see
    `merging.find_points`). Without a name it is that of stage5, or else the baseline's. `encoders` says where the
    files of encoders lie.

    Raises:
        InputError: no such classifier, or none yet, or its encoder is a file that cannot be used.
    """
    own = _named(options.model, data_root) if options.model else _default(data_root)
    if encoders is not None:
        own = dataclasses.replace(own, audio=own.audio.with_files_of(encoders))
        encoder = own.audio.source
        if (
            isinstance(encoder, EncoderFile) and encoder.file
        ):  # where its file is not known, whoever needs it says so
            from vernal.audio.encoders.networks import check_encoder

            check_encoder(encoder)
    return _with_settings(own, options)


def _named(model: str, data_root: Path) -> Classifier:
    path = as_path(model).expanduser()
    if path.exists():
        return _exported(path)
    names = [name.strip() for name in model.split(CLASS_DIVIDER) if name.strip()]
    if len(names) > 1 or _is_of_targets(names, data_root):
        return _merged(find_points(data_root, names, trained_point), model)
    stage, _, point = model.strip("/").partition("/")
    if path.suffix or path.is_absolute() or "/" in point or not stage:
        raise InputError(
            f"detection.model is {model!r}, and there is no such file. Give a .tflite file or folder that "
            "`kedro export` wrote, or a point as STAGE/POINT, such as stage5/stage5_017."
        )
    return _trained(data_root, stage, point or deployed_of_stage(data_root, stage))


def _is_of_targets(names: list[str], data_root: Path) -> bool:
    """Whether one name means points of several targets, or of one of them."""
    parts, targets = names[0].strip("/").split("/") if names else [""], TargetFolders(data_root).read()
    if len(parts) == 1:
        return bool(targets) and not StageFolder(data_root, parts[0]).points_table.is_file()
    return folded(parts[0]) in map(folded, targets)


def _default(data_root: Path) -> Classifier:
    targets = TargetFolders(data_root).read()
    for stage in DEFAULT_STAGES:
        if StageFolder(data_root, stage).points_table.is_file():
            return _trained(data_root, stage, deployed_of_stage(data_root, stage))
        if any(StageFolder(folder, stage).points_table.is_file() for folder in targets.values()):
            return _named(stage, data_root)
    raise InputError(
        f"There is no trained classifier in {data_root} yet. `kedro run` trains the baseline, `kedro run "
        "--pipeline=stage5` a sweep; or name one with --params=detection.model=, as STAGE/POINT or as an exported "
        ".tflite file."
    )


def _trained(data_root: Path, stage: str, point: str) -> Classifier:
    found = trained_point(data_root, stage, point)
    return Classifier(
        name=f"{stage}/{found.name}",
        head=found.model.head,
        labels=found.model.labels,
        audio=found.audio,
        sensitivity=float(found.settings.sensitivity),
        threshold_logit=found.threshold_logit,
        threshold_from=found.no_threshold or _goal(found.results),
        has_own_threshold=True,
        notes=(),
        results=_rates(found.results),
        encoder_version=found.model.parameters["audio"].get("encoder_version"),
        fit_key=found.model.parameters.get("fit_key"),
    )


def _merged(found: list[MergedPoint], name: str) -> Classifier:
    """Several points as one classifier, each label with the threshold of its own point."""
    points = [one.point for one in found]
    if len(points) == 1:
        return _trained(found[0].data_root, points[0].stage, points[0].name)
    labels = same_audio(points)
    head = merged_head(
        [p.model.head for p in points], [shift_of(float(p.settings.sensitivity)) for p in points]
    )
    own = [
        _label_threshold({**p.results, "no_threshold": p.no_threshold})
        for p in points
        for _ in p.model.labels
    ]
    keys = [point.model.parameters.get("fit_key") for point in points]
    return _of_labels(name, head, labels, points[0].audio, own, points[0].model.parameters["audio"], keys)


def _label_threshold(results: Mapping[str, Any]) -> LabelThreshold:
    """A label's threshold from its row of results; one that has none is flagged nowhere."""
    lacking = str(results.get("no_threshold") or "")
    logit = math.inf if lacking else float(results["threshold_logit"])
    return LabelThreshold(logit, lacking or _goal(results), _rates(results))


def _of_labels(
    name: str,
    head: Head,
    labels: tuple[str, ...],
    audio: EmbeddingOptions,
    own: list[LabelThreshold],
    recorded: Mapping[str, Any],
    fit_keys: Iterable[Any],
) -> Classifier:
    lowest = min(one.threshold_logit for one in own)
    notes = [
        f"{label} has no threshold, as {one.threshold_from}; it is flagged nowhere."
        for label, one in zip(labels, own, strict=True)
        if math.isinf(one.threshold_logit)
    ]
    return Classifier(
        name=name,
        head=head,
        labels=labels,
        audio=audio,
        sensitivity=1.0,
        threshold_logit=float("nan") if math.isinf(lowest) else lowest,
        threshold_from="the lowest of its labels, each of which has its own",
        has_own_threshold=True,
        notes=tuple(notes),
        results={},
        encoder_version=recorded.get("encoder_version"),
        fit_key=_one_key(*fit_keys),
        of_labels=tuple(own),
    )


_NO_EXPORT = "The parameters of {path} are not what an export writes. Export the point again."


def _one_key(*keys: Any) -> str | None:
    """The keys of trainings, each once; what is no text is none."""
    return "; ".join(dict.fromkeys(key for key in keys if isinstance(key, str))) or None


def _thresholds_of(merged: Any, path: Path, n_labels: int) -> list[LabelThreshold]:
    """The threshold of every label of merged points, whose record may be anybody's."""
    parts = merged if isinstance(merged, list) and all(map(_is_part, merged)) else []
    own = [_label_threshold(part["operating_point"]) for part in parts for _ in part["labels"]]
    if not own or len(own) != n_labels:
        raise InputError(_NO_EXPORT.format(path=path))
    return own


def _is_part(part: Any) -> bool:
    point = part.get("operating_point") if isinstance(part, dict) else None
    return (
        isinstance(point, dict)
        and isinstance(part.get("labels"), list)
        and bool(point.get("no_threshold") or is_number(point.get("threshold_logit")))
    )


def _exported(path: Path) -> Classifier:
    if path.is_dir() and (path / "parameters.yml").is_file():
        raise InputError(
            f"{path} is a trained point's own folder, which has no threshold. Name it as STAGE/POINT, such as "
            f"{path.parent.name}/{path.name}, or export it first."
        )
    model = load_export(path)
    record = model.parameters
    if merged := record.get("merged"):
        own = _thresholds_of(merged, path, len(model.labels))
        audio = audio_of_model(model, str(path))
        keys = [part.get("fit_key") for part in merged]
        return _of_labels(
            f"{path.name}, exported", model.head, model.labels, audio, own, record["audio"], keys
        )
    operating_point, settings = (record.get(name) or {} for name in ("operating_point", "settings"))
    sensitivity = settings.get("sensitivity", 1.0) if isinstance(settings, dict) else None
    if not isinstance(operating_point, dict) or not is_number(sensitivity):
        raise InputError(_NO_EXPORT.format(path=path))
    lacking = str(operating_point.get("no_threshold") or "")
    if not lacking and not is_number(operating_point.get("threshold_logit")):
        raise InputError(f"The export {path} has no threshold. Export the point again.")
    return Classifier(
        name=f"{record.get('stage')}/{record.get('point')}, exported",
        head=model.head,
        labels=model.labels,
        audio=audio_of_model(model, str(path)),
        sensitivity=float(sensitivity),
        threshold_logit=float("nan") if lacking else float(operating_point["threshold_logit"]),
        threshold_from=lacking or _goal(operating_point),
        has_own_threshold=True,
        notes=(),
        results=_rates(operating_point),
        encoder_version=record["audio"].get("encoder_version"),
        fit_key=_one_key(record.get("fit_key")),
    )


def _goal(results: Mapping[str, Any]) -> str:
    goal = results.get("goal")
    of_goal = f" for the goal {str(goal).replace('_', ' ')}" if isinstance(goal, str) else ""
    return f"chosen on the validation split{of_goal}"


def _rates(results: Mapping[str, Any]) -> dict[str, float]:
    names = [
        f"{split}_{metric}"
        for split in ("val", "test_iid", "test_ood")
        for metric in ("precision", "recall", "f1", "fpr", "fp", "n_negative")
    ]
    # As text, for an export's record may hold anything.
    found = {name: pd.to_numeric(str(results[name]), errors="coerce") for name in names if name in results}
    return {name: float(value) for name, value in found.items() if value is not None and math.isfinite(value)}


def _with_settings(own: Classifier, options: DetectionOptions) -> Classifier:
    """Apply what the run sets otherwise than the classifier has it.

    Raises:
        InputError: the classifier has no threshold, and the run sets none.
    """
    _check_version(own)
    if math.isnan(own.threshold_logit) and options.min_confidence is None:
        raise InputError(
            f"{own.name} has no threshold, as {own.threshold_from}: nothing says from which score on it detects. "
            "Choose a confidence yourself, such as --params=detection.min_confidence=0.5; scores are kept, so another "
            "one needs no listening. Or train with a validation split that has clips of both classes."
        )
    audio = dataclasses.replace(
        own.audio,
        fmin=own.audio.fmin if options.fmin is None else float(options.fmin),
        fmax=own.audio.fmax if options.fmax is None else float(options.fmax),
        overlap=own.audio.overlap if options.overlap is None else float(options.overlap),
    )
    notes = []
    if (audio.fmin, audio.fmax) != (own.audio.fmin, own.audio.fmax):
        notes.append(
            f"The band is {audio.fmin:g} to {audio.fmax:g} Hz; the classifier was trained, and its threshold chosen, "
            f"with {own.audio.fmin:g} to {own.audio.fmax:g} Hz. Its measured rates do not hold for these scores."
        )
    sensitivity = own.sensitivity if options.sensitivity is None else float(options.sensitivity)
    if sensitivity != own.sensitivity:
        notes.append(
            f"The sensitivity is {sensitivity:g} instead of the classifier's {own.sensitivity:g}: every logit is moved "
            f"by {shift_of(sensitivity) - own.shift:+g}, so the threshold flags other windows than those it was chosen "
            "for."
        )
    threshold, threshold_from = own.threshold_logit, own.threshold_from
    if options.min_confidence is not None:
        threshold, threshold_from = (
            logit_of(options.min_confidence),
            "set for this run (detection.min_confidence)",
        )
    has_own = options.min_confidence is None and sensitivity == own.sensitivity
    return dataclasses.replace(
        own,
        of_labels=own.of_labels if options.min_confidence is None else (),
        audio=audio,
        sensitivity=sensitivity,
        threshold_logit=threshold,
        threshold_from=threshold_from,
        has_own_threshold=has_own and (audio.fmin, audio.fmax) == (own.audio.fmin, own.audio.fmax),
        notes=(*(own.notes if options.min_confidence is None else ()), *notes),
    )


def _check_version(own: Classifier) -> None:
    """Refuse vectors of another encoder than the head was trained on."""
    installed = own.audio.facts.version()
    if own.encoder_version not in (None, installed):
        raise InputError(
            f"{own.name} was trained on {own.audio.encoder} version {own.encoder_version}; installed is "
            f"{installed}, whose vectors differ. Train or export it again."
        )
