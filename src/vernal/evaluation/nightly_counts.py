"""A published table of positive files a night, and which of its cells follow from its own lines.

The table's later text works out what a given precision or recall "means for a night". Its formulas are
applied here to its own figures, beside what the definitions give, so that a reader sees which cells are
arithmetic and which are wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vernal.common.problems import InputError

_RULE = re.compile(r"^[=-]{3,}")
_HEADING = re.compile(r"^(\S[^:]*):\s*$")
_NIGHT = re.compile(r"^\s+(\d{4}-\d{2}-\d{2}):\s+([\d,]+) files\s*$")
_TOTAL = re.compile(r"^\s*(\S+?):? +(?:Total: +([\d,]+) files|([\d,]+) total positive files)\s*$")
_RANGE = re.compile(
    r"^[\s-]*((?:Typical )?range)(?: \([^)]*\))?: ([\d.]+)-([\d.]+)(?: files(?:/day)?)?\s*$", re.IGNORECASE
)
_FIGURE = re.compile(r"^[\s-]*([A-Z0-9][^:~]*?):\s+([\d.,]*\d)(?: (?:files/day|files|days))?\s*$")
_BIN = re.compile(r"^\s*((\d+)(?:-(\d+)|\+) files):\s+(\d+) days \(\s*([\d.]+)%\)\s*$")
_SCENARIO = re.compile(r"^(.+? scenario) \(.*?(\d+) files\):\s*$")
_CLAIM = re.compile(
    r"^\s*- At (\d+(?:\.\d+)?)% (precision|recall|F1): expect (?:to miss )?~([\d.]+) (.+?)/night\s*$"
)
COLUMNS = [
    "part", "cell", "published", "recomputed", "agrees", "by_definition", "agrees_by_definition", "note",
]  # fmt: skip
ALL = "all nights"
Row = dict[str, object]

_NOTES = {
    "precision": "files * (1 - precision) takes true files for flagged ones; with every call found it is "
    "files * (1 - precision) / precision, and in general a night's negatives times the false positive rate",
    "recall": "follows: missed files are files * (1 - recall)",
    "F1": "files * (1 - F1) is no count of errors; there are at least files * 2 * (1 - F1) / (2 - F1), "
    "which is when nothing is flagged wrongly",
}


def _quartile(files: pd.Series, share: float) -> float:
    """The count at place `floor(share * n)`: the convention by which such quartiles come out whole."""
    return float(files.sort_values().iloc[min(int(share * len(files)), len(files) - 1)])


def _outlier(files: pd.Series) -> float:
    low, high = _quartile(files, 0.25), _quartile(files, 0.75)
    return high + 1.5 * (high - low)


# What a figure's name says it is, first match first; each takes the files of the nights in question.
_STATISTICS: dict[str, Callable[[pd.Series], float]] = {
    "median": lambda n: float(n.median()),
    "mean": lambda n: float(n.mean()),
    "standard deviation": lambda n: float(n.std(ddof=1)),
    "25th percentile": lambda n: _quartile(n, 0.25),
    "75th percentile": lambda n: _quartile(n, 0.75),
    "interquartile range": lambda n: _quartile(n, 0.75) - _quartile(n, 0.25),
    "outlier threshold": _outlier,
    "min": lambda n: float(n.min()),
    "max": lambda n: float(n.max()),
    "typical nights": lambda n: float((n <= _outlier(n)).sum()),
    "chorus nights": lambda n: float((n > _outlier(n)).sum()),
    "combinations": lambda n: float(len(n)),
    "recording days": lambda n: float(len(n)),
    "files": lambda n: float(n.sum()),
}


@dataclass(frozen=True)
class NightlyCounts:
    """A published table: `nights` (`recorder_id, date, n_files`) and its text."""

    nights: pd.DataFrame
    text: str


def parse(text: str) -> NightlyCounts:
    """Read counts of positive files by recorder and date: `Recorder:` lines, each above its `date: n files`.

    Raises:
        InputError: there are no such lines.
    """
    rows, recorder = [], None
    for line in text.splitlines():
        if found := _HEADING.match(line):
            recorder = found[1]
        elif _RULE.match(line):
            recorder = None
        elif (found := _NIGHT.match(line)) and recorder:
            rows.append((recorder, found[1], _number(found[2])))
    if not rows:
        raise InputError(
            "the text holds no counts of files a night; expected a line `Recorder:` and below it lines like "
            "`  2025-04-03:   10 files`"
        )
    return NightlyCounts(pd.DataFrame(rows, columns=["recorder_id", "date", "n_files"]), text)


def check(counts: NightlyCounts) -> pd.DataFrame:
    """Every figure the text states, recomputed from its nightly lines or by its own formula.

    Returns:
        `part, cell, published, recomputed, agrees` (within half of the last printed digit); for what is said
        to follow from precision, recall or F1, `by_definition`, `agrees_by_definition` and `note`.
    """
    rows: list[Row] = []
    part, files = ALL, counts.nights["n_files"]
    for line in counts.text.splitlines():
        part, files = _scope(line, part, files, counts.nights)
        rows += _rows(line, part, files, counts.nights)
        if (found := _FIGURE.match(line)) and found[1].lower().startswith(
            ("typical nights", "chorus nights")
        ):
            # The lines below describe the nights on this side of the threshold.
            every = counts.nights["n_files"]
            is_typical = every <= _outlier(every)
            part = found[1].split(" (")[0]
            files = every[is_typical] if part.lower().startswith("typical") else every[~is_typical]
    return pd.DataFrame(rows, columns=COLUMNS)


def _scope(line: str, part: str, files: pd.Series, nights: pd.DataFrame) -> tuple[str, pd.Series]:
    """Which nights the lines from here on are about."""
    if found := _SCENARIO.match(line):
        return found[1], pd.Series([float(found[2])])
    heading = _HEADING.match(line)
    if heading and heading[1] in set(nights["recorder_id"]):
        return heading[1], nights.loc[nights["recorder_id"] == heading[1], "n_files"]
    return (ALL, nights["n_files"]) if heading or _RULE.match(line) else (part, files)


def _rows(line: str, part: str, files: pd.Series, nights: pd.DataFrame) -> list[Row]:
    """What one line states; nothing for headings, nights and prose."""
    every = nights["n_files"]
    if found := _TOTAL.match(line):
        own = every[nights["recorder_id"] == found[1]]
        return [_row(found[1], "total", found[2] or found[3], float(own.sum()))]
    if found := _BIN.match(line):
        inside = every.between(int(found[2]) + (found[3] is None), float(found[3] or "inf"))
        count = _row("distribution", f"{found[1]}: days", found[4], float(inside.sum()))
        return [count, _row("distribution", f"{found[1]}: %", found[5], 100 * float(inside.mean()))]
    if found := _CLAIM.match(line):
        return [_claim(part, found, float(files.iloc[0]))]
    if found := _RANGE.match(line):
        is_middle = found[1].lower().startswith("typical")
        ends = [_quartile(files, 0.25), _quartile(files, 0.75)] if is_middle else [files.min(), files.max()]
        cells = zip(("low", "high"), (found[2], found[3]), ends, strict=True)
        return [_row(part, f"{found[1]}, {end}", published, float(value)) for end, published, value in cells]
    if (found := _FIGURE.match(line)) and not _NIGHT.match(line):
        return _figure(part, found[1], found[2], files, nights)
    return []


def _figure(part: str, name: str, published: str, files: pd.Series, nights: pd.DataFrame) -> list[Row]:
    lowered = name.lower()
    if lowered == "total recorders":
        return [_row(part, name, published, nights["recorder_id"].nunique())]
    if lowered.startswith(("typical nights", "chorus nights")):
        part, files = ALL, nights["n_files"]
    known = [statistic for word, statistic in _STATISTICS.items() if word in lowered]
    return [_row(part, name, published, known[0](files))] if known else []


def _claim(part: str, found: re.Match[str], n_files: float) -> Row:
    """A scenario's figure: its own formula is `files * (1 - rate)`, whichever rate it is."""
    rate, kind, published, noun = float(found[1]) / 100, found[2], found[3], found[4]
    definition = {
        "precision": n_files * (1 - rate) / rate if rate else np.nan,
        "recall": n_files * (1 - rate),
        "F1": n_files * 2 * (1 - rate) / (2 - rate),
    }[kind]
    cell = f"{noun} at {found[1]} % {kind}"
    return _row(part, cell, published, n_files * (1 - rate), definition, _NOTES[kind])


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _row(
    part: str, cell: str, published: str, recomputed: float, definition: float = np.nan, note: str = ""
) -> Row:
    digits, value = len(published.partition(".")[2]), _number(published)

    def is_near(other: float) -> bool:
        # Half of the last digit, and a hair for halves that binary numbers cannot hold.
        return bool(abs(value - other) <= 0.5 * 10**-digits + 1e-9)

    by_definition = is_near(definition) if np.isfinite(definition) else None
    row = (part, cell, value, recomputed, is_near(recomputed), definition, by_definition, note)
    return dict(zip(COLUMNS, row, strict=True))
