"""Detections that a page plays."""

import dataclasses

import pytest

from tests.field.detection.conftest import Season, make_classifier
from tests.field.detection.test_page import UNCHECKED
from vernal.field.detection.classifier import LabelThreshold
from vernal.field.detection.detection_run import DetectionRun
from vernal.field.detection.listing import list_for_detection
from vernal.field.detection.nights import count_nights
from vernal.field.detection.options import DetectionOptions
from vernal.field.detection.played import SHOWN, listen_section
from vernal.field.detection.top import choose_top
from vernal.reports.blocks import Heading, Sounds


@pytest.fixture
def run(recordings, season: Season):
    own = make_classifier(threshold=-1e9)
    season.scan(recordings, own)
    found = season.find(recordings, own, merge_gap_s=None)
    options = DetectionOptions(merge_gap_s=None)
    nights = count_nights(found, own.labels)
    top = choose_top(found.detections, list_for_detection(recordings), found.files, own.name, options)
    return DetectionRun(found, nights, top, UNCHECKED, own, options, str(recordings), False)


def kinds(run):
    found, title = {}, ""
    for block in listen_section(run).blocks:
        title = block.text if isinstance(block, Heading) else title
        if isinstance(block, Sounds):
            found[title] = block.clips
    return found


def test_the_strongest_and_the_weakest_are_played_from_the_recordings(run):
    shown = kinds(run)
    assert list(shown) == ["Strongest detections", "Weakest detections"]
    order = run.found.detections.sort_values("logit", ascending=False)
    confidence = [float(clip.title.split()[1]) for clip in shown["Strongest detections"]]
    assert confidence == pytest.approx(order.confidence.head(SHOWN).tolist(), abs=6e-4)
    weakest = [float(clip.title.split()[1]) for clip in shown["Weakest detections"]]
    assert weakest[0] == pytest.approx(order.confidence.min(), abs=6e-4)
    assert all(clip.sound and not clip.without for part in shown.values() for clip in part)
    assert "not checked" in shown["Strongest detections"][0].note


def test_what_people_rejected_is_played_as_false_alarms(run):
    states = ["rejected", *["confirmed"] * (len(run.found.detections) - 1)]
    judged = dataclasses.replace(run.found, detections=run.found.detections.assign(review_state=states))
    (clip,) = kinds(dataclasses.replace(run, found=judged))["False alarms"]
    assert ", rejected." in clip.note


def test_recordings_that_are_gone_are_said_to_be(run):
    shown = kinds(dataclasses.replace(run, audio_root="/gone"))
    assert all("cannot be played here" in clip.without for part in shown.values() for clip in part)


def test_of_several_labels_each_clip_says_its_own_and_the_weakest_are_those_next_to_theirs(run):
    assert all(clip.title.startswith("confidence") for part in kinds(run).values() for clip in part)
    found = run.found.detections.sort_values("logit", ascending=False, ignore_index=True)
    found = found.assign(label=["frog"] * SHOWN + ["owl", *["frog"] * (len(found) - SHOWN - 1)])
    nearest = float(found.logit[SHOWN])
    own = (LabelThreshold(-1e3, "", {}), LabelThreshold(nearest - 1e-3, "", {}))
    classifier = dataclasses.replace(run.classifier, labels=("frog", "owl"), of_labels=own)
    several = dataclasses.replace(
        run, classifier=classifier, found=dataclasses.replace(run.found, detections=found)
    )
    shown = kinds(several)
    assert shown["Weakest detections"][0].title.startswith("owl, confidence")
    assert all(clip.title.startswith("frog, ") for clip in shown["Strongest detections"])
    table = listen_section(several).blocks[-1].blocks[0]
    assert "label" in table.columns and all(len(row) == len(table.columns) for row in table.rows)
