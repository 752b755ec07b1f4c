"""The table of sites (`source.sites`): where each recorder stood, from when to when, and in which zone its clock ran.

A row is a deployment: one placement of one recorder. What else the table says of a site is carried along as its
covariates.
"""

import re
from collections.abc import Iterable
from datetime import tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd

from vernal.clips.recording_metadata import fixed_zone
from vernal.common.problems import Problems, suggest
from vernal.common.tables import read_numbered_cells

SITE_COLUMNS = ("site", "recorder_id", "latitude", "longitude", "time_zone", "from", "to")
SETTING = "source.sites"
_NAMES = {"recorder": "recorder_id", "timezone": "time_zone"}
_LIMITS = {"latitude": 90, "longitude": 180}
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-]\d{1,2}(?::?[0-5]\d)?)", re.IGNORECASE)


@lru_cache(maxsize=1_024)
def zone_of(text: str) -> tzinfo:
    """The time zone that a name or an offset stands for.

    Raises:
        ValueError: neither.

    >>> str(zone_of("Australia/Brisbane")), str(zone_of("+10")), str(zone_of("UTC-03:30"))
    ('Australia/Brisbane', 'UTC+10:00', 'UTC-03:30')
    """
    if offset := _OFFSET.fullmatch(text):
        return fixed_zone(offset[1])
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{text!r} is no time zone") from error


def read_sites(path: str | None, recorders: Iterable[str]) -> pd.DataFrame:
    """The table of sites, checked, a row a deployment.

    Args:
        path: CSV with `site` or `recorder` (or both), and any of `latitude`, `longitude`, `time zone`, `from`, `to`;
            without `recorder`, sites are called as the recorders are. None: no table.
        recorders: those of the recordings.
    Returns:
        `SITE_COLUMNS` and the other columns as text: `recorder_id` as the recordings spell it; degrees as numbers;
        `from` and `to` as dates, both included, NaT where open.
    Raises:
        InputError: says everything that is wrong with the table.
    """
    if path is None:
        empty = pd.DataFrame(columns=list(SITE_COLUMNS))
        return empty.astype(dict.fromkeys(("from", "to"), "datetime64[s]"))
    cells = read_numbered_cells(path, "The table of sites", SETTING)
    cells.columns = pd.Index([_column(name) for name in cells.columns])
    problems = Problems(f"The table of sites {path}")
    doubles = sorted(set(cells.columns[cells.columns.duplicated()]))
    problems.add("column given twice", doubles, "Give each column once.")
    if not {"site", "recorder_id"} & set(cells.columns):
        problems.add("no column of names", ["neither site nor recorder"], "Add one: it says whose row it is.")
    problems.raise_if_any()
    cells = cells.replace("", None)
    names = cells["recorder_id"] if "recorder_id" in cells else cells["site"]
    names = names.fillna(cells["site"]) if "site" in cells else names
    table = (
        cells.assign(recorder_id=names, site=cells["site"].fillna(names) if "site" in cells else names)
        .reindex(columns=[*SITE_COLUMNS, *(name for name in cells.columns if name not in SITE_COLUMNS)])
        .astype("str")
    )
    table = _checked(table, sorted(set(recorders)), problems)
    problems.raise_if_any()
    return table


def _column(name: str) -> str:
    plain = re.sub(r"[ _-]+", "_", name.strip().lower())
    plain = _NAMES.get(plain, plain)
    return plain if plain in SITE_COLUMNS else name.strip()


