"""What an export says to people: the settings sheet, and the training parameters in BirdNET-Analyzer's form."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from vernal.audio.birdnet.licence import MODEL_LICENCE, OF_THE_HEAD, TERMS
from vernal.field.export.birdnet_package import MOST_LOGIT
from vernal.field.export.parity import ROUNDING
from vernal.field.export.tool_settings import ToolThreshold, nearest_sliders
from vernal.field.export.trained_point import ENCODER
from vernal.sweeps.point_settings import SETTINGS, PointSettings

_SCORES = (
    "Confidences are scores, not probabilities. Sensitivity moves them all, (s - 1) x 10 on the logit scale: with "
    "another sensitivity this minimum confidence is another operating point."
)
_RECORD = "_parameters.yml"
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


def settings_sheet(name: str, record: Mapping[str, Any], threshold: ToolThreshold | None) -> str:
    """The settings sheet of an export, in Markdown.

    Args:
        name: of the point.
        record: as it stands in the parameters file.
        threshold: the operating point in BirdNET-Analyzer's terms; None where none could be chosen.
    """
    opening = (
        f"A classifier for {', '.join(record['labels'])}, point {name} of the stage {record['stage']}, trained and "
        f"exported by Vernal {record['vernal_version']}. `{name}_parameters.yml` holds every setting it was trained "
        "with."
    )
    if not _is_for_birdnet(record):
        return _head_sheet(name, record, opening)
    parts = [
        _title(name, record),
        opening,
        _set_these(name, record, threshold),
        _in_birdnet(name, record),
        *([_operating_point(record, threshold)] if threshold else [_no_threshold(record)]),
        *([_accuracy(record["operating_point"])] if threshold else []),
        _files(name, record),
        _parity(record),
        _licence(),
    ]
    return "\n\n".join(parts) + "\n"


def merged_sheet(name: str, record: Mapping[str, Any]) -> str:
    """The settings sheet of several points in one classifier, in Markdown; `record` as it stands in its parameters."""
    if not _is_for_birdnet(record):
        points = ", ".join(f"{part['stage']}/{part['point']}" for part in record["merged"])
        return _head_sheet(
            name, record, f"The points {points} in one classifier for {', '.join(record['labels'])}."
        )
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
    parts = [
        _title(name, record),
        opening,
        settings,
        "\n".join(thresholds),
        use,
        _in_birdnet(name, record),
        _files(name, record),
        _parity(record),
        _licence(),
    ]
    return "\n\n".join(parts) + "\n"


def _is_for_birdnet(record: Mapping[str, Any]) -> bool:
    """Whether BirdNET's programs can run the files."""
    return "birdnet_analyzer" in record


def _title(name: str, record: Mapping[str, Any]) -> str:
    checked = record["parity"]["programs"].get("birdnet")
    also = f" {checked['version']}" if checked else ""
    return f"# {name} for BirdNET-Analyzer {record['birdnet_analyzer_version']} and birdnet{also}"


def _head_sheet(name: str, record: Mapping[str, Any], opening: str) -> str:
    """The sheet of heads on another encoder than BirdNET's, which BirdNET's programs do not run."""
    audio = record["audio"]
    checksum = (audio.get("encoder_file") or {}).get("sha256")
    which = f"the file with the sha256 `{checksum}`" if checksum else "which Vernal has built in"
    needs = (
        f"## What it needs\n\n**The encoder {audio['encoder']}**, {which}: it hears {audio['window_s']:g} s at "
        f"{audio['sample_rate_hz']:,} Hz and gives {audio['n_dims']:,} values, which these files take. "
        f"BirdNET-Analyzer and `birdnet` run classifiers on {ENCODER} only. `kedro run --pipeline=detection` takes "
        "this folder as `detection.model`, with the encoder among `encoders` where it is a file; elsewhere give its "
        "vectors to the head, and apply the sigmoid to what comes out."
    )
    parts = [
        f"# {name} on the encoder {audio['encoder']}",
        opening,
        needs,
        _files(name, record),
        _parity(record),
    ]
    return "\n\n".join(parts) + "\n"


