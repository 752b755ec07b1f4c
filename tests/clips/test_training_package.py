"""The folder of audio for people who train elsewhere."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from vernal.clips.training_package import INDEX_NAME, safe_name, write_training_package
from vernal.common.problems import InputError


def tone(path, seconds=1.0, rate=48_000, hz=440):
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(seconds * rate)) / rate
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * hz * time), rate)


@pytest.fixture
def roots(tmp_path):
    base = tmp_path / "with space"
    for name, hz in (("a/one.wav", 300), ("b/one.wav", 400), ("b/ONE.flac", 500), ("two.wav", 600)):
        tone(base / "labelled" / name, hz=hz)
    tone(base / "field" / "night.wav", seconds=9)
    return {source: str(base / source) for source in ("labelled", "field")}


@pytest.fixture
def clips():
    return pd.DataFrame(
        {
            "clip_id": [f"{i:016x}" for i in range(5)],
            "source": ["labelled"] * 4 + ["field"],
            "file_path": ["a/one.wav", "b/one.wav", "b/ONE.flac", "two.wav", "night.wav"],
            "is_positive": [True, True, True, False, False],
            "start_s": [np.nan] * 4 + [3.0],
            "end_s": [np.nan] * 4 + [6.0],
            "quality": ["high", "low", "low", None, None],
        }
    )


def test_names_that_only_differ_in_folder_or_case_get_their_clip_id(clips, roots, tmp_path):
    index = write_training_package(clips.iloc[::-1], roots, tmp_path / "package", "RADR")
    assert index.file.tolist() == [
        "Negative/night.wav",
        "Negative/two.wav",
        "RADR/ONE_0000000000000002.flac",
        "RADR/one_0000000000000000.wav",
        "RADR/one_0000000000000001.wav",
    ]
    assert index.made_by.tolist() == ["cut", "link", "link", "link", "link"]
    on_disk = pd.read_csv(tmp_path / "package" / INDEX_NAME)
    assert on_disk.file.tolist() == index.file.tolist()
    assert str(tmp_path) not in (tmp_path / "package" / INDEX_NAME).read_text(encoding="utf-8")


@pytest.mark.parametrize("mode", ["link", "copy"])
def test_every_file_sounds_as_its_clip(mode, clips, roots, tmp_path):
    folder = tmp_path / "package"
    index = write_training_package(clips, roots, folder, "RADR", mode)
    for row in index.itertuples():
        found, rate = soundfile.read(folder / row.file)
        start, end = (
            (0, None) if np.isnan(row.start_s) else (int(row.start_s * 48_000), int(row.end_s * 48_000))
        )
        expected, _ = soundfile.read(Path(roots[row.source]) / row.file_path)
        np.testing.assert_array_equal(found, expected[start:end])
        assert rate == 48_000
        assert (folder / row.file).is_symlink() == (row.made_by == "link")
    assert set(index.made_by) == {mode, "cut"}


def test_links_that_the_system_refuses_become_copies(clips, roots, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("a required privilege is not held")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    index = write_training_package(clips, roots, tmp_path / "package", "RADR", "link")
    assert set(index.made_by) == {"copy", "cut"}
    assert soundfile.info(tmp_path / "package" / "Negative" / "two.wav").frames == 48_000


def test_a_cut_is_resampled_to_the_rate_that_is_embedded(roots, tmp_path):
    tone(Path(roots["field"]) / "slow.wav", seconds=4, rate=22_050)
    part = pd.DataFrame(
        {
            "clip_id": ["c"],
            "source": "field",
            "file_path": "slow.wav",
            "is_positive": False,
            "start_s": 1.0,
            "end_s": 2.5,
        }
    )
    index = write_training_package(part, roots, tmp_path / "package", "RADR")
    info = soundfile.info(tmp_path / "package" / index.file[0])
    assert (info.frames, info.samplerate, info.subtype) == (72_000, 48_000, "FLOAT")


def test_an_earlier_package_is_replaced_and_leaves_nothing(clips, roots, tmp_path):
    folder = tmp_path / "package"
    write_training_package(clips, roots, folder, "RADR")
    write_training_package(clips.tail(2), roots, folder, "RADR")
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert files == ["Negative/night.wav", "Negative/two.wav", INDEX_NAME]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["notes.txt", "RADR/mine.wav", INDEX_NAME])
def test_a_folder_that_holds_something_else_is_left_alone(name, clips, roots, tmp_path):
    folder = tmp_path / "package"
    if name != INDEX_NAME:
        write_training_package(clips, roots, folder, "RADR")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("file\nnotes.txt\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"1 files that are not of an earlier package \(first: "):
        write_training_package(clips, roots, folder, "RADR")
    assert (folder / name).read_text(encoding="utf-8") == "file\nnotes.txt\n"


def test_a_failure_leaves_the_earlier_package_as_it_was(clips, roots, tmp_path, monkeypatch):
    folder = tmp_path / "package"
    write_training_package(clips, roots, folder, "RADR")
    before = sorted(path.name for path in folder.rglob("*"))

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(soundfile, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        write_training_package(clips, roots, folder, "RADR")
    assert sorted(path.name for path in folder.rglob("*")) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["package", "with space"]


def test_an_empty_class_still_has_its_folder(clips, roots, tmp_path):
    write_training_package(clips.head(2), roots, tmp_path / "package", "RADR")
    assert (tmp_path / "package" / "Negative").is_dir()


def test_missing_files_are_listed_together(clips, roots, tmp_path):
    clips.loc[[0, 3], "file_path"] = ["gone.wav", "gone too.wav"]
    with pytest.raises(InputError, match=r"audio file that does not exist \(2\): gone too.wav; gone.wav"):
        write_training_package(clips, roots, tmp_path / "package", "RADR")
    assert not (tmp_path / "package").exists()


def test_paths_stay_in_their_root(clips, roots, tmp_path):
    clips.loc[0, "file_path"] = "../field/night.wav"
    with pytest.raises(InputError, match="path that leaves its root"):
        write_training_package(clips, roots, tmp_path / "package", "RADR")
    with pytest.raises(InputError, match="source without a folder"):
        write_training_package(clips, {"labelled": roots["labelled"]}, tmp_path / "package", "RADR")


@pytest.mark.parametrize("label", ["a,b", "-RADR", "a/b", "CON", "x.", "", "negative"])
def test_labels_that_another_tool_would_misread_are_refused(label, clips, roots, tmp_path):
    with pytest.raises(InputError, match="another name"):
        write_training_package(clips, roots, tmp_path / "package", label)


def test_an_unknown_mode_is_refused(clips, roots, tmp_path):
    with pytest.raises(InputError, match="mode is 'move'; use link or copy"):
        write_training_package(clips, roots, tmp_path / "package", "RADR", "move")


@given(st.text(max_size=150))
def test_safe_names_are_safe_and_stay_as_they_are(name):
    safe = safe_name(name)
    assert safe and len(safe) <= 101
    assert not set(safe) & set('<>:"/\\|?*') and not any(ord(sign) < 32 for sign in safe)
    assert not safe.startswith((".", " ")) and not safe.endswith((".", " "))
    assert safe.partition(".")[0].upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9"}
    assert safe_name(safe) == safe
