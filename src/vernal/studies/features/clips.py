"""The clips of the study: a manifest of labels, or the companion set; every file opened, nothing dropped silently.

As in the rest of the project, except that every label is a class of its own: there is no target, and two rows of
the same audio contradict each other when their labels differ.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from vernal.clips import recordings
from vernal.clips.manifest import OPTIONAL_TEXT_COLUMNS, check_manifest
from vernal.clips.nights import NightOptions, with_nights
from vernal.clips.recordings import REJECT_COLUMNS, IngestOptions
from vernal.common.problems import InputError
from vernal.common.storage import as_path

SOURCE = "labelled"


def check_classes(frame: pd.DataFrame, root: Path | str, where: str) -> pd.DataFrame:
    """Check a manifest whose labels are classes.

    Returns:
        Its rows with plain types; columns that it lacks are there and empty.
    Raises:
        InputError: everything that is wrong with it.
    """
    listed = check_manifest(frame, None, root, where).drop(columns=["is_positive"])
    empty = pd.Series(pd.NA, index=listed.index, dtype="str")
    return listed.assign(
        **{name: listed[name].astype("str") if name in listed else empty for name in OPTIONAL_TEXT_COLUMNS}
    )


def open_clips(
    listed: pd.DataFrame,
    root: Path | str,
    options: IngestOptions,
    night_options: NightOptions,
    progress: Callable[[int], Any] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Open every file and divide the rows into clips and rejects.

    Args:
        listed: from `check_classes`.
        night_options: when a night begins.
    Returns:
        `clips`, one row per clip with a unique `clip_id` and its night, sorted by it; `rejects` with `reason` and
        `message`.
    Raises:
        InputError: more rows were rejected than the options allow, or all.
    """
    rows = listed.assign(source=SOURCE, is_positive=True)
    facts = recordings.inspect_files({as_path(root) / path for path in rows.file_path}, options, progress)
    contradicting = _contradicting(rows, root, facts)
    clips, rejects = recordings.accept(rows[~contradicting], {SOURCE: str(root)}, facts)
    disagreed = rows[contradicting].assign(
        reason="contradicting_labels", message="the same audio is listed under two labels; decide which it is"
    )
    rejects = pd.concat([rejects, disagreed.reindex(columns=list(REJECT_COLUMNS))], ignore_index=True)
    rejects = rejects.sort_values(["file_path", "start_s"], na_position="first", ignore_index=True)
    recordings.refuse_too_many(rows, rejects, options)
    if clips.empty:
        raise InputError("No clip is left to learn from: every row was rejected.")
    return with_nights(clips, night_options).drop(columns=["is_positive"]), rejects


def _contradicting(rows: pd.DataFrame, root: Path | str, facts: dict[Path, dict]) -> pd.Series:
    """Rows whose audio is listed under another label as well."""
    hashes = [facts[as_path(root) / path].get("content_hash") for path in rows.file_path]
    parts = zip(hashes, rows.start_s, rows.end_s, strict=True)
    names = pd.Series(
        [
            None if content is None else recordings.clip_id(content, start_s, end_s)
            for content, start_s, end_s in parts
        ],
        index=rows.index,
        dtype="object",
    )
    n_labels = rows.label.groupby(names).transform("nunique").reindex(rows.index)
    return (n_labels > 1).fillna(False).astype(bool)
