"""Detections, nights and hours with where, when by the sun, and which model."""

import pandas as pd
import pytest

from tests.field.detection.conftest import make_classifier
from tests.field.detection.test_nights import file_row, found
from vernal.field.detection.classifier import Classifier
from vernal.field.detection.nights import count_nights
from vernal.field.handover.places import place_recordings
from vernal.field.handover.sites import read_sites
from vernal.field.handover.tables import HOUR_COLUMNS, count_hours, place_detections, place_nights

FILES = [
    file_row("a", "R1", "2025-04-03"),
    {**file_row("b", "R1", "2025-04-04"), "time": "01:00:00"},
    file_row("c", "R2", "2025-04-03"),
    {**file_row("d", "R3", None), "time": None},
]
FOUND = found(
    FILES,
    [("R1", "2025-04-03 22:15:03", 2, 0.7), ("R1", "2025-04-03 22:59:00", 1, 0.9)],
    [
        ("R1", "2025-04-03", 1, 60.0, 20),
        ("R1", "2025-04-03", 22, 3_600.0, 1_200),
        ("R2", "2025-04-03", 21, 60.0, 20),
        ("R3", "unknown", -1, 60.0, 20),
    ],
)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> pd.DataFrame:
    """R1 and R3 in Brisbane, R2 nowhere."""
    file = tmp_path_factory.mktemp("sites") / "sites.csv"
    file.write_text(
        "recorder,site,latitude,longitude,time zone\nR1,Pond,-27.47,153.03,Australia/Brisbane\n"
        "R3,Pond,-27.47,153.03,Australia/Brisbane\n",
        encoding="utf-8",
    )
    columns = ["file_path", "recorder_id", "date", "time"]
    listed = pd.DataFrame(FILES)[columns].astype("str").assign(audio_root="/x")
    return place_recordings(listed, read_sites(str(file), ["R1", "R3"]))


def model(labels: tuple[str, ...] = ("frog",)) -> Classifier:
    from dataclasses import replace

    return replace(make_classifier(labels=labels), encoder_version="V2.4", fit_key="k1")


def test_every_hour_has_its_sun_its_zone_and_its_model(recordings):
    table = count_hours(FOUND, recordings, model())
    assert list(table.columns) == list(HOUR_COLUMNS)
    assert table[["recorder_id", "hour"]].to_numpy().tolist() == [
        ["R1", 22],
        ["R1", 1],
        ["R2", 21],
        ["R3", -1],
    ]
    assert table.n_detections.tolist() == [2, 0, 0, 0] and table.n_windows.tolist() == [3, 0, 0, 0]
    assert table.n_windows_heard.tolist() == [1_200, 20, 20, 20] and table.max_confidence[0] == 0.9
    assert table.started_at_utc[0] == pd.Timestamp("2025-04-03T12:00Z")
    assert table.started_at_utc[1] == pd.Timestamp("2025-04-03T15:00Z"), (
        "an hour after midnight is the next day's"
    )
    # Sunset was at 17:43; the hour from 22 has its middle at 22:30.
    assert table.hours_from_sunset[0] == pytest.approx(4.78, abs=0.02) and table.hours_from_sunrise[1] < -4
    assert table.hours_from_sunset[2:].isna().all() and table.time_zone.isna().tolist() == [
        False,
        False,
        True,
        False,
    ]
    assert set(table.model) == {"stage5/stage5_001"} and set(table.fit_key) == {"k1"}
    assert set(table.model_version) == {"birdnet_v2.4 V2.4"}


def test_every_label_has_its_hours(recordings):
    table = count_hours(FOUND, recordings, model(("toad", "frog")))
    assert table.groupby("label").n_detections.sum().to_dict() == {"frog": 2, "toad": 0}
    assert table.groupby("label").heard_s.sum().tolist() == [3_780.0] * 2


def test_nights_have_sunset_and_sunrise_by_the_recorders_clock(recordings):
    nights = place_nights(count_nights(FOUND, ("frog",)), recordings, model()).set_index("recorder_id")
    first = nights.loc["R1"]
    assert first.sunset.startswith("2025-04-03T17:43:") and first.sunset.endswith("+10:00")
    assert first.sunrise.startswith("2025-04-04T05:59:")
    assert (first.site, first.latitude, first.fit_key) == ("Pond", -27.47, "k1")
    assert pd.isna(nights.sunset["R2"]) and pd.isna(nights.site["R2"])
    assert nights.model["R2"] == "stage5/stage5_001"
    unknown = nights[nights.night == "unknown"].loc["R3"]
    assert unknown.site == "Pond" and pd.isna(unknown.sunset)


def test_a_night_without_recordings_is_where_its_recorder_stood(recordings):
    files = [*FILES, file_row("z", "R2", "2025-04-05")]
    nights = place_nights(count_nights(found(files), ("frog",)), recordings, model())
    third = nights[(nights.recorder_id == "R1") & (nights.night == "2025-04-05")]
    assert (
        third.state.tolist() == ["no recordings"]
        and third.site.tolist() == ["Pond"]
        and third.sunset.notna().all()
    )


def test_detections_have_their_instant_counted_from_their_recordings_start(recordings):
    calls = FOUND.detections.assign(file_path=["a", "c"], start_s=[75.25, 3.0])
    placed = place_detections(calls, recordings)
    assert placed.started_at_utc[0] == pd.Timestamp("2025-04-03T11:01:15.25Z") and pd.isna(
        placed.started_at_utc[1]
    )
    assert placed.hours_from_sunset[0] == pytest.approx(3.3, abs=0.02) and pd.isna(
        placed.hours_from_sunset[1]
    )
    assert placed.site.fillna("").tolist() == ["Pond", ""]
    assert list(placed.columns)[: len(calls.columns)] == list(calls.columns)


def test_no_detections_have_the_columns_too(recordings):
    empty = place_detections(FOUND.detections[:0].assign(file_path=pd.Series(dtype="str")), recordings)
    assert empty.empty and {"site", "started_at_utc", "hours_from_sunset"} <= set(empty.columns)
