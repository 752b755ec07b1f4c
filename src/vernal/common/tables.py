"""Tables of other people: read strictly, and written so that a spreadsheet shows their text and does not run it.

Names and messages come from files that somebody else wrote. A cell that begins with `=`, `+`, `-` or `@` is a
formula to a spreadsheet; an apostrophe in front makes it text again. Numbers stay numbers.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pandas as pd

from vernal.common.problems import InputError, Problems
from vernal.common.storage import as_path

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


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
        name: frame[name].map(_safe)
        for name in frame.columns
        if not pd.api.types.is_numeric_dtype(frame[name].dtype)
        and not pd.api.types.is_datetime64_any_dtype(frame[name].dtype)
    }
    return frame.assign(**columns).rename(columns=_safe)


def plain_csv_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The table that `safe_csv_text` made safe, without the apostrophes.

    Text that had an apostrophe before a formula's start by itself loses it too; Parquet keeps every text.

    >>> plain_csv_text(pd.DataFrame({"name": ["'=1+1", "'tis", "a"]})).name.tolist()
    ['=1+1', "'tis", 'a']
    """
    columns = {
        name: frame[name].map(_plain)
        for name in frame.columns
        if pd.api.types.is_string_dtype(frame[name].dtype)
        and frame[name].astype(str).str.startswith("'").any()
    }
    return frame.assign(**columns).rename(columns=_plain)


def _plain(cell: object) -> object:
    if isinstance(cell, str) and cell.startswith("'") and cell[1:].startswith(FORMULA_STARTS):
        return cell[1:]
    return cell


def _safe(cell: object) -> object:
    if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) and not NUMBER.fullmatch(cell):
        return "'" + cell
    return cell


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
        text = path.read_text(encoding="utf-8-sig")
        header = text.split("\n", 1)[0]
        delimiter = max(",;\t", key=header.count)
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
