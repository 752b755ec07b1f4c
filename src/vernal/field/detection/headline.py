"""What a detection run found, in a few sentences and numbers: what to count on, and what not."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from vernal.common.formatting import NBSP, count, hours, whole_range
from vernal.evaluation.proportions import BOUND_WORDS
from vernal.field.detection.detection_run import DetectionRun, unheard_words
from vernal.field.detection.false_alarms import ENDS, measured_rate
from vernal.field.detection.listing import UNKNOWN
from vernal.field.detection.nights import CHANCE
from vernal.field.detection.validation_section import confidence_of, precision_words
from vernal.field.detection.verification import CONFIRMED, REJECTED
from vernal.reports.blocks import BAD, GOOD, WARNING, Bullets, Section, Text, Tile, Tiles
from vernal.reports.sentences import sentences_of

sentence = sentences_of("vernal.field.detection")


@dataclass(frozen=True)
class _NightCounts:
    """Recorder-nights with a date, of one label or added up over several: heard, with a detection, confirmed, and
    rejected as a whole."""

    heard: int
    detected: int
    confirmed: int
    rejected: int


def _of_labels(run: DetectionRun) -> list[dict[str, Any]]:
    """Each of several labels with its nights and its number of detections; empty of one."""
    n_found = run.found.detections.label.value_counts()
    return [
        {"label": label, "nights": _count_nights(run, label), "n": int(n_found.get(label, 0))}
        for label in run.classifier.labels
        if run.has_several
    ]


def _count_nights(run: DetectionRun, label: str | None = None) -> _NightCounts:
    dated = run.nights[run.nights.night != UNKNOWN]
    if label is not None:
        dated = dated[dated.label == label]
    by_night = dated.groupby(["recorder_id", "night", *(["label"] if run.has_several else [])]).agg(
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
    details = [Text(words) for words in (_undated_words(run), _expected_words(run)) if words]
    shown = Bullets([text for text in said if text.text], is_lead=True)
    return Section(
        "answer", "The answer", [shown, Tiles(_tiles(run, nights)), *([Bullets(details)] if details else [])]
    )


def _tiles(run: DetectionRun, nights: _NightCounts) -> list[Tile]:
    recordings, of_heard = run.recordings, f"of {nights.heard:,}"
    heard = f"{count(len(recordings), 'recording')} of {count(recordings.recorder_id.nunique(), 'recorder')}"
    whole = sentence("headline.rejected", nights=nights)
    return [
        Tile(hours(run.heard_h), "hours heard", heard),
        Tile(f"{len(run.found.detections):,}", "detections", _flagged_words(run)),
        Tile(f"{nights.detected:,} {of_heard}", "nights with a detection", _false_nights(run)),
        Tile(f"{nights.confirmed:,} {of_heard}", "nights confirmed by a person", whole),
    ]


def _detected(run: DetectionRun, nights: _NightCounts) -> Text:
    """On how many nights there was a detection, or why there are none to count."""
    if unheard := unheard_words(run.recordings):
        return Text(sentence("headline.nothing_known", unheard=unheard), BAD)
    if not nights.heard and len(run.recordings):
        return Text(sentence("headline.no_nights"))
    found = run.found.detections
    n_recorders, n_all = found.recorder_id.nunique(), run.recordings.recorder_id.nunique()
    facts = {"n": len(found), "n_recorders": n_recorders, "n_all": n_all, "hours": hours(run.heard_h)}
    facts |= {"labels": run.classifier.labels, "of_labels": _of_labels(run)}
    return Text(sentence("headline.detected", nights=nights, **facts))


def _undated_words(run: DetectionRun) -> str:
    """Whose recordings are of no known night; empty where none are, or all."""
    undated = run.nights[run.nights.night == UNKNOWN].drop_duplicates("recorder_id")
    if undated.empty or (run.nights.night == UNKNOWN).all():
        return ""
    return sentence("headline.undated", n=int(undated.n_files.sum()), recorders=undated.recorder_id.tolist())


def _countable(run: DetectionRun, nights: _NightCounts) -> Text:
    """What may be counted: what a person confirmed."""
    if not nights.detected:
        return Text("")
    command = run.command("nights")
    if not nights.confirmed:
        return Text(sentence("headline.none_confirmed", command=command), WARNING)
    left = nights.detected - nights.confirmed - nights.rejected
    said = sentence(
        "headline.confirmed", nights=nights, left=left, of_labels=_of_labels(run), command=command
    )
    return Text(said, GOOD if left <= 0 else "")


def _missed_words(run: DetectionRun) -> str:
    """What is known of calls that were not flagged."""
    if not run.n_windows:
        return ""
    rows = run.validation.summary.to_dict("records")
    row = rows[0] if len(rows) == 1 else {}
    if pd.isna(row.get("share_of_calls")):
        return sentence("headline.missed", share=None)
    low, high = row["share_of_calls_low"], row["share_of_calls_high"]
    floor = confidence_of(row["floor_logit"])
    return sentence("headline.missed", share=row["share_of_calls"], low=low, high=high, floor=floor)


def headline(run: DetectionRun) -> Text:
    """How many flagged windows are right; unless a sample was checked, beside what false alarms would explain."""
    n_flagged = int(run.found.detections.n_windows.sum())
    if unheard := unheard_words(run.recordings):
        return Text(f"{unheard}.", BAD)
    if not n_flagged:
        return Text(sentence("headline.none_flagged", heard=run.n_windows), WARNING)
    flagged, checked = _flagged_words(run), _checked_words(run)
    if by_sample := _sample_words(run):
        return Text(f"{flagged}. {by_sample}")
    listen, own = checked or sentence("headline.listen"), run.classifier
    rate = measured_rate(own)
    if rate is None:
        facts = {"n_labels": len(own.labels), "has_points": bool(own.of_labels)}
        facts["has_own_threshold"] = own.has_own_threshold
        return Text(sentence("headline.not_measured", flagged=flagged, listen=listen, **facts), WARNING)
    most = rate.most_flagged(run.n_windows)
    if n_flagged <= most:
        return Text(sentence("headline.no_more", flagged=flagged, checked=checked), WARNING)
    return Text(sentence("headline.more", flagged=flagged, most=most, listen=listen), GOOD)


def _flagged_words(run: DetectionRun) -> str:
    """How many windows were flagged; one that several labels are in was flagged for each."""
    n, n_labels = int(run.found.detections.n_windows.sum()), len(run.classifier.labels)
    return sentence("headline.flagged", n=n, n_labels=n_labels, heard=run.n_windows)


def _sample_words(run: DetectionRun) -> str:
    """Precision by the checked sample; empty where too little was checked, or of several labels."""
    rows = run.validation.summary.to_dict("records")
    return precision_words(rows[0]) if len(rows) == 1 else ""


def _checked_words(run: DetectionRun) -> str:
    """How many of the detections that people checked were right."""
    states = run.found.detections.review_state.value_counts()
    n_right, n_wrong = (int(states.get(state, 0)) for state in (CONFIRMED, REJECTED))
    n = n_right + n_wrong
    return sentence("headline.checked", n_right=n_right, n=n) if n else ""


def _expected_words(run: DetectionRun) -> str:
    """What the measured false positive rate amounts to on as much sound as was heard."""
    rate = measured_rate(run.classifier)
    if rate is None or not run.n_windows:
        return ""
    shares = [_fine_percent(end) for end in rate.rates]
    windows = whole_range(*(end * run.n_windows for end in rate.rates))
    return sentence("headline.expected", rate=rate, shares=shares, windows=windows, bound_words=BOUND_WORDS)


def _fine_percent(value: float) -> str:
    """Percent to three digits: a season multiplies each of them.

    >>> _fine_percent(0.03347), _fine_percent(0.5)
    ('3.35\\xa0%', '50\\xa0%')
    """
    return f"{100 * value:.3g}{NBSP}%"


def _false_nights(run: DetectionRun) -> str:
    """How many nights without the target would have a detection all the same."""
    value, low, high = (run.nights[f"{CHANCE}{end}"].sum() for end in ENDS)
    facts = {"is_measured": measured_rate(run.classifier) is not None, "are_several": run.has_several}
    return sentence("headline.false_nights", value=value, low=low, high=high, **facts)
