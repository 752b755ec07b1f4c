from pathlib import Path

import pandas as pd
import pytest

from tests.field.detection.conftest import make_season
from vernal.clips.recording_names import RecorderOptions, recorders_of_folders
from vernal.common.problems import InputError
from vernal.field.detection.file_facts import identify
from vernal.field.detection.listing import list_for_detection, started_at


def test_recorders_come_from_names_and_else_from_folders(tmp_path: Path):
    listed = list_for_detection(make_season(tmp_path / "season", 0.1))
    assert listed.file_path.tolist() == sorted(listed.file_path)
    assert listed.recorder_id.value_counts().to_dict() == {"SMA01": 3, "Moth08": 3}
    assert listed.date.unique().tolist() == ["2025-04-04", "2025-04-03"]
    assert listed.time.tolist()[:2] == ["00:00:00", "01:00:00"]
    assert set(listed.audio_root) == {(tmp_path / "season").resolve().as_posix()}


@pytest.mark.parametrize(
    ("path", "root", "recorder"),
    [
        ("20250403_210000.WAV", "Moth08", "Moth08"),
        ("Moth08/a.wav", "season", "Moth08"),
        ("Moth08/2025-04-03/night 2/a.wav", "season", "Moth08"),
        ("2025/04/a.wav", "data", None),
        ("a.wav", "recordings", None),
        ("Cole Creek/AudioMoth/a.wav", "season", "Cole Creek"),
        ("Pond/Week 1/Card A/100MEDIA/a.wav", "April", "Pond"),
    ],
)
def test_folders_that_say_when_are_no_recorders(path, root, recorder):
    assert recorders_of_folders([path], root) == [recorder]


def list_of(folder: Path, *paths: str, **how) -> dict[str, str]:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"x")
    listed = list_for_detection(folder, **how)
    return dict(zip(listed.file_path, listed.recorder_id, strict=True))


def test_recorders_of_different_parents_are_apart(tmp_path: Path):
    found = list_of(
        tmp_path / "season", "Cole Creek/A12/20250403_210000.WAV", "Mill Pond/A12/20250405_210000.WAV",
        "2025-04/B7/20250403_210000.WAV", "2025-05/B7/20250503_210000.WAV",
    )  # fmt: skip
    assert sorted(found.values()) == ["B7", "B7", "Cole Creek/A12", "Mill Pond/A12"]


def test_recorders_whose_names_differ_in_letters_alone_are_one_and_that_is_told(tmp_path: Path, caplog):
    found = list_of(
        tmp_path / "s",
        "moth08/20250404_210000.WAV",
        "Moth08/20250403_210000.WAV",
        "Moth08/20250405_210000.WAV",
    )
    assert set(found.values()) == {"Moth08"}
    assert "recorder_id: read 'moth08' as 'Moth08'." in caplog.text


def test_cards_that_began_a_recording_at_one_time_are_of_several_recorders(tmp_path: Path):
    one_after_another = [f"Card {card}/2025040{day}_210000.WAV" for day, card in enumerate("AB", 3)]
    assert set(list_of(tmp_path / "pond", *one_after_another).values()) == {"pond"}
    found = list_of(tmp_path / "creek", *one_after_another, "Card B/20250403_210000.WAV")
    assert set(found.values()) == {"creek/Card A", "creek/Card B"}


def test_a_pattern_says_which_recorder_it_is(tmp_path: Path):
    paths = ("North_1/a_77_20250403_210000.wav", "north_1/b_78_20250404_210000.wav", "x/20250405_210000.wav")
    found = list_of(tmp_path, *paths, recorder_pattern=r"(?i)^(?P<recorder>north_\d+)/")
    assert list(found.values()) == ["North_1", "North_1", "x"]
    with pytest.raises(InputError, match=r"recorders\.pattern is 'west', which is found in none of 3 paths"):
        list_for_detection(tmp_path, recorder_pattern="west")
    with pytest.raises(ValueError, match="is no regular expression"):
        RecorderOptions(pattern="(")


def test_a_name_that_is_no_utf8_is_listed_and_told(tmp_path: Path, write_tone):
    write_tone(tmp_path / "R1_20250403_210000.wav")
    try:
        write_tone(tmp_path / "x.wav").rename(tmp_path / "H\udcfchn_20250403_220000.wav")
    except (OSError, UnicodeEncodeError):
        pytest.skip("this system has no such names")
    listed = list_for_detection(tmp_path)
    assert listed.file_path.tolist() == ["H\\xfchn_20250403_220000.wav", "R1_20250403_210000.wav"]
    facts = identify(f"{tmp_path.as_posix()}/{listed.file_path[0]}")
    assert facts.message == "its name is no UTF-8 text; rename the file" and not facts.is_readable


def test_names_that_tell_nothing_are_listed_without_a_time(tmp_path: Path, write_tone):
    write_tone(tmp_path / "pond" / "song of my frog.wav")
    write_tone(tmp_path / "pond" / "Pond_20251399_999999.wav")
    listed = list_for_detection(tmp_path / "pond")
    assert listed.date.isna().all() and listed.time.isna().all()
    assert listed.recorder_id.tolist() == ["pond", "pond"]
    assert started_at(listed).isna().all()


def test_files_that_cannot_be_read_are_listed_all_the_same(tmp_path: Path):
    (tmp_path / "Voice 20240501 153012.m4a").write_bytes(b"x")
    listed = list_for_detection(tmp_path)
    assert listed.file_path.tolist() == ["Voice 20240501 153012.m4a"]
    assert started_at(listed).tolist() == [pd.Timestamp("2024-05-01 15:30:12")]


def test_what_was_cut_out_into_a_data_folder_among_the_recordings_is_no_recording(tmp_path: Path, write_tone):
    season = tmp_path / "season"
    for name in (
        "Moth08/a.wav",
        "03_ponds/b.wav",
        "out/01_raw/c.wav",
        "out/08_reporting/detection/clips/d.wav",
    ):
        write_tone(season / name)
    kept = ["03_ponds/b.wav", "Moth08/a.wav", "out/01_raw/c.wav"]
    assert list_for_detection(season, data_root=season / "out").file_path.tolist() == kept
    assert len(list_for_detection(season, data_root=tmp_path / "elsewhere")) == 4
    # The recordings may lie in the data folder itself.
    assert len(list_for_detection(season / "out", data_root=season / "out")) == 1
    (season / "out" / "01_raw" / "c.wav").unlink()
    with pytest.raises(InputError, match="nothing but what was cut out of recordings"):
        list_for_detection(season / "out", data_root=season / "out")


def test_a_wrong_folder_is_named_with_its_setting(tmp_path: Path, write_tone):
    with pytest.raises(InputError, match=r"does not exist\. Correct detection\.recordings"):
        list_for_detection(tmp_path / "none")
    with pytest.raises(InputError, match=r"is the file .*a.wav; name the folder"):
        list_for_detection(write_tone(tmp_path / "a.wav"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no audio"):
        list_for_detection(tmp_path / "empty")
