"""Kaleidoscope Pro's CSV (`id.csv`, `cluster.csv`): one row a vocalisation, by offset and duration.

`MANUAL ID` is a person's statement and wins; a row with only `AUTO ID*` is the program's own. Rows with
neither state nothing. Frequencies are Hertz, except in tables of bat mode, which give Kilohertz.
"""

import math
from typing import Any

import pandas as pd

from vernal.clips.annotation_formats import lines
from vernal.common.problems import InputError

NAME = "kaleidoscope"
CARRIES = (
    "recording", "start_s", "end_s", "low_hz", "high_hz", "channel", "label", "annotator", "confidence", "model"
)  # fmt: skip
_HEADER = (
    "INDIR", "FOLDER", "IN FILE", "CHANNEL", "OFFSET", "DURATION", "Fmin", "Fmean", "Fmax", "AUTO ID*",
    "MANUAL ID", "USERID",
)  # fmt: skip
# Columns that Kaleidoscope does not have; written only when used.
_EXTRA = {"CONFIDENCE": "confidence", "MODEL": "model"}
_BAT_MODE = ("pulses", "fc", "tbc")
_MODEL = "Kaleidoscope"


def looks_like(text: str) -> bool:
    """Whether the first line names Kaleidoscope's columns."""
    return {"in file", "offset", "duration"} <= lines.column_names(text)


def parse(text: str, where: str) -> pd.DataFrame:
    """Annotations of one table; rows without any identification are left out, for they state nothing.

    Args:
        text: the file's text.
        where: how messages call the file.
    Raises:
        InputError: cells that are no numbers, with the lines; or rows of which none is identified.
    """
    header, rows = lines.read_rows(text, where)
    is_bat_mode = any(name.lower() in _BAT_MODE for name in header)
    table = lines.build(rows, lambda cells: _convert(cells, 1000.0 if is_bat_mode else 1.0), where)
    if rows and table.empty:
        raise InputError(
            f"{where}: none of its {len(rows):,} rows has a MANUAL ID or an AUTO ID*, so nothing is said; its columns "
            f"are {', '.join(header)}."
        )
    return table


def _convert(cells: dict[str, str], hz_per_unit: float) -> dict[str, Any] | None:
    manual = lines.text(cells, "manual id", "manual id*")
    auto = lines.text(cells, "auto id*", "auto id")
    label = manual if isinstance(manual, str) else auto
    if not isinstance(label, str):
        return None
    start_s = lines.needed_number(cells, "offset")
    values = {
        "recording": lines.path_named(cells, "in file", "indir", "folder"),
        "start_s": start_s,
        "end_s": lines.add_exactly(start_s, lines.needed_number(cells, "duration")),
        "low_hz": lines.number(cells, "fmin") * hz_per_unit,
        "high_hz": lines.number(cells, "fmax") * hz_per_unit,
        "channel": lines.number(cells, "channel") + 1,
        "label": label,
        "confidence": lines.number(cells, "confidence"),
    }
    if isinstance(manual, str):
        return values | {"annotator": lines.text(cells, "userid", "review userid")}
    model = lines.text(cells, "model")
    return values | {"model": model if isinstance(model, str) else _MODEL}


def render(annotations: pd.DataFrame) -> str:
    """Spell strong annotations as Kaleidoscope's CSV: people's as `MANUAL ID`, models' as `AUTO ID*`.

    Channels count from 0 there and from 1 here.

    Raises:
        InputError: weak annotations.
    """
    lines.refuse_weak(annotations, "Kaleidoscope")
    models = annotations.model
    is_needed = {
        "confidence": annotations.confidence.notna().any(),
        "model": (models.notna() & (models != _MODEL)).any(),
    }
    extra = {name: column for name, column in _EXTRA.items() if is_needed[column]}
    rows = []
    for row in annotations.to_dict("records"):
        is_model = isinstance(row["model"], str)
        channel = row["channel"]
        rows.append([
            "", "", row["recording"], "" if math.isnan(channel) else f"{channel - 1:g}",
            row["start_s"], lines.subtract_exactly(row["end_s"], row["start_s"]), row["low_hz"], "", row["high_hz"],
            row["label"] if is_model else "", "" if is_model else row["label"],
            "" if is_model else row["annotator"], *(row[column] for column in extra.values()),
        ])  # fmt: skip
    return lines.write_rows([*_HEADER, *extra], rows, ",")
