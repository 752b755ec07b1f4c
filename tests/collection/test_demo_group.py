"""The demo group is the same everywhere, and what is in it is what its record says."""

import hashlib
import io

import numpy as np
import pandas as pd
import pytest
import soundfile

from vernal.clips.annotation_formats import FORMATS, recognise
from vernal.clips.recording_metadata import read_header
from vernal.collection.demo_group import MARKED, DemoGroupOptions, plan_group, planted
from vernal.collection.demo_group_files import group_files
from vernal.collection.recovery import compare_with_planted

SMALL = DemoGroupOptions(n_nights=2, n_recordings=1, n_clips=2, n_others=2)


@pytest.fixture(scope="module")
def files():
    return group_files(plan_group(SMALL))


def test_the_same_settings_give_the_same_bytes_and_others_another_folder(files):
    again = group_files(plan_group(SMALL))
    assert list(files) == list(again)
    for path in [path for path in files if path.startswith(("recorders/pond", "phones", "labels/ben"))][:6]:
        assert files[path]() == again[path]()
    assert SMALL.folder != DemoGroupOptions(n_nights=2, n_recordings=1, n_clips=2, n_others=2, seed=1).folder
    other = group_files(
        plan_group(DemoGroupOptions(n_nights=2, n_recordings=1, n_clips=2, n_others=2, drift_db=0.0))
    )
    path = next(path for path in files if "/2025/" in path)
    assert hashlib.sha256(other[path]()).digest() != hashlib.sha256(files[path]()).digest()


def test_every_device_writes_as_it_does(files, tmp_path):
    origins = {
        "recorders/pond": "AudioMoth comment",
        "recorders/creek": "WAMD",
        "outsiders": "AudioMoth comment",
        "mined/SMA": "GUANO",
    }
    for start, origin in origins.items():
        path = next(path for path in files if path.startswith(start) and path.lower().endswith("wav"))
        (tmp_path / "a.wav").write_bytes(files[path]())
        facts = read_header(tmp_path / "a.wav")
        assert facts.origin == origin and facts.started_at.utcoffset().total_seconds() == -7 * 3600
    for suffix in (".flac", ".mp3"):
        path = next(path for path in files if path.endswith(suffix))
        samples, rate = soundfile.read(io.BytesIO(files[path]()))
        assert rate == 16_000 and np.abs(samples).max() > 0.01


def test_every_annotators_program_is_recognised(files):
    found = {}
    for path, make in files.items():
        if path.startswith(("labels/", "mined/baseline")) and not path.endswith((".yml", "readme.txt")):
            name = recognise(make().decode(), path)
            FORMATS[name].parse(make().decode(), path)
            found.setdefault(path.rsplit("/", 1)[0], set()).add(name)
    assert (
        found["labels/ana"] == {"audacity"}
        and found["labels/ben"] == {"raven"}
        and found["labels/cho"] == {"csv"}
    )
    assert found["labels/dora"] == {"csv", "kaleidoscope"} and found["mined"] == {"birdnet"}


def test_the_record_counts_what_is_there():
    group = plan_group(
        DemoGroupOptions(n_nights=8, n_others=4, annotators={"Ana": [0.0, 0.0], "Ben": [0.5, 0.3]})
    )
    record = planted(group)
    assert all(record["error_rates"]["Ana"][label] == {"miss": 0.0, "false_alarm": 0.0} for label in MARKED)
    for label in MARKED:
        assert record["error_rates"]["Ben"][label]["miss"] == pytest.approx(0.5, abs=0.15)
        assert record["error_rates"]["Ben"][label]["false_alarm"] == pytest.approx(0.3, abs=0.08)
    assert record["n_without_licence"] == 2 and record["n_mined"] == 4


def test_marks_stay_in_their_stretch():
    group = plan_group(SMALL)
    assert (group.marks.start_s >= group.marks.clip_number * 3).all() and (
        group.marks.end_s <= group.marks.clip_number * 3 + 3
    ).all()
    assert (group.sounds.end_s <= group.sounds.clip_number * 3 + 3).all()


def test_recovery_says_no_where_something_is_missed():
    record = {
        "error_rates": {"Ana": {"RADR": {"miss": 0.3, "false_alarm": 0.1}}}, "drift_db": 5.0, "n_copies": 1,
        "n_without_licence": 0, "n_unusable": 0, "n_mined": 0,
    }  # fmt: skip
    rates = pd.DataFrame({
        "label": "RADR", "annotator": "Ana", "true_value": [True, False], "said_value": [False, True], "rate": [0.1, 0.1],
        "low": [0.05, 0.05], "high": [0.2, 0.2],
    })  # fmt: skip
    shifts = pd.DataFrame({"band": ["4 kHz"], "shift_db": [4.9], "low": [4.0], "high": [6.0]})
    inventory = pd.DataFrame({"state": ["used"], "reason": pd.Series([np.nan], dtype="str")})
    choosers = pd.DataFrame({"chosen_by": ["people"], "n_recordings": [1]})
    found = compare_with_planted(record, rates, shifts, inventory, choosers).set_index("what").is_inside
    assert not found["Ana: misses of RADR"] and found["Ana: false alarms of RADR"] and not found["copies"]
    assert found["change of level around 4 kHz, dB"]
    assert len(compare_with_planted({}, rates, shifts, inventory, choosers)) == 0


@pytest.mark.parametrize(
    "settings", [{"n_nights": 0}, {"n_recordings": 5}, {"annotators": {"A": [1.0, 0]}}, {"labelled_share": 0}]
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match=r"collection\.demo_group"):
        DemoGroupOptions(**settings)
