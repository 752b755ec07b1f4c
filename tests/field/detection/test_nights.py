"""Nightly activity: calls, no calls, nothing heard and nothing recorded are four different things."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.field.detection.conftest import Season, make_classifier, write_noise
from vernal.field.detection.detections import DETECTION_COLUMNS, EFFORT_COLUMNS, FILE_COLUMNS, Detections
from vernal.field.detection.false_alarms import FalseAlarmRate
from vernal.field.detection.nights import NIGHT_COLUMNS, count_nights, season_nights
from vernal.field.detection.verification import verdicts_of


def file_row(name: str, recorder: str, date: str | None, state: str = "heard") -> dict:
    place = {"file_path": name, "recorder_id": recorder, "date": date, "time": "21:00:00"}
    return place | {"state": state, "content_hash": f"hash of {name}"}


def found(files: list[dict], calls: list[tuple] = (), effort: list[tuple] = ()) -> Detections:
    """`calls`: recorder, moment, windows, confidence; `effort`: recorder, night, hour, seconds, windows."""
    rows = [
        {"recorder_id": recorder, "night": moment[:10], "label": "frog", "started_at": pd.Timestamp(moment),
         "n_windows": windows, "confidence": confidence, "start_s": 0.0}
        for recorder, moment, windows, confidence in calls
    ]  # fmt: skip
    detections = pd.DataFrame(rows, columns=list(DETECTION_COLUMNS)).astype({"started_at": "datetime64[ms]"})
    return Detections(
        detections,
        pd.DataFrame(files, columns=list(FILE_COLUMNS)).astype(
            {"date": "str", "recorder_id": "str", "time": "str", "content_hash": "str"}
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
                ("R1", "2025-04-01", 21, 3_600.0, 1_200),
                ("R1", "2025-04-01", 22, 1_800.0, 600),
                ("R1", "2025-04-02", 21, 60.0, 20),
            ],
        ),
        ("frog",),
    )
    assert list(table.columns) == list(NIGHT_COLUMNS)
    assert table.night.tolist() == ["2025-04-01", "2025-04-02", "2025-04-03", "2025-04-04"]
    assert table.state.tolist() == ["calls", "no calls", "no recordings", "not heard"]
    assert table.has_detection.astype(object).where(table.has_detection.notna(), None).tolist() == [
        True, False, None, None,
    ]  # fmt: skip
    assert table.is_present.isna().all(), "nobody has listened"
    assert table.n_windows_heard.tolist() == [1_800, 20, 0, 0]
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
              effort=[("R2", "unknown", -1, 60.0, 20)]), ("frog",)
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


NIGHTS = found(
    [file_row("a", "R1", "2025-04-01"), file_row("b", "R1", "2025-04-02"), {**file_row("c", "R2", None), "time": None}],
    [("R1", "2025-04-01 21:00:00", 1, 0.9)],
    [("R1", "2025-04-01", 21, 3_600.0, 1_200), ("R1", "2025-04-02", 21, 60.0, 20), ("R2", "unknown", -1, 60.0, 20)],
)  # fmt: skip


def test_what_is_expected_of_a_night_is_by_label():
    table = count_nights(NIGHTS, ("frog", "toad"), rates={"frog": FalseAlarmRate("val", 1, 100)})
    of = table[(table.night == "2025-04-01") & (table.heard_h > 0)].set_index("label").expected_false_windows
    assert of["frog"] == pytest.approx(12) and pd.isna(of["toad"])


def by_night(rate: FalseAlarmRate) -> pd.DataFrame:
    """The nights that something was heard in."""
    table = count_nights(NIGHTS, ("frog",), rates={"frog": rate})
    return table[table.heard_h > 0].set_index("night")


def test_false_windows_are_expected_with_the_interval_of_the_rate():
    table = by_night(FalseAlarmRate("test_ood", 0, 88))
    assert table.expected_false_windows["2025-04-01"] == 0 == table.expected_false_windows_low["2025-04-01"]
    assert table.expected_false_windows_high["2025-04-01"] == pytest.approx(1_200 * (1 - 0.05 ** (1 / 88)))
    assert table.false_night_chance_high["2025-04-02"] == pytest.approx(1 - 0.05 ** (20 / 88))
    assert table.expected_false_windows_high["unknown"] > 0 and pd.isna(
        table.false_night_chance_high["unknown"]
    )
    some = by_night(FalseAlarmRate("test_ood", 1, 100))
    assert some.expected_false_windows["2025-04-01"] == pytest.approx(12)
    assert some.false_night_chance["2025-04-02"] == pytest.approx(1 - 0.99**20)
    unmeasured = count_nights(NIGHTS, ("frog",))
    assert unmeasured.filter(regex="expected|chance").isna().all(axis=None)


def said(recording: str, decision: str, reviewer: str = "Ana", when: int = 0, **other) -> dict:
    place = {"content_hash": f"hash of {recording}", "start_s": 3.0, "end_s": 6.0, "asked": "frog"}
    return {
        **place,
        "decision": decision,
        "reviewer": reviewer,
        "when": f"2025-05-01T00:00:{when:02}",
        **other,
    }


@pytest.mark.parametrize(
    ("decisions", "nights"),
    [
        ([said("a", "target")], ["2025-04-01"]),
        ([said("a", "target"), said("b", "not_target")], ["2025-04-01"]),
        ([said("a", "not_target"), said("a", "target", when=1)], ["2025-04-01"]),
        ([said("a", "target"), said("a", "unsure", when=1)], []),
        ([said("a", "target"), said("a", "not_target", "Bo")], []),
        ([said("a", "target"), said("a", "not_target", start_s=9.0)], ["2025-04-01"]),
        ([said("a", "target", start_s=4 * 3_600.0), said("b", "target", start_s=15 * 3_600.0)], ["2025-04-01"]),
        ([said("a", "target", asked="toad"), said("elsewhere", "target")], []),
    ],
)  # fmt: skip
def test_only_a_night_that_a_person_confirmed_is_present(decisions, nights):
    table = count_nights(NIGHTS, ("frog",), verdicts=verdicts_of(pd.DataFrame(decisions)))
    assert table.night[table.is_present.fillna(False)].tolist() == nights
    assert table.is_present.isna().sum() == len(table) - len(nights), (
        "a night is never said to be without the animal"
    )


def test_windows_are_counted_in_the_night_that_they_begin_in(tmp_path, season: Season):
    write_noise(tmp_path / "in" / "R1_20250404_115950.wav", 31.0)
    own = make_classifier(threshold=-1e9, overlap=1.0)
    season.scan(tmp_path / "in", own)
    seen = season.find(tmp_path / "in", own)
    table = count_nights(seen, own.labels)
    # Windows begin every two seconds from 11:59:50 on; the one at noon is of the next night.
    assert table.n_windows_heard.tolist() == [5, seen.files.n_windows[0] - 5]
    assert seen.files.content_hash[0] in {content for content, _ in season.scores.finished(own.run_key)}


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
