"""From one worker's measured speed to hours and cost at the size of a season, a network, a decade.

What is measured is how much sound a worker embeds in an hour, and how many bytes it reads and keeps for that. What is
assumed stands in a file, by name. Everything else follows from these.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from tools.benchmarks.page import machine, versions, write_between
from tools.docs_site.markdown import table
from vernal.commands.benchmarks.report import shown
from vernal.common.problems import Problems
from vernal.common.safe_yaml import read_yaml

# What pydantic finds -> what it is called here, and the way out.
_FAULTS = {
    "missing": ("missing", "Add it."),
    "unexpected_keyword_argument": ("unknown", "Remove it or mend its name."),
    "too_short": ("group without members", "Name one at least."),
}
_WRONG = ("value that cannot be", "Give a number above 0 (a price may be 0; counts are whole).")
START, END = "<!-- measured tables -->", "<!-- end of measured tables -->"
_MONTH_H = 365.25 * 24 / 12
Above0 = Annotated[float, Field(strict=True, gt=0)]
Price = Annotated[float, Field(strict=True, ge=0)]
Count = Annotated[int, Field(strict=True, gt=0)]
_KNOWN_KEYS = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_KNOWN_KEYS)
class Season:
    """How much is recorded: recorders, and years of one season each."""

    recorders: Count
    years: Count


@dataclass(frozen=True, config=_KNOWN_KEYS)
class Place:
    """Where it is computed.

    `worker_hour_price`: of one worker, in the currency. `read_mb_s`: megabytes a second that all workers together
    read from storage.
    """

    workers: Count
    worker_hour_price: Price
    read_mb_s: Above0


@dataclass(frozen=True, config=_KNOWN_KEYS)
class Assumptions:
    """The file of assumptions; see its comments."""

    currency: str
    file_s: Above0
    files_a_night: Count
    nights: Count
    seasons: Annotated[dict[str, Season], Field(min_length=1)]
    places: Annotated[dict[str, Place], Field(min_length=1)]
    storage_price_tb_month: Price

    def hours(self, season: Season) -> float:
        """Hours of sound."""
        return self.files(season) * self.file_s / 3_600

    def files(self, season: Season) -> int:
        """Recordings."""
        return season.recorders * season.years * self.nights * self.files_a_night


@dataclass(frozen=True)
class Speed:
    """What was measured: hours of sound by one core in an hour; bytes read and kept for an hour of sound."""

    hours_a_core_hour: float
    read_bytes_an_hour: float
    kept_bytes_an_hour: float
    workers: int

    @property
    def read_mb_s(self) -> float:
        """Megabytes a second that one worker reads while it computes."""
        return self.hours_a_core_hour * self.read_bytes_an_hour / 3_600 / 1e6


def read_assumptions(file: Path) -> Assumptions:
    """Read the file of assumptions.

    Raises:
        InputError: names every key that is missing, unknown or not a number above 0 (a price may be 0).
    """
    try:
        return TypeAdapter(Assumptions).validate_python(read_yaml(file) or {})
    except ValidationError as error:
        _refuse(file, error)


def _refuse(file: Path, error: ValidationError) -> NoReturn:
    cases: dict[tuple[str, str], list[str]] = {words: [] for words in (*_FAULTS.values(), _WRONG)}
    for fault in error.errors():
        words, name = _FAULTS.get(fault["type"], _WRONG), ".".join(map(str, fault["loc"]))
        cases[words].append(f"{name}: {fault['input']!r}" if words == _WRONG else name)
    problems = Problems(f"The assumptions {file}")
    for (kind, way_out), named in cases.items():
        problems.add(kind, named, way_out)
    problems.raise_if_any()
    raise error


def hours_needed(sound_h: float, speed: Speed, place: Place) -> tuple[float, str]:
    """Hours until all is embedded, and what they are limited by: `computing` or `reading`.

    >>> speed = Speed(50.0, 360e6, 5e6, 2)
    >>> hours_needed(100.0, speed, Place(1, 0.0, 500)), hours_needed(100.0, speed, Place(1_000, 0.0, 500))
    ((2.0, 'computing'), (0.02, 'reading'))
    """
    computing = sound_h / (speed.hours_a_core_hour * place.workers)
    reading = sound_h * speed.read_bytes_an_hour / (place.read_mb_s * 1e6) / 3_600
    return (computing, "computing") if computing >= reading else (reading, "reading")


def write_page(file: Path, speed: Speed, assumptions: Assumptions, source: str) -> None:
    """Put the tables into the page, in the place of the older ones; its text stays.

    Args:
        source: name of the assumptions' file, for the reader.
    Raises:
        InputError: the page has no place for them.
    """
    write_between(file, START, END, tables(speed, assumptions, source))


def tables(speed: Speed, assumptions: Assumptions, source: str) -> str:
    """All tables as Markdown."""
    parts = [
        _measured(speed),
        "### A season, a network, a decade",
        _hours_table(speed, assumptions),
        _storage_sentence(speed, assumptions),
        "### Where reading, not computing, is the limit",
        _limit_table(speed, assumptions),
        f"Assumed in `{source}`: {_assumed(assumptions)}.",
    ]
    return "\n\n".join(parts)


def _measured(speed: Speed) -> str:
    return (
        f"Measured: a worker of one core embeds {shown(speed.hours_a_core_hour)} hours of sound in an hour (of "
        f"processor time of all processes, with {speed.workers} workers), reads "
        f"{shown(speed.read_bytes_an_hour / 1e6)} MB for "
        f"each of them, {shown(speed.read_mb_s)} MB a second, and keeps {shown(speed.kept_bytes_an_hour / 1e6)} MB of "
        f"embeddings. On {machine()}, with {versions()}."
    )


def _hours_table(speed: Speed, assumptions: Assumptions) -> str:
    """A column a season; a row for what it is, and for each place and its price."""
    hours = [assumptions.hours(season) for season in assumptions.seasons.values()]
    read_tb = [sound_h * speed.read_bytes_an_hour / 1e12 for sound_h in hours]
    rows = [
        ["recordings", *(shown(assumptions.files(season)) for season in assumptions.seasons.values())],
        ["hours of sound", *map(shown, hours)],
        ["TB of sound", *map(shown, read_tb)],
        ["TB of embeddings", *(shown(sound_h * speed.kept_bytes_an_hour / 1e12) for sound_h in hours)],
    ]
    for name, place in assumptions.places.items():
        needed = [hours_needed(sound_h, speed, place) for sound_h in hours]
        rows.append(
            [
                f"{name}: hours",
                *(shown(time_h) + ("*" if limit == "reading" else "") for time_h, limit in needed),
            ]
        )
        if place.worker_hour_price:
            prices = [time_h * place.workers * place.worker_hour_price for time_h, _ in needed]
            rows.append([f"{name}: {assumptions.currency}", *map(shown, prices)])
    monthly = [shown(tb * assumptions.storage_price_tb_month) for tb in read_tb]
    rows.append([f"keeping the sound: {assumptions.currency} a month", *monthly])
    starred = any("*" in cell for row in rows for cell in row)
    hours = table(["", *assumptions.seasons], rows, assumptions.seasons)
    return hours + ("\n\n\\* limited by reading, not by computing." if starred else "")


def _storage_sentence(speed: Speed, assumptions: Assumptions) -> str:
    """How long the recordings may be kept for the price of computing on them once."""
    monthly = speed.read_bytes_an_hour / 1e12 * assumptions.storage_price_tb_month
    lines = []
    for name, place in assumptions.places.items():
        needed, _ = hours_needed(1.0, speed, place)
        once = needed * place.workers * place.worker_hour_price
        if once:
            lines.append(f"{shown(once / monthly * _MONTH_H / 24)} days ({name})")
    if not lines:
        return ""
    return (
        f"In price, storage passes computing early: what embedding costs once pays for keeping the same sound for "
        f"{', '.join(lines)}."
    )


def _limit_table(speed: Speed, assumptions: Assumptions) -> str:
    rows = []
    for name, place in assumptions.places.items():
        most = place.read_mb_s / speed.read_mb_s
        _, limit = hours_needed(1.0, speed, place)
        rows.append(
            [
                name,
                shown(place.workers),
                shown(place.read_mb_s),
                shown(place.workers * speed.read_mb_s),
                shown(int(most)),
                limit,
            ]
        )
    headings = [
        "",
        "workers",
        "read at most, MB a second",
        "asked for, MB a second",
        "workers that it is enough for",
        "limit",
    ]
    return table(headings, rows, headings[1:])


def _assumed(assumptions: Assumptions) -> str:
    places = [
        f"{name}: {place.workers} workers of {place.worker_hour_price:g} {assumptions.currency} an hour that read "
        f"{place.read_mb_s:g} MB a second together"
        for name, place in assumptions.places.items()
    ]
    nights = (
        f"{assumptions.files_a_night} recordings of {assumptions.file_s:g} s a recorder and night, "
        f"{assumptions.nights} nights a season"
    )
    storage = (
        f"{assumptions.storage_price_tb_month:g} {assumptions.currency} for a terabyte and month of storage"
    )
    return "; ".join([nights, *places, storage])
