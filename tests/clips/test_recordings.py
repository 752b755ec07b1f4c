from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vernal.audio.checks import check_audio
from vernal.clips.recordings import (
    IngestOptions,
    accept,
    clip_id,
    inspect_files,
    list_recordings,
    read_name,
    refuse_too_many,
)
from vernal.common.problems import InputError

WriteTone = Callable[..., Path]


def listed(*rows: tuple) -> pd.DataFrame:
    """(source, file_path, label, start_s, end_s) as listed rows."""
    frame = pd.DataFrame(rows, columns=["source", "file_path", "label", "start_s", "end_s"])
    return frame.assign(is_positive=frame.label == "positive", manifest_row=range(1, len(frame) + 1)).astype(
        {"start_s": "float64", "end_s": "float64"}
    )


def ingest(table: pd.DataFrame, root: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    roots = {source: str(root) for source in ("labelled", "field", "unlabelled")}
    paths = {root / path for path in table.file_path}
    return accept(table, roots, inspect_files(paths, IngestOptions()))


@pytest.mark.parametrize(
    ("path", "recorder", "date", "time"),
    [
        ("S4A03895_20190522_013000.flac", "S4A03895", "2019-05-22", "01:30:00"),
        ("x/Moth-08_20250403_210300_extra.wav", "Moth-08", "2025-04-03", "21:03:00"),
    ],
)
def test_names_tell_recorder_date_and_time(path, recorder, date, time):
    assert read_name(path) == {"recorder_id": recorder, "date": date, "time": time}


@pytest.mark.parametrize("path", ["frog.wav", "a_20251399_000000.wav", "20250403.wav"])
def test_other_names_tell_nothing(path):
    assert all(pd.isna(value) for value in read_name(path).values())


def test_a_folder_is_listed_in_order_without_hidden_files_and_outward_links(
    tmp_path: Path, write_tone: WriteTone
):
    folder = tmp_path / "season one"
    write_tone(folder / "b" / "R1_20250403_210000.wav")
    write_tone(folder / "a.wav")
    write_tone(folder / ".partial-x.wav")
    write_tone(folder / "b" / ".Trashes" / "501" / "thrown away.wav")
    write_tone(folder / "$Recycle.Bin" / "thrown away.wav")
    write_tone(tmp_path / "outside.wav")
    (folder / "notes.txt").write_text("x")
    try:
        (folder / "link.wav").symlink_to(tmp_path / "outside.wav")
    except OSError:
        pytest.skip("this system does not allow symbolic links")
    assert list_recordings(folder).file_path.tolist() == ["a.wav", "b/R1_20250403_210000.wav"]


def test_an_absent_or_empty_folder_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"does not exist\. Correct source\.field"):
        list_recordings(tmp_path / "none")
    with pytest.raises(InputError, match="has no audio"):
        list_recordings(tmp_path)


def test_every_listed_row_is_a_clip_or_a_reject_with_its_reason(tmp_path: Path, write_tone: WriteTone):
    write_tone(tmp_path / "good.wav", 3.0)
    write_tone(tmp_path / "short.wav", 0.05)
    write_tone(tmp_path / "silent.wav", 3.0, level=0.0)
    (tmp_path / "empty.wav").write_bytes(b"")
    whole = (tmp_path / "good.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.wav").write_text("this is no sound")
    names = ["good.wav", "short.wav", "silent.wav", "empty.wav", "cut.wav", "text.wav"]
    clips, rejects = ingest(listed(*(("labelled", name, "positive", None, None) for name in names)), tmp_path)
    assert clips.file_path.tolist() == ["good.wav"]
    reasons = dict(zip(rejects.file_path, rejects.reason, strict=True))
    assert reasons.keys() == set(names[1:])
    assert reasons["short.wav"] == "too_short"
    assert reasons["silent.wav"] == "silent"
    assert reasons["cut.wav"] == "truncated"
    assert rejects.message.notna().all()


def test_field_recordings_are_cut_into_clips_and_labelled_ones_are_not(tmp_path: Path, write_tone: WriteTone):
    write_tone(tmp_path / "long.wav", 7.5, hz=300)
    write_tone(tmp_path / "field.wav", 7.5, hz=200)
    clips, rejects = ingest(
        listed(
            ("labelled", "long.wav", "positive", None, None), ("field", "field.wav", "negative", None, None)
        ),
        tmp_path,
    )
    assert len(rejects) == 0
    assert (clips.source == "labelled").sum() == 1
    field = clips[clips.source == "field"].sort_values("start_s")
    assert field.start_s.tolist() == [0.0, 3.0, 6.0]
    assert field.end_s.tolist() == [3.0, 6.0, 7.5]
    assert clips.clip_id.is_unique


def test_field_recordings_are_cut_as_long_as_a_longer_window(tmp_path: Path, write_tone: WriteTone):
    write_tone(tmp_path / "field.wav", 12.5, hz=200)
    field = listed(("field", "field.wav", "negative", None, None))
    facts = inspect_files({tmp_path / "field.wav"}, IngestOptions())
    clips, _ = accept(field, {"field": str(tmp_path)}, facts, clip_s=5.0)
    clips = clips.sort_values("start_s")
    assert clips.start_s.tolist() == [0.0, 5.0, 10.0] and clips.end_s.tolist() == [5.0, 10.0, 12.5]


