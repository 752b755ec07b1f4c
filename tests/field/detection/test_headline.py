"""What a detection run's page says first."""

from dataclasses import replace

import numpy as np
import pandas as pd

from tests.field.detection.conftest import make_classifier
from vernal.field.detection.detection_run import DetectionRun
from vernal.field.detection.detections import Detections
from vernal.field.detection.headline import answer_section, headline
from vernal.field.detection.options import DetectionOptions
from vernal.field.detection.validation import Validation

SUMMARY = {
    "label": "frog", "n_sampled": 96, "n_checked": 96, "n_confirmed": 29, "floor_logit": -2.944, "precision": 0.40,
    "precision_low": 0.31, "precision_high": 0.51, "share_of_calls": 0.91, "share_of_calls_low": 0.72,
    "share_of_calls_high": 0.99,
}  # fmt: skip


def run_of(states=("unchecked",) * 4, summary=None, nights="unchecked", **files) -> DetectionRun:
    """Four detections on two of three nights of one recorder."""
    detections = pd.DataFrame(
        {"recorder_id": "R1", "label": "frog", "n_windows": 5, "review_state": list(states),
         "logit": np.arange(4.0), "file_path": "a.wav", "start_s": 0.0}
    )  # fmt: skip
    recordings = pd.DataFrame(
        {"state": ["heard"], "recorder_id": "R1", "n_windows": 600, "message": None} | files
    )
    effort = pd.DataFrame({"heard_s": [1_800.0]})
    by_night = pd.DataFrame(
        {"recorder_id": "R1", "night": ["2025-04-01", "2025-04-02", "2025-04-03"], "n_detections": [3, 1, 0],
         "heard_h": 0.2, "review_state": [nights, nights, "unchecked"], "false_night_chance": 0.1,
         "false_night_chance_low": 0.0, "false_night_chance_high": 0.2}
    )  # fmt: skip
    told = Validation(*(pd.DataFrame() for _ in range(3)), pd.DataFrame([summary] if summary else []))
    own = make_classifier(labels=("frog",))
    found = Detections(detections, recordings, effort)
    return DetectionRun(
        found,
        by_night,
        pd.DataFrame(),
        told,
        own,
        DetectionOptions(),
        "/gone",
        False,
        params=("", "data_root=/x/out"),
    )


def lead_of(run) -> str:
    return " ".join(item.text for item in answer_section(run).blocks[0].items)


def test_nothing_checked_counts_nothing():
    said = lead_of(run_of())
    assert (
        "frog was detected on 2 of 3 nights, at 1 of 1 recorder: 4 detections in 0.50 hours of sound." in said
    )
    assert (
        "No night is confirmed by a person yet, so none counts as a record: `kedro review nights --params=data_root=/x/out`."
        in said
    )
    assert "How many calls and nights were missed is not known." in said


def test_a_checked_sample_says_how_many_are_right_and_how_many_calls_were_missed():
    said = lead_of(run_of(summary=SUMMARY))
    assert "40\xa0% of the flagged windows are right (31\xa0% to 51\xa0%)" in said
    assert "It flags about 91\xa0% of the windows with calls (72\xa0% to 99\xa0%)" in said
    assert "false alarms alone" not in said
    assert headline(run_of(summary=SUMMARY)).text.startswith(
        "20 of 600 windows were flagged. By the checked sample"
    )


def test_too_small_a_sample_says_nothing_of_precision():
    said = lead_of(run_of(summary=SUMMARY | {"n_checked": 3, "share_of_calls": np.nan}))
    assert "By the checked sample" not in said and "missed is not known" in said


def test_confirmed_nights_may_be_counted():
    said = lead_of(run_of(nights="confirmed", states=["confirmed", "rejected", "unchecked", "unchecked"]))
    assert "A person confirmed it on 2 nights; these may be counted as records." in said
    assert "People confirmed 1 of 2 detections that they checked (50\xa0%)." in said
    rejected = lead_of(run_of(nights="rejected"))
    assert "counted as records" not in rejected


def test_rejected_nights_are_those_of_which_all_was_heard():
    def tile_of(state):
        tiles = answer_section(run_of(nights=state)).blocks[1].tiles
        return next(tile for tile in tiles if tile.label.startswith("nights confirmed"))

    assert tile_of("unchecked").detail == "none rejected"
    assert (
        tile_of("rejected").detail
        == "2 rejected: every detection of these was heard, and none was the target"
    )


def test_recordings_that_could_not_be_heard_tell_nothing():
    said = lead_of(run_of(state=["not heard"], message=["Permission denied"]))
    assert "0 of 1 recording could be heard: Permission denied. Nothing is known about any night." in said
    assert "was detected on" not in said


def test_several_labels_are_told_one_by_one():
    one = run_of(nights="confirmed", states=["confirmed", "rejected", "unchecked", "unchecked"])
    found = one.found.detections.assign(label=["frog", "frog", "frog", "owl"])
    of_owl = one.nights.assign(label="owl", n_detections=[0, 1, 0], review_state="unchecked")
    run = replace(
        one,
        classifier=make_classifier(labels=("frog", "owl")),
        found=replace(one.found, detections=found),
        nights=pd.concat([one.nights.assign(label="frog"), of_owl], ignore_index=True),
    )
    said = lead_of(run)
    assert (
        "Detected: frog on 2 of 3 nights (3 detections), owl on 1 of 3 nights (1 detection); at 1 of 1 recorder"
        in said
    )
    assert "A person confirmed frog on 2 nights, owl on 0 nights; these may be counted as records." in said
    assert "1 night with detections still has to be checked" in said
    tiles = {tile.label: tile for tile in answer_section(run).blocks[1].tiles}
    assert tiles["nights with a detection"].value == "3 of 6"
    assert "per recorder and label" in tiles["nights with a detection"].detail


def test_recordings_of_no_known_night_are_said_to_be_in_no_count():
    run = run_of()
    undated = run.nights.tail(1).assign(recorder_id="R2", night="unknown", n_files=3)
    page = answer_section(replace(run, nights=pd.concat([run.nights, undated])))
    said = " ".join(item.text for item in page.blocks[-1].items)
    assert said.startswith("3 recordings of R2 are of no known night and in no count of nights:")
    assert "2 of 3 nights" in page.blocks[0].items[0].text
