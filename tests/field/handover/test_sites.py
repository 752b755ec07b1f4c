"""The table of sites: a row a deployment, and everything that is wrong with one said at once."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from vernal.common.problems import InputError
from vernal.field.handover.sites import read_sites, zone_of

HEADER = "site,recorder,latitude,longitude,time zone,from,to,elevation\n"


def write(folder: Path, text: str) -> str:
    (folder / "sites.csv").write_text(text, encoding="utf-8")
    return str(folder / "sites.csv")


def test_a_row_is_a_deployment_called_as_its_recorder_is(tmp_path):
    rows = "Pond,a12,-27.5,153,Australia/Brisbane,2025-04-01,2025-04-10,12\nCreek,A12,-28,153.5,+10,2025-04-11,,\n"
    sites = read_sites(write(tmp_path, HEADER + rows), ["A12"])
    assert sites.recorder_id.tolist() == ["A12", "A12"] and sites.site.tolist() == ["Pond", "Creek"]
    assert sites.latitude.tolist() == [-27.5, -28.0] and sites.time_zone.tolist() == [
        "Australia/Brisbane",
        "+10",
    ]
    assert sites["from"].tolist() == [pd.Timestamp("2025-04-01"), pd.Timestamp("2025-04-11")]
    assert sites.to.isna().tolist() == [False, True] and sites.elevation.tolist()[0] == "12"


def test_without_recorders_sites_are_called_as_they_are(tmp_path):
    sites = read_sites(write(tmp_path, "Site;Latitude;Longitude\nPond;-27,5;153,1\n"), ["Pond"])
    assert sites.recorder_id.tolist() == ["Pond"] == sites.site.tolist()
    assert (sites.latitude[0], sites.longitude[0]) == (-27.5, 153.1) and sites.time_zone.isna().all()


def test_no_table_is_an_empty_one():
    assert read_sites(None, ["A"]).empty


def test_everything_wrong_is_said_at_once_with_five_examples(tmp_path):
    rows = "".join(f"P,Z{number},95,153,UTC,,,\n" for number in range(7))
    rows += "P,A,1,181,Mars/Base,2025-04-05,2025-04-01,\nP,A,1,,UTC,2025-04-01,2025-04-09,\nP,A,1,2,,5 April,,\n,,,,,,,9\n"
    with pytest.raises(InputError) as raised:
        read_sites(write(tmp_path, HEADER + rows), ["A", "B"])
    text = str(raised.value)
    assert "latitude that cannot be used (7): row 1: '95'" in text and "row 5: '95'" in text
    assert "row 6: '95'" not in text and "row 7: '95'" in raised.value.whole
    assert "longitude that cannot be used (1): row 8: '181'" in text
    assert "unknown time zone (1): row 8: 'Mars/Base'" in text
    assert "'to' before 'from' (1): row 8" in text and "'from' that is no date (1): row 10: '5 April'" in text
    assert "half a place (1): row 9" in text and "row without a name (1): row 11" in text
    assert "unknown recorder (7): row 1: 'Z0'" in text and "recorders have no row (first: B)" in text


@pytest.mark.parametrize(
    ("first", "second", "is_refused"),
    [
        ("2025-04-01,2025-04-10", "2025-04-10,2025-04-12", True),
        ("2025-04-01,2025-04-10", "2025-04-11,", False),
        ("2025-04-01,", "2025-04-11,", True),
        (",", "2025-04-11,", True),
        ("2025-04-11,", ",2025-04-10", False),
    ],
)
def test_deployments_of_a_recorder_share_no_day(tmp_path, first, second, is_refused):
    path = write(tmp_path, f"{HEADER}P,A,1,2,UTC,{first},\nQ,A,1,2,UTC,{second},\nQ,B,1,2,UTC,,,\n")
    if is_refused:
        with pytest.raises(
            InputError, match=r"deployments of one recorder at one time \(1\): row \d and row \d \(A\)"
        ):
            read_sites(path, ["A", "B"])
    else:
        assert len(read_sites(path, ["A", "B"])) == 3


def test_rows_of_other_seasons_do_no_harm_where_nobody_lacks_one(tmp_path):
    path = write(tmp_path, "recorder,latitude,longitude\nA,1,2\nElsewhere,3,4\n")
    assert len(read_sites(path, ["A"])) == 2


def test_blank_rows_move_no_row_number_and_are_no_sites(tmp_path):
    rows = ["Pond;A;-27,5;153;UTC;;;", ";;;;;;;", "Creek;B;-28;153,5;{};;;"]
    text = HEADER.replace(",", ";") + "\n".join(rows)
    sites = read_sites(write(tmp_path, text.format("UTC")), ["A", "B"])
    assert sites.latitude.tolist() == [-27.5, -28] and sites.index.tolist() == [0, 1]
    with pytest.raises(InputError, match=r"unknown time zone \(1\): row 3: 'Mars'"):
        read_sites(write(tmp_path, text.format("Mars")), ["A", "B"])


def test_a_table_without_names_is_refused(tmp_path):
    with pytest.raises(InputError, match="neither site nor recorder"):
        read_sites(write(tmp_path, "latitude,longitude\n1,2\n"), ["A"])


@pytest.mark.parametrize(
    ("text", "hours"), [("UTC", 0), ("+10", 10), ("UTC+10:00", 10), ("-03:30", -3.5), ("gmt+0545", 5.75)]
)
def test_offsets_are_zones(text, hours):
    assert zone_of(text).utcoffset(None if text != "UTC" else pd.Timestamp("2025-01-01")) == timedelta(
        hours=hours
    )


@pytest.mark.parametrize("text", ["Mars/Base", "+99:99", "", "../etc/passwd", "10"])
def test_what_is_no_zone_is_refused(text):
    with pytest.raises(ValueError, match="is no time zone"):
        zone_of(text)
