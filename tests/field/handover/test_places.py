"""Where and when: the table of sites first, then headers and names; clocks that change their hour."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from vernal.clips.recording_metadata import HeaderFacts
from vernal.field.handover.places import header_of, instants, place_recordings, with_header_times
from vernal.field.handover.sites import read_sites

NOTHING = HeaderFacts()
HEADER = "site,recorder,latitude,longitude,time zone,from,to\n"


def listed(*rows: tuple) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["file_path", "recorder_id", "date", "time"])
    return table.assign(audio_root="/x").astype("str")


def sites_of(folder: Path, rows: str, recorders: list[str]) -> pd.DataFrame:
    (folder / "sites.csv").write_text(HEADER + rows, encoding="utf-8")
    return read_sites(str(folder / "sites.csv"), recorders)


def placed(
    recordings: pd.DataFrame, sites: pd.DataFrame | None = None, read=lambda path: NOTHING
) -> pd.DataFrame:
    return place_recordings(recordings, read_sites(None, []) if sites is None else sites, read=read)


def test_a_recording_is_of_the_deployment_of_its_day(tmp_path):
    rows = "Pond,A,-27.5,153,Australia/Brisbane,2025-04-01,2025-04-10\nCreek,A,-28,153,Australia/Brisbane,2025-04-11,\n"
    found = placed(
        listed(
            ("a.wav", "A", "2025-04-10", "23:59:00"),
            ("b.wav", "A", "2025-04-11", "00:10:00"),
            ("c.wav", "A", "2025-03-31", "23:00:00"),
            ("d.wav", "A", None, None),
            ("e.wav", "B", "2025-04-10", "23:00:00"),
        ),
        sites_of(tmp_path, rows, ["A"]),
    )
    assert found.site.fillna("none").tolist() == ["Pond", "Creek", "none", "none", "none"]
    assert found.latitude.fillna(0).tolist() == [-27.5, -28, 0, 0, 0]
    assert (
        found.started_at_utc[0] == pd.Timestamp("2025-04-10T13:59Z") and found.started_at_utc[2:].isna().all()
    )


def test_what_has_no_date_is_of_its_recorders_only_place(tmp_path):
    found = placed(
        listed(("d.wav", "A", None, None)), sites_of(tmp_path, "Pond,A,1,2,UTC,2025-04-01,\n", ["A"])
    )
    assert found.site.tolist() == ["Pond"] and found.started_at_utc.isna().all()


def test_without_anything_told_the_columns_are_empty_and_typed():
    found = placed(listed(("a.wav", "A", "2025-04-10", "21:00:00")))
    assert found[["site", "latitude", "longitude", "time_zone", "started_at_utc"]].isna().all(axis=None)
    assert str(found.started_at_utc.dtype) == "datetime64[ms, UTC]" and found.latitude.dtype == "float64"


def test_headers_are_read_once_a_recorders_night():
    read: list[str] = []

    def header(path: str) -> HeaderFacts:
        read.append(path)
        began = datetime(2025, 4, 10, 11, 0, tzinfo=UTC)
        return HeaderFacts("GUANO", started_at=began, latitude=-27.5, longitude=153.0)

    recordings = listed(
        ("a.wav", "A", "2025-04-10", "21:00:00"),
        ("b.wav", "A", "2025-04-11", "02:00:00"),
        ("c.wav", "A", "2025-04-11", "21:00:00"),
        ("d.wav", "B", "2025-04-10", "21:00:00"),
    )
    found = placed(recordings, read=header)
    assert read == ["/x/a.wav", "/x/c.wav", "/x/d.wav"]
    assert (found.latitude == -27.5).all() and found.time_zone[:2].tolist() == ["UTC+10:00"] * 2
    assert found.started_at_utc[1] == pd.Timestamp("2025-04-10T16:00Z")
    assert found.time_zone.isna()[2], "its header is a day off, so it tells nothing of the clock"


def test_the_table_goes_before_the_header(tmp_path):
    header = HeaderFacts(
        "WAMD", started_at=datetime(2025, 4, 10, 21, tzinfo=UTC), latitude=9.0, longitude=9.0
    )
    sites = sites_of(tmp_path, "Pond,A,,,Australia/Brisbane,,\n", ["A"])
    found = placed(listed(("a.wav", "A", "2025-04-10", "21:00:00")), sites, lambda path: header)
    assert (found.latitude[0], found.time_zone[0]) == (9.0, "Australia/Brisbane")


def test_a_zone_in_the_name_is_the_clocks():
    found = placed(listed(("A_20250410_210000+1000.wav", "A", "2025-04-10", "21:00:00")))
    assert found.started_at_utc[0] == pd.Timestamp("2025-04-10T11:00Z")


@pytest.mark.parametrize(
    ("clock", "utc"),
    [
        ("2025-07-01 12:00", "2025-07-01T10:00Z"),
        ("2025-12-01 12:00", "2025-12-01T11:00Z"),
        ("2025-03-30 01:59", "2025-03-30T00:59Z"),
        ("2025-03-30 02:30", "2025-03-30T01:30Z"),  # left out: a clock that was not changed
        ("2025-10-26 02:30", "2025-10-26T00:30Z"),  # twice: the first
        ("2025-10-26 03:30", "2025-10-26T02:30Z"),
    ],
)
def test_clocks_that_change_their_hour(clock, utc):
    found = instants(pd.Series(pd.to_datetime([clock])), pd.Series(["Europe/Oslo"]))
    assert found[0] == pd.Timestamp(utc)


def test_recordings_over_a_change_keep_their_order():
    clocks = pd.Series(
        pd.to_datetime(["2025-03-30 01:30", "2025-03-30 02:10", "2025-03-30 02:50", "2025-03-30 04:10"])
    )
    assert instants(clocks, pd.Series(["Europe/Oslo"] * 4)).is_monotonic_increasing


def wave(path: Path, *chunks: tuple[bytes, bytes]) -> Path:
    """A WAV of one second with chunks behind its sound."""
    parts = [
        (b"fmt ", b"\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00"),
        (b"data", bytes(16_000)),
    ]
    body = b"".join(
        name + len(text).to_bytes(4, "little") + text + b"\0" * (len(text) % 2)
        for name, text in [*parts, *chunks]
    )
    path.write_bytes(b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WAVE" + body)
    return path


def test_a_header_of_a_clock_that_was_never_set_tells_no_time():
    recordings = listed(("a.wav", "A", None, None))
    unset = HeaderFacts("AudioMoth comment", started_at=datetime(1970, 1, 1, 0, 7, tzinfo=UTC))
    assert with_header_times(recordings, lambda path: unset).date.isna().all()


def test_guano_tells_place_zone_and_a_time_that_the_name_does_not(tmp_path):
    text = b"GUANO|Version: 1.0\nTimestamp: 2025-04-10T21:00:00+10:00\nLoc Position: -27.5 153.0\n"
    wave(tmp_path / "chorus.wav", (b"guan", text))
    wave(tmp_path / "silent.wav")
    (tmp_path / "other.flac").write_bytes(b"fLaC")
    recordings = pd.DataFrame(
        {"file_path": ["chorus.wav", "other.flac", "silent.wav", "gone.wav"], "recorder_id": "A", "date": None,
         "time": None, "audio_root": tmp_path.as_posix()}
    ).astype("str")  # fmt: skip
    timed = with_header_times(recordings)
    assert timed.date[0] == "2025-04-10" and timed.time[0] == "21:00:00" and timed.date[1:].isna().all()
    found = place_recordings(timed, read_sites(None, []))
    assert found.latitude[0] == -27.5 and found.started_at_utc[0] == pd.Timestamp("2025-04-10T11:00Z")
    assert found.latitude[1:].isna().all()


def test_wamd_tells_it_too(tmp_path):
    fields = {5: b"2025-04-10 21:00:00+10:00", 6: b"WGS84,27.5,S,153.0,E"}
    chunk = b"".join(
        key.to_bytes(2, "little") + len(text).to_bytes(4, "little") + text for key, text in fields.items()
    )
    facts = header_of(str(wave(tmp_path / "a.wav", (b"wamd", chunk))))
    assert (facts.latitude, facts.longitude) == (-27.5, 153.0)
    assert facts.started_at is not None and facts.started_at.utcoffset() == timedelta(hours=10)
