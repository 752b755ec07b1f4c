"""The report of a detection run as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from vernal.common.formatting import NBSP, UNDEFINED, amount, count, listed, percent, share
from vernal.common.problems import InputError
from vernal.evaluation.proportions import BOUND_WORDS
from vernal.field.detection.classifier import Classifier
from vernal.field.detection.detections import COPY, HEARD, PARTLY, UNCHECKED, UNHEARD, Detections
from vernal.field.detection.false_alarms import ENDS, measured_rate
from vernal.field.detection.listing import UNKNOWN
from vernal.field.detection.nights import CALLS, CHANCE, EXPECTED, NO_RECORDINGS, QUIET
from vernal.field.detection.nights import UNHEARD as NIGHT_UNHEARD
from vernal.field.detection.options import DetectionOptions
from vernal.field.detection.top import nights_to_confirm
from vernal.field.detection.validation import Validation
from vernal.field.detection.validation_section import precision_words, validation_section
from vernal.field.detection.verification import CONFIRMED, REJECTED
from vernal.reports.blocks import (
    BAD,
    GOOD,
    SOFT,
    WARNING,
    Block,
    Bullets,
    Fold,
    Picture,
    Section,
    Table,
    Text,
    Tile,
    Tiles,
)
from vernal.reports.figures.style import Drawing, inline_svg
from vernal.reports.page import DEMO_WORDS, code
from vernal.reports.page_templates import page_templates

MOST_FILES = 50
MEANING = (
    (
        "A detection is a model's statement, not an observation. How many are right has to be checked by listening: "
        "precision on test clips does not carry over, because in the field {label} is rarer than among them."
    ),
    (
        "Detections are not animals, nor calls: consecutive windows are one detection, a call across the end of a "
        "recording can be two, and one animal may call all night."
    ),
    (
        "Counts of two recorders compare only where they were heard equally long, and equally well: range, noise and "
        "the microphone's age differ. Divide by the hours heard."
    ),
    (
        "A night without a detection is not a night without the animal. Some calls are missed, and the recorder does "
        "not hear all hours."
    ),
    "Confidence is no probability; it orders detections.",
)
_SPLIT_WORDS = {
    "val": "validation, where the threshold was chosen",
    "test_iid": "the test split `test_iid`",
    "test_ood": "the test split `test_ood`",
}


@dataclass(frozen=True, eq=False)
class DetectionRun:
    """Everything that the page is made from."""

    found: Detections
    nights: pd.DataFrame
    top: pd.DataFrame
    validation: Validation
    classifier: Classifier
    options: DetectionOptions
    audio_root: str
    is_demo: bool

    @property
    def heard_h(self) -> float:
        return float(self.found.effort.heard_s.sum()) / 3_600

    @property
    def n_windows(self) -> int:
        """Windows heard."""
        return int(self.found.files.n_windows.sum())

    @property
    def recordings(self) -> pd.DataFrame:
        """Files, without second copies."""
        return self.found.files[self.found.files.state != COPY]


def render_page(run: DetectionRun, figures: Mapping[str, Drawing]) -> str:
    """The page as text; the same results give the same text.

    Args:
        figures: `activity`, `hours`, `precision` and `call_density`.
    """
    environment = page_templates()
    environment.filters["code"] = code
    sections = [
        _answer(run),
        validation_section(
            run.validation,
            run.options,
            run.classifier.results.get("val_precision", float("nan"))
            if run.classifier.has_own_threshold
            else float("nan"),
        ),
        _nights(run),
        _threshold(run),
        _meaning(run),
        _unheard(run),
        _listen(run),
        _where(run),
    ]
    alt = {
        "activity": "detections by recorder and night",
        "hours": "detections by the hour",
        "precision": "precision and share of calls by threshold",
        "call_density": "call density by night",
    }
    return environment.get_template("stage.html.j2").render(
        kind="Detection report",
        stage="Detection",
        target=listed(run.classifier.labels),
        question=f"Where and when was {listed(run.classifier.labels)} detected in `{run.audio_root}`?",
        demo=DEMO_WORDS if run.is_demo else "",
        warnings=[headline(run), *_warnings(run)],
        sections=[section for section in sections if section.blocks],
        figures={name: Markup(inline_svg(drawing.svg, name, alt[name])) for name, drawing in figures.items()},
    )


def _warnings(run: DetectionRun) -> list[Text]:
    lost = run.recordings[run.recordings.state == UNHEARD]
    found = [Text(note, WARNING) for note in run.classifier.notes]
    if len(lost):
        are = "is" if len(lost) == 1 else "are"
        of_all = f"{count(len(lost), 'recording')} of {len(run.recordings):,}"
        found.insert(0, Text(f"{of_all} could not be heard and {are} in no count here.", BAD))
    return found


def _answer(run: DetectionRun) -> Section:
    dated = run.nights[run.nights.night != UNKNOWN]
    by_night = dated.groupby(["recorder_id", "night"]).agg(
        n=("n_detections", "sum"), heard=("heard_h", "max"), states=("review_state", set)
    )
    heard, detected = by_night[by_night.heard > 0], by_night[by_night.n > 0]
    n_confirmed = sum(CONFIRMED in states for states in by_night.states)
    n_rejected = sum(REJECTED in states and CONFIRMED not in states for states in by_night.states)
    detections = run.found.detections
    tiles = [
        Tile(_hours(run.heard_h), "hours heard", f"{count(len(run.recordings), 'recording')} of "
             f"{count(run.recordings.recorder_id.nunique(), 'recorder')}"),
        Tile(f"{len(detections):,}", "detections", f"{count(detections.n_windows.sum(), 'window')} flagged of "
             f"{run.n_windows:,}"),
        Tile(f"{len(detected):,} of {len(heard):,}", "nights with a detection", _false_nights(run)),
        Tile(f"{n_confirmed:,} of {len(heard):,}", "nights confirmed by a person",
             f"rejected: {n_rejected:,}, where every detection was heard and none was the target"),
        Tile(share(run.classifier.threshold_confidence, 3), "threshold (confidence)", run.classifier.threshold_from),
    ]  # fmt: skip
    said: list[Text] = []
    if nothing_heard := unheard_words(run.recordings):
        said.append(Text(f"{nothing_heard}. Nothing is known of any night."))
    elif heard.empty and len(run.recordings):
        said.append(Text("No recording's name tells when it was made, so there are no nights to count."))
    said += [Text(words) for words in (_expected_words(run),) if words]
    return Section("answer", "What was heard", [Tiles(tiles), *([Bullets(said)] if said else [])])


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.1f}" if hours >= 1 else f"{hours:.2f}"


def headline(run: DetectionRun) -> Text:
    """The one sentence to remember: whether false alarms alone would explain what was flagged."""
    flagged, n_windows = int(run.found.detections.n_windows.sum()), run.n_windows
    if nothing_heard := unheard_words(run.recordings):
        return Text(f"{nothing_heard}.", BAD)
    if not flagged:
        return Text(f"None of {count(n_windows, 'window')} was flagged.", WARNING)
    were = "was" if flagged == 1 else "were"
    said = f"{flagged:,} of {count(n_windows, 'window')} {were} flagged"
    listen = (
        _checked_words(run) or "Listen to a sample before counting on any of them: `kedro review sample`."
    )
    rate = measured_rate(run.classifier)
    if rate is None:
        why = _why_unmeasured(run)
        return Text(f"{said}. How many of them are false alarms cannot be told: {why}. {listen}", WARNING)
    most = rate.most_flagged(n_windows)
    if flagged <= most:
        few = f"{said}: no more than false alarms alone would explain. {_checked_words(run)}"
        return Text(few.rstrip(), WARNING)
    more = f"{said}: more than false alarms alone would explain ({most:,} at the most). {listen}"
    return Text(more, GOOD)


def _checked_words(run: DetectionRun) -> str:
    """Precision by the checked sample, and how many of the detections that people checked were right."""
    rows = run.validation.summary.to_dict("records")
    by_sample = precision_words(rows[0]) if len(rows) == 1 else ""
    states = run.found.detections.review_state.value_counts()
    n_right, n_wrong = (int(states.get(state, 0)) for state in (CONFIRMED, REJECTED))
    # Of a detection of several windows one confirms it and all are needed to reject it, so the sample goes first.
    if by_sample or not n_right + n_wrong:
        return by_sample
    share_right = percent(n_right / (n_right + n_wrong))
    checked = count(n_right + n_wrong, "detection")
    return (
        f"{by_sample} People confirmed {n_right:,} of {checked} that they checked ({share_right}).".lstrip()
    )


def unheard_words(files: pd.DataFrame) -> str:
    """That not one of some recordings could be heard, and what is most often wrong with them; empty where one was.

    Args:
        files: `state` and `message` of each, as `find_detections` gives them.

    >>> unheard_words(pd.DataFrame({"state": ["not heard"], "message": ["Permission denied"]}))
    '0 of 1 recording could be heard: Permission denied'
    """
    if files.empty or (files.state != UNHEARD).any():
        return ""
    reasons = files.message.dropna().value_counts().index
    return f"0 of {count(len(files), 'recording')} could be heard" + (
        f": {reasons[0]}" if len(reasons) else ""
    )


def refuse_unheard(files: pd.DataFrame | None) -> None:
    """Refuse to call a run a success in which there was nothing to hear; None is no detection run.

    Raises:
        InputError: not one of the recordings could be heard.
    """
    if files is not None and (words := unheard_words(files[files.state != COPY])):
        raise InputError(f"{words}. Mend that and run again; `broken.csv` says what is wrong with each.")


def _why_unmeasured(run: DetectionRun) -> str:
    if not run.classifier.has_own_threshold:
        return "threshold, band or sensitivity of this run are not those that were measured"
    if len(run.classifier.labels) > 1:
        if run.classifier.of_labels:
            return "their rates differ by label, see below"
        return "they were not measured class by class"
    return "the classifier does not tell how many labelled clips without the target it flagged"


def _expected_words(run: DetectionRun) -> str:
    """What the measured false positive rate amounts to on as much sound as was heard."""
    rate = measured_rate(run.classifier)
    if rate is None or not run.n_windows:
        return ""
    value, *ends = rate.rates
    low, high = (amount_of(end * run.n_windows) for end in ends)
    return (
        f"The false positive rate on {_SPLIT_WORDS[rate.split]} was {rate.n_flagged:,} of "
        f"{count(rate.n_negative, 'clip')}: {_fine_percent(value)}, and between {_fine_percent(ends[0])} and "
        f"{_fine_percent(ends[1])} ({BOUND_WORDS}). As much sound without the target would give about "
        f"{amount_of(value * run.n_windows)} flagged windows ({low} to {high})."
    )


def _fine_percent(value: float) -> str:
    """Percent to three digits: a season multiplies each of them.

    >>> _fine_percent(0.03347), _fine_percent(0.5)
    ('3.35\\xa0%', '50\\xa0%')
    """
    return f"{100 * value:.3g}{NBSP}%"


def _false_nights(run: DetectionRun) -> str:
    """How many nights without the target would have a detection all the same."""
    value, low, high = (run.nights[f"{CHANCE}{end}"].sum() for end in ENDS)
    if measured_rate(run.classifier) is None:
        return "a night is one recorder's"
    return f"false alarms alone: {amount(value)} ({amount(low)} to {amount(high)}); a night is one recorder's"


def _nights(run: DetectionRun) -> Section:
    blocks: list[Block] = [
        Picture(
            "activity",
            "Detections by recorder and night, right or not. A grey field is a night that was heard without a "
            "detection; where nothing is drawn there was nothing to hear, which says nothing about the animal. A night "
            "is one recorder's, named by the date of its evening.",
        ),
        _by_recorder(run),
        Picture(
            "hours",
            "Detections by clock hour, over the hours that were heard. Clocks are the recorders' own.",
        ),
    ]
    return Section("nights", "Nights", blocks)


def _by_recorder(run: DetectionRun) -> Table:
    several = len(run.classifier.labels) > 1
    rows = []
    for names, part in run.nights.groupby(["recorder_id", "label"], sort=True):
        recorder, label = map(str, names)
        dated = part[part.night != UNKNOWN]
        states = dated.state.value_counts()
        detected = sorted(dated[dated.n_detections > 0].night)
        cells = [recorder, label, _hours(part.heard_h.sum())]
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
    return Table(shown, rows, "A night without recordings is no night without calls.")


def _expected_range(nights: pd.DataFrame) -> str:
    """False windows to expect of some nights, as an interval."""
    low, high = (nights[f"{EXPECTED}{end}"].sum(min_count=1) for end in ENDS[1:])
    return UNDEFINED if pd.isna(high) else f"{amount_of(low)} to {amount_of(high)}"


def _threshold(run: DetectionRun) -> Section:
    own = run.classifier
    rows = [
        ["classifier", f"`{own.name}`"],
        ["threshold as confidence", f"`{own.threshold_confidence:.4f}`"],
        ["threshold as logit", f"`{own.threshold_logit!r}`"],
        ["where it came from", own.threshold_from],
        ["sensitivity", f"`{own.sensitivity:g}`"],
        ["band", f"`{own.audio.fmin:g}` to `{own.audio.fmax:g}` Hz"],
        ["windows", f"3 s, overlap `{own.audio.overlap:g}` s"],
        ["detections at most this far apart are one", f"`{_gap(run.options)}`"],
    ]
    blocks: list[Block] = [Table(["what", "value"], rows)]
    measured = [
        [
            _SPLIT_WORDS[split],
            *(_rate(own.results, f"{split}_{name}") for name in ("precision", "recall", "fpr")),
        ]
        for split in _SPLIT_WORDS
        if f"{split}_recall" in own.results
    ]
    if measured:
        note = (
            "On labelled clips, at the classifier's own threshold."
            if own.has_own_threshold
            else "On labelled clips, at the classifier's own threshold and settings, which are not those of this run."
        )
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
        "Each label is flagged from its own threshold, which was chosen on validation; rates are those there. The last "
        f"column is what as much sound without the label would give ({BOUND_WORDS}).",
    )  # fmt: skip


def _gap(options: DetectionOptions) -> str:
    return "never merged" if options.merge_gap_s is None else f"{options.merge_gap_s:g} s"


def _rate(results: Mapping[str, float], name: str) -> str:
    return share(results.get(name, float("nan")))


def _meaning(run: DetectionRun) -> Section:
    label = listed(run.classifier.labels)
    said = [Text(text.format(label=label)) for text in MEANING]
    return Section("meaning", "What these counts do not mean", [Bullets(said)])


def _unheard(run: DetectionRun) -> Section:
    files = run.found.files[run.found.files.reason.notna() | run.found.files.message.notna()]
    if files.empty:
        return Section("unheard", "Not heard", [Text("Every recording was heard to its end.")])
    states = files.state.value_counts()
    words = {
        UNHEARD: "not heard at all", PARTLY: "heard in part", COPY: "second copies, not counted twice",
        HEARD: "heard to their end though their header says less",
    }  # fmt: skip
    tally = [f"{states[state]:,} {words[state]}" for state in words if state in states]
    shown = [_file_cells(row) for row in files.head(MOST_FILES).to_dict("records")]
    more = f"{len(files) - MOST_FILES:,} more are in `broken.csv`." if len(files) > MOST_FILES else ""
    table = Table(["recording", "state", "reason", "seconds heard", "what is wrong"], shown, more)
    of_all = Text(f"Of {count(len(run.found.files), 'file')}: {listed(tally)}.")
    return Section("unheard", "Not heard", [of_all, table])


def _file_cells(row: Mapping[Hashable, Any]) -> list[str]:
    reason = row["reason"].replace("_", " ") if isinstance(row["reason"], str) else ""
    return [f"`{row['file_path']}`", str(row["state"]), reason, f"{row['heard_s']:,.1f}", str(row["message"])]


def _listen(run: DetectionRun) -> Section:
    if run.top.empty:
        return Section("listen", "To listen to", [])
    rows = [_top_cells(row) for row in run.top.head(MOST_FILES).to_dict("records")]
    table = Table(["rank", "recording", "at, s", "night", "confidence", "clip"], rows)
    text = (
        f"The strongest detections, at most {run.options.queue_per_night} of a recorder's night; all "
        f"{len(run.top):,} are in `top.csv`. Clips have {run.options.clip_margin_s:g}\u00a0s more on both sides."
    )
    first = Fold(f"The first {len(rows)}", [table])
    return Section("listen", "To listen to", [Text(_nights_words(run)), Text(text), first])


def _nights_words(run: DetectionRun) -> str:
    """How far the nights are confirmed, what that cost, and what is left to hear."""
    nights = nights_to_confirm(run.found.detections, run.nights, run.options.night_budget)
    states = nights.review_state.value_counts()
    n_confirmed, n_rejected = (int(states.get(state, 0)) for state in (CONFIRMED, REJECTED))
    is_spent = (nights.review_state == UNCHECKED) & (nights.n_left == 0)
    n_heard = int(nights.n_heard.sum())
    cost = (
        f"{count(n_heard, 'detection')} heard, {n_heard / n_confirmed:.1f} a confirmed night"
        if n_confirmed
        else (f"{count(n_heard, 'detection')} heard")
    )
    settled = f"{n_confirmed:,} are confirmed and {n_rejected:,} rejected ({cost})"
    return (
        f"Of {count(len(nights), 'night')} with detections {settled}; {is_spent.sum():,} have spent their budget of "
        f"{run.options.night_budget}. `kedro review nights` asks for {nights.n_left.sum():,} more at the most, and "
        "passes over each night once it is confirmed."
    )


def _top_cells(row: Mapping[Hashable, Any]) -> list[str]:
    clip = f"`{row['clip_file']}`" if isinstance(row["clip_file"], str) else ""
    place = [f"{row['rank']:,}", f"`{row['file_path']}`", amount_of(row["start_s"])]
    return [*place, str(row["night"]), share(row["confidence"], 3), clip]


def amount_of(seconds: float) -> str:
    """Seconds with the digits that say something.

    >>> amount_of(12.0), amount_of(1234.5)
    ('12', '1,234.5')
    """
    return amount(seconds) if seconds < 10 else f"{seconds:,.1f}".removesuffix(".0")


def _where(run: DetectionRun) -> Section:
    rows = [
        ["`07_model_output/detection/detections/`", "every detection; Parquet by recorder and date"],
        [
            "`07_model_output/detection/scores/`",
            "the logit of every window: another threshold needs no listening",
        ],
        ["`verified.csv`", "the detections that people confirmed, alone"],
        ["`sample.csv`", "windows drawn to be checked, each with what it stands for and what people said"],
        ["`precision.csv`, `precision_by_place.csv`", "precision and share of calls at every threshold"],
        ["`call_density.csv`", "share of windows with the target by recorder and night, without a threshold"],
        ["`validation.csv`", "what the checked sample says, one row a label"],
        ["`nights.csv`, `hours.csv`", "one row a recorder, night (and hour) and label"],
        ["`effort.csv`", "seconds and windows heard by recorder, night and clock hour"],
        ["`files.csv`, `broken.csv`", "what became of every recording; those with something wrong"],
        ["`top.csv`, `clips/`", "the queue for checking, and its sound"],
        ["`night_queue.csv`", "what to hear next to confirm each night"],
        ["`occupancy/`", "detection histories, effort and covariates, with scripts for R"],
    ]
    if run.options.wanted_formats:
        rows.append(["`label_tables/`", f"detections for {listed(run.options.wanted_formats)}"])
    table = Table(["file", "what is in it"], rows)
    return Section("where", "Files", [table, Text("Files without a folder lie beside this page.", SOFT)])
