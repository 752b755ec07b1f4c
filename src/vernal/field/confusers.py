"""What BirdNET takes a target's false alarms for: names for the sounds that a detector confuses with its target.

Of every target, the clips without it that score highest, with the class of BirdNET that is most confident in each. The
names are BirdNET's, and a fact beside the score; nothing is trained or labelled by them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from vernal.audio.birdnet.species import species_logits, species_names
from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import plan_windows

N_CLIPS = 20
COLUMNS = (
    "split", "clip_id", "file_path", "label", "logit", "is_flagged", "birdnet_species", "birdnet_confidence"
)  # fmt: skip


def highest_negatives(
    scores: pd.DataFrame, splits: pd.DataFrame, threshold: float, n: int = N_CLIPS
) -> pd.DataFrame:
    """The held-out clips without the target that score highest, and all that are flagged.

    Args:
        scores: of one point: `clip_id`, `logit`, `is_positive`.
        splits: labelled clips with their split.
        threshold: a logit; NaN flags nothing.
    Returns:
        Rows of `splits` with `logit` and `is_flagged`, highest first, then by clip.
    """
    negatives = scores.loc[~scores.is_positive, ["clip_id", "logit"]].astype({"clip_id": "str"})
    ordered = negatives.sort_values(["logit", "clip_id"], ascending=[False, True], ignore_index=True)
    ordered = ordered.assign(is_flagged=ordered.logit >= threshold)
    return ordered[ordered.is_flagged | (ordered.index < n)].merge(splits, on="clip_id", how="inner")


def with_species(clips: pd.DataFrame, audio: EmbeddingOptions, store: EmbeddingStore) -> pd.DataFrame:
    """The same clips with what BirdNET hears in them: `COLUMNS`.

    Of a clip's windows the one that BirdNET is most confident in counts. `birdnet_confidence` is the sigmoid of its
    logit, which nobody has calibrated for these recordings.

    Args:
        audio: how the clips were read; BirdNET's encoder.
        store: holds their embeddings.
    """
    from scipy.special import expit

    if clips.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    windows = plan_windows(clips, audio)
    logits = species_logits(store.load(audio, windows.key))
    best = pd.DataFrame(
        {"clip_id": windows.clip_id, "species": logits.argmax(axis=1), "highest": logits.max(axis=1)}
    )
    best = (
        best.sort_values("highest", ascending=False, kind="stable")
        .drop_duplicates("clip_id")
        .set_index("clip_id")
    )
    own, names = best.loc[clips.clip_id], np.array(species_names(), dtype=object)
    confidence = expit(own.highest.to_numpy(dtype=float))
    found = clips.assign(birdnet_species=names[own.species.to_numpy()], birdnet_confidence=confidence)
    return found[list(COLUMNS)]
