"""The sections of the page below its answer: nights, threshold, what counts do not mean, recordings, files."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from vernal.clips.manifest import split_name
from vernal.common.formatting import UNDEFINED, hours, share, whole_range
from vernal.evaluation.proportions import BOUND_WORDS
from vernal.field.detection.detection_run import DetectionRun
from vernal.field.detection.detections import COPY, HEARD, PARTLY, UNHEARD
from vernal.field.detection.false_alarms import ENDS
from vernal.field.detection.listing import UNKNOWN
from vernal.field.detection.nights import CALLS, EXPECTED, NO_RECORDINGS, QUIET
from vernal.field.detection.nights import UNHEARD as NIGHT_UNHEARD
from vernal.field.detection.options import DetectionOptions
from vernal.reports.blocks import SOFT, Block, Bullets, Picture, Section, Table, Text
from vernal.reports.sentences import sentences_of

MOST_FILES = 50
MEASURED_ON = ("val", "test_iid", "test_ood")
STATES = {"unheard": UNHEARD, "partly": PARTLY, "copies": COPY, "longer": HEARD}
# Name of what is said of each -> where it lies; without a folder, beside the page.
FILES = {
    "detections": ("07_model_output/detection/detections/",),
    "scores": ("07_model_output/detection/scores/",),
    "verified": ("verified.csv",),
    "sample": ("sample.csv",),
    "precision": ("precision.csv", "precision_by_place.csv"),
    "density": ("call_density.csv",),
    "validation": ("validation.csv",),
    "nights": ("nights.csv", "hours.csv"),
    "effort": ("effort.csv",),
    "recordings": ("files.csv", "broken.csv"),
    "queue": ("top.csv", "clips/"),
    "night_queue": ("night_queue.csv",),
    "occupancy": ("occupancy/",),
    "label_tables": ("label_tables/",),
}

sentence = sentences_of("vernal.field.detection")


def nights_section(run: DetectionRun) -> Section:
    """Detections by night and by hour."""
    blocks: list[Block] = [
        Picture("activity", sentence("sections.activity_caption")),
        _by_recorder(run),
        Picture("hours", sentence("sections.hours_caption")),
    ]
    return Section("nights", "Nights", blocks)


def _by_recorder(run: DetectionRun) -> Table:
    several = run.has_several
    rows = []
    for names, part in run.nights.groupby(["recorder_id", "label"], sort=True):
        recorder, label = map(str, names)
        dated = part[part.night != UNKNOWN]
        states = dated.state.value_counts()
        detected = sorted(dated[dated.n_detections > 0].night)
        cells = [recorder, label, hours(part.heard_h.sum())]
        cells += [f"{states.get(CALLS, 0) + states.get(QUIET, 0):,}", f"{states.get(CALLS, 0):,}"]
        cells += [f"{states.get(NIGHT_UNHEARD, 0):,}", f"{states.get(NO_RECORDINGS, 0):,}"]
        cells += [f"{part.n_detections.sum():,}", f"{part.n_windows.sum():,}", _expected_range(part)]
        # As code, dates are not broken.
        cells += [f"`{detected[0]}`", f"`{detected[-1]}`"] if detected else [UNDEFINED, UNDEFINED]
        rows.append(cells if several else [cells[0], *cells[2:]])
    columns = ["recorder", "label", "hours heard", "nights heard", "with detections", "nights not heard"]
    columns += ["nights without recordings", "detections", "windows flagged", "false ones expected"]
    columns += ["first detected", "last detected"]
    shown = columns if several else [columns[0], *columns[2:]]
    return Table(shown, rows, sentence("sections.no_recordings"))


def _expected_range(nights: pd.DataFrame) -> str:
    """False windows to expect of some nights, as an interval."""
    low, high = (nights[f"{EXPECTED}{end}"].sum(min_count=1) for end in ENDS[1:])
    return UNDEFINED if pd.isna(high) else " to ".join(whole_range(low, low, high)[1:])


def threshold_section(run: DetectionRun) -> Section:
    """The classifier, its threshold, and what it reached on labelled clips."""
    own = run.classifier
    rows = [
        ["classifier", f"`{own.name}`"],
        ["threshold as confidence", f"`{own.threshold_confidence:.4f}`"],
        ["threshold as logit", f"`{own.threshold_logit!r}`"],
        ["where it came from", own.threshold_from],
        ["sensitivity", f"`{own.sensitivity:g}`"],
        ["band", f"`{own.audio.fmin:g}` to `{own.audio.fmax:g}` Hz"],
        ["windows", f"3 s, overlap `{own.audio.overlap:g}` s"],
        ["detections closer than this are joined", f"`{_gap(run.options)}`"],
    ]
    blocks: list[Block] = [Table(["what", "value"], rows)]
    measured = [
        [
            split_name(split),
            *(_rate(own.results, f"{split}_{name}") for name in ("precision", "recall", "fpr")),
        ]
        for split in MEASURED_ON
        if f"{split}_recall" in own.results
    ]
    if measured:
        note = sentence("sections.measured", has_own_threshold=own.has_own_threshold)
        blocks.append(Table(["measured on", "precision", "recall", "false positive rate"], measured, note))
    if own.of_labels:
        blocks.append(_thresholds_of_labels(run))
    return Section("threshold", "Threshold", blocks)


def _thresholds_of_labels(run: DetectionRun) -> Table:
    own, detections = run.classifier, run.found.detections
    rows = [
        [
            label,
            f"{one.threshold_confidence:.4f}" if one.threshold_confidence < 1 else UNDEFINED,
            *(_rate(one.results, f"val_{name}") for name in ("precision", "recall", "fpr")),
            f"{detections.n_windows[detections.label == label].sum():,}",
            _expected_range(run.nights[run.nights.label == label]),
        ]
        for label, one in zip(own.labels, own.of_labels, strict=True)
    ]
    return Table(
        ["label", "threshold (confidence)", "precision", "recall", "false positive rate", "windows flagged",
         "by false alarms alone"],
        rows,
        sentence("sections.thresholds_of_labels", bound_words=BOUND_WORDS),
    )  # fmt: skip


def _gap(options: DetectionOptions) -> str:
    return "never merged" if options.merge_gap_s is None else f"{options.merge_gap_s:g} s"


def _rate(results: Mapping[str, float], name: str) -> str:
    return share(results.get(name, float("nan")))


def meaning_section(run: DetectionRun) -> Section:
    """What the counts must not be read as."""
    said = [
        sentence("sections.statement", labels=run.classifier.labels),
        sentence("sections.no_count"),
        sentence("sections.recorders"),
        sentence("sections.quiet_nights"),
        sentence("sections.confidence"),
    ]
    return Section("meaning", "What these counts do not mean", [Bullets([Text(words) for words in said])])


def unheard_section(run: DetectionRun) -> Section:
    """Recordings that could not be heard to their end."""
    files = run.found.files[run.found.files.reason.notna() | run.found.files.message.notna()]
    if files.empty:
        return Section("unheard", "Not heard", [Text(sentence("sections.all_heard"))])
    states = files.state.value_counts()
    of_state = {name: int(states.get(state, 0)) for name, state in STATES.items()}
    tally = sentence("sections.tally", n=len(run.found.files), **of_state)
    shown = [_file_cells(row) for row in files.head(MOST_FILES).to_dict("records")]
    more = sentence("sections.more_broken", n=len(files) - MOST_FILES) if len(files) > MOST_FILES else ""
    table = Table(["recording", "state", "reason", "seconds heard", "what is wrong"], shown, more)
    return Section("unheard", "Not heard", [Text(tally), table])


def _file_cells(row: Mapping[Hashable, Any]) -> list[str]:
    reason = row["reason"].replace("_", " ") if isinstance(row["reason"], str) else ""
    return [f"`{row['file_path']}`", str(row["state"]), reason, f"{row['heard_s']:,.1f}", str(row["message"])]


def files_section(run: DetectionRun) -> Section:
    """Where each table and sound lies."""
    wanted = run.options.wanted_formats
    rows = [
        [", ".join(f"`{path}`" for path in paths), sentence(f"files.{name}", formats=wanted)]
        for name, paths in FILES.items()
        if wanted or name != "label_tables"
    ]
    table = Table(["file", "what is in it"], rows)
    return Section("where", "Files", [table, Text(sentence("sections.beside"), SOFT)])
