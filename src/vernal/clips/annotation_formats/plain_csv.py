"""Plain CSV: our own columns, or the names people give them. The one format that holds everything.

A row without start and end speaks of the whole recording, and may say that a class is absent
(`is_present` false). Text that a spreadsheet would run as a formula is written behind an apostrophe.
"""

from typing import Any

import numpy as np
import pandas as pd

from vernal.clips.annotation_formats import lines
from vernal.clips.annotations import ANNOTATION_COLUMNS, NUMBER_COLUMNS, TEXT_COLUMNS
from vernal.common.problems import InputError

NAME = "csv"
CARRIES = ANNOTATION_COLUMNS
# Other names of our columns, as they are met in the field.
ALSO_CALLED = {
    "recording": (
        "file",
        "filename",
        "file_name",
        "file_path",
        "path",
        "recording_id",
        "audio",
        "in_file",
        "begin_file",
    ),
    "start_s": ("start", "onset", "begin", "start_time", "begin_time", "onset_s", "offset_from_start"),
    "end_s": ("end", "offset", "end_time", "offset_s"),
    "low_hz": ("low", "low_freq", "freq_low", "f_min", "fmin", "min_freq"),
    "high_hz": ("high", "high_freq", "freq_high", "f_max", "fmax", "max_freq"),
    "label": ("class", "species", "event_label", "category", "name", "annotation"),
    "is_present": ("present", "presence"),
    "annotator": ("annotated_by", "observer", "labeller", "labeler", "person"),
    "annotated_at": ("annotation_time", "labelled_at", "annotation_date"),
    "session": ("round", "repeat", "pass"),
    "prominence": ("salience",),
    "confidence": ("certainty", "score"),
    "note": ("comment", "comments", "notes", "remarks"),
}
_YES = ("true", "yes", "1", "present", "y", "1.0")
_NO = ("false", "no", "0", "absent", "n", "0.0")


def looks_like(text: str) -> bool:
    """Whether the first line names a recording or a start, and a label, as comma- or semicolon-separated text."""
    names = set(map(_ours, lines.column_names(text)))
    return "label" in names and bool({"recording", "start_s"} & names)


def _ours(name: str) -> str:
    name = name.lower().replace(" ", "_")
    return next((column for column, others in ALSO_CALLED.items() if name in others), name)


def parse(text: str, where: str) -> pd.DataFrame:
    """Annotations of one table; columns that are not ours are ignored.

    Args:
        text: the file's text.
        where: how messages call the file.
    Raises:
        InputError: two columns that mean the same, or cells that are not understood, with the lines.
    """
    header, rows = lines.read_rows(text, where)
    ours = [_ours(name) for name in header]
    twice = sorted({name for name in ours if name in ANNOTATION_COLUMNS and ours.count(name) > 1})
    if twice:
        raise InputError(
            f"{where}: several columns mean {', '.join(twice)} ({', '.join(header)}). Keep one of each."
        )
    renamed = [(line, {_ours(name): cell for name, cell in cells.items()}) for line, cells in rows]
    return lines.build(renamed, _convert, where)


def _convert(cells: dict[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {name: lines.text(cells, name) for name in TEXT_COLUMNS}
    if cells.get("folder") and cells.get("recording"):
        values["recording"] = f"{cells['folder']}/{cells['recording']}"
    values |= {name: lines.number(cells, name) for name in NUMBER_COLUMNS}
    if np.isnan(values["end_s"]):
        duration_s = lines.number(cells, "duration_s", "duration")
        if not np.isnan(duration_s) and not np.isnan(values["start_s"]):
            values["end_s"] = lines.add_exactly(values["start_s"], duration_s)
    values["is_present"] = _is_present(cells.get("is_present", ""))
    return values


def _is_present(cell: str) -> bool:
    if not cell or cell.lower() in _YES:
        return True
    if cell.lower() in _NO:
        return False
    raise ValueError(f"is_present is {cell[:40]!r}; write true or false")


def render(annotations: pd.DataFrame) -> str:
    """Spell annotations with all columns."""
    rows = annotations[list(ANNOTATION_COLUMNS)].itertuples(index=False)
    return lines.write_rows(ANNOTATION_COLUMNS, rows, ",")
