"""Cells of tables that somebody else wrote: as numbers, with the precision that they print, or in one spelling."""

import ast
import re
from typing import Any

import numpy as np
import pandas as pd

NOTHING = frozenset({"", "[]", "()", "{}", "none", "null", "nan", "na", "n/a"})


def numbers(column: pd.Series) -> pd.Series:
    """Text as floats; what is no finite number is missing."""
    return pd.to_numeric(column, errors="coerce").astype(float).replace([np.inf, -np.inf], np.nan)


def decimals(column: pd.Series) -> int:
    """How many decimals a column of text prints: the most of any of its cells.

    >>> decimals(pd.Series(["0.5", "0.125", "1"], dtype="str"))
    3
    """
    found = column.str.extract(r"^[+-]?\d*\.(\d+)$")[0].dropna()
    # 1e-05 and the like print every digit they have.
    if column.str.fullmatch(r"[+-]?[\d.]+[eE][+-]?\d+").any():
        return 12
    return int(found.str.len().max()) if len(found) else 0


def canonical(cell: Any) -> str:
    r"""One spelling of a setting's value.

    Numbers lose needless digits, booleans are lower case, lists are sorted, `\` is `/`, and `[]`, `None` or
    missing are nothing.

    >>> [canonical(cell) for cell in ("0.50", "True", r"['b\\x', 'a']", "[]", "data\\splits/")]
    ['0.5', 'true', '[a, b/x]', '', 'data/splits']
    """
    text = str(cell).strip()
    if text.lower() in NOTHING:
        return ""
    if text[:1] in "[(" and text[-1:] in "])":
        try:
            items = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            items = None
        if isinstance(items, list | tuple):
            return "[" + ", ".join(sorted(canonical(item) for item in items)) + "]"
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if np.isfinite(number):
        return f"{number:.12g}"
    if text.lower() in ("true", "false"):
        return text.lower()
    plain = re.sub(r"[\\/]+", "/", text).rstrip("/") or "/"
    # What is left without its last slash may be a number or nothing.
    return plain if plain == text else canonical(plain)
