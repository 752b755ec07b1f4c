"""One folder a class."""

import logging
import sys

import pytest

from vernal.clips.class_folders import label_of_folder, read_class_folders
from vernal.clips.manifest import check_manifest
from vernal.common.problems import InputError

BIRDNETS_NEGATIVES = ("noise", "other", "background", "silence")


@pytest.mark.parametrize("name", [*BIRDNETS_NEGATIVES, "Noise", "BACKGROUND", "Negative", "neg", "non-target", "noise,Other"])  # fmt: skip
def test_the_negatives_of_birdnet_analyzer_are_negatives_in_any_letters(name):
    assert label_of_folder(name) == "negative"


def test_the_negatives_are_those_of_the_installed_birdnet_analyzer():
    config = pytest.importorskip("birdnet_analyzer.config")
    assert tuple(sorted(config.NON_EVENT_CLASSES)) == tuple(sorted(BIRDNETS_NEGATIVES))


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Gallus gallus_Rooster", "Gallus gallus_Rooster"),
        ("rooster,dog bark", "rooster;dog bark"),
        ("rooster, Noise", "rooster"),
        ("-rooster", "not rooster"),
        ("positives", "positive"),
        ("Ka\u0308uzchen", "K\u00e4uzchen"),
    ],
)
def test_names_are_read_as_birdnet_analyzer_reads_them(name, label):
    assert label_of_folder(name) == label


def test_recordings_get_class_recorder_and_night_from_their_paths(tmp_path, write_tone):
    write_tone(tmp_path / "rooster" / "SMA00471_20250403_210000.wav")
    write_tone(tmp_path / "rooster,dog" / "a.WAV")
    write_tone(tmp_path / "Background" / "farm 1" / "b.wav")
    (tmp_path / "rooster" / "readme.txt").write_text("mine", encoding="utf-8")
    manifest = check_manifest(read_class_folders(tmp_path), "rooster", tmp_path)
    rows = manifest.set_index("file_path")
    assert rows.label.to_dict() == {
        "Background/farm 1/b.wav": "negative",
        "rooster,dog/a.WAV": "rooster;dog",
        "rooster/SMA00471_20250403_210000.wav": "rooster",
    }
    assert rows.is_positive.tolist() == [False, True, True]
    named = rows.loc["rooster/SMA00471_20250403_210000.wav"]
    assert (named.recorder_id, named.date, named.time) == ("SMA00471", "2025-04-03", "21:00:00")


def test_an_absent_class_is_no_positive(tmp_path, write_tone):
    for folder in ("rooster", "-rooster"):
        write_tone(tmp_path / folder / "a.wav")
    manifest = check_manifest(read_class_folders(tmp_path), "rooster", tmp_path)
    assert manifest.set_index("label").is_positive.to_dict() == {"rooster": True, "not rooster": False}


def test_recordings_outside_class_folders_are_told(tmp_path, write_tone, caplog):
    write_tone(tmp_path / "loose.wav")
    with pytest.raises(InputError, match=r"lie in no class folder \(loose.wav\).*collection.inbox="):
        read_class_folders(tmp_path)
    write_tone(tmp_path / "owl" / "a.wav")
    with caplog.at_level(logging.WARNING):
        assert read_class_folders(tmp_path).file_path.tolist() == ["owl/a.wav"]
    assert "loose.wav" in caplog.text


def test_tables_beside_clips_are_told_and_not_read(tmp_path, write_tone, caplog):
    write_tone(tmp_path / "owl" / "a.wav")
    (tmp_path / "owl" / "readme.txt").write_text("mine", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        read_class_folders(tmp_path)
    assert caplog.text == ""
    (tmp_path / "owl" / "a.Table.1.selections.txt").write_text("Selection", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert read_class_folders(tmp_path).file_path.tolist() == ["owl/a.wav"]
    assert "Label files beside the clips (owl/a.Table.1.selections.txt) are not read" in caplog.text


def test_a_folder_above_the_class_folders_is_told(tmp_path, write_tone, caplog):
    for name in ("RADR", "owl"):
        write_tone(tmp_path / "clips" / name / "a.wav")
    read_class_folders(tmp_path / "clips")
    assert not caplog.messages
    assert set(read_class_folders(tmp_path).label) == {"clips"}
    assert f"If these are the classes, name {(tmp_path / 'clips').as_posix()}." in caplog.text
    assert "its folders are RADR, owl" in caplog.text


def test_one_class_alone_says_what_is_missing(tmp_path, write_tone):
    write_tone(tmp_path / "owl" / "a.wav")
    with pytest.raises(InputError, match="no negative clip"):
        check_manifest(read_class_folders(tmp_path), "owl", tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_no_manifest_can_hold_are_left_out_and_told(tmp_path, write_tone, caplog):
    names = (
        "frog/a.wav",
        "frog/H\udcfchn.wav",
        "r\u202eain/b\x1b[31m.wav",
        "r\u202eain/new\nline.wav",
        "no\udcfft/c.wav",
    )
    for name in names:
        write_tone(tmp_path / "x.wav")
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / "x.wav").rename(tmp_path / name)
    write_tone(tmp_path / "frog" / "back\\slash.wav")
    clips = read_class_folders(tmp_path)
    assert sorted(clips.file_path) == sorted([names[0], names[2], names[3]])
    assert "3 recordings" in caplog.text and r"H\xfchn.wav" in caplog.text
