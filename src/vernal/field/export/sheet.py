"""What an export says to people: the settings sheet, and the training parameters in BirdNET-Analyzer's form."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from vernal.audio.birdnet.licence import MODEL_LICENCE, OF_THE_HEAD, TERMS
from vernal.field.export.parity import ROUNDING
from vernal.field.export.tool_settings import ToolThreshold, nearest_sliders
from vernal.sweeps.point_settings import SETTINGS, PointSettings

_SCORES = (
    "Confidences are scores, not probabilities. Sensitivity moves them all, (s - 1) x 10 on the logit scale: with "
    "another sensitivity this minimum confidence is another operating point."
)
_RECORD = "_parameters.yml"
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


def settings_sheet(name: str, record: Mapping[str, Any], threshold: ToolThreshold | None) -> str:
    """The settings sheet of an export, in Markdown.

    Args:
        name: of the point.
        record: as it stands in the parameters file.
        threshold: the operating point in the program's terms; None where none could be chosen.
    """
    opening = (
        f"A classifier for {', '.join(record['labels'])}, point {name} of the stage {record['stage']}, trained and "
        f"exported by Vernal {record['vernal_version']}. `{name}_parameters.yml` holds every setting it was trained "
        "with."
    )
    parts = [
        f"# {name} for BirdNET-Analyzer {record['birdnet_analyzer_version']}",
        opening,
        _set_these(name, record, threshold),
        *([_operating_point(record, threshold)] if threshold else [_no_threshold(record)]),
        *([_accuracy(record["operating_point"])] if threshold else []),
        _files(name),
        _parity(record),
        _licence(),
    ]
    return "\n\n".join(parts) + "\n"


def merged_sheet(name: str, record: Mapping[str, Any]) -> str:
    """The settings sheet of several points in one classifier, in Markdown; `record` as it stands in its parameters."""
    tool = record["birdnet_analyzer"]
    min_conf = "MIN_CONF" if tool["min_conf"] is None else f"{tool['min_conf']:g}"
    command = (
        f"python -m birdnet_analyzer.analyze RECORDINGS --output RESULTS --classifier {name}.tflite "
        f"--min_conf {min_conf} --sensitivity 1 --overlap {tool['overlap']:g} --fmin {tool['fmin']} "
        f"--fmax {tool['fmax']}"
    )
    rows = [_merged_row(part) for part in record["merged"]]
    opening = (
        f"{len(rows)} trained points in one classifier, exported by Vernal {record['vernal_version']}. Each label "
        f"scores as its own point does alone; `{name}{_RECORD}` names them."
    )
    settings = (
        f"## Set these\n\n    {command}\n\nThe program has one minimum confidence for all labels: the lowest of their "
        "thresholds, rounded down. In its results keep of each label what reaches its own:"
    )
    thresholds = [
        "| label | point | threshold (confidence) | precision on validation | recall on validation |",
        "| --- | --- | ---: | ---: | ---: |",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    use = (
        "`kedro run --pipeline=detection` takes each label's threshold by itself. The sensitivity stays at 1: that "
        f"of each point is in its weights. {_SCORES}"
    )
    title = f"# {name} for BirdNET-Analyzer {record['birdnet_analyzer_version']}"
    parts = [title, opening, settings, "\n".join(thresholds), use, _files(name), _parity(record), _licence()]
    return "\n\n".join(parts) + "\n"


def _merged_row(part: Mapping[str, Any]) -> list[str]:
    point = part["operating_point"]
    values = [point.get("threshold_confidence"), point.get("val_precision"), point.get("val_recall")]
    cells = ["none" if value is None else f"{value:.4f}" for value in values]
    return [", ".join(part["labels"]), f"`{part['stage']}/{part['point']}`", *cells]


def _set_these(name: str, record: Mapping[str, Any], threshold: ToolThreshold | None) -> str:
    tool = record["birdnet_analyzer"]
    min_conf = f"{threshold.min_conf:g}" if threshold else "MIN_CONF"
    command = (
        f"python -m birdnet_analyzer.analyze RECORDINGS --output RESULTS --classifier {name}.tflite "
        f"--min_conf {min_conf} --sensitivity {tool['sensitivity']:g} "
        f"--overlap {tool['overlap']:g} --fmin {tool['fmin']} --fmax {tool['fmax']}"
    )
    rows = [
        ("Custom classifier (`--classifier`)", f"`{name}.tflite`, or `{name}_head.tflite`"),
        ("Minimum confidence (`--min_conf`)", min_conf if threshold else "yours to choose, see below"),
        ("Sensitivity (`--sensitivity`)", f"{tool['sensitivity']:g}"),
        ("Overlap (`--overlap`)", f"{tool['overlap']:g} s"),
        ("Band-pass (`--fmin`, `--fmax`)", f"{tool['fmin']} Hz, {tool['fmax']} Hz"),
        ("Audio speed, merging, species list, place and week", "leave as they are (1, off, none)"),
    ]
    table = "\n".join(
        ["| setting | value |", "| --- | --- |", *(f"| {what} | {value} |" for what, value in rows)]
    )
    return (
        f"## Set these\n\n{table}\n\n    {command}\n\n"
        "Overlap and band-pass belong to the classifier: other values give other scores than those it was tested with."
        + (f"\n\n{_window(record, threshold)}" if threshold else "")
    )


def _window(record: Mapping[str, Any], threshold: ToolThreshold) -> str:
    logit = float(record["operating_point"]["threshold_logit"])
    sliders = nearest_sliders(logit, float(record["settings"]["sensitivity"]))
    off = sliders.logit - logit
    if not threshold.is_exact or abs(off) > 0.1:
        return "The sliders of the program's window do not reach this operating point; use the command."
    return (
        "In the program's window, whose sliders move in steps, the nearest is a minimum confidence of "
        f"{sliders.min_conf:.2f} with a sensitivity of {sliders.sensitivity:.2f} ({off:+.3f} on the logit scale)."
    )


def _no_threshold(record: Mapping[str, Any]) -> str:
    return (
        "## The minimum confidence\n\n"
        f"**No threshold could be chosen: {record['operating_point']['no_threshold']}.** Put a confidence of your own "
        "in the place of MIN_CONF. How much it finds and how often it is wrong was measured nowhere: listen to what it "
        f"flags, highest confidence first, before anything is counted.\n\n{_SCORES}"
    )


def _operating_point(record: Mapping[str, Any], threshold: ToolThreshold) -> str:
    point = record["operating_point"]
    is_met = point.get("is_goal_met")
    met = "" if is_met else ", **which no threshold reached; the nearest is used**"
    if is_met is None:
        met = (
            ", **which validation cannot tell to be reached: one clip more on the wrong side would miss it**"
        )
    chosen = (
        f'The threshold was chosen on the validation split for the goal "{point["goal"]}"{met}: logit '
        f"{point['threshold_logit']:.6g}, which is a confidence of {point['threshold_confidence']:.6g}."
    )
    lines = ["## What the minimum confidence means", chosen]
    if threshold.is_exact:
        lines.append(
            f"The minimum confidence is that, rounded down so that nothing at the threshold is lost; it amounts to "
            f"logit {threshold.logit:.6g}. BirdNET-Analyzer compares before it rounds, and writes four decimals: "
            "results that lie closer together cannot be told apart."
        )
    if threshold.note:
        lines.append(f"**{threshold.note}**" if not threshold.is_exact else threshold.note)
    lines.append(_SCORES)
    return "\n\n".join(lines)


def _accuracy(point: Mapping[str, Any]) -> str:
    lines = ["## What it did there", "", "| clips | precision | recall | F1 | false positive rate |"]
    lines.append("| --- | ---: | ---: | ---: | ---: |")
    for split, text in _SPLITS.items():
        if f"{split}_f1" in point or f"{split}_recall" in point:
            values = [point.get(f"{split}_{metric}") for metric in ("precision", "recall", "f1", "fpr")]
            cells = ["undefined" if value is None else f"{value:.3f}" for value in values]
            lines.append(f"| {text} | {' | '.join(cells)} |")
    return "\n".join(
        [*lines, "", "Clips, not nights in the field, where calls are rarer and precision is lower."]
    )


def _files(name: str) -> str:
    return (
        "## Files\n\n"
        f"- `{name}.tflite`: stand-alone, 144,000 samples (3 s at 48 kHz) in, logits out.\n"
        f"- `{name}_head.tflite`: the trained part alone, BirdNET's embedding (1,024 values) in, logits out; the "
        "program feeds it from its own BirdNET.\n"
        "- `..._Labels.txt`: the class names; the program looks for them beside each classifier.\n"
        "- `..._Params.csv`: training parameters as the program writes them; "
        f"`{name}_parameters.yml`: all of them.\n"
        "- `parity.csv`: every window that both programs scored."
    )


def _parity(record: Mapping[str, Any]) -> str:
    parity = record["parity"]
    recorded, made = parity["recorded_clips"], parity["made_sounds"]
    what = (
        f"{recorded} recorded clips of this run and {made} made sounds of other sample rates and lengths"
        if recorded
        else f"{made} made sounds of several sample rates and lengths, because the recordings of this run could not be "
        "read any more"
    )
    return (
        f"## Proof\n\nBoth files were run through BirdNET-Analyzer {record['birdnet_analyzer_version']} on {what}: "
        f"{parity['scores']} scores. The largest difference from Vernal's is {parity['largest_difference']:.1e}; the "
        f"program's rounding alone gives up to {ROUNDING:.0e}.{_added(parity)}"
    )


def _added(parity: Mapping[str, Any]) -> str:
    if not parity["scores_of_windows_only_there"]:
        return ""
    return (
        "\n\nWith an overlap, BirdNET-Analyzer starts anew in the rest of a recording and may add a last window that "
        f"Vernal does not cut. {parity['scores_of_windows_only_there']} scores are of such windows and could not be "
        "compared; they stand in `parity.csv` without ours."
    )


def _licence() -> str:
    return (
        "## Licence\n\n"
        f"BirdNET's model is licensed {MODEL_LICENCE} (https://creativecommons.org/licenses/by-nc-sa/4.0/). The "
        f"stand-alone file contains it and is passed on under the same terms: {TERMS}. {OF_THE_HEAD}"
    )


assert {ours for _, ours in _PARAMS if ours} <= set(SETTINGS)
