"""Text of other people in a CSV of ours: a spreadsheet must show it, not run it.

Names and messages come from files that somebody else wrote. A cell that begins with `=`, `+`, `-` or `@` is a
formula to a spreadsheet; an apostrophe in front makes it text again. Numbers stay numbers.
"""

from __future__ import annotations

import re

import pandas as pd

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


def _safe(cell: object) -> object:
    if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) and not NUMBER.fullmatch(cell):
        return "'" + cell
    return cell
