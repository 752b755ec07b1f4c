"""Which clips were heard before: the same sound, or a sound of the same night.

Every claim about a detector rests on clips that its training never met. Two clips are the same sound when
their files are and their parts of it overlap; they are close relatives when they share a group or a
recorder's night, because rain, chorus and the recorder's own noise last for hours.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from vernal.clips.manifest import SPLITS

HELD_OUT_SPLITS = tuple(name for name in SPLITS if name != "train")
LABELLED = "labelled"


def held_out(splits: pd.DataFrame) -> pd.DataFrame:
    """The labelled clips that no training may use: validation, both tests, and what is sealed."""
    return splits[splits.split.isin(HELD_OUT_SPLITS)]


def shares_clip(clips: pd.DataFrame, others: pd.DataFrame) -> pd.Series:
    """Whether each of `clips` is itself among `others`, by `clip_id`."""
    return clips.clip_id.isin(others.clip_id)


def shares_audio(clips: pd.DataFrame, others: pd.DataFrame) -> pd.Series:
    """Whether each of `clips` holds sound that one of `others` holds too.

    Labelled clips may be neighbouring parts of one recording, so for them the parts must overlap. A field or
    unlabelled recording is mined as a whole: any clip of the same file counts.

    Args:
        clips, others: `content_hash` and, where they are parts of files, `start_s` and `end_s` (s; missing =
            the file's start or end). `source` of `clips`; without it they count as labelled.
    Returns:
        Booleans on the index of `clips`. All False where `content_hash` is unknown on either side.
    """
    if "content_hash" not in clips or "content_hash" not in others:
        return pd.Series(False, index=clips.index)
    shared = np.zeros(len(clips), dtype=bool)
    # Few clips are of the same files, and a search for pairs among all costs most of a search for folds.
    candidates = np.flatnonzero(clips.content_hash.isin(others.content_hash.dropna().unique()))
    if len(candidates):
        mine = clips.iloc[candidates]
        theirs = others[others.content_hash.isin(mine.content_hash.unique())]
        pairs = _parts(mine).merge(_parts(theirs), on="content_hash", suffixes=("", "_other"))
        meets = (pairs.start_s < pairs.end_s_other) & (pairs.start_s_other < pairs.end_s)
        shared[candidates[pairs.position[meets | pairs.is_external]]] = True
    return pd.Series(shared, index=clips.index)


def _parts(clips: pd.DataFrame) -> pd.DataFrame:
    absent = pd.Series(np.nan, index=clips.index)
    return pd.DataFrame(
        {
            "content_hash": clips.content_hash.to_numpy(),
            "start_s": clips.get("start_s", absent).fillna(-np.inf).to_numpy(),
            "end_s": clips.get("end_s", absent).fillna(np.inf).to_numpy(),
            "is_external": is_external(clips).to_numpy(),
            "position": np.arange(len(clips)),
        }
    )


def is_external(clips: pd.DataFrame) -> pd.Series:
    """Whether each clip comes from recordings outside the manifest (`source` is not `labelled`)."""
    if "source" not in clips:
        return pd.Series(False, index=clips.index)
    return clips.source != LABELLED


def shares_group(clips: pd.DataFrame, others: pd.DataFrame) -> pd.Series:
    """Whether each of `clips` has the `group`, or the night, of one of `others`; unknown ones share nothing."""
    shared = pd.Series(False, index=clips.index)
    if "group" in clips and "group" in others:
        shared |= clips.group.isin(others.group.dropna().unique())
    return shared | shares_night(clips, others)


def shares_night(clips: pd.DataFrame, others: pd.DataFrame) -> pd.Series:
    """Whether each of `clips` is of a night of one of `others`, at the same recorder or the same site.

    Unknown nights, recorders and sites share nothing.
    """
    shared = pd.Series(False, index=clips.index)
    for place in ("recorder_id", "site"):
        if {place, "night"} <= set(clips) & set(others):
            shared |= _nights(clips, place).isin(_nights(others, place).dropna().unique())
    return shared


def _nights(clips: pd.DataFrame, place: str) -> pd.Series:
    # A separator that no name holds, so that no two pairs are spelled alike.
    return clips[place].astype("str") + "\n" + clips.night.astype("str")


# What can be compared, in the words of a message.
KINDS: dict[str, tuple[str, Callable[[pd.DataFrame, pd.DataFrame], pd.Series]]] = {
    "clip_id": ("the same clip as", shares_clip),
    "content_hash": ("the same audio as", shares_audio),
    "group": ("the group or night of", shares_group),
    "night": ("the night of", shares_night),
}


def drop_held_out(clips: pd.DataFrame, splits: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Set aside field and unlabelled clips that the validation and test clips must not be related to.

    Labelled clips are left alone: their split has settled it.

    Returns:
        `kept`, and `dropped` with the column `reason`; together they hold every row once.
    """
    reserved = held_out(splits)
    external = is_external(clips)
    if not external.any():
        return clips, clips.iloc[:0].assign(reason=pd.Series(dtype="str"))
    heard = external & (shares_clip(clips, reserved) | shares_audio(clips, reserved))
    related = external & ~heard & shares_group(clips, reserved)
    reason = np.select(
        [heard.to_numpy(dtype=bool), related.to_numpy(dtype=bool)],
        ["the same audio as a validation or test clip", "the group or night of a validation or test clip"],
        default="",
    )
    is_dropped = reason != ""
    return clips[~is_dropped], clips[is_dropped].assign(reason=reason[is_dropped])
