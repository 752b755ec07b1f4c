"""A recorder's name is what stays the same from file to file."""

from __future__ import annotations

import pytest

from vernal.clips.recording_names import read_name, recorders_in_words, recorders_of


def named(*recorders: str) -> list[str]:
    return [f"{name}_202101{day + 1:02d}_210000_30_0.wav" for day, name in enumerate(recorders)]


def test_an_id_of_the_file_is_no_part_of_a_recorder():
    files = named("hill_01_2980_702775", "hill_01_2980_703204", "hill_01_2980_703204", "marsh_02_2981_772316")
    assert recorders_of(files) == ["hill_01_2980"] * 3 + ["marsh_02_2981"]


@pytest.mark.parametrize("clip", ["{}_clip{}.wav", "0.9{1}_{1}_{0}_{1}.0s_9.0s.wav"])
def test_clips_of_one_recording_make_its_id_no_recorder(clip: str):
    recordings = [f"hill_01_2980_70{n}204_20210{n}01_210000" for n in range(1, 4)]
    paths = [clip.format(recording, number) for recording in recordings for number in range(6)]
    assert set(recorders_of(paths)) == {"hill_01_2980"}


def test_numbered_recorders_stay_apart():
    assert recorders_of(named("pond_2", "pond_3", "pond_4")) == ["pond_2", "pond_3", "pond_4"]
    many = named(*["pond_1001"] * 5, *["pond_1002"] * 5)
    assert recorders_of(many) == ["pond_1001"] * 5 + ["pond_1002"] * 5
    assert recorders_of(named("SMA00471", "SMA00472")) == ["SMA00471", "SMA00472"]


def test_the_order_of_files_changes_nothing():
    files = named("hill_2980_702775", "hill_2980_703204", "marsh_1", "x")
    found = dict(zip(files, recorders_of(files), strict=True))
    assert dict(zip(files[::-1], recorders_of(files[::-1]), strict=True)) == found


def test_at_most_five_recorders_are_shown():
    words = recorders_in_words([f"R{i}" for i in range(9)], [f"R{i}.wav" for i in range(9)])
    assert words.startswith("9 recorders") and words.count("first") == 5 and words.endswith("and 4 more")


@pytest.mark.parametrize("name", ["19700101_000012.WAV", "19691231_200000.WAV", "SMA7_19700103_213000.wav"])
def test_a_clock_that_was_never_set_tells_no_time(name: str):
    facts = read_name(f"AM08/{name}")
    assert facts.scheme and facts.started_at is None
    assert facts.recorder_id == ("SMA7" if name.startswith("SMA7") else None)
