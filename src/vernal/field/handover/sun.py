"""Hours from sunset and sunrise, which animals keep rather than clocks."""

from datetime import date, timedelta, timezone
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

SUN_COLUMNS = ("hours_from_sunset", "hours_from_sunrise")
_SETS, _RISES = "sunset", "sunrise"
_HOUR_MS = 3_600_000
# At the middle of which hour of the sun's own day the event lies, about.
_HOURS = {_SETS: 18, _RISES: 6}
_NEAR_H = 13


def hours_from_sun(moments: pd.Series, latitude: pd.Series, longitude: pd.Series) -> pd.DataFrame:
    """`SUN_COLUMNS`: hours since the nearest sunset and sunrise, negative before it; NaN where there is none near.

    Args:
        moments: instants in UTC; NaT where unknown.
        latitude, longitude: degrees; NaN where unknown.
    Source: the `astral` library, after NOAA's solar calculator; good to about a minute at sea level.
    """
    found = pd.DataFrame(np.nan, index=moments.index, columns=list(SUN_COLUMNS))
    known = moments.notna() & latitude.notna() & longitude.notna()
    for place, some in moments[known].groupby([latitude[known], longitude[known]]):
        at = _milliseconds(some)
        for name, event in zip(SUN_COLUMNS, (_SETS, _RISES), strict=True):
            events = _events(event, place, some)
            found.loc[some.index, name] = _from_nearest(at, events)
    return found


def sun_of_nights(begins: pd.Series, latitude: pd.Series, longitude: pd.Series) -> pd.DataFrame:
    """`sunset` and `sunrise` of nights as instants in UTC: the first sunset after noon, and the first sunrise after it.

    Args:
        begins: the instant at which each night begins; NaT where unknown.
    Returns:
        NaT where the place is unknown, or the sun does not set or rise within a day.
    """
    kind = "datetime64[ms, UTC]"
    found = pd.DataFrame({name: pd.Series(pd.NaT, begins.index, dtype=kind) for name in (_SETS, _RISES)})
    known = begins.notna() & latitude.notna() & longitude.notna()
    for place, some in begins[known].groupby([latitude[known], longitude[known]]):
        after = _milliseconds(some)
        for event in (_SETS, _RISES):
            after = _first_after(after, _events(event, place, some))
            found.loc[some.index, event] = pd.to_datetime(after, unit="ms", utc=True).astype(kind)
    return found


def _milliseconds(moments: pd.Series) -> np.ndarray:
    return moments.dt.tz_convert(None).to_numpy("datetime64[ms]").astype("float64")


def _events(event: str, place: Any, moments: pd.Series) -> np.ndarray:
    """The sunsets or sunrises of the days around some moments, in milliseconds, in order."""
    days = moments.dt.tz_convert("UTC").dt.date.unique()
    wanted = sorted({day + timedelta(days=more) for day in days for more in (-1, 0, 1, 2)})
    found = np.array([_event(event, *place, day) for day in wanted])
    return found[~np.isnan(found)]


@lru_cache(maxsize=1 << 18)
def _event(event: str, latitude: float, longitude: float, day: date) -> float:
    """A day's sunset or sunrise in milliseconds; NaN where the sun stays up, or down."""
    from astral import Observer, sun

    # A day that has the event in its middle, for astral looks for it within a date.
    zone = timezone(timedelta(minutes=round(4 * longitude) + 60 * (12 - _HOURS[event])))
    of_day = {_SETS: sun.sunset, _RISES: sun.sunrise}[event]
    try:
        return of_day(Observer(latitude, longitude), day, tzinfo=zone).timestamp() * 1_000
    except ValueError:
        return np.nan


def _from_nearest(at: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Hours since the nearest event; NaN where it is more than half a day and an hour away."""
    around = np.concatenate([[-np.inf], events, [np.inf]])
    after = np.searchsorted(events, at) + 1
    hours = (at - np.stack([around[after - 1], around[after]])) / _HOUR_MS
    nearest = np.where(np.abs(hours[0]) <= np.abs(hours[1]), hours[0], hours[1])
    return np.where(np.abs(nearest) <= _NEAR_H, nearest, np.nan)


def _first_after(at: np.ndarray, events: np.ndarray) -> np.ndarray:
    """The first event after each moment; NaN where there is none within a day."""
    next_one = np.append(events, np.nan)[np.searchsorted(events, at)]
    return np.where(next_one - at <= 24 * _HOUR_MS, next_one, np.nan)
