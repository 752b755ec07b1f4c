"""Markdown in which no word of a file can become markup."""

import re
from collections.abc import Iterable, Sequence

_MARKS = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")


def text(value: object) -> str:
    r"""A value as plain text within Markdown: marks are escaped and lines joined.

    >>> text("<b>a_b|c\n# d</b>")
    '\\<b\\>a\\_b\\|c \\# d\\</b\\>'
    """
    return _MARKS.sub(r"\\\1", " ".join(str(value).split()))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; cells are escaped."""
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    lines += ["| " + " | ".join(text(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)
