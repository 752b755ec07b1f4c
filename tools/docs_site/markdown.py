"""Markdown out of values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], numbers: Iterable[str] = ()) -> str:
    """A Markdown table; columns named in `numbers` stand to the right.

    Raises:
        ValueError: a row has more or fewer cells than the head.

    >>> print(table(["a", "n"], [["x|y", 3]], ["n"]))
    | a | n |
    | --- | ---: |
    | x\\|y | 3 |
    """
    to_the_right = set(numbers)
    lines = [head, ["---:" if name in to_the_right else "---" for name in head], *rows]
    if any(len(line) != len(head) for line in lines):
        raise ValueError(f"A table of {len(head)} columns ({', '.join(head)}) has a row of another length.")
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines)


def _cell(value: Any) -> str:
    return re.sub(r"\s+", " ", str(value)).replace("|", "\\|").strip()


def code(text: Any) -> str:
    """Text as it is typed; nothing where there is none."""
    return f"`{text}`" if text else ""


def first_sentence(text: str) -> str:
    """The first paragraph of a docstring as one line.

    >>> first_sentence("Split clips;\\n    none twice.\\n\\n    Args: x")
    'Split clips; none twice.'
    """
    return re.sub(r"\s+", " ", text.strip().split("\n\n")[0])
