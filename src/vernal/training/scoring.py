"""One score a clip: the highest logit of its windows, for every point of a stage.

Scores are kept as logits, unrounded. Sensitivity moves a point's logits by a constant, as BirdNET-Analyzer
does; it changes no ranking and trains nothing again.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions, plan_windows
from vernal.training.heads import Head, head_logits

EVALUATED_SPLITS = ("val", "test_iid", "test_ood")
# BirdNET-Analyzer: logit + (sensitivity - 1) * 10.
SENSITIVITY_SHIFT = 10.0


def clip_logits(
    heads: Sequence[Head], clips: pd.DataFrame, audio: EmbeddingOptions, store: EmbeddingStore
) -> np.ndarray:
    """Score clips with heads that read the same audio settings.

    Args:
        heads: one logit each.
        clips: with `clip_id` and what `plan_windows` needs.
        audio: settings that the heads were trained with.
        store: holds the embeddings of every window.
    Returns:
        (n_heads, n_clips) float64, clips in the order of their ids.
    """
    windows = plan_windows(clips, audio)
    first = np.flatnonzero(~windows.clip_id.duplicated().to_numpy())
    if len(first) != len(clips):
        raise AssertionError(f"{len(clips) - len(first)} of {len(clips)} clips have no window")
    logits = np.empty((len(heads), len(windows)))
    for rows, x in store.read(audio, windows.key):
        for of_head, found in zip(logits, head_logits(heads, x), strict=True):
            of_head[rows] = found[:, 0]
    return np.stack([np.maximum.reduceat(of_head, first) for of_head in logits])


def clip_vectors(clips: pd.DataFrame, audio: EmbeddingOptions, store: EmbeddingStore) -> np.ndarray:
    """One embedding a clip, the mean of its windows.

    Returns:
        (n_clips, n_dims) float32, in the order of `clips`.
    """
    if clips.empty:
        return np.zeros((0, audio.n_dims), dtype=np.float32)
    windows = plan_windows(clips, audio)
    first = np.flatnonzero(~windows.clip_id.duplicated().to_numpy())
    sums = np.add.reduceat(store.load(audio, windows.key).astype(np.float64), first, axis=0)
    means = sums / np.diff([*first, len(windows)])[:, None]
    place = pd.Index(windows.clip_id.iloc[first]).get_indexer(clips.clip_id)
    return means[place].astype(np.float32)


def shift_of(sensitivity: float) -> float:
    """What a sensitivity adds to every logit.

    >>> shift_of(1.25)
    2.5
    """
    return (sensitivity - 1.0) * SENSITIVITY_SHIFT


def score_table(points: Sequence[str], logits: np.ndarray, clips: pd.DataFrame) -> pd.DataFrame:
    """Scores of points as one long table, points in the given order and clips by id within.

    Args:
        points: (n_points,) names.
        logits: (n_points, n_clips), clips in the order of their ids.
        clips: `clip_id`, `split`, `is_positive`.
    """
    ordered = clips.sort_values("clip_id", ignore_index=True)
    n_points, n_clips = logits.shape

    def per_clip(column: pd.Series) -> pd.Categorical:
        codes, values = pd.factorize(column, sort=True)
        return pd.Categorical.from_codes(np.tile(codes, n_points), pd.Index(values))

    return pd.DataFrame(
        {
            "point": pd.Categorical.from_codes(np.repeat(np.arange(n_points), n_clips), pd.Index(points)),
            "clip_id": per_clip(ordered.clip_id),
            "split": per_clip(ordered.split),
            "logit": logits.reshape(-1),
            "is_positive": np.tile(ordered.is_positive.to_numpy(dtype=bool), n_points),
        }
    )
