"""What people said, brought to detections and nights."""

import pandas as pd
import pytest

from vernal.field.detection.detections import (
    DETECTION_COLUMNS,
    EFFORT_COLUMNS,
    FILE_COLUMNS,
    UNCHECKED,
    Detections,
)
from vernal.field.detection.nights import count_nights
from vernal.field.detection.verification import (
    CONFIRMED,
    REJECTED,
    UNDECIDED,
    VERDICT_COLUMNS,
    review_detections,
    verdicts_of,
    verified_detections,
)

WHEN = iter(range(10**6))


def said(start_s: float, end_s: float, decision: str, reviewer: str = "Ana", **other) -> dict:
    place = {"content_hash": "hash of a", "start_s": start_s, "end_s": end_s, "asked": "frog"}
    return {
        **place,
        "decision": decision,
        "reviewer": reviewer,
        "when": f"2025-05-01T{next(WHEN):08}",
        **other,
    }


def season(*spans: tuple[float, float], night: str = "2025-04-01") -> Detections:
    """Detections of one recording, and its hour of effort."""
    rows = [
        {"file_path": "a", "recorder_id": "R1", "night": night, "label": "frog", "start_s": start_s, "end_s": end_s,
         "n_windows": 1, "confidence": 0.9, "started_at": pd.Timestamp(f"{night} 21:00"), "review_state": UNCHECKED}
        for start_s, end_s in spans
    ]  # fmt: skip
    detections = pd.DataFrame(rows, columns=list(DETECTION_COLUMNS)).astype(
        {"started_at": "datetime64[ms]", "start_s": "float64", "end_s": "float64", "file_path": "str"}
    )
    file = {"file_path": "a", "recorder_id": "R1", "date": night, "time": "21:00:00", "state": "heard"}
    files = [file | {"content_hash": "hash of a"}, file | {"file_path": "b", "state": "copy"}]
    table = pd.DataFrame(files, columns=list(FILE_COLUMNS))
    effort = pd.DataFrame([("R1", night, 21, 3_600.0, 1_200)], columns=list(EFFORT_COLUMNS))
    return Detections(detections, table, effort)


@pytest.mark.parametrize(
    ("decisions", "states"),
    [
        ([said(3, 6, "target")], [CONFIRMED]),
        ([said(3, 6, "target"), said(3, 6, "unsure", "Bo")], [CONFIRMED]),
        ([said(3, 6, "not_target"), said(3, 6, "unsure", "Bo")], [REJECTED]),
        ([said(3, 6, "target"), said(3, 6, "not_target", "Bo")], [UNDECIDED]),
        ([said(3, 6, "unsure")], [UNDECIDED]),
        ([said(3, 6, "target"), said(3, 6, "not_target")], [REJECTED]),
        ([said(3, 6, "target"), said(6, 9, "not_target")], [CONFIRMED, REJECTED]),
        ([said(3, 6, "target", asked="toad"), said(3, 6, "not_target")], [REJECTED, CONFIRMED]),
    ],
)
def test_a_place_has_the_last_word_of_each_reviewer(decisions, states):
    assert verdicts_of(pd.DataFrame(decisions)).review_state.tolist() == states


def test_nobody_said_anything():
    assert verdicts_of(None).columns.tolist() == list(VERDICT_COLUMNS)
    found = review_detections(season((0, 3)), verdicts_of(None))
    assert found.detections.review_state.tolist() == [UNCHECKED]
    assert found.detections.reviewed_by.isna().all() and verified_detections(found.detections).empty


@pytest.mark.parametrize(
    ("decisions", "state"),
    [
        ([said(3, 12, "target")], CONFIRMED),
        ([said(6, 9, "target"), said(3, 6, "not_target")], CONFIRMED),  # one window of the detection
        ([said(0, 12, "target")], UNCHECKED),  # somewhere in it, perhaps outside the detection
        ([said(3, 12, "not_target")], REJECTED),
        ([said(0, 30, "not_target")], REJECTED),
        ([said(3, 6, "not_target"), said(6, 9, "not_target")], UNCHECKED),  # nobody heard the last window
        ([said(3, 7, "not_target"), said(6, 9, "not_target"), said(9, 12, "not_target")], REJECTED),
        ([said(3, 12, "unsure")], UNDECIDED),
        ([said(12, 15, "target"), said(0, 3, "not_target")], UNCHECKED),  # beside it
        ([said(3, 12, "target", content_hash="another")], UNCHECKED),
        ([said(3, 12, "target", asked="toad")], UNCHECKED),
    ],
)
def test_a_detection_is_what_the_places_in_it_are(decisions, state):
    found = review_detections(season((3, 12)), verdicts_of(pd.DataFrame(decisions)))
    assert found.detections.review_state.tolist() == [state]
    assert (found.detections.reviewed_by.isna() == (found.detections.review_state == UNCHECKED)).all()


def test_a_detection_says_by_whom_and_when():
    decisions = [said(0, 3, "target", "Bo"), said(0, 3, "target", "Ana"), said(9, 12, "not_target")]
    found = review_detections(season((0, 3), (9, 12), (15, 18)), verdicts_of(pd.DataFrame(decisions)))
    table = found.detections
    assert table.reviewed_by.astype(object).where(table.reviewed_by.notna(), None).tolist() == [
        "Ana; Bo",
        "Ana",
        None,
    ]
    assert table.reviewed_at[:2].tolist() == [decisions[1]["when"], decisions[2]["when"]]
    assert verified_detections(table).start_s.tolist() == [0]
    assert found.files is not None and list(table.columns) == list(DETECTION_COLUMNS)


@pytest.mark.parametrize(
    ("decisions", "state", "counts"),
    [
        ([], "unchecked", [0, 0]),
        ([said(0, 3, "target"), said(9, 12, "not_target")], "confirmed", [1, 1]),
        ([said(0, 3, "not_target")], "unchecked", [0, 1]),
        ([said(0, 3, "not_target"), said(9, 12, "not_target")], "rejected", [0, 2]),
        ([said(30, 33, "target")], "confirmed", [0, 0]),  # below the threshold, in the sample
        ([said(30, 33, "not_target")], "unchecked", [0, 0]),
    ],
)
def test_a_night_is_confirmed_rejected_or_unchecked(decisions, state, counts):
    verdicts = verdicts_of(pd.DataFrame(decisions) if decisions else None)
    (night,) = count_nights(
        review_detections(season((0, 3), (9, 12)), verdicts), ("frog",), verdicts=verdicts
    ).to_dict("records")
    assert night["review_state"] == state and [night["n_confirmed"], night["n_rejected"]] == counts
    assert night["has_detection"] and pd.isna(night["is_present"]) == (state != "confirmed")


def test_a_night_that_was_not_heard_and_one_without_detections_are_neither():
    found = season()
    assert count_nights(found, ("frog",)).review_state.tolist() == ["unchecked"]
    silent = Detections(found.detections, found.files.assign(state="not heard"), found.effort.iloc[:0])
    assert count_nights(silent, ("frog",)).review_state.tolist() == ["not heard"]
