"""Hours from sunset: beside NOAA's equations written out, over the date line, and where the sun does not set."""

import math
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from vernal.field.handover.sun import hours_from_sun, sun_of_nights


def plain_sunset(latitude: float, longitude: float, day: datetime) -> datetime:
    """The general solar position of NOAA, one formula after the other; good to some minutes."""
    year = 2 * math.pi / 365 * (day.timetuple().tm_yday - 1 + 0.75)
    equation = 229.18 * (
        0.000075 + 0.001868 * math.cos(year) - 0.032077 * math.sin(year) - 0.014615 * math.cos(2 * year)
        - 0.040849 * math.sin(2 * year)
    )  # fmt: skip
    declination = (
        0.006918 - 0.399912 * math.cos(year) + 0.070257 * math.sin(year) - 0.006758 * math.cos(2 * year)
        + 0.000907 * math.sin(2 * year) - 0.002697 * math.cos(3 * year) + 0.00148 * math.sin(3 * year)
    )  # fmt: skip
    north = math.radians(latitude)
    angle = math.acos(
        math.cos(math.radians(90.833)) / (math.cos(north) * math.cos(declination))
        - math.tan(north) * math.tan(declination)
    )
    return day + timedelta(minutes=720 - 4 * (longitude - math.degrees(angle)) - equation)


def at(*moments: str | None) -> pd.Series:
    return pd.Series(pd.to_datetime(list(moments), utc=True)).astype("datetime64[ms, UTC]")


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [(-27.47, 153.03), (52.5, 13.4), (0.0, 179.9), (0.0, -179.9), (64.1, -21.9), (-50, -70)],
)
@pytest.mark.parametrize("day", ["2025-01-15", "2025-04-03", "2025-06-21", "2025-10-01"])
def test_sunset_is_where_noaas_equations_have_it(latitude, longitude, day):
    expected = plain_sunset(latitude, longitude, datetime.fromisoformat(day).replace(tzinfo=UTC))
    moments = at(*[(expected + timedelta(hours=more)).isoformat() for more in (-9, -1, 0, 2.5, 9)])
    place = (pd.Series([latitude] * 5, dtype=float), pd.Series([longitude] * 5, dtype=float))
    found = hours_from_sun(moments, *place)
    assert found.hours_from_sunset.tolist() == pytest.approx([-9, -1, 0, 2.5, 9], abs=0.15)
    # Noon of the place begins its night; what follows is its own sunset, whatever the date in UTC.
    begins = at((expected - timedelta(hours=4)).isoformat())
    night = sun_of_nights(begins, place[0][:1], place[1][:1])
    assert abs((night.sunset[0] - expected).total_seconds()) < 540
    assert timedelta(hours=2) < night.sunrise[0] - night.sunset[0] < timedelta(hours=22)


def test_where_the_sun_does_not_set_there_are_no_hours():
    where = (pd.Series([69.6]), pd.Series([18.9]))
    assert hours_from_sun(at("2025-06-21T20:00Z"), *where).isna().all(axis=None)
    assert sun_of_nights(at("2025-06-21T10:00Z"), *where).isna().all(axis=None)


def test_what_is_unknown_stays_unknown_and_keeps_its_row():
    moments = at("2025-04-03T07:00Z", None, "2025-04-03T07:00Z")
    latitude, longitude = pd.Series([-27.47, -27.47, float("nan")]), pd.Series([153.03] * 3)
    found = hours_from_sun(
        moments.set_axis([5, 6, 7]), latitude.set_axis([5, 6, 7]), longitude.set_axis([5, 6, 7])
    )
    assert found.index.tolist() == [5, 6, 7] and found.hours_from_sunset.isna().tolist() == [
        False,
        True,
        True,
    ]
    assert -0.8 < found.hours_from_sunset[5] < -0.6 and found.hours_from_sunrise[5] > 10