def _in_birdnet(name: str, record: Mapping[str, Any]) -> str:
    """The section on the package `birdnet`: what to run, and what it does otherwise."""
    settings = record["birdnet"]
    said = settings["default_confidence_threshold"]
    lines = [
        "import birdnet",
        "",
        'if __name__ == "__main__":  # it starts processes',
        "    model = birdnet.load_custom(",
        f'        "acoustic", "2.4", "tf", "{name}.tflite", "{name}_Labels.txt", library="litert"',
        "    )",
        "    found = model.predict(",
        '        "RECORDINGS",',
        *(
            f"        {key}={'MIN_CONF' if value is None else repr(value)},"
            for key, value in settings.items()
        ),
        "    )",
        '    found.to_csv("results.csv")',
    ]
    notes = [
        "Put a confidence of your own in the place of MIN_CONF. " if said is None else "",
        "Its own `top_k` of 5 is refused for a classifier of fewer labels, and its own threshold of 0.1 would drop ",
        "what lies below. It runs the stand-alone file only.\n\n",
        _out_of_reach(record),
        _own_resampling(record),
    ]
    code = "".join(f"    {line}\n".rstrip(" ") if line else "\n" for line in lines)
    return (
        "## In `birdnet`\n\nThe package on which the next BirdNET-Analyzer stands (`pip install birdnet`):\n\n"
        f"{code}\n{''.join(notes)}"
    )


def _out_of_reach(record: Mapping[str, Any]) -> str:
    points = [part["operating_point"] for part in record.get("merged", [record])]
    logits = [one["threshold_logit"] for one in points if one.get("threshold_logit") is not None]
    if all(abs(logit) <= MOST_LOGIT for logit in logits):
        return ""
    return (
        f"**It cannot say a threshold beyond a logit of {MOST_LOGIT:g}**, beyond which all scores are the same there. "
        "Use Vernal's own detection, or a point with a threshold in reach.\n\n"
    )


def _own_resampling(record: Mapping[str, Any]) -> str:
    found = record["parity"].get("birdnet_own_resampling")
    measured = (
        f" Here that moved {found['scores']} scores by up to {found['largest_difference']:.2g} (median "
        f"{found['median_difference']:.1g})."
        if found
        else ""
    )
    return (
        "**It resamples and filters each window by itself**, BirdNET-Analyzer and Vernal the whole recording: with "
        "recordings of another rate than 48 kHz, or a band-pass, its scores are others, and this operating point was "
        f"not tested with them.{measured} Converting them to 48 kHz before, with another resampler, moves scores as "
        "much: for such recordings use BirdNET-Analyzer, or Vernal's own detection."
    )


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


def _files(name: str, record: Mapping[str, Any]) -> str:
    rows = ["| file | BirdNET-Analyzer | `birdnet` | what it is |", "| --- | --- | --- | --- |"]
    for kind, (analyzer, package, text) in _KINDS.items():
        if f"{name}{kind}" in record["files"]:
            runs = (analyzer, package) if _is_for_birdnet(record) else ("no", "no")
            rows.append(f"| `{name}{kind}` | {' | '.join(runs)} | {text} |")
    if f"{name}_head.onnx" not in record["files"]:
        rows += ["", f"No ONNX files: {NO_ONNX}."]
    others = (
        "`..._Labels.txt`: the class names, which programs look for beside a classifier. `..._Params.csv`: training "
        f"parameters as BirdNET-Analyzer writes them; `{name}_parameters.yml`: all of them. `parity.csv`: every score "
        "that was compared."
    )
    return "\n".join(["## Files", "", *rows, "", others])


def _parity(record: Mapping[str, Any]) -> str:
    parity = record["parity"]
    rows = [
        f"| {name} {found['version']} | {', '.join(f'`{file}`' for file in found['files'])} | {found['scores']} | "
        f"{found['largest_difference']:.1e} |"
        for name, found in parity["programs"].items()
    ]
    table = ["| program | files | scores | largest difference |", "| --- | --- | ---: | ---: |", *rows]
    return (
        f"## Proof\n\nTried on {_evidence(record)}, against Vernal's scores. BirdNET-Analyzer's rounding alone gives "
        f"up to {ROUNDING:.0e}; more fails the export.\n\n{chr(10).join(table)}{_not_checked(record)}{_added(parity)}"
    )


def _evidence(record: Mapping[str, Any]) -> str:
    parity = record["parity"]
    recorded, made = parity["recorded_clips"], parity["made_sounds"]
    if not _is_for_birdnet(record):
        return f"{recorded} embeddings of this run" if recorded else f"{made} drawn embeddings"
    if recorded:
        return (
            f"{recorded} recorded clips of this run and {made} made sounds of other sample rates and lengths"
        )
    return (
        f"{made} made sounds of several sample rates and lengths, because the recordings of this run could not be read "
        "any more"
    )


def _not_checked(record: Mapping[str, Any]) -> str:
    is_open = _is_for_birdnet(record) and "birdnet" not in record["parity"]["programs"]
    return f"\n\n**Not checked in `birdnet`**: {NO_BIRDNET}." if is_open else ""


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
