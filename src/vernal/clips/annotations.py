"""Annotations: what a person (or a model) said about a recording, and when.

An annotation is *strong* when it has an onset and an offset, and *weak* when it speaks of the whole
recording. The two are kept apart: `split_by_strength` divides them and nothing joins them again without
being asked. A weak annotation may also say that a class is absent; a strong one always says that it is there.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from vernal.clips.manifest import QUALITIES
from vernal.common.problems import Problems

TEXT_COLUMNS = (
    "recording", "label", "annotator", "annotated_at", "session", "prominence", "difficulty", "quality", "model", "note"
)  # fmt: skip
NUMBER_COLUMNS = ("start_s", "end_s", "low_hz", "high_hz", "channel", "confidence")
ANNOTATION_COLUMNS = (
    "recording", "start_s", "end_s", "low_hz", "high_hz", "channel", "label", "is_present", "annotator", "annotated_at",
    "session", "prominence", "difficulty", "confidence", "quality", "model", "note",
)  # fmt: skip
PROMINENCES = ("foreground", "background")
DIFFICULTIES = ("easy", "moderate", "hard")
# The columns that take a word of a list.
WORDS = {"prominence": PROMINENCES, "difficulty": DIFFICULTIES, "quality": QUALITIES}
MAX_TIME_S = 1e7
"""Longest time an annotation may name, seconds; beyond it a column was misread."""


def annotation_table(rows: Iterable[Mapping[Any, Any]]) -> pd.DataFrame:
    """Make a table of annotations; columns that a row does not give are missing, `is_present` is true.

    >>> annotation_table([{"label": "RADR", "start_s": 1, "end_s": 2}]).is_present.tolist()
    [True]
    """
    listed = list(rows)
    columns: dict[str, pd.Series] = {}
    for name in ANNOTATION_COLUMNS:
        values = [row.get(name) for row in listed]
        if name in TEXT_COLUMNS:
            columns[name] = pd.Series([_text(value) for value in values], dtype="str")
        elif name in NUMBER_COLUMNS:
            columns[name] = pd.Series(
                [np.nan if value is None else value for value in values], dtype="float64"
            )
        else:
            columns[name] = pd.Series([is_missing(value) or bool(value) for value in values], dtype="bool")
    return pd.DataFrame(columns)


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing: None or NaN."""
    return value is None or value != value


def _text(value: Any) -> Any:
    return np.nan if is_missing(value) else str(value).strip() or np.nan


def split_by_strength(annotations: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide annotations into strong (with onset and offset) and weak (about the whole recording).

    >>> strong, weak = split_by_strength(annotation_table([{"label": "a", "start_s": 0, "end_s": 1}, {"label": "b"}]))
    >>> strong.label.tolist(), weak.label.tolist()
    (['a'], ['b'])
    """
    is_strong = annotations.start_s.notna()
    return annotations[is_strong], annotations[~is_strong]


_REMEDIES = {
    "missing label": "Name what was heard.",
    "only one of start and end": "Give both for a part of the recording, neither for all of it.",
    "time out of range": "Give seconds from the recording's start.",
    "end before start": "Each annotation ends after it starts.",
    "frequency below zero": "Give Hertz, or leave it empty.",
    "band upside down": "The lower frequency comes first.",
    "confidence out of range": "Give 0 to 1.",
    "absence of a part": "Say that a class is absent of whole recordings only.",
    **{f"unknown {name}": f"Use {', '.join(known)}." for name, known in WORDS.items()},
}


def note_wrong_rows(
    rows: Sequence[Mapping[str, Any]], lines: Sequence[int], problems: Problems, needs_label: bool = True
) -> None:
    """Note impossible statements: times that run backwards, bands upside down, unknown words; with the lines.

    Args:
        rows: values of annotations, before they become a table.
        lines: each row's line in its file.
        problems: takes them.
        needs_label: whether a row without a label is wrong.
    """
    found: dict[str, list[str]] = {kind: [] for kind in _REMEDIES}
    for row, line in zip(rows, lines, strict=True):
        for kind, value in _wrong(row):
            found[kind].append(f"line {line}" if is_missing(value) else f"line {line}: {value!r}")
    if not needs_label:
        del found["missing label"]
    for kind, cases in found.items():
        problems.add(kind, cases, _REMEDIES[kind])


def _wrong(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What is wrong with one statement. Comparisons with NaN are false, so missing values pass."""
    nan = float("nan")
    start, end, low, high, sure = (
        nan if row.get(name) is None else row[name]
        for name in ("start_s", "end_s", "low_hz", "high_hz", "confidence")
    )
    if is_missing(_text(row.get("label"))):
        yield "missing label", row.get("label")
    if is_missing(start) != is_missing(end):
        yield "only one of start and end", start
    if start < 0 or start > MAX_TIME_S or end > MAX_TIME_S:
        yield "time out of range", start
    if end < start:
        yield "end before start", end
    if low < 0 or high < 0:
        yield "frequency below zero", low
    if high < low:
        yield "band upside down", low
    if sure < 0 or sure > 1:
        yield "confidence out of range", sure
    if row.get("is_present") is False and not is_missing(start):
        yield "absence of a part", row.get("label")
    for name, known in WORDS.items():
        word = _text(row.get(name))
        if not is_missing(word) and word not in known:
            yield f"unknown {name}", word


def spell_number(value: float) -> str:
    """The shortest decimal text that reads back as the same number; never an exponent.

    >>> spell_number(12.5), spell_number(3.0)
    ('12.5', '3.0')
    """
    return np.format_float_positional(float(value), trim="0")


def parse_number(text: str) -> float:
    """A number as people's programs write it: `12.5`, or `12,5` where the system uses a decimal comma.

    Raises:
        ValueError: not a finite number.
    """
    cleaned = text.strip()
    if cleaned.count(",") == 1 and "." not in cleaned:
        cleaned = cleaned.replace(",", ".")
    if "_" in cleaned:
        raise ValueError(f"{text!r} is not a number")
    number = float(cleaned)
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is not a finite number")
    return number
