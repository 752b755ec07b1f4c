"""A folder of audio, one subfolder a class, for people who train elsewhere.

`RADR/` and `Negative/` hold one file a clip, as BirdNET-Analyzer's training reads them: links to whole files,
or copies, and cut WAV files where a clip is part of a recording. An index says what every file is. The folder
appears whole or not at all.
"""

import re
import shutil
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from vernal.common.files import is_inside, writing_folder
from vernal.common.problems import InputError, Problems
from vernal.common.table_files import write_table

INDEX_NAME = "vernal_clips.csv"
NEGATIVE_LABEL = "Negative"
MODES = ("link", "copy")
# What BirdNET-Analyzer 2.4.0 opens (`config.ALLOWED_FILETYPES`); it passes over everything else silently.
READABLE = (".wav", ".flac", ".mp3", ".ogg", ".m4a", ".wma", ".aiff", ".aif")
# Names of devices on Windows.
_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))}
_LONGEST_STEM = 100
_INDEX_COLUMNS = (
    "file", "clip_id", "label", "is_positive", "made_by", "source", "file_path", "start_s", "end_s"
)  # fmt: skip
_CARRIED = ("quality", "call_type", "site", "recorder_id", "date", "night", "subset", "content_hash")


def write_training_package(
    clips: pd.DataFrame, roots: Mapping[str, str], folder: Path | str, target_label: str, mode: str = "link"
) -> pd.DataFrame:
    """Write the clips of a training set as a folder of audio.

    Args:
        clips: `clip_id`, `source`, `file_path` (relative to the root of its source), `is_positive`;
            `start_s`, `end_s` where a clip is part of a file.
        roots: folder of each source.
        folder: where the package goes. It may not exist, be empty, or hold an earlier package, which it
            replaces.
        target_label: name of the subfolder of positives.
        mode: `link` makes symbolic links, or copies where the system refuses them; `copy` copies.
    Returns:
        The index that is written beside the subfolders: `file`, `clip_id`, `label`, `made_by` (link, copy or
        cut) and where the sound came from; sorted by `file`. It holds no absolute path.
    Raises:
        InputError: a folder that holds something else, missing audio, a path out of its root, or a label that
            BirdNET-Analyzer would misread.
    """
    folder = Path(folder)
    _check_request(target_label, mode)
    _refuse_foreign(folder)
    plan = _planned(clips, target_label)
    sources = _sources(plan, roots)
    with writing_folder(folder) as building:
        for label in (target_label, NEGATIVE_LABEL):
            (building / label).mkdir(parents=True)
        made_by = [
            _place(source, building / file, start_s, end_s, mode)
            for source, file, start_s, end_s in zip(sources, plan.file, plan.start_s, plan.end_s, strict=True)
        ]
        index = plan.assign(made_by=made_by)
        index = index[[*_INDEX_COLUMNS, *(name for name in _CARRIED if name in index)]]
        write_table(index, building / INDEX_NAME)
    return index


def _check_request(target_label: str, mode: str) -> None:
    if mode not in MODES:
        raise InputError(f"The package's mode is {mode!r}; use link or copy")
    if safe_name(target_label) != target_label or "," in target_label or target_label.startswith("-"):
        raise InputError(
            f"The target {target_label!r} cannot name a folder of training clips: no comma, no dash in "
            "front, nothing that a system refuses in file names. Write the package with another name."
        )
    if target_label.casefold() == NEGATIVE_LABEL.casefold():
        raise InputError(
            f"The target is called {target_label!r}, as the folder of negatives is; give it another name"
        )


