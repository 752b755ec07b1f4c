"""Detections as tables of other programs, one a recording (for Kaleidoscope one a folder), which open in them.

Only recordings with detections get one.
"""

import csv
import io
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from vernal.clips.annotation_formats import FORMATS
from vernal.clips.annotations import annotation_table
from vernal.common.tables import guard
from vernal.field.detection.classifier import Classifier

# After the recording's whole name, so that a.wav and a.flac have a table each.
ENDINGS = {
    "raven": ".Raven.selections.txt",
    "audacity": ".labels.txt",
    "kaleidoscope": "kaleidoscope.csv",
    "birdnet": ".BirdNET.results.csv",
}


def label_tables(
    detections: pd.DataFrame,
    files: pd.DataFrame,
    formats: Iterable[str],
    audio_root: str,
    classifier: Classifier,
) -> dict[str, Callable[[], bytes]]:
    """Path below the folder of tables -> function that gives the file's bytes.

    Args:
        detections, files: as `find_detections` gives them.
        formats: names of `ENDINGS`.
        audio_root: folder that their paths start from; Kaleidoscope and Raven look for the sound there.
        classifier: the author of the detections, and the band that it heard.
    """
    rates = files.set_index("file_path").sample_rate_hz
    made: dict[str, Callable[[], bytes]] = {}
    for name in formats:
        if name == "kaleidoscope":
            folders = detections.file_path.map(lambda path: PurePosixPath(path).parent.as_posix())
            for folder, rows in detections.groupby(folders, sort=True):
                path = PurePosixPath(name, str(folder), ENDINGS[name]).as_posix()
                made[path] = partial(_kaleidoscope, rows, str(folder), audio_root, classifier.name)
            continue
        for file_path, rows in detections.groupby("file_path", sort=True):
            path = f"{name}/{file_path}{ENDINGS[name]}"
            if name == "raven":
                band = (classifier.audio.fmin, min(classifier.audio.fmax, rates[file_path] / 2))
                made[path] = partial(_raven, rows, band, f"{audio_root}/{file_path}", classifier.name)
            else:
                made[path] = partial(_rendered, name, rows, classifier.name)
    return made


def _rendered(name: str, rows: pd.DataFrame, model: str) -> bytes:
    return FORMATS[name].render(_annotations(rows, model)).encode("utf-8")


def _raven(rows: pd.DataFrame, band: tuple[float, float], path: str, model: str) -> bytes:
    """A selection as Raven draws it, with channel and band; and where the sound lies, which is not beside the table."""
    low_hz, high_hz = band
    table = _annotations(rows, model, channel=1, low_hz=low_hz, high_hz=high_hz)
    header, *lines = FORMATS["raven"].render(table).splitlines()
    place = "" if set(path) & set("\t\r\n") else path
    return "".join(
        f"{line}\t{cell}\n" for line, cell in [(header, "Begin Path"), *((line, place) for line in lines)]
    ).encode("utf-8")


def _kaleidoscope(rows: pd.DataFrame, folder: str, audio_root: str, model: str) -> bytes:
    """The table with the two columns by which Kaleidoscope finds the sound."""
    text = FORMATS["kaleidoscope"].render(_annotations(rows, model, channel=1))
    header, *lines = csv.reader(io.StringIO(text))
    place = {"INDIR": guard(audio_root), "FOLDER": "" if folder == "." else guard(folder)}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(
        [[place.get(name, cell) for name, cell in zip(header, line, strict=True)] for line in lines]
    )
    return out.getvalue().encode("utf-8")


def _annotations(rows: pd.DataFrame, model: str, **of_all: Any) -> pd.DataFrame:
    """Detections as annotations of a model, in order; `of_all` is the same in each."""
    return annotation_table(
        {
            "recording": PurePosixPath(row["file_path"]).name,
            "start_s": round(row["start_s"], 3),
            "end_s": round(row["end_s"], 3),
            "label": row["label"],
            "confidence": round(row["confidence"], 4),
            "model": model,
            **of_all,
        }
        for row in rows.to_dict("records")
    )
