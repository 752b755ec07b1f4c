"""Which night a clip belongs to: from noon to noon, named by the date of its evening.

Clips of one night share weather, chorus and noise, so a night is what is never divided between splits and what the
bootstrap draws as a whole. A calendar date cuts each night at midnight; a recorder that runs from dusk to dawn would
then train on the same night that it is tested on.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from vernal.clips.recording_names import read_name
from vernal.common.problems import Problems
from vernal.common.settings import settings

NIGHT = "night"
START_HOUR = 12
# Where a clip's night was read from; the first that is known wins.
NIGHT_SOURCES = ("night", "time", "date", "")
GIVEN, BY_TIME, BY_DATE, UNKNOWN_NIGHT = NIGHT_SOURCES
TIME_PATTERN = r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?"


@settings("nights")
class NightOptions:
    """`start_hour`: the clock hour, 0 to 23, at which a night begins; 12 makes it noon to noon, 0 the calendar date."""

    start_hour: Annotated[int, Field(ge=0, le=23, description="a whole hour")] = START_HOUR


def night_of(moment: datetime, start_hour: int) -> str:
    """The ISO date of the evening that a moment's night began on.

    >>> night_of(datetime(2025, 4, 4, 2), 12), night_of(datetime(2025, 4, 4, 12), 12)
    ('2025-04-03', '2025-04-04')
    """
    return (moment - timedelta(hours=start_hour)).date().isoformat()


def nights_of_moments(moments: pd.Series, start_hour: int) -> pd.Series:
    """`night_of` for a column of times; missing stays missing."""
    return (moments - pd.Timedelta(hours=start_hour)).dt.strftime("%Y-%m-%d").astype("str")


def fill_from_names(clips: pd.DataFrame) -> pd.DataFrame:
    """Fill a missing clock time, and date, from the name of the file.

    A name tells when the recording began; a clip begins `start_s` later. A name that contradicts the given date tells
    nothing about the time.

    Args:
        clips: `file_path`, `start_s`, `date`, `time`, and `started_at` where the manifest has it, which goes before
            the name.
    Returns:
        `clips` with `date` and `time` filled where the two can be known.
    """
    wanting = clips["time"].isna() | clips["date"].isna()
    if not wanting.any():
        return clips
    rows = clips[wanting]
    began = _given_start(rows).fillna(
        pd.Series([_start_by_name(path) for path in rows.file_path], index=rows.index, dtype="datetime64[us]")
    )
    began += pd.to_timedelta(rows.start_s.fillna(0.0), unit="s")
    dates = began.dt.strftime("%Y-%m-%d").astype("str")
    agrees = rows.date.isna() | (rows.date == dates)
    times = began.dt.strftime("%H:%M:%S").astype("str").where(agrees)
    filled = clips.copy()
    filled.loc[wanting, "time"] = rows["time"].fillna(times)
    filled.loc[wanting, "date"] = rows.date.fillna(dates.where(rows["time"].isna() | (rows["time"] == times)))
    return filled


def _given_start(rows: pd.DataFrame) -> pd.Series:
    if "started_at" not in rows:
        return pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us]")
    # By the recorder's own clock: a zone says where midnight is elsewhere.
    text = rows.started_at.astype("str").str.replace(r"(Z|[+-]\d{2}:?\d{2})$", "", regex=True)
    return pd.to_datetime(text, errors="coerce", format="ISO8601").astype("datetime64[us]")


def _start_by_name(path: str) -> datetime | None:
    started_at = read_name(path).started_at
    return None if started_at is None else started_at.replace(tzinfo=None)


def with_nights(clips: pd.DataFrame, options: NightOptions) -> pd.DataFrame:
    """Give every clip its night, and say what it was read from.

    Args:
        clips: `date` (ISO) and `time` (`HH:MM` or `HH:MM:SS`) of each clip's start, and `night` where a person gave it.
    Returns:
        `clips` with `night` (ISO date of the evening, missing where unknown) and `night_from`: `night` (given),
        `time` (date and clock time), `date` (a date alone, taken as the evening's) or empty.
    """
    moments = moments_of(clips)
    by_time = nights_of_moments(moments, options.start_hour)
    given = clips[NIGHT] if NIGHT in clips else pd.Series(np.nan, index=clips.index, dtype="str")
    source = np.select(
        [given.notna(), by_time.notna(), clips.date.notna()], [GIVEN, BY_TIME, BY_DATE], default=UNKNOWN_NIGHT
    )
    nights = given.fillna(by_time).fillna(clips.date).astype("str")
    return clips.assign(**{NIGHT: nights, "night_from": pd.Series(source, index=clips.index, dtype="str")})


def moments_of(clips: pd.DataFrame) -> pd.Series:
    """When each clip began by its recorder's clock; NaT where date or time is unknown."""
    known = clips.date.notna() & clips["time"].notna()
    text = (clips.date + " " + clips["time"]).where(known)
    return pd.to_datetime(text, format="mixed", errors="coerce").astype("datetime64[us]")


def later(clips: pd.DataFrame, seconds: pd.Series) -> pd.DataFrame:
    """The clips with `date` and `time` moved on by some seconds, where both are known."""
    if not {"date", "time"} <= set(clips):
        return clips
    moments = moments_of(clips) + pd.to_timedelta(seconds, unit="s")
    return clips.assign(
        date=moments.dt.strftime("%Y-%m-%d").astype("str").fillna(clips.date),
        time=moments.dt.strftime("%H:%M:%S").astype("str").fillna(clips["time"]),
    )


def note_ambiguous(
    clips: pd.DataFrame, options: NightOptions, problems: Problems, rows: Sequence[str]
) -> None:
    """Note clips whose night cannot be told: a date alone, among recordings of both sides of midnight.

    Args:
        clips: as for `with_nights`, of one collection.
        problems: where it is noted.
        rows: what a message calls each clip.
    """
    given = clips[NIGHT].notna() if NIGHT in clips else pd.Series(False, index=clips.index)
    hours = moments_of(clips).dt.hour
    is_evening = (hours >= options.start_hour).any()
    is_morning = (hours < options.start_hour).any()
    alone = clips.date.notna() & clips["time"].isna() & ~given
    if is_evening and is_morning and alone.any():
        problems.add(
            "date without a time, among recordings of both sides of midnight",
            [row for row, is_alone in zip(rows, alone, strict=True) if is_alone],
            "A date alone does not tell the night there. Fill in time (such as 01:30) or night (the evening's date).",
        )


def night_words(clips: pd.DataFrame) -> str:
    """What was taken for a night where only dates are known; empty where nothing was taken.

    >>> night_words(pd.DataFrame({"night_from": ["date", "time"]}))
    '1 of 2 clips has a date without a time, which was taken as the date of the evening.'
    """
    n_dates = int((clips.night_from == BY_DATE).sum())
    if not n_dates:
        return ""
    verb = "has" if n_dates == 1 else "have"
    said = f"{n_dates:,} of {len(clips):,} clips {verb} a date without a time"
    return f"{said}, which was taken as the date of the evening."
