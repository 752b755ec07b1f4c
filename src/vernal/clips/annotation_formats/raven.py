"""Raven selection tables: tab-separated, one row a selection and view, any columns beside the fixed ones.

Raven writes a selection once for each view (waveform, spectrogram); it is read once. In a table over
several files, `Begin Time` runs on and `File Offset` starts anew in each file: the latter counts.
BirdNET's selection tables are of this kind; their rows are a model's statements.
"""

import math
import re
from typing import Any

import pandas as pd

from vernal.clips.annotation_formats import lines
from vernal.common.problems import InputError

NAME = "raven"
CARRIES = (
    "recording", "start_s", "end_s", "low_hz", "high_hz", "channel", "label", "annotator", "annotated_at", "session",
    "prominence", "difficulty", "confidence", "quality", "model", "note",
)  # fmt: skip
_HEADER = (
    "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)",
    "Begin File", "File Offset (s)", "Annotation",
)  # fmt: skip
_EXTRA = {
    "Annotator": "annotator", "Annotated At": "annotated_at", "Session": "session", "Prominence": "prominence",
    "Difficulty": "difficulty", "Confidence": "confidence", "Quality": "quality", "Model": "model", "Note": "note",
}  # fmt: skip
_LABEL_COLUMNS = ("annotation", "label", "species", "class", "common name", "species code")
# Looked at where a table has none of the above.
_OTHER_LABEL_COLUMNS = (
    "species name", "scientific name", "species id", "taxon", "sound type", "call type", "call", "vocalization",
    "vocalisation", "song type", "signal type", "event", "type", "category", "name", "id", "code", "tags", "tag",
)  # fmt: skip
# Raven's own columns, and what people note beside the class.
_NO_LABEL = re.compile(
    r"selection|view|channel|(begin|end|delta|peak|center) .*|.*\((s|ms|hz|khz|db.*|%|u.*|bits|samples?|frames?)\)"
    r"|file.*|occupancy|score|notes?|comments?|remarks?|analyst|observer|reviewer|date|time|site|recorder.*"
)
_SAME_IN_VIEWS = ("selection", "begin path", "begin file", "begin time (s)", "end time (s)")
_BAND = ("low freq (hz)", "high freq (hz)")
# BirdNET writes one such row when it has found nothing.
_NO_CALL = "nocall"


def looks_like(text: str) -> bool:
    """Whether the first line names Raven's columns."""
    return {"selection", "begin time (s)", "end time (s)"} <= lines.column_names(text)


def parse(text: str, where: str, needs_label: bool = True) -> pd.DataFrame:
    """Annotations of one selection table.

    Args:
        text: the file's text.
        where: how messages call the file.
        needs_label: whether each row must name what was boxed; else it is missing there.
    Raises:
        InputError: no label column (with the columns that were seen), or cells that are no numbers, with the lines.
    """
    header, rows = lines.read_rows(text, where)
    return lines.build(_one_view(_with_label(rows, header, where, needs_label)), _convert, where, needs_label)


def _with_label(
    rows: list[tuple[int, dict[str, str]]], header: list[str], where: str, needs_label: bool
) -> list[tuple[int, dict[str, str]]]:
    """The rows with a label column; where none is called so, it is one of other names, or the one that is not Raven's.

    Where none can be told and none is needed, the rows stay without.

    Raises:
        InputError: no column can be told to be the label.
    """
    names = {name.lower() for name in header} | {name for _, cells in rows for name in cells}
    if not rows or names & set(_LABEL_COLUMNS):
        return rows
    known = [name for name in _OTHER_LABEL_COLUMNS if name in names]
    own = {name.lower() for name in _EXTRA}
    free = sorted(name for name in names - own if name and not _NO_LABEL.fullmatch(name))
    if not known and len(free) != 1:
        if not needs_label:
            return rows
        raise InputError(
            f"{where} has no column that says what was heard ({', '.join(_LABEL_COLUMNS[:4])}, ...); its columns are "
            f"{', '.join(name for name in header if name)}. Call one of them Annotation."
        )
    column = (known or free)[0]
    return [(line, {**cells, _LABEL_COLUMNS[0]: cells.get(column, "")}) for line, cells in rows]


def _one_view(rows: list[tuple[int, dict[str, str]]]) -> list[tuple[int, dict[str, str]]]:
    """Keep each selection's spectrogram row, or its first where it has none.

    Views of one selection agree in all but the view and, in waveforms, the band. The same number with another time,
    label or band is another selection: tables are often pasted together.
    """
    selections: dict[tuple[str, ...], list[tuple[int, dict[str, str]]]] = {}
    for line, cells in rows:
        key = [cells.get(name, "") for name in (*_SAME_IN_VIEWS, *_LABEL_COLUMNS)]
        selections.setdefault((*key, "" if key[0] else str(line)), []).append((line, cells))
    return sorted((row for views in selections.values() for row in _bands(views)), key=lambda row: row[0])


def _bands(views: list[tuple[int, dict[str, str]]]) -> list[tuple[int, dict[str, str]]]:
    """Of the views of one time, one for each band that spectrograms show; else the first."""
    shown: dict[tuple[str, ...], tuple[int, dict[str, str]]] = {}
    for line, cells in views:
        if "spectrogram" in cells.get("view", "").lower():
            shown.setdefault(tuple(cells.get(name, "") for name in _BAND), (line, cells))
    return list(shown.values()) or views[:1]


def _convert(cells: dict[str, str]) -> dict[str, Any] | None:
    label = lines.text(cells, *_LABEL_COLUMNS)
    is_birdnet = "species code" in cells and "common name" in cells
    if is_birdnet and label == _NO_CALL:
        return None
    start_s, end_s = lines.needed_number(cells, "begin time (s)"), lines.needed_number(cells, "end time (s)")
    offset_s = lines.number(cells, "file offset (s)")
    if not math.isnan(offset_s) and offset_s != start_s:
        start_s, end_s = offset_s, lines.add_exactly(offset_s, float(lines.subtract_exactly(end_s, start_s)))
    values: dict[str, Any] = {
        "recording": lines.text(cells, "begin path", "begin file"),
        "start_s": start_s,
        "end_s": end_s,
        "low_hz": lines.number(cells, "low freq (hz)"),
        "high_hz": lines.number(cells, "high freq (hz)"),
        "channel": lines.number(cells, "channel"),
        "label": label,
    }
    values |= {
        column: lines.text(cells, name.lower()) for name, column in _EXTRA.items() if column != "confidence"
    }
    values["confidence"] = lines.number(cells, "confidence")
    if is_birdnet and not isinstance(values["model"], str):
        values["model"] = "BirdNET"
    return values


def render(annotations: pd.DataFrame) -> str:
    """Spell strong annotations as a selection table; columns beside Raven's own appear when they are used.

    Raises:
        InputError: weak annotations, or texts with tabs or line breaks.
    """
    lines.refuse_weak(annotations, "Raven")
    extra = {name: column for name, column in _EXTRA.items() if annotations[column].notna().any()}
    rows = []
    for selection, row in enumerate(annotations.to_dict("records"), start=1):
        channel = "" if math.isnan(row["channel"]) else f"{row['channel']:g}"
        times, band = [row["start_s"], row["end_s"]], [row["low_hz"], row["high_hz"]]
        place = [row["recording"], row["start_s"], row["label"]]
        others = [row[column] for column in extra.values()]
        rows.append([selection, "Spectrogram 1", channel, *times, *band, *place, *others])
    return lines.write_rows([*_HEADER, *extra], rows, "\t")
