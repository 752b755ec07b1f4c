"""Which recordings there are, whose they are, and when they began: read from names and folders alone."""

import re
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from vernal.clips.manifest import with_one_spelling
from vernal.clips.recording_facts import READABLE_SUFFIXES, UNREADABLE_SUFFIXES
from vernal.clips.recording_names import recorders_of_folders
from vernal.clips.recordings import list_recordings, read_name
from vernal.common.names import is_generic
from vernal.common.problems import InputError
from vernal.common.storage import as_path

RECORDING_COLUMNS = ("audio_root", "file_path", "recorder_id", "date", "time")
UNKNOWN = "unknown"
_RESULTS = re.compile(r"0[2-8]_[a-z_]+")  # a data folder's layers, but that of raw data
_DATE = re.compile(r"[\d_ -]+")


def list_for_detection(
    folder: Path | str,
    setting: str = "detection.recordings",
    data_root: Path | str | None = None,
    recorder_pattern: str | None = None,
) -> pd.DataFrame:
    """List a folder's recordings, nested ones too, each with its recorder and when it began.

    Args:
        setting: the parameter that named the folder, for messages.
        data_root: the data folder of the run. Where it lies among the recordings, the sound that was cut out for
            people to hear is none of them.
        recorder_pattern: what tells the recorder, instead of names and folders (`recorders.pattern`).
    Returns:
        `RECORDING_COLUMNS`, sorted by path; `date` and `time` are missing where the name does not tell. Files whose
        format cannot be read are listed too: what is not heard has to be said.
    Raises:
        InputError: no such folder, or no recording in it.
    """
    folder = as_path(folder)
    if folder.is_file():
        raise InputError(f"{setting} is the file {folder}; name the folder that it lies in.")
    suffixes = (*READABLE_SUFFIXES, *UNREADABLE_SUFFIXES)
    found = list_recordings(folder, suffixes, setting, recorder_pattern)
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
    from_names = found.recorder_id.astype(object)
    nameless = found.file_path[from_names.isna()]
    by_folder = pd.Series(
        recorders_of_folders(nameless.tolist(), root.name), index=nameless.index, dtype=object
    )
    recorders = from_names.fillna(by_folder).fillna(UNKNOWN)
    listed = found.assign(audio_root=root.as_posix(), recorder_id=recorders)
    listed = _apart_at_one_time(listed, from_names.isna())
    listed = with_one_spelling(listed, ("recorder_id",))[list(RECORDING_COLUMNS)]
    return listed.astype(dict.fromkeys(RECORDING_COLUMNS, "str")).reset_index(drop=True)


def _apart_at_one_time(listed: pd.DataFrame, is_by_folder: pd.Series) -> pd.DataFrame:
    """Recorders read from folders that began two recordings at one time are several: their cards are named too."""
    known = is_by_folder & listed.date.notna() & listed.time.notna()
    twice = known & listed.duplicated(["recorder_id", "date", "time"], keep=False)
    several = is_by_folder & listed.recorder_id.isin(listed.recorder_id[twice])
    cards = [
        [name for name in PurePosixPath(path).parts[:-1] if is_generic(name) and not _DATE.fullmatch(name)]
        for path in listed.file_path
    ]
    called = pd.Series(
        ["/".join([recorder, *names]) for recorder, names in zip(listed.recorder_id, cards, strict=True)],
        index=listed.index,
    )
    return listed.assign(recorder_id=listed.recorder_id.where(~several, called))


def started_at(recordings: pd.DataFrame) -> pd.Series:
    """When each recording began, by its own clock; NaT where its name does not tell."""
    known = recordings.date.notna() & recordings.time.notna()
    text = (recordings.date + " " + recordings.time).where(known, other=np.nan)
    return pd.to_datetime(text, format="%Y-%m-%d %H:%M:%S", errors="coerce").astype("datetime64[ms]")
