"""The drawn windows: real ones, each standing for its share, and the same at every run."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tests.field.detection.conftest import Season, make_classifier, write_noise
from vernal.field.detection.detections import find_detections
from vernal.field.detection.listing import list_for_detection
from vernal.field.detection.options import DetectionOptions
from vernal.field.detection.sample import SAMPLE_COLUMNS, ScoredSeason, count_lines, draw_sample
from vernal.field.detection.sample_design import STRATUM_COLUMNS

OWN = make_classifier(threshold=0.5, labels=("frog", "toad"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("season")
    for number in range(4):
        write_noise(folder / "east" / f"SMA01_2025040{number + 3}_210000.wav", 31.0, number)
        write_noise(folder / f"Moth08_2025040{number + 3}_230000.wav", 31.0, 10 + number)
    return folder


def drawn(season: Season, folder, known=(None, None), classifier=OWN, **options):
    """A run's sample, strata and window counts."""
    settings = DetectionOptions(**{"sample": 20, **options})
    listed = list_for_detection(folder)
    lines = count_lines(settings, classifier, known[1])
    found = find_detections(listed, season.files.load(), season.scores, classifier, settings, lines=lines)
    scored = ScoredSeason(found.files, listed.audio_root[0], season.files.load(), season.scores, classifier)
    return *draw_sample(scored, found.counts, settings, *known), found.counts


@pytest.fixture
def scanned(folder, season: Season) -> Season:
    season.scan(folder, OWN)
    return season


def test_windows_are_those_of_the_scores_and_stand_for_all(scanned, folder):
    sample, strata, counts = drawn(scanned, folder)
    assert list(sample.columns) == list(SAMPLE_COLUMNS) and list(strata.columns) == list(STRATUM_COLUMNS)
    assert sample.label.value_counts().to_dict() == {"frog": 20, "toad": 20}
    assert not sample.duplicated(["content_hash", "start_s", "label"]).any()
    floor = np.log(0.05 / 0.95)
    for label in OWN.labels:
        here = sample[sample.label == label]
        of_all = counts[(counts.label == label) & (counts.logit >= floor)].n_windows.sum()
        assert here.weight.sum() == pytest.approx(of_all), "weights add up to the windows that they stand for"
    for row in sample.to_dict("records"):
        block = scanned.scores.load(OWN.run_key, row["content_hash"], 0)
        at = np.flatnonzero(block.start_s == row["start_s"])[0]
        assert (
            block.end_s[at] == row["end_s"]
            and block.logits[at, OWN.labels.index(row["label"])] == row["logit"]
        )
        assert row["stratum_low"] <= row["logit"] and row["weight"] == row["n_in_stratum"] / row["n_drawn"]
        assert row["night"] == str(row["started_at"])[:10] and row["recorder_id"] in row["file_path"]


def test_a_run_again_changes_nothing_and_a_larger_sample_adds(scanned, folder):
    first, strata, _ = drawn(scanned, folder)
    again, same, _ = drawn(scanned, folder, (first, strata))
    pd.testing.assert_frame_equal(first, again)
    pd.testing.assert_frame_equal(strata, same)
    more, _, _ = drawn(scanned, folder, (first, strata), sample=34)
    assert more.groupby("label").size().tolist() == [34, 34] and sorted(more.draw.unique()) == [1, 2]
    place = ["content_hash", "start_s", "label"]
    assert len(first.merge(more, on=place)) == len(first)
    whole, _, _ = drawn(scanned, folder, (first, strata), sample=500)
    assert (whole.weight == 1).all() and not whole.duplicated(place).any()


def test_another_seed_classifier_or_floor_is_another_sample(scanned, folder):
    first, strata, _ = drawn(scanned, folder)
    place = ["content_hash", "start_s", "label"]
    for change in (
        {"sample_seed": 1},
        {"sample_floor": 0.2},
        {"classifier": dataclasses.replace(OWN, sensitivity=1.1)},
    ):
        other, _, _ = drawn(scanned, folder, (first, strata), **change)
        assert set(other.draw) == {1} and len(first.merge(other, on=place)) < len(first)
        assert set(other.scores_of).isdisjoint(first.scores_of)


def test_a_season_that_grows_keeps_what_was_drawn(folder, season: Season, tmp_path):
    part = tmp_path / "part"
    part.mkdir()
    for path in sorted(folder.rglob("*.wav"))[:5]:
        (part / path.name).write_bytes(path.read_bytes())
    season.scan(part, OWN)
    first, strata, _ = drawn(season, part)
    for path in sorted(folder.rglob("*.wav"))[5:]:
        (part / path.name).write_bytes(path.read_bytes())
    season.scan(part, OWN)
    grown, _, _ = drawn(season, part, (first, strata))
    place = ["content_hash", "start_s", "label"]
    assert len(first.merge(grown, on=place)) == len(first) and len(grown) > len(first)
    new = grown[grown.draw == 2]
    assert set(new.night).isdisjoint(set(first.night)) or set(new.recorder_id + new.night).isdisjoint(
        first.recorder_id + first.night
    )


def test_nothing_to_draw_from_is_an_empty_sample(season: Season, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "R1_20250403_210000.wav").write_bytes(b"no sound")
    season.scan(tmp_path / "in", OWN)
    sample, strata, _ = drawn(season, tmp_path / "in")
    assert sample.empty and strata.n_windows.sum() == 0 and set(strata.label) == {"frog", "toad"}
    none, _, _ = drawn(season, tmp_path / "in", sample=0)
    assert none.empty
