"""What a detection run found, in a few sentences and numbers: what to count on, and what not."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from vernal.clips.manifest import on_split
from vernal.common.formatting import NBSP, amount, count, fine_amount, hours, listed, percent
from vernal.evaluation.proportions import BOUND_WORDS
from vernal.field.detection.detection_run import DetectionRun, unheard_words
from vernal.field.detection.false_alarms import ENDS, measured_rate
from vernal.field.detection.listing import UNKNOWN
from vernal.field.detection.nights import CHANCE
from vernal.field.detection.validation_section import confidence_of, precision_words
from vernal.field.detection.verification import CONFIRMED, REJECTED
from vernal.reports.blocks import BAD, GOOD, WARNING, Bullets, Section, Text, Tile, Tiles


@dataclass(frozen=True)
class _NightCounts:
    """Recorder-nights with a date: heard, with a detection, confirmed, and rejected as a whole."""

    heard: int
    detected: int
    confirmed: int
    rejected: int


def _count_nights(run: DetectionRun) -> _NightCounts:
    dated = run.nights[run.nights.night != UNKNOWN]
    by_night = dated.groupby(["recorder_id", "night"]).agg(
        n=("n_detections", "sum"), heard=("heard_h", "max"), states=("review_state", set)
    )
    return _NightCounts(
        int((by_night.heard > 0).sum()),
        int((by_night.n > 0).sum()),
        sum(CONFIRMED in states for states in by_night.states),
        sum(REJECTED in states and CONFIRMED not in states for states in by_night.states),
    )


def answer_section(run: DetectionRun) -> Section:
    """Where it was detected, how much of that is right, and what may be counted; then the numbers."""
    nights = _count_nights(run)
    said = [_detected(run, nights), headline(run), _countable(run, nights), Text(_missed_words(run))]
    details = [Text(words) for words in (_expected_words(run),) if words]
    shown = Bullets([text for text in said if text.text], is_lead=True)
    return Section(
        "answer", "The answer", [shown, Tiles(_tiles(run, nights)), *([Bullets(details)] if details else [])]
    )


def _tiles(run: DetectionRun, nights: _NightCounts) -> list[Tile]:
    detections, recordings = run.found.detections, run.recordings
    heard = f"{count(len(recordings), 'recording')} of {count(recordings.recorder_id.nunique(), 'recorder')}"
    whole = f"rejected: {nights.rejected:,}, where every detection was heard and none was the target"
    return [
        Tile(hours(run.heard_h), "hours heard", heard),
        Tile(f"{len(detections):,}", "detections", _flagged_words(run)),
        Tile(f"{nights.detected:,} of {nights.heard:,}", "nights with a detection", _false_nights(run)),
        Tile(f"{nights.confirmed:,} of {nights.heard:,}", "nights confirmed by a person", whole),
    ]


def _detected(run: DetectionRun, nights: _NightCounts) -> Text:
    """On how many nights there was a detection, or why there are none to count."""
    if nothing_heard := unheard_words(run.recordings):
        return Text(f"{nothing_heard}. Nothing is known of any night.", BAD)
    if not nights.heard and len(run.recordings):
        return Text("No recording's name tells when it was made, so there are no nights to count.")
    found = run.found.detections
    recorders = (
        f"{found.recorder_id.nunique():,} of {count(run.recordings.recorder_id.nunique(), 'recorder')}"
    )
    return Text(
        f"{listed(run.classifier.labels)} was detected on {nights.detected:,} of {count(nights.heard, 'night')}, at "
        f"{recorders}: {count(len(found), 'detection')} in {hours(run.heard_h)} hours of sound."
    )


def _countable(run: DetectionRun, nights: _NightCounts) -> Text:
    """What may be counted: what a person confirmed."""
    if not nights.detected:
        return Text("")
    if not nights.confirmed:
        words = "No night is confirmed by a person yet, so none counts as a record: `kedro review nights`."
        return Text(words, WARNING)
    left = nights.detected - nights.confirmed - nights.rejected
    more = f" {count(left, 'night')} with detections still {'has' if left == 1 else 'have'} to be checked:"
    more += " `kedro review nights`."
    return Text(
        f"A person confirmed it on {count(nights.confirmed, 'night')}; these may be counted as records."
        f"{more if left > 0 else ''}",
        GOOD if left <= 0 else "",
    )


def _missed_words(run: DetectionRun) -> str:
    """What is known of calls that were not flagged."""
    if not run.n_windows:
        return ""
    rows = run.validation.summary.to_dict("records")
    row = rows[0] if len(rows) == 1 else {}
    nights = "A night without a detection can still have calls."
    if pd.isna(row.get("share_of_calls")):
        return f"How many calls and nights were missed is not known. {nights}"
    low, high = percent(row["share_of_calls_low"]), percent(row["share_of_calls_high"])
    floor = percent(confidence_of(row["floor_logit"]))
    return (
        f"It flags about {percent(row['share_of_calls'])} of the windows with calls ({low} to {high}), not counting "
        f"those with a confidence below {floor}. {nights}"
    )


def headline(run: DetectionRun) -> Text:
    """How many flagged windows are right; unless a sample was checked, beside what false alarms would explain."""
    flagged, n_windows = int(run.found.detections.n_windows.sum()), run.n_windows
    if nothing_heard := unheard_words(run.recordings):
        return Text(f"{nothing_heard}.", BAD)
    if not flagged:
        return Text(f"None of {count(n_windows, 'window')} was flagged.", WARNING)
    said = _flagged_words(run)
    if by_sample := _sample_words(run):
        return Text(f"{said}. {by_sample}")
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


def _flagged_words(run: DetectionRun) -> str:
    """How many windows were flagged; one that several labels are in was flagged for each."""
    flagged, heard = int(run.found.detections.n_windows.sum()), count(run.n_windows, "window")
    if len(run.classifier.labels) > 1:
        return f"{count(flagged, 'flag')} of {count(len(run.classifier.labels), 'label')} in {heard}"
    return f"{flagged:,} of {heard} {'was' if flagged == 1 else 'were'} flagged"


def _sample_words(run: DetectionRun) -> str:
    """Precision by the checked sample; empty where too little was checked, or of several labels."""
    rows = run.validation.summary.to_dict("records")
    return precision_words(rows[0]) if len(rows) == 1 else ""


def _checked_words(run: DetectionRun) -> str:
    """How many of the detections that people checked were right."""
    states = run.found.detections.review_state.value_counts()
    n_right, n_wrong = (int(states.get(state, 0)) for state in (CONFIRMED, REJECTED))
    if not n_right + n_wrong:
        return ""
    share_right = percent(n_right / (n_right + n_wrong))
    checked = count(n_right + n_wrong, "detection")
    return f"People confirmed {n_right:,} of {checked} that they checked ({share_right})."


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
    low, high = (fine_amount(end * run.n_windows) for end in ends)
    return (
        f"Labelled clips without the target that were flagged all the same, {on_split(rate.split)}: "
        f"{rate.n_flagged:,} of {count(rate.n_negative, 'clip')}, {_fine_percent(value)}, and between "
        f"{_fine_percent(ends[0])} and {_fine_percent(ends[1])} ({BOUND_WORDS}). "
        "As much sound as was heard here, all without the target, "
        f"would give about {fine_amount(value * run.n_windows)} flagged windows ({low} to {high})."
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
