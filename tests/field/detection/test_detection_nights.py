"""Nightly activity: calls, no calls, nothing heard and nothing recorded are four different things."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.field.detection.conftest import Season, make_classifier, write_noise
from vernal.field.detection.detections import DETECTION_COLUMNS, EFFORT_COLUMNS, FILE_COLUMNS, Detections
from vernal.field.detection.nights import NIGHT_COLUMNS, count_nights, season_nights


def file_row(name: str, recorder: str, date: str | None, state: str = "heard") -> dict:
    return {"file_path": name, "recorder_id": recorder, "date": date, "time": "21:00:00", "state": state}


def found(files: list[dict], calls: list[tuple] = (), effort: list[tuple] = ()) -> Detections:
    """`calls`: recorder, moment, windows, confidence; `effort`: recorder, night, hour, seconds."""
    rows = [
        {"recorder_id": recorder, "night": moment[:10], "label": "frog", "started_at": pd.Timestamp(moment),
         "n_windows": windows, "confidence": confidence, "start_s": 0.0}
        for recorder, moment, windows, confidence in calls
    ]  # fmt: skip
    detections = pd.DataFrame(rows, columns=list(DETECTION_COLUMNS)).astype({"started_at": "datetime64[ms]"})
    return Detections(
        detections,
        pd.DataFrame(files, columns=list(FILE_COLUMNS)).astype(
            {"date": "str", "recorder_id": "str", "time": "str"}
        ),
        pd.DataFrame(effort, columns=list(EFFORT_COLUMNS)),
    )


def test_a_night_of_each_kind():
    table = count_nights(
        found(
            [
                file_row("a", "R1", "2025-04-01"),
                file_row("b", "R1", "2025-04-02"),
                file_row("c", "R1", "2025-04-04", "not heard"),
                file_row("d", "R1", "2025-04-04", "not heard"),
                file_row("e", "R1", "2025-04-01", "copy"),
            ],
            [("R1", "2025-04-01 22:15:03", 2, 0.7), ("R1", "2025-04-01 21:00:00", 1, 0.9)],
            [
                ("R1", "2025-04-01", 21, 3_600.0),
                ("R1", "2025-04-01", 22, 1_800.0),
                ("R1", "2025-04-02", 21, 60.0),
            ],
        ),
        ("frog",),
    )
    assert list(table.columns) == list(NIGHT_COLUMNS)
    assert table.night.tolist() == ["2025-04-01", "2025-04-02", "2025-04-03", "2025-04-04"]
    assert table.state.tolist() == ["calls", "no calls", "no recordings", "not heard"]
    assert table.is_present.tolist()[:2] == [True, False] and table.is_present.isna().tolist()[2:] == [
        True,
        True,
    ]
    assert table.n_detections.tolist() == [2, 0, 0, 0] and table.n_windows.tolist() == [3, 0, 0, 0]
    assert table.n_files.tolist() == [1, 1, 0, 2] and table.n_files_unheard.tolist() == [0, 0, 0, 2]
    assert table.heard_h.tolist() == pytest.approx([1.5, 1 / 60, 0, 0])
    assert (
        str(table.first_call[0]) == "2025-04-01 21:00:00" and str(table.last_call[0]) == "2025-04-01 22:15:03"
    )
    assert table.max_confidence[0] == 0.9 and table.first_call[1] is pd.NaT


def test_every_recorder_has_every_night_of_the_season():
    table = count_nights(
        found([file_row("a", "R1", "2025-04-01"), file_row("b", "R2", "2025-04-03")]), ("frog",)
    )
    assert table.groupby("recorder_id").night.nunique().to_dict() == {"R1": 3, "R2": 3}


def test_recordings_without_a_date_are_a_night_of_their_own():
    table = count_nights(
        found([file_row("a", "R1", "2025-04-01"), {**file_row("b", "R2", None), "time": None}],
              effort=[("R2", "unknown", -1, 60.0)]), ("frog",)
    )  # fmt: skip
    assert table[table.night == "unknown"][["recorder_id", "state"]].to_numpy().tolist() == [
        ["R2", "no calls"]
    ]


def test_each_class_has_its_rows(recordings, season: Season):
    own = make_classifier(threshold=-1e9, labels=("frog", "toad"))
    season.scan(recordings, own)
    table = count_nights(season.find(recordings, own), own.labels)
    assert table.groupby("label").n_windows.sum().to_dict() == {"frog": 18, "toad": 18}
    assert table.heard_h.groupby(table.label).sum().tolist() == pytest.approx([42 / 3_600] * 2)


def test_a_night_from_noon_to_noon(tmp_path, season: Season):
    for name in ("R1_20250403_230000", "R1_20250404_010000"):
        write_noise(tmp_path / "in" / f"{name}.wav", 4.0, hash(name) % 99)
    own = make_classifier(threshold=-1e9)
    season.scan(tmp_path / "in", own)
    dates = count_nights(season.find(tmp_path / "in", own, start_hour=0), own.labels, 0)
    assert dates.n_detections.tolist() == [1, 1]
    noon = count_nights(season.find(tmp_path / "in", own), own.labels)
    assert (
        noon.night.tolist() == ["2025-04-03"]
        and noon.n_detections.tolist() == [2]
        and noon.n_files.tolist() == [2]
    )


@given(st.lists(st.dates(min_value=pd.Timestamp("1970-01-01").date(), max_value=pd.Timestamp("2060-01-01").date()),
                unique=True, max_size=12))  # fmt: skip
def test_the_season_holds_every_date_in_order_and_no_long_gap_is_filled(dates):
    listed = sorted(date.isoformat() for date in dates)
    nights = season_nights(listed)
    assert set(listed) <= set(nights) and nights == sorted(set(nights))
    assert len(nights) <= 61 * max(len(listed), 1)
