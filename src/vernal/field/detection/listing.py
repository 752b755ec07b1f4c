"""Which recordings there are, whose they are, and when they began: read from names and folders alone."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from vernal.clips.recording_facts import READABLE_SUFFIXES, UNREADABLE_SUFFIXES
from vernal.clips.recordings import list_recordings, read_name
from vernal.common.problems import InputError
from vernal.common.storage import as_path

RECORDING_COLUMNS = ("audio_root", "file_path", "recorder_id", "date", "time")
UNKNOWN = "unknown"
_RESULTS = re.compile(r"0[2-8]_[a-z_]+")  # a data folder's layers, but that of raw data
# Folders that say when or what, not who: dates, numbers, and what cameras and recorders call theirs.
_NO_RECORDER = re.compile(
    r"\d{4}(?:-?\d{2}){0,2}|\d+|data|audio|recordings?|raw|wavs?|flacs?|sound|sounds|night[ _-]?\d+",
    re.IGNORECASE,
)


def list_for_detection(
    folder: Path | str, setting: str = "detection.recordings", data_root: Path | str | None = None
) -> pd.DataFrame:
    """List a folder's recordings, nested ones too, each with its recorder and when it began.

    Args:
        setting: the parameter that named the folder, for messages.
        data_root: the data folder of the run. Where it lies among the recordings, the sound that was cut out for
            people to hear is none of them.
    Returns:
        `RECORDING_COLUMNS`, sorted by path; `date` and `time` are missing where the name does not tell. Files whose
        format cannot be read are listed too: what is not heard has to be said.
    Raises:
        InputError: no such folder, or no recording in it.
    """
    folder = as_path(folder)
    if folder.is_file():
        raise InputError(f"{setting} is the file {folder}; name the folder that it lies in.")
    found = list_recordings(folder, (*READABLE_SUFFIXES, *UNREADABLE_SUFFIXES), setting)
    made = [] if data_root is None else _made_below(folder, as_path(data_root), found.file_path)
    found = found[~found.file_path.isin(made)].reset_index(drop=True)
    if found.empty:
        raise InputError(
            f"The folder {folder} holds nothing but what was cut out of recordings. Correct {setting}."
        )
    return _with_recorder(folder, found)


def _made_below(folder: Path, data_root: Path, paths: pd.Series) -> list[str]:
    """Those of some paths in a folder that lie in the data folder's layers of results."""
    whole, root = folder.resolve(), data_root.resolve()
    if not root.is_relative_to(whole):
        return []
    above = root.relative_to(whole).parts
    return [
        path
        for path in paths
        if (names := PurePosixPath(path).parts)[: len(above)] == above
        and _RESULTS.fullmatch(names[len(above)])
    ]


def list_demo(folder: Path | str, file_paths: pd.Series) -> pd.DataFrame:
    """The same of the demo season's field recordings, which lie among its other sounds."""
    paths = sorted(map(str, file_paths))
    return _with_recorder(
        as_path(folder),
        pd.DataFrame({"file_path": paths}).join(pd.DataFrame([read_name(path) for path in paths])),
    )


def _with_recorder(folder: Path, found: pd.DataFrame) -> pd.DataFrame:
    root = folder.resolve()
    recorders = [
        recorder if isinstance(recorder, str) else recorder_of_folder(path, root.name)
        for path, recorder in zip(found.file_path, found.recorder_id.astype(object), strict=True)
    ]
    listed = found.assign(audio_root=root.as_posix(), recorder_id=recorders)[list(RECORDING_COLUMNS)]
    return listed.astype(dict.fromkeys(RECORDING_COLUMNS, "str")).reset_index(drop=True)


def recorder_of_folder(path: str, root: str) -> str:
    """The nearest folder that can be a recorder's name, up to the root itself; else `unknown`.

    Cards of recorders that name files by date alone are copied into a folder each.

    >>> recorder_of_folder("Moth08/2025-04-03/20250403_210000.WAV", "season")
    'Moth08'
    >>> recorder_of_folder("20250403_210000.WAV", "Moth08"), recorder_of_folder("a.wav", "recordings")
    ('Moth08', 'unknown')
    """
    folders = [root, *PurePosixPath(path).parts[:-1]]
    return next((name for name in reversed(folders) if name and not _NO_RECORDER.fullmatch(name)), UNKNOWN)


def started_at(recordings: pd.DataFrame) -> pd.Series:
    """When each recording began, by its own clock; NaT where its name does not tell."""
    known = recordings.date.notna() & recordings.time.notna()
    text = (recordings.date + " " + recordings.time).where(known, other=np.nan)
    return pd.to_datetime(text, format="%Y-%m-%d %H:%M:%S", errors="coerce").astype("datetime64[ms]")
