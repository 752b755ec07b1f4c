"""Detections as tables of other programs, one a recording (for Kaleidoscope one a folder), which open in them.

Only recordings with detections get one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import PurePosixPath

import pandas as pd

from vernal.collection.annotation_formats import FORMATS
from vernal.collection.annotations import annotation_table

# After the recording's whole name, so that a.wav and a.flac have a table each.
ENDINGS = {
    "raven": ".Raven.selections.txt",
    "audacity": ".labels.txt",
    "kaleidoscope": "kaleidoscope.csv",
    "birdnet": ".BirdNET.results.csv",
}


def label_tables(
    detections: pd.DataFrame, formats: Iterable[str], audio_root: str, model: str
) -> dict[str, Callable[[], bytes]]:
    """Path below the folder of tables -> function that gives the file's bytes.

    Args:
        detections: as `find_detections` gives them.
        formats: names of `ENDINGS`.
        audio_root: folder that their paths start from; Kaleidoscope looks for the sound there.
        model: what is named as the author of the detections.
    """
    made: dict[str, Callable[[], bytes]] = {}
    for name in formats:
        if name == "kaleidoscope":
            folders = detections.file_path.map(lambda path: PurePosixPath(path).parent.as_posix())
            for folder, rows in detections.groupby(folders, sort=True):
                path = PurePosixPath(name, str(folder), ENDINGS[name]).as_posix()
                made[path] = partial(_kaleidoscope, rows, str(folder), audio_root, model)
        else:
            for file_path, rows in detections.groupby("file_path", sort=True):
                made[f"{name}/{file_path}{ENDINGS[name]}"] = partial(_rendered, rows, name, model)
    return made


def _rendered(rows: pd.DataFrame, name: str, model: str) -> bytes:
    return FORMATS[name].render(_annotations(rows, model)).encode("utf-8")


def _annotations(rows: pd.DataFrame, model: str) -> pd.DataFrame:
    """Detections as annotations of a model, in order."""
    return annotation_table(
        {
            "recording": PurePosixPath(row["file_path"]).name,
            "start_s": round(row["start_s"], 3),
            "end_s": round(row["end_s"], 3),
            "label": row["label"],
            "confidence": round(row["confidence"], 4),
            "model": model,
        }
        for row in rows.to_dict("records")
    )


def _kaleidoscope(rows: pd.DataFrame, folder: str, audio_root: str, model: str) -> bytes:
    """The table with the two columns by which Kaleidoscope finds the sound."""
    text = FORMATS["kaleidoscope"].render(_annotations(rows, model))
    header, *lines = csv.reader(io.StringIO(text))
    place = {"INDIR": audio_root, "FOLDER": "" if folder == "." else folder}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(
        [[place.get(name, cell) for name, cell in zip(header, line, strict=True)] for line in lines]
    )
    return out.getvalue().encode("utf-8")
