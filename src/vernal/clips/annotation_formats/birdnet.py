"""BirdNET-Analyzer result files: what a model said, with its score.

Its CSV, its older CSV for R, and its old and new Kaleidoscope tables are read; the CSV is written. Its
selection tables are read as Raven's and its label tracks as Audacity's. A class is spelled as in BirdNET's
label lists, `Scientific name_Common name`, or once where both are the same.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from vernal.clips.annotation_formats import lines

NAME = "birdnet"
CARRIES = ("recording", "start_s", "end_s", "label", "confidence", "model")
_HEADER = ("Start (s)", "End (s)", "Scientific name", "Common name", "Confidence", "File")
_KINDS = (
    {"start (s)", "end (s)", "scientific name", "confidence"},
    {"filepath", "start", "end", "scientific_name", "common_name", "confidence"},
    {"in file", "offset", "duration", "scientific_name", "common_name", "confidence"},
    {"in file", "offset", "duration", "top1match", "confidence"},
)
_MODEL = "BirdNET"


def looks_like(text: str) -> bool:
    """Whether the first line names the columns of one of BirdNET's tables."""
    names = lines.column_names(text)
    return any(kind <= names for kind in _KINDS) and "manual id" not in names


def parse(text: str, where: str) -> pd.DataFrame:
    """Annotations of one result file; all of them a model's.

    Args:
        text: the file's text.
        where: how messages call the file.
    Raises:
        InputError: cells that are no numbers, with the lines.
    """
    _, rows = lines.read_rows(text, where)
    return lines.build(rows, _convert, where)


def _convert(cells: dict[str, str]) -> dict[str, Any]:
    start_s = lines.needed_number(cells, "start (s)", "start", "offset")
    duration_s = lines.number(cells, "duration")
    has_length = not np.isnan(duration_s)
    end_s = (
        lines.add_exactly(start_s, duration_s) if has_length else lines.needed_number(cells, "end (s)", "end")
    )
    scientific = lines.text(cells, "scientific name", "scientific_name")
    names = (scientific, lines.text(cells, "common name", "common_name", "top1match"))
    model = lines.text(cells, "model")
    return {
        "recording": lines.path_named(cells, "in file", "indir", "folder")
        if cells.get("in file")
        else lines.text(cells, "file", "filepath"),
        "start_s": start_s,
        "end_s": end_s,
        "label": _joined(name for name in names if isinstance(name, str)),
        "confidence": lines.number(cells, "confidence"),
        "model": _model_name(model) if isinstance(model, str) else _MODEL,
    }


def _model_name(model: str) -> str:
    """BirdNET says where its model's file lies, of which the last part is the name; `stage5/stage5_017` is no file.

    >>> _model_name("/models/BirdNET_V2.4.tflite"), _model_name("stage5/stage5_017")
    ('BirdNET_V2.4.tflite', 'stage5/stage5_017')
    """
    last = lines.file_name(model)
    return last if "." in last or model.startswith("/") or "\\" in model else model


def render(annotations: pd.DataFrame) -> str:
    """Spell detections as BirdNET-Analyzer's CSV; a model of another name stands in a further column.

    Raises:
        InputError: weak annotations, people's annotations, or labels whose two names are the same.
    """
    lines.refuse_weak(annotations, "BirdNET")
    people = annotations.label[annotations.model.isna()]
    lines.refuse("is a person's statement", people, "BirdNET's results are a model's.")
    unfit = [label for label in annotations.label if _joined(_names(label)) != label]
    lines.refuse("repeats its scientific as its common name", unfit, "Write the name once.")
    rows = [
        [row.start_s, row.end_s, *_names(str(row.label)), row.confidence, row.recording, row.model]
        for row in annotations.itertuples()
    ]
    if (annotations.model == _MODEL).all():
        return lines.write_rows(_HEADER, [row[:-1] for row in rows], ",")
    return lines.write_rows([*_HEADER, "Model"], rows, ",")


def _names(label: str) -> tuple[str, str]:
    first, _, second = label.partition("_")
    return (first, second) if first and second else (label, label)


def _joined(names: Iterable[str]) -> str:
    """Two names as one label, once where both are the same."""
    return "_".join(dict.fromkeys(names))
