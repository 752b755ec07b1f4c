"""Where each recording was made, and at which instant it began.

The table of sites says it, or else the recordings' own headers (GUANO, WAMD, AudioMoth's comment) and names do. A
header is read of the first recording of each recorder's night alone, since a recorder neither moves nor sets its clock
within one; so a season costs as many small reads as it has nights.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path

import numpy as np
import pandas as pd

from vernal.clips.nights import START_HOUR, nights_of_moments
from vernal.clips.recording_metadata import HeaderFacts, read_header
from vernal.clips.recording_names import by_a_set_clock, read_name
from vernal.common.storage import as_path
from vernal.field.detection.listing import started_at
from vernal.field.handover.sites import zone_of

PLACE_COLUMNS = ("site", "latitude", "longitude", "time_zone", "started_at_utc")
_WAVES = (".wav", ".wave")
_QUARTER_S = 900


def header_of(path: str) -> HeaderFacts:
    """What a recording's header tells; nothing where it cannot be read here."""
    file = as_path(path)
    if not isinstance(file, Path) or file.suffix.lower() not in _WAVES:
        return HeaderFacts()
    try:
        return read_header(file)
    except OSError:
        return HeaderFacts()


def with_header_times(
    recordings: pd.DataFrame, read: Callable[[str], HeaderFacts] = header_of
) -> pd.DataFrame:
    """Recordings whose names tell no time, with date and time by the recorder's clock as their headers tell them."""
    wanting = recordings.index[recordings.date.isna() | recordings.time.isna()]
    filled = recordings.copy()
    for row in wanting:
        began = by_a_set_clock(read(f"{recordings.audio_root[row]}/{recordings.file_path[row]}").started_at)
        if began is not None:
            filled.loc[row, ["date", "time"]] = [f"{began:%Y-%m-%d}", f"{began:%H:%M:%S}"]
    return filled


def place_recordings(
    recordings: pd.DataFrame,
    sites: pd.DataFrame,
    start_hour: int = START_HOUR,
    read: Callable[[str], HeaderFacts] = header_of,
) -> pd.DataFrame:
    """Give recordings their place, the zone of their recorder's clock, and the instant at which they began.

    Args:
        recordings: as listed.
        sites: as `read_sites` gives it; its word goes before that of headers and names.
        start_hour: when a night begins.
        read: what reads a header.
    Returns:
        `recordings` and `PLACE_COLUMNS`: degrees; a zone's name or its offset from UTC; UTC. Each is missing where
        nothing tells it.
    """
    began = started_at(recordings)
    row_of = _deployments(recordings, sites, began)
    placed = recordings.assign(
        **{name: _of_rows(sites[name], row_of) for name in ("site", "latitude", "longitude", "time_zone")}
    ).astype({"site": "str", "latitude": "float64", "longitude": "float64", "time_zone": "str"})
    placed = _filled_from_headers(placed, began, start_hour, read)
    return placed.assign(started_at_utc=instants(began, placed.time_zone))


def _of_rows(column: pd.Series, row_of: np.ndarray) -> np.ndarray:
    """The values of some rows of a table; missing where there is no row (-1)."""
    return np.append(column.to_numpy(dtype=object), np.nan)[row_of]


def _deployments(recordings: pd.DataFrame, sites: pd.DataFrame, began: pd.Series) -> np.ndarray:
    """The row of the table of sites that each recording belongs to, -1 where there is none."""
    row_of = np.full(len(recordings), -1)
    numbers = recordings.groupby("recorder_id").indices
    rows_per = sites.recorder_id.value_counts()
    for row, (recorder, first, last) in enumerate(
        zip(sites.recorder_id, sites["from"], sites.to, strict=True)
    ):
        at = numbers.get(recorder, np.array([], dtype=int))
        dates = began.iloc[at].dt.normalize()
        fits = (pd.isna(first) | (dates >= first)) & (pd.isna(last) | (dates <= last))
        # What has no date is the recorder's, and it stood at one place.
        row_of[at[(fits & dates.notna()) | (dates.isna() & (rows_per[recorder] == 1))]] = row
    return row_of


def _filled_from_headers(
    placed: pd.DataFrame, began: pd.Series, start_hour: int, read: Callable[[str], HeaderFacts]
) -> pd.DataFrame:
    wanting = placed.latitude.isna() | placed.time_zone.isna()
    if not wanting.any():
        return placed
    nights = nights_of_moments(began, start_hour).fillna("")
    placed = placed.copy()
    for _, rows in placed[wanting].groupby([placed.recorder_id, nights], sort=False):
        first = rows.index[0]
        path = f"{rows.audio_root[first]}/{rows.file_path[first]}"
        header = read(path)
        zone = _clock_zone(began[first], header.started_at, read_name(path).started_at)
        told = {"latitude": header.latitude, "longitude": header.longitude, "time_zone": zone}
        for name, value in told.items():
            if value is not None:
                placed.loc[rows.index[rows[name].isna()], name] = value
    return placed


def _clock_zone(clock: pd.Timestamp, header: datetime | None, name: datetime | None) -> str | None:
    """The zone of a clock: as the file's name says it, or as far as it is from the header's instant.

    Names and headers of one device may be in different zones, as AudioMoth's are.
    """
    if name is not None and name.tzinfo is not None:
        return _called(name.tzinfo)
    if pd.isna(clock) or header is None or header.tzinfo is None:
        return None
    ahead = (clock - pd.Timestamp(header.astimezone(UTC).replace(tzinfo=None))).total_seconds()
    quarters = round(ahead / _QUARTER_S)
    if abs(ahead - quarters * _QUARTER_S) > 60 or abs(quarters) > 14 * 4:
        return None
    return _called(timezone(timedelta(seconds=quarters * _QUARTER_S)))


def _called(zone: tzinfo) -> str:
    """A fixed zone as `zone_of` reads it: `UTC+10:00`."""
    return re.sub(r"^UTC$", "UTC+00:00", str(zone))


def instants(clock: pd.Series, zones: pd.Series) -> pd.Series:
    """The instants that clocks showed some times at, in UTC; NaT where time or zone is unknown.

    A time that a change to summer time leaves out counts as of a clock that was not changed; one that the change back
    has twice counts as the first of the two.

    Args:
        clock: times without a zone.
        zones: names as `zone_of` reads them.

    >>> instants(pd.Series(pd.to_datetime(["2025-07-01 12:00"])), pd.Series(["Europe/Oslo"]))[0].isoformat()
    '2025-07-01T10:00:00+00:00'
    """
    found = pd.Series(pd.NaT, index=clock.index, dtype="datetime64[ms]")
    for zone, times in clock[clock.notna()].groupby(zones):
        found[times.index] = times - _offsets(times, zone_of(str(zone)))
    return found.dt.tz_localize("UTC")


def _offsets(times: pd.Series, zone: tzinfo) -> pd.Series:
    offsets = [time.replace(tzinfo=zone).utcoffset() for time in times.dt.to_pydatetime()]
    return pd.Series(offsets, index=times.index, dtype="timedelta64[ms]")
