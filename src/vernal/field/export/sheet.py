"""What an export says to people: the settings sheet, and the training parameters in BirdNET-Analyzer's form."""

import csv
import io
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from vernal.audio.birdnet.licence import MODEL_LICENCE, OF_THE_HEAD, TERMS
from vernal.field.export.birdnet_package import MOST_LOGIT
from vernal.field.export.parity import ROUNDING
from vernal.field.export.tool_settings import ToolThreshold, WindowSliders, nearest_sliders
from vernal.field.export.trained_point import ENCODER
from vernal.sweeps.point_settings import SETTINGS, PointSettings

if TYPE_CHECKING:
    from jinja2 import Template

NO_BIRDNET = 'it is not installed; pip install "vernal[birdnet]", and export again'
NO_ONNX = 'onnx or onnxruntime is not installed; pip install "vernal[onnx]", and export again'
_SPLITS = {"val": "validation", "test_iid": "`test_iid`", "test_ood": "`test_ood`"}
# Names of its columns, one of them misspelt there.
_PARAMS = (
    ("Hidden units", "hidden_units"),
    ("Dropout", "dropout"),
    ("Batchsize", "batch_size"),
    ("Learning rate", "learning_rate"),
    ("Crop mode", None),
    ("Crop overlap", "overlap"),
    ("Audio speed", None),
    ("Upsamling mode", "upsampling_mode"),
    ("Upsamling ratio", "upsampling_ratio"),
    ("use mixup", "mixup"),
    ("use label smoothing", "label_smoothing"),
    ("use focal loss", "focal_loss"),
    ("focal loss alpha", "focal_loss_alpha"),
    ("focal loss gamma", "focal_loss_gamma"),
    ("BirdNET Model version", None),
)
_FIXED = {"Crop mode": "segments", "Audio speed": 1.0, "BirdNET Model version": "V2.4"}


def params_csv(settings: PointSettings) -> str:
    """The training parameters as BirdNET-Analyzer writes them beside a classifier."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name for name, _ in _PARAMS])
    writer.writerow([_FIXED[name] if ours is None else getattr(settings, ours) for name, ours in _PARAMS])
    return text.getvalue()


# What the files of an export are, and which of BirdNET's programs run them.
_SAMPLES, _VECTORS = (
    "144,000 samples (3 s at 48 kHz) in, logits out",
    "the encoder's embedding in, logits out",
)
_KINDS = {
    ".tflite": ("yes", "yes", f"stand-alone: {_SAMPLES}"),
    "_head.tflite": ("yes", "no", f"the trained part alone: {_VECTORS}"),
    ".onnx": ("no", "no", f"for `onnxruntime`, stand-alone: {_SAMPLES}"),
    "_head.onnx": ("no", "no", f"for `onnxruntime`, the trained part alone: {_VECTORS}"),
}


def settings_sheet(name: str, record: Mapping[str, Any], threshold: ToolThreshold | None) -> str:
    """The settings sheet of an export, in Markdown.

    Args:
        name: of the point.
        record: as it stands in the parameters file.
        threshold: the operating point in BirdNET-Analyzer's terms; None where none could be chosen.
    """
    point = record["operating_point"]
    facts = {
        "threshold": threshold,
        "sliders": _sliders(record) if threshold and threshold.is_exact else None,
        "operating_point": point,
        "is_met": point.get("is_goal_met"),
        "accuracy": [
            (words, [point.get(f"{split}_{metric}") for metric in ("precision", "recall", "f1", "fpr")])
            for split, words in _SPLITS.items()
            if f"{split}_f1" in point or f"{split}_recall" in point
        ],
    }
    return _sheet(name, record, **facts)


def merged_sheet(name: str, record: Mapping[str, Any]) -> str:
    """The settings sheet of several points in one classifier, in Markdown; `record` as it stands in its parameters."""
    found = ("threshold_confidence", "val_precision", "val_recall")
    points = [
        {**part, "found": [part["operating_point"].get(one) for one in found]} for part in record["merged"]
    ]
    return _sheet(name, record, points)


def _sheet(
    name: str, record: Mapping[str, Any], points: Sequence[Mapping[str, Any]] = (), **facts: Any
) -> str:
    logits = [part["operating_point"].get("threshold_logit") for part in points or [record]]
    return _template().render(
        name=name,
        record=record,
        points=points,
        is_for_birdnet="birdnet_analyzer" in record,
        tool=record.get("birdnet_analyzer"),
        programs=record["parity"]["programs"],
        audio=record.get("audio"),
        checksum=((record.get("audio") or {}).get("encoder_file") or {}).get("sha256"),
        birdnet=ENCODER,
        most_logit=MOST_LOGIT,
        is_out_of_reach=any(logit is not None and abs(logit) > MOST_LOGIT for logit in logits),
        files={f"{name}{kind}": told for kind, told in _KINDS.items()},
        no_onnx=NO_ONNX,
        no_birdnet=NO_BIRDNET,
        rounding=ROUNDING,
        model_licence=MODEL_LICENCE,
        terms=TERMS,
        of_the_head=OF_THE_HEAD,
        **facts,
    )


@cache
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader

    loader = PackageLoader("vernal.field.export")
    found = Environment(loader=loader, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    found.filters["repr"] = repr
    return found.get_template("sheet.md.j2")


def _sliders(record: Mapping[str, Any]) -> WindowSliders | None:
    """The positions of the sliders that come near the operating point; None where they do not reach it."""
    logit = float(record["operating_point"]["threshold_logit"])
    sliders = nearest_sliders(logit, float(record["settings"]["sensitivity"]))
    return sliders if abs(sliders.logit - logit) <= 0.1 else None


assert {ours for _, ours in _PARAMS if ours} <= set(SETTINGS)
