"""Tables of other people: read strictly, and written so that a spreadsheet shows their text and does not run it.

Names and messages come from files that somebody else wrote. A cell that begins with `=`, `+`, `-` or `@` is a
formula to a spreadsheet; an apostrophe in front makes it text again. Numbers stay numbers.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from vernal.common.problems import InputError, Problems
from vernal.common.storage import as_path

# What a spreadsheet runs, and what `guard` made of it: an apostrophe more each time.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def guard(text: str) -> str:
    """Text that no spreadsheet takes for a formula; a plain number stays. `unguard` undoes it.

    >>> guard("=1+1"), guard("-0.5"), unguard(guard("'=1+1"))
    ("'=1+1", '-0.5', "'=1+1")
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def unguard(text: str) -> str:
    """Undo `guard`; other text stays as it is.

    >>> unguard("'=1+1"), unguard("'tis")
    ('=1+1', "'tis")
    """
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def safe_csv_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with text cells and column names that would start a formula put behind an apostrophe.

    Args:
        frame: any table; only text is looked at, text that is a plain number stays.
    Returns:
        A new table of the same shape, index and order.

    >>> safe_csv_text(pd.DataFrame({"name": ["=1+1", "-0.5", "a"], "score": [-1, 0, 1]})).name.tolist()
    ["'=1+1", '-0.5', 'a']
    """
    columns = {
        name: frame[name].map(_of_text(guard))
        for name in frame.columns
        if not pd.api.types.is_numeric_dtype(frame[name].dtype)
        and not pd.api.types.is_datetime64_any_dtype(frame[name].dtype)
    }
    return frame.assign(**columns).rename(columns=_of_text(guard))


def plain_csv_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The table that `safe_csv_text` made safe, without its apostrophes.

    >>> plain_csv_text(pd.DataFrame({"name": ["'=1+1", "'tis", "a"]})).name.tolist()
    ['=1+1', "'tis", 'a']
    """
    columns = {
        name: frame[name].map(_of_text(unguard))
        for name in frame.columns
        if pd.api.types.is_string_dtype(frame[name].dtype)
        and frame[name].astype(str).str.startswith("'").any()
    }
    return frame.assign(**columns).rename(columns=_of_text(unguard))


def _of_text(change: Callable[[str], str]) -> Callable[[Any], Any]:
    """The change for cells of text; others, missing ones among them, stay."""
    return lambda cell: change(cell) if isinstance(cell, str) else cell


def plain_text(text: str) -> str:
    """A table's text without byte order marks, and blank where a spreadsheet's first line says what divides cells."""
    return re.sub(r"\A\s*sep=.[ \t]*(?=\r?\n)", "", text.replace("\ufeff", ""), flags=re.IGNORECASE)


def delimiter_of(header: str) -> str:
    """What divides the cells: spreadsheets of half the world write semicolons; some write tabs."""
    return max(",;\t", key=header.count)


def read_cells(path: Path | str, what: str, setting: str) -> pd.DataFrame:
    """Read a CSV as text: stripped cells, every row as wide as the header.

    Args:
        path: UTF-8 (a byte order mark is fine), separated by comma, semicolon or tab.
        what: how messages call the file; `setting`: the parameter that named it.
    Raises:
        InputError: not there, unreadable, empty, columns of one name, or rows of another width.
    """
    path = as_path(path).expanduser()
    if not path.is_file():
        raise InputError(
            f"{what} {path} does not exist or is no file. Give the path of a CSV file as {setting}."
        )
    try:
        # Not pandas: it takes rows that are too wide as having an index, and shifts every column without a
        # word.
        text = plain_text(path.read_text(encoding="utf-8-sig")).lstrip("\r\n")
        delimiter = delimiter_of(text.split("\n", 1)[0])
        # Not `splitlines`: it also ends lines at signs that people have inside cells, such as vertical tabs.
        lines = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
        rows = [[cell.strip() for cell in row] for row in lines if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{what} {path} cannot be read as CSV: {error}. Save it as CSV in UTF-8.") from error
    if len(rows) < 2:
        raise InputError(
            f"{what} {path} has no rows below its header. It needs a header and at least one row."
        )
    columns = [name or f"column {number}" for number, name in enumerate(rows[0], 1)]
    problems = Problems(f"{what} {path}")
    doubles = (
        sorted({repr(name) for name in columns if columns.count(name) > 1})
        if len(set(columns)) < len(columns)
        else []
    )
    problems.add("column name used twice", doubles, "Give each column a name of its own.")
    odd = [f"row {n} has {len(row)} cells" for n, row in enumerate(rows[1:], 1) if len(row) != len(columns)]
    problems.add(
        "row of another width", odd, f"The header has {len(columns)} columns; each row needs as many cells."
    )
    problems.raise_if_any()
    return pd.DataFrame(rows[1:], columns=columns, dtype="str")
