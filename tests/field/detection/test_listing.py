from pathlib import Path

import pandas as pd
import pytest

from tests.field.detection.conftest import make_season
from vernal.common.problems import InputError
from vernal.field.detection.listing import list_for_detection, recorder_of_folder, started_at


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
        ("2025/04/a.wav", "data", "unknown"),
        ("a.wav", "recordings", "unknown"),
    ],
)
def test_folders_that_say_when_are_no_recorders(path, root, recorder):
    assert recorder_of_folder(path, root) == recorder


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