def test_the_same_audio_counts_once_and_contradictions_count_never(tmp_path: Path, write_tone: WriteTone):
    for name in ("a.wav", "b.wav", "field.wav"):
        write_tone(tmp_path / name, 3.0)
    for name in ("x.wav", "y.wav"):
        write_tone(tmp_path / name, 3.0, hz=900)
    clips, rejects = ingest(
        listed(
            ("labelled", "b.wav", "positive", None, None),
            ("labelled", "a.wav", "positive", None, None),
            ("field", "field.wav", "negative", None, None),
            ("labelled", "x.wav", "positive", None, None),
            ("labelled", "y.wav", "negative", None, None),
        ),
        tmp_path,
    )
    assert clips.file_path.tolist() == ["a.wav"]
    assert dict(zip(rejects.file_path, rejects.reason, strict=True)) == {
        "b.wav": "duplicate_audio",
        "field.wav": "duplicate_audio",
        "x.wav": "contradicting_labels",
        "y.wav": "contradicting_labels",
    }


def test_the_order_of_rows_changes_no_clip(tmp_path: Path, write_tone: WriteTone):
    for index in range(5):
        write_tone(tmp_path / f"{index}.wav", 2.0, hz=200 + 50 * index)
    rows = [("labelled", f"{index}.wav", "positive", None, None) for index in range(5)]
    one, _ = ingest(listed(*rows).drop(columns="manifest_row"), tmp_path)
    other, _ = ingest(listed(*rows[::-1]).drop(columns="manifest_row"), tmp_path)
    pd.testing.assert_frame_equal(one, other)


def test_a_part_beyond_the_recording_is_rejected(tmp_path: Path, write_tone: WriteTone):
    write_tone(tmp_path / "a.wav", 4.0)
    clips, rejects = ingest(
        listed(("labelled", "a.wav", "positive", 1.0, 4.0), ("labelled", "a.wav", "positive", 3.0, 6.0)),
        tmp_path,
    )
    assert clips.start_s.tolist() == [1.0]
    assert rejects.reason.tolist() == ["part_outside"]


def test_copies_count_once_and_stop_nothing(tmp_path: Path, write_tone: WriteTone):
    write_tone(tmp_path / "0.wav", 0.5)
    for number in range(1, 5):
        (tmp_path / f"{number}.wav").write_bytes((tmp_path / "0.wav").read_bytes())
    table = listed(*(("labelled", f"{i}.wav", "positive", None, None) for i in range(5)))
    clips, rejects = ingest(table, tmp_path)
    assert (len(clips), set(rejects.reason)) == (1, {"duplicate_audio"}) and len(rejects) == 4
    refuse_too_many(table, rejects, IngestOptions())


def test_too_many_rejects_stop_the_run_with_counts():
    table = listed(*(("labelled", f"{i}.wav", "positive", None, None) for i in range(4)))
    rejects = pd.DataFrame(
        {
            "source": "labelled",
            "file_path": ["0.wav", "1.wav"],
            "reason": ["silent", "empty"],
            "message": ["m0", "m1"],
        }
    )
    with pytest.raises(
        InputError, match=r"2 of 4 labelled rows cannot be used \(empty 1, silent 1\).*0.wav: m0"
    ):
        refuse_too_many(table, rejects, IngestOptions(max_rejected_share=0.4))
    refuse_too_many(table, rejects, IngestOptions(max_rejected_share=0.5))


def test_identity_is_content_and_part_not_name():
    assert clip_id("a" * 64, np.nan, np.nan) == clip_id("a" * 64, 0.0, np.nan)
    assert clip_id("a" * 64, 0.0, 3.0) != clip_id("a" * 64, 3.0, 6.0)


def test_a_file_is_opened_once_until_it_changes(tmp_path: Path, write_tone: WriteTone, monkeypatch):
    opened = []

    def counted(path, checks):
        opened.append(path)
        return check_audio(path, checks)

    monkeypatch.setattr("vernal.clips.recordings.check_audio", counted)
    path = write_tone(tmp_path / "a.wav", 3.0)
    first = inspect_files([path], IngestOptions())
    first[path]["content_hash"] = "changed by a caller"
    again = inspect_files([path], IngestOptions())
    assert opened == [path] and again[path]["content_hash"] != "changed by a caller"
    inspect_files([path], IngestOptions(min_duration_s=1.0))
    write_tone(path, 4.0)
    assert inspect_files([path], IngestOptions())[path]["duration_s"] == 4.0
    assert opened == [path] * 3


def test_real_odd_files_are_told_apart(shared_data: Path):
    folder = shared_data / "odd"
    names = sorted(path.name for path in folder.iterdir() if path.suffix in (".wav", ".mp3"))
    roots = {"labelled": str(folder)}
    table = listed(*(("labelled", name, "positive", None, None) for name in names))
    clips, rejects = accept(table, roots, inspect_files({folder / name for name in names}, IngestOptions()))
    reasons = dict(zip(rejects.file_path, rejects.reason, strict=True))
    assert reasons.keys() == {"empty_2c.wav", "silence_10s.mp3", "stereo.wav"}
    assert reasons["stereo.wav"] == "too_short"
    assert len(clips) == 9