def _checked(table: pd.DataFrame, recorders: list[str], problems: Problems) -> pd.DataFrame:
    rows = [f"row {number + 1}" for number in table.index]
    table = table.reset_index(drop=True)
    unnamed = [row for row, name in zip(rows, table.recorder_id, strict=True) if pd.isna(name)]
    problems.add("row without a name", unnamed, "Fill in site or recorder.")
    degrees = {name: _degrees(table[name], name, rows, problems) for name in _LIMITS}
    halves = degrees["latitude"].isna() != degrees["longitude"].isna()
    given = table.latitude.isna() != table.longitude.isna()
    problems.add("half a place", _those(rows, halves & given), "Give latitude and longitude, or neither.")
    zones = [
        f"{row}: {text!r}"
        for row, text in zip(rows, table.time_zone.fillna("UTC"), strict=True)
        if not _is_zone(text)
    ]
    problems.add(
        "unknown time zone",
        zones,
        "Give the zone of the recorder's clock as Australia/Brisbane, UTC or UTC+10:00.",
    )
    dates = {name: _dates(table[name], name, rows, problems) for name in ("from", "to")}
    table = table.assign(**degrees, **dates)
    _check_periods(table, rows, problems)
    return table.assign(recorder_id=_known(table.recorder_id, recorders, rows, problems))


def _those(rows: list[str], wanted: pd.Series) -> list[str]:
    return [row for row, is_wanted in zip(rows, wanted, strict=True) if is_wanted]


def _is_zone(text: str) -> bool:
    try:
        zone_of(text)
    except ValueError:
        return False
    return True


def _degrees(cells: pd.Series, name: str, rows: list[str], problems: Problems) -> pd.Series:
    numbers = pd.to_numeric(cells.str.replace(",", "."), errors="coerce").astype("float64")
    is_bad = cells.notna() & ~(numbers.abs() <= _LIMITS[name])
    cases = [f"{row}: {cell!r}" for row, cell, bad in zip(rows, cells, is_bad, strict=True) if bad]
    limit = _LIMITS[name]
    problems.add(f"{name} that cannot be used", cases, f"Give decimal degrees from -{limit} to {limit}.")
    return numbers


def _dates(cells: pd.Series, name: str, rows: list[str], problems: Problems) -> pd.Series:
    dates = pd.to_datetime(cells, format="%Y-%m-%d", errors="coerce").astype("datetime64[s]")
    is_bad = cells.notna() & dates.isna()
    cases = [f"{row}: {cell!r}" for row, cell, bad in zip(rows, cells, is_bad, strict=True) if bad]
    problems.add(f"'{name}' that is no date", cases, "Give it as 2025-04-03, or leave it empty.")
    return dates


def _check_periods(table: pd.DataFrame, rows: list[str], problems: Problems) -> None:
    """Note deployments that end before they begin, and those of one recorder that share a day."""
    problems.add("'to' before 'from'", _those(rows, table.to < table["from"]), "Turn the two round.")
    spans = table.assign(
        row=rows,
        name=table.recorder_id.str.casefold(),
        first=table["from"].fillna(pd.Timestamp.min.ceil("s")),
        last=table.to.fillna(pd.Timestamp.max.floor("s")),
    ).sort_values(["name", "first"], kind="stable")
    previous = spans.groupby("name")[["row", "last"]].shift()
    overlap = spans.first <= previous["last"]
    cases = [
        f"{before} and {row} ({name})"
        for before, row, name in zip(
            previous.row[overlap], spans.row[overlap], spans.recorder_id[overlap], strict=True
        )
    ]
    problems.add(
        "deployments of one recorder at one time", cases, "Correct from and to; both days are included."
    )


def _known(names: pd.Series, recorders: list[str], rows: list[str], problems: Problems) -> pd.Series:
    """The names as the recordings spell them; unknown ones are a problem where a recorder lacks its row."""
    spelling = {name.casefold(): name for name in recorders}
    found = names.str.casefold().map(spelling)
    lacking = sorted(set(recorders) - set(found.dropna()))
    unknown = [
        f"{row}: {name!r}, {suggest(name, lacking[:20])}"
        for row, name, one in zip(rows, names, found, strict=True)
        if pd.isna(one) and not pd.isna(name) and lacking
    ]
    problems.add(
        "unknown recorder",
        unknown,
        f"No recording is theirs, while {len(lacking):,} of the recordings' recorders have no row (first: "
        f"{lacking[0] if lacking else ''}). Correct the names, or leave the rows out.",
    )
    return found.fillna(names).astype("str")
