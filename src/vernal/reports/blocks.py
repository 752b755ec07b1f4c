"""What a report is built from: text, tables, pictures and folds, all plain data until the page is rendered.

Text may hold `code` in backticks. Whatever stands in a block is escaped when the page is rendered; only a
picture is markup, and it is our own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

NUMBER = re.compile(r"[-+]?[\d.,]+(\s?%)?( to [-+]?[\d.,]+)?|–|")
GOOD, WARNING, BAD, SOFT, STRONG = "good", "warning", "bad", "soft", "strong"


@dataclass(frozen=True)
class Text:
    """A paragraph; `tone` is empty, `good`, `warning`, `bad`, `soft` or `strong`."""

    text: str
    tone: str = ""
    kind: str = field(default="text", init=False)


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: Sequence[Text]
    kind: str = field(default="bullets", init=False)


@dataclass(frozen=True)
class Tile:
    """One number that stands out, what it is, and what belongs to it."""

    value: str
    label: str
    detail: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Tiles:
    tiles: Sequence[Tile]
    kind: str = field(default="tiles", init=False)


@dataclass(frozen=True)
class Table:
    """Cells as text, row by row; `tones` gives rows a colour, as `Text.tone` does.

    Columns that hold only numbers stand on the right.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    tones: Sequence[str] = ()
    kind: str = field(default="table", init=False)

    @property
    def is_number(self) -> list[bool]:
        """Whether each column holds only numbers."""
        return [
            any(row[at] for row in self.rows) and all(NUMBER.fullmatch(row[at]) for row in self.rows)
            for at in range(len(self.columns))
        ]

    @property
    def toned_rows(self) -> list[tuple[str, Sequence[str]]]:
        """Rows with their tone."""
        return list(zip([*self.tones, *[""] * len(self.rows)], self.rows, strict=False))


@dataclass(frozen=True)
class Picture:
    """A figure by its name, with a caption that says how to read it."""

    name: str
    caption: str
    kind: str = field(default="picture", init=False)


@dataclass(frozen=True)
class Fold:
    """Blocks that a reader opens."""

    title: str
    blocks: Sequence[Block]
    kind: str = field(default="fold", init=False)


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: str
    kind: str = field(default="heading", init=False)


Block = Text | Bullets | Tiles | Table | Picture | Fold | Heading


@dataclass(frozen=True)
class Section:
    """A part of the report under its own heading; `key` is its anchor."""

    key: str
    title: str
    blocks: Sequence[Block]
