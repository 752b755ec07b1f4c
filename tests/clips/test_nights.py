"""A night lasts from noon to noon, whatever of date, clock time, file name or night a person gave."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vernal.clips.nights import (
    NightOptions,
    fill_from_names,
    later,
    night_words,
    note_ambiguous,
    with_nights,
)
from vernal.common.problems import InputError, Problems


def clips(**columns: list) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    table = pd.DataFrame({"file_path": [f"{i}.wav" for i in range(n)], "start_s": np.nan} | columns)
    for name in ("date", "time", "night"):
        table[name] = (
            table[name].astype("str") if name in table else pd.Series(np.nan, index=table.index, dtype="str")
        )
    return table


def test_both_sides_of_midnight_are_one_night():
    made = clips(date=["2025-04-03", "2025-04-04", "2025-04-04"], time=["21:00", "01:30:00", "12:00:00"])
    assert with_nights(made, NightOptions()).night.tolist() == ["2025-04-03", "2025-04-03", "2025-04-04"]
    assert with_nights(made, NightOptions(start_hour=0)).night.tolist() == made.date.tolist()


def test_a_given_night_wins_and_a_date_alone_is_an_evening():
    made = clips(
        date=["2025-04-04"] * 3 + [None],
        time=["01:00", "01:00", None, None],
        night=["2025-01-01", None, None, None],
    )
    found = with_nights(made, NightOptions())
    assert found.night.tolist()[:3] == ["2025-01-01", "2025-04-03", "2025-04-04"]
    assert found.night.isna().tolist() == [False, False, False, True]
    assert found.night_from.tolist() == ["night", "time", "date", ""]
    assert (
        night_words(found)
        == "1 of 4 clips has a date without a time, which was taken as the date of the evening."
    )
    assert night_words(found.iloc[:2]) == ""


def test_names_of_files_tell_what_the_manifest_does_not():
    made = clips(
        file_path=["R1_20250404_013000.wav", "R1_20250404_013000.wav", "R1_20250404_013000.wav", "frog.wav"],
        date=[None, "2025-04-04", "2025-04-05", None], start_s=[np.nan, 3600.0, np.nan, np.nan],
    )  # fmt: skip
    found = fill_from_names(made)
    assert found.date.tolist()[:3] == ["2025-04-04", "2025-04-04", "2025-04-05"]
    assert found.time.tolist()[:2] == ["01:30:00", "02:30:00"]
    assert found.time.isna().tolist() == [False, False, True, True]


def test_the_start_of_a_recording_goes_before_its_name():
    made = clips(
        file_path=["R1_20250404_013000.wav"], started_at=["2025-04-03T23:59:30+02:00"], start_s=[60.0]
    )
    found = fill_from_names(made)
    assert (found.date[0], found.time[0]) == ("2025-04-04", "00:00:30")


def test_later_crosses_midnight_and_leaves_the_unknown():
    moved = later(clips(date=["2025-04-03", "2025-04-03"], time=["23:59:58", None]), pd.Series([3.0, 3.0]))
    assert moved.date.tolist() == ["2025-04-04", "2025-04-03"]
    assert moved.time[0] == "00:00:01" and pd.isna(moved.time[1])


def noted(made: pd.DataFrame) -> Problems:
    problems = Problems("The manifest")
    note_ambiguous(made, NightOptions(), problems, [f"row {i}" for i in range(len(made))])
    return problems


def test_a_date_alone_among_both_sides_of_midnight_is_refused():
    both = clips(date=["2025-04-03", "2025-04-04", "2025-04-04"], time=["21:00", "01:00", None])
    with pytest.raises(
        InputError, match=r"both sides of midnight \(1\): row 2\. A date alone .* time .* or night"
    ):
        noted(both).raise_if_any()
    for plain in (both.assign(night=[None, None, "2025-04-03"]), both.iloc[[0, 2]], both.iloc[:2]):
        noted(plain).raise_if_any()


@pytest.mark.parametrize("hour", [-1, 24, 1.5, "12", True])
def test_an_impossible_hour_is_refused(hour):
    with pytest.raises(ValueError, match=r"nights\.start_hour"):
        NightOptions(start_hour=hour)