def _refuse_foreign(folder: Path) -> None:
    """An earlier package may be replaced; anything a person put there may not."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError(f"{folder} is not a folder; choose another place for the package")
    if not folder.exists():
        return
    present = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    written = _written_before(folder / INDEX_NAME) if INDEX_NAME in present else set()
    foreign = sorted(present - written)
    if foreign:
        raise InputError(
            f"{folder} holds {len(foreign):,} files that are not of an earlier package "
            f"(first: {foreign[0]}). Choose an empty folder, or move them away."
        )


def _written_before(index_path: Path) -> set[str]:
    try:
        index = pd.read_csv(index_path, dtype="str")
    except (ValueError, OSError):  # not a table, so not this project's
        return set()
    if not set(_INDEX_COLUMNS) <= set(index.columns):
        return set()
    return {INDEX_NAME, *index.file.dropna()}


def _planned(clips: pd.DataFrame, target_label: str) -> pd.DataFrame:
    """Where each clip goes, decided from the clips alone and not from their order."""
    if clips.clip_id.duplicated().any():
        raise ValueError("a clip comes twice; give each clip_id once")
    plan = clips.sort_values("clip_id", ignore_index=True)
    plan = plan.assign(**{name: float("nan") for name in ("start_s", "end_s") if name not in plan})
    plan = plan.astype({"start_s": "float64", "end_s": "float64"})
    plan["label"] = np.where(plan.is_positive, target_label, NEGATIVE_LABEL)
    paths = [Path(path) for path in plan.file_path]
    is_cut = [_is_cut(*part) for part in zip(paths, plan.start_s, plan.end_s, strict=True)]
    suffixes = [".wav" if cut else path.suffix.lower() for path, cut in zip(paths, is_cut, strict=True)]
    names = _distinct([safe_name(path.stem) for path in paths], plan.label, plan.clip_id)
    plan["file"] = [
        f"{label}/{name}{suffix}" for label, name, suffix in zip(plan.label, names, suffixes, strict=True)
    ]
    return plan.sort_values("file", ignore_index=True)


def _distinct(stems: list[str], labels: pd.Series, clip_ids: pd.Series) -> list[str]:
    """Add the clip's id to every name that another clip of the class has, in any case.

    To every one, not only to the later, so that a name does not depend on who came first.
    """
    names = pd.Series(stems, index=labels.index, dtype="str")
    for better in (names + "_" + clip_ids, clip_ids):
        key = labels + "/" + names.str.casefold()
        names = names.where(~key.duplicated(keep=False), better)
    return list(names)


def safe_name(name: str) -> str:
    """A file name's stem that Windows, macOS and Linux accept, and that no tool takes for a hidden file or a
    path.

    >>> safe_name("A:B/C?"), safe_name("con"), safe_name(" ..x. ")
    ('A_B_C_', '_con', 'x')
    """
    name = unicodedata.normalize("NFC", name)
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f]', "_", name).strip(" .")[:_LONGEST_STEM].rstrip(" .")
    if name.partition(".")[0].upper() in _RESERVED:
        name = f"_{name}"
    return name or "clip"


def _is_cut(path: Path, start_s: float, end_s: float) -> bool:
    """Whether a clip is part of a file, or its file one that BirdNET-Analyzer does not open."""
    return start_s > 0 or not np.isnan(end_s) or path.suffix.lower() not in READABLE


def _sources(plan: pd.DataFrame, roots: Mapping[str, str]) -> list[Path]:
    problems = Problems("The training package")
    unrooted = sorted(set(plan.source) - set(roots))
    problems.add("source without a folder", [str(name) for name in unrooted], "Give its root.")
    problems.raise_if_any()
    folders = [Path(roots[source]) for source in plan.source]
    paths = [folder / path for folder, path in zip(folders, plan.file_path, strict=True)]
    listed = list(zip(plan.file_path, folders, paths, strict=True))
    absent = [path for path, _, full in listed if not full.is_file()]
    outside = [path for path, folder, full in listed if not is_inside(full, folder)]
    problems.add("audio file that does not exist", absent, "Correct the paths or the audio root.")
    problems.add("path that leaves its root", outside, "Put the recordings below the root.")
    problems.raise_if_any()
    return paths


def _place(source: Path, to: Path, start_s: float, end_s: float, mode: str) -> str:
    """Put one clip in its place; returns how."""
    if _is_cut(source, start_s, end_s):
        _cut(source, to, start_s, end_s)
        return "cut"
    if mode == "link":
        try:
            to.symlink_to(source.resolve())
        except (OSError, NotImplementedError):
            pass  # Windows asks for a privilege, some file systems have no links
        else:
            return "link"
    shutil.copyfile(source, to)
    return "copy"


def _cut(source: Path, to: Path, start_s: float, end_s: float) -> None:
    """Write a part of a recording as the samples that this project itself embeds, without rounding them."""
    import soundfile

    from vernal.audio.reading import load_clip

    sample_rate_hz = 48_000
    start, end = 0.0 if np.isnan(start_s) else start_s, None if np.isnan(end_s) else end_s
    samples = load_clip(source, start, end, sample_rate_hz=sample_rate_hz)
    soundfile.write(to, samples, sample_rate_hz, subtype="FLOAT", format="WAV")


@dataclass(frozen=True)
class TrainingPackage:
    """A package to be written: its clips, the folder of each source, the target's label, and the mode (None
    writes nothing); see `write_training_package`."""

    clips: pd.DataFrame
    roots: Mapping[str, str]
    target_label: str
    mode: str | None
