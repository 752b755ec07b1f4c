"""Audacity label tracks: `start<TAB>end<TAB>text`, with an optional second line for the frequency band.

The text is the class. What else an annotator wants to say stands behind it in square brackets, in words:
`RADR [background, hard, 0.7]`: prominence, difficulty, how sure he is, and, as `high`, `medium` or `low`,
the quality tier. Brackets with any other word belong to the label. The recording is not named in the file:
it is found by the label file's name. BirdNET's label tracks have the score in a fourth column.
"""

import math
import re
from functools import partial
from typing import Any

import pandas as pd

from vernal.clips.annotation_formats.lines import build, first_line, refuse, refuse_weak
from vernal.clips.annotations import WORDS, parse_number, spell_number
from vernal.common.problems import InputError

NAME = "audacity"
CARRIES = ("start_s", "end_s", "low_hz", "high_hz", "label", "confidence", *WORDS)
_BRACKETS = re.compile(r"^(?P<label>.*\S)\s*\[(?P<words>[^\[\]]*)\]$", re.DOTALL)
_UNKNOWN_HZ = -1.0
_BIRDNET = "BirdNET"


def looks_like(text: str) -> bool:
    """Whether the first line is two numbers and a text, or nothing stands in the file at all."""
    line = first_line(text)
    if not line:
        return True
    cells = line.split("\t")
    return len(cells) in (2, 3, 4) and _is_number(cells[0]) and _is_number(cells[1])


def _is_number(cell: str) -> bool:
    try:
        parse_number(cell)
    except ValueError:
        return False
    return True


def parse(text: str, where: str, needs_label: bool = True) -> pd.DataFrame:
    """Annotations of one label track.

    Args:
        text: the file's text; an empty one is a track without labels.
        where: how messages call the file.
        needs_label: whether each row must name what was marked; else it is missing there.
    Raises:
        InputError: a line that is neither a label nor a frequency line.
    """
    rows: list[tuple[int, dict[str, str]]] = []
    bands: dict[int, str] = {}
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        if not line.strip():
            continue
        if line.startswith("\\"):
            if not rows:
                raise InputError(f"{where}, line {number}: a frequency line comes before any label.")
            bands[rows[-1][0]] = line
            continue
        rows.append((number, {"line": line}))
    numbered = [(number, {**cells, "band": bands.get(number, "")}) for number, cells in rows]
    return build(numbered, partial(_convert, needs_label=needs_label), where, needs_label)


def _convert(cells: dict[str, str], needs_label: bool) -> dict[str, Any]:
    parts = cells["line"].split("\t")
    if not needs_label:
        parts += [""] * (3 - len(parts))
    if len(parts) not in (3, 4) or (needs_label and not parts[2].strip()):
        raise ValueError(f"{cells['line'][:60]!r} is not start, end and text with tabs between")
    values: dict[str, Any] = {"start_s": parse_number(parts[0]), "end_s": parse_number(parts[1])}
    if len(parts) == 4 and parts[3].strip():
        values |= {"label": parts[2], "confidence": parse_number(parts[3]), "model": _BIRDNET}
    else:
        values |= read_words(parts[2].strip())
    if cells["band"]:
        band = cells["band"].split("\t")
        if len(band) != 3:
            raise ValueError(f"{cells['band'][:60]!r} is not a frequency line")
        low, high = parse_number(band[1]), parse_number(band[2])
        values |= {"low_hz": math.nan if low < 0 else low, "high_hz": math.nan if high < 0 else high}
    return values


def read_words(text: str) -> dict[str, Any]:
    """Divide a label's text into the class and the words in brackets behind it.

    >>> read_words("RADR [background, hard, 0.7]")
    {'label': 'RADR', 'prominence': 'background', 'difficulty': 'hard', 'confidence': 0.7}
    >>> read_words("RADR [two males]")
    {'label': 'RADR [two males]'}
    """
    match = _BRACKETS.match(text)
    values: dict[str, Any] = {}
    for word in match["words"].split(",") if match else []:
        found = _meaning(word.strip())
        if found is None or found[0] in values:
            return {"label": text}
        values[found[0]] = found[1]
    return {"label": match["label"], **values} if match and values else {"label": text}


def _meaning(word: str) -> tuple[str, str | float] | None:
    for column, known in WORDS.items():
        if word.lower() in known:
            return column, word.lower()
    if re.fullmatch(r"[01](\.\d+)?", word) and float(word) <= 1:
        return "confidence", float(word)
    return None


def render(annotations: pd.DataFrame) -> str:
    """Spell strong annotations of one recording as a label track.

    Raises:
        InputError: weak annotations, several recordings, or labels that a track cannot hold.
    """
    refuse_weak(annotations, "Audacity")
    recordings = sorted(annotations.recording.dropna().unique())
    if len(recordings) > 1:
        raise InputError(
            f"A label track belongs to one recording; these annotations are of {len(recordings)} "
            f"({', '.join(recordings[:5])}). Write one file each."
        )
    labels = annotations.label
    unfit = [label for label in labels if _breaks(label) or read_words(label) != {"label": label}]
    refuse("has a tab, a line break or annotator's words in the label", unfit, "Rename the class.")
    return "".join(_spell(row) for row in annotations.itertuples(index=False))


def _breaks(label: str) -> bool:
    return "\t" in label or bool(re.search(r"[\r\n]", label)) or label != label.strip()


def _spell(row: Any) -> str:
    words = [word for word in (row.prominence, row.difficulty, row.quality) if isinstance(word, str)]
    if not math.isnan(row.confidence):
        words.append(spell_number(row.confidence))
    text = f"{row.label} [{', '.join(words)}]" if words else row.label
    line = f"{spell_number(row.start_s)}\t{spell_number(row.end_s)}\t{text}\n"
    if math.isnan(row.low_hz) and math.isnan(row.high_hz):
        return line
    low, high = (_UNKNOWN_HZ if math.isnan(hz) else hz for hz in (row.low_hz, row.high_hz))
    return f"{line}\\\t{spell_number(low)}\t{spell_number(high)}\n"
