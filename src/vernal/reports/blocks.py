"""What a report is built from: text, tables, pictures and folds, all plain data until the page is rendered.

Text may hold `code` in backticks. Whatever stands in a block is escaped when the page is rendered; only a
picture is markup, and it is our own.
"""

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
    """A list of sentences; those of a lead are set in larger type."""

    items: Sequence[Text]
    is_lead: bool = False
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
class Sound:
    """A clip with its sound and spectrogram as addresses of data; `without` says why it has none.

    `length_s` and `top_hz` are the ends of the picture's axes, which begin at zero.
    """

    title: str
    note: str
    sound: str = ""
    picture: str = ""
    length_s: float = 0.0
    top_hz: float = 0.0
    without: str = ""

    @property
    def seconds(self) -> list[tuple[float, str]]:
        """Marks of the axis of time: place from 0 to 1, and what stands there."""
        step = next(step for step in (0.5, 1, 2, 5, 10) if self.length_s / step <= 6)
        return [(at * step / self.length_s, f"{at * step:g}") for at in range(int(self.length_s / step) + 1)]

    @property
    def kilohertz(self) -> list[tuple[float, str]]:
        """Marks of the axis of frequency: place from 0 to 1, and what stands there."""
        step = next(step for step in (0.5, 1, 2, 4, 8) if self.top_hz / 1000 / step <= 4)
        return [
            (at * step * 1000 / self.top_hz, f"{at * step:g}")
            for at in range(int(self.top_hz / 1000 / step) + 1)
        ]


@dataclass(frozen=True)
class Sounds:
    """Clips side by side."""

    clips: Sequence[Sound]
    kind: str = field(default="sounds", init=False)


@dataclass(frozen=True)
class Fold:
    """Blocks that a reader opens; on paper they stand open or are left out."""

    title: str
    blocks: "Sequence[Block]"
    is_printed: bool = False
    kind: str = field(default="fold", init=False)


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: str
    kind: str = field(default="heading", init=False)


Block = Text | Bullets | Tiles | Table | Picture | Sounds | Fold | Heading


@dataclass(frozen=True)
class Section:
    """A part of the report under its own heading; `key` is its anchor."""

    key: str
    title: str
    blocks: Sequence[Block]
