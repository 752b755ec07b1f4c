"""Hard negatives from a whole season: recordings known to hold no target, too many to list clip by clip.

A season is millions of windows; what a training set wants of it are the few that the miner takes for the target. So the
recordings are listened to file by file, as for detection, and only windows that reach the lowest level of any subset
become clips. From there on they are clips like all others: kept apart from validation and test, thinned, ranked,
reviewed.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.clips.mining import MiningOptions, lowest_logit
from vernal.clips.nights import NightOptions, later, with_nights
from vernal.clips.recordings import clip_id
from vernal.field.detection.classifier import Classifier
from vernal.field.detection.detections import Detections
from vernal.field.detection.file_facts import FileFacts
from vernal.training.heads import Head

SEASON = "season"
_FACTS = ("content_hash", "duration_s", "sample_rate_hz", "channels")


def miner_as_classifier(
    head: Head, target: str, audio: EmbeddingOptions, options: MiningOptions
) -> Classifier:
    """The miner, flagging from the lowest level of any hard-negative subset on; nothing where there is no subset."""
    level = min(options.hard_negatives.values(), default=None)
    return Classifier(
        name="miner",
        head=head,
        labels=(target,),
        audio=audio,
        sensitivity=1.0,
        threshold_logit=np.inf if level is None else lowest_logit(level),
        threshold_from="the lowest level of mining.hard_negatives",
        has_own_threshold=True,
        notes=(),
        results={},
    )


def candidate_clips(
    found: Detections,
    recordings: pd.DataFrame,
    facts: Mapping[str, FileFacts],
    clips: pd.DataFrame,
    night_options: NightOptions,
) -> pd.DataFrame:
    """Flagged windows as clips.

    Args:
        found: detections of single windows, none merged.
        recordings: `vernal.field.detection.listing.RECORDING_COLUMNS`.
        facts: what each file is, by absolute path.
        clips: what ingest accepted. A window whose file is among them, or that another copy of the file gave already,
            is left out: it is a clip there.
        night_options: when a night begins.
    Returns:
        Columns and types of `clips` with `logit`, sorted by `clip_id`; `source` is `season`, `label` negative.
    """
    place = recordings.set_index("file_path")
    rows = found.detections[["file_path", "start_s", "end_s", "logit"]].reset_index(drop=True)
    for name in ("recorder_id", "date", "time"):
        rows[name] = place[name].reindex(rows.file_path).to_numpy()
    rows = with_nights(later(rows, rows.start_s), night_options)
    paths = place.audio_root.reindex(rows.file_path).to_numpy() + "/" + rows.file_path.to_numpy()
    for name in _FACTS:
        rows[name] = [getattr(facts[path], name) for path in paths]
    rows = rows[~rows.content_hash.isin(clips.content_hash)]
    parts = zip(rows.content_hash, rows.start_s, rows.end_s, strict=True)
    rows = rows.assign(
        clip_id=[clip_id(*part) for part in parts], source=SEASON, label="negative", is_positive=False
    )
    rows = rows.drop_duplicates("clip_id").sort_values("clip_id", ignore_index=True)
    # What no recording tells is missing, and whole numbers cannot be.
    types = {
        name: kind if name in rows or not pd.api.types.is_integer_dtype(kind) else "float64"
        for name, kind in clips.dtypes.items()
    }
    return rows.reindex(columns=[*clips.columns, "logit"]).astype({**types, "logit": "float64"})
