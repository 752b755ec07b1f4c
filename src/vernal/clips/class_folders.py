"""A folder with one folder a class, as people sort clips for BirdNET-Analyzer and other programs.

The first folder below the root says what is heard in everything below it. Names are read as BirdNET-Analyzer 2.4
reads them: a comma divides classes, `Noise`, `Other`, `Background` and `Silence` are negatives in any letters, and a
class behind a minus is absent.
"""

import logging
import re
import unicodedata
from pathlib import Path, PurePosixPath

import pandas as pd

from vernal.clips.labels import NEGATIVE, NOT, POSITIVE
from vernal.clips.recordings import list_recordings
from vernal.common.formatting import count, examples
from vernal.common.names import CLASS_DIVIDER
from vernal.common.problems import InputError
from vernal.common.storage import as_path

logger = logging.getLogger(__name__)

COLUMNS = ("file_path", "label", "recorder_id", "date", "time")
# The first four are BirdNET-Analyzer's; compared without spaces, hyphens and underscores.
NEGATIVE_NAMES = {
    "noise", "other", "background", "silence", "negative", "negatives", "neg", "others", "nonevent", "nontarget",
    "nocall", "absent", "absence", "empty", "none", "nothing",
}  # fmt: skip
POSITIVE_NAMES = {"positive", "positives", "pos", "present", "presence"}


def label_of_folder(name: str) -> str:
    """What the name of a class folder says, as a manifest's label.

    >>> label_of_folder("Background"), label_of_folder("rooster"), label_of_folder("rooster,dog")
    ('negative', 'rooster', 'rooster;dog')
    >>> label_of_folder("-rooster"), label_of_folder("Positives")
    ('not rooster', 'positive')
    """
    classes = [_class_of(part.strip()) for part in unicodedata.normalize("NFC", name).split(",")]
    named = [label for label in dict.fromkeys(classes) if label and label != NEGATIVE]
    return CLASS_DIVIDER.join(named) or NEGATIVE


def _class_of(part: str) -> str:
    plain = re.sub(r"[\s_-]+", "", part).lower()
    if plain in NEGATIVE_NAMES:
        return NEGATIVE
    if plain in POSITIVE_NAMES:
        return POSITIVE
    return NOT + part.removeprefix("-").strip() if part.startswith("-") else part


def read_class_folders(folder: Path | str, recorder_pattern: str | None = None) -> pd.DataFrame:
    """The manifest that a folder of class folders says.

    Args:
        folder: its folders are classes; recordings may lie deeper below them.
        recorder_pattern: what tells the recorder, instead of the file's name (`recorders.pattern`).
    Returns:
        One row a recording, sorted by path, with `COLUMNS`: `label` as its class folder says; `recorder_id`, `date`
        and `time` as far as the file's name tells them.
    Raises:
        InputError: no such folder, or no recording in a folder of its own.
    """
    folder = as_path(folder)
    listed = _well_named(
        list_recordings(folder, setting="source.folder", recorder_pattern=recorder_pattern), folder
    )
    is_sorted = listed.file_path.str.contains("/", regex=False)
    outside = listed.file_path[~is_sorted].tolist()
    if not is_sorted.any():
        raise InputError(
            f"The recordings in {folder} lie in no class folder ({examples(outside)}). Give source.folder one folder a "
            "class, such as Rooster and Negative, or list the recordings in a manifest (source.manifest). Where "
            f"nothing is labelled yet, begin with `kedro run --pipeline=collection --params=collection.inbox={folder}`."
        )
    if outside:
        logger.warning(
            "%s of %s lie in no class folder and are not used: %s",
            f"{len(outside):,} recordings", folder, examples(outside),
        )  # fmt: skip
    if tables := _tables_beside(folder, listed.file_path.tolist()):
        logger.warning(
            "Label files beside the clips (%s) are not read, and each clip counts as a whole. Where they say which "
            "part is meant, use `kedro manifest tables` or --pipeline=collection.",
            examples(tables),
        )
    clips = listed[is_sorted].reset_index(drop=True)
    _warn_of_one_class(folder, clips.file_path.tolist())
    labels = [label_of_folder(PurePosixPath(path).parts[0]) for path in clips.file_path]
    return clips.assign(label=pd.Series(labels, dtype="str"))[list(COLUMNS)]


def _warn_of_one_class(folder: Path, recordings: list[str]) -> None:
    """Say so where one folder holds all and its own folders may be the classes."""
    folders = [PurePosixPath(path).parts[:-1] for path in recordings]
    only, *others = {parts[0] for parts in folders}
    below = sorted({parts[1] for parts in folders if len(parts) > 1})
    if not others and len(below) > 1:
        logger.warning(
            "All recordings lie in %s, which counts as their class; its folders are %s. "
            "If these are the classes, name %s.",
            only, examples(below, ", "), (folder / only).as_posix(),
        )  # fmt: skip


def _well_named(listed: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The recordings that a manifest can name: a backslash is a divider there, and stands for what is no UTF-8."""
    is_odd = listed.file_path.str.contains("\\", regex=False)
    if is_odd.any():
        logger.warning(
            "Not used: %s of %s whose names are no UTF-8 or hold a backslash: %s. Rename them.",
            count(is_odd.sum(), "recording"), folder, examples(listed.file_path[is_odd].tolist()),
        )  # fmt: skip
    return listed[~is_odd].reset_index(drop=True)


def _tables_beside(folder: Path, recordings: list[str]) -> list[str]:
    """Text files that are called after a recording beside them, as selection tables and label tracks are."""
    stems = {PurePosixPath(path).with_suffix("").as_posix() for path in recordings}
    texts = [path.relative_to(folder).as_posix() for path in folder.rglob("*.txt")]
    return sorted(
        text for text in texts if any(text[: at.start()] in stems for at in re.finditer(r"[._ -]", text))
    )


def classes_in_words(clips: pd.DataFrame) -> str:
    """Which labels were understood as the target and which not, each with its number of clips.

    >>> classes_in_words(pd.DataFrame({"label": ["owl", "rain", "rain"], "is_positive": [True, False, False]}))
    'positive: owl (1); negative: rain (2)'
    """
    said = []
    for word, is_of_it in ((POSITIVE, clips.is_positive), (NEGATIVE, ~clips.is_positive)):
        counts = clips.label[is_of_it.astype(bool)].value_counts().sort_index()
        names = [f"{name} ({n:,})" for name, n in counts.items()]
        said.append(f"{word}: {examples(names, ', ', most=10) or 'none'}")
    return "; ".join(said)
