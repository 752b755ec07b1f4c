"""Candidates that say the same thing twice: near copies in the embedding space, and too many of one night.

One bird that sings all night gives a thousand confident mistakes and teaches a classifier one thing. Candidates are
gone through from the highest score down; one is set aside when its recorder has given its share for the night or
for the season, or when it sounds like one that was kept from the same recorder. Whoever is kept was decided by
higher scores alone, so subsets above rising thresholds stay nested.
"""

from collections import Counter

import numpy as np
import pandas as pd

from vernal.common.settings import Count, PositiveShare, settings

ALIKE, NIGHT_FULL, RECORDER_FULL = "alike", "night full", "recorder full"
ASIDE_COLUMNS = ("clip_id", "logit", "reason", "like")


@settings("mining")
class ThinningOptions:
    """How much alike and how many; None sets no limit.

    `similarity`: cosine of two embeddings from which on they count as one sound, in (0, 1]. `per_night`,
    `per_recorder`: clips of one recorder's night, and of one recorder, at most.
    """

    similarity: PositiveShare | None = None
    per_night: Count | None = None
    per_recorder: Count | None = None


def thin(
    ranked: pd.DataFrame, vectors: np.ndarray, places: pd.DataFrame, options: ThinningOptions
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep what adds something.

    Args:
        ranked: `clip_id`, `logit` and more, from the highest score down (see `vernal.clips.mining.rank`).
        vectors: (n, n_dims) float32, an embedding a row of `ranked`.
        places: (n rows) `recorder_id`, `night`; clips of unknown recorder share one, those of unknown night one night.
        options: what is too much.
    Returns:
        the rows that are kept, and `clip_id`, `logit`, `reason`, `like` (the clip that stands for it, or empty) of the
        others; both in the order of `ranked`.
    """
    recorders = places.recorder_id.astype("str").fillna("").to_numpy()
    reasons, likes = np.full(len(ranked), "", dtype=object), np.full(len(ranked), "", dtype=object)
    ids = ranked.clip_id.to_numpy()
    for recorder in np.unique(recorders):
        rows = np.flatnonzero(recorders == recorder)
        nights = places.night.iloc[rows].astype("str").fillna("").to_numpy()
        own, like = _thin_recorder(vectors[rows], nights, options)
        reasons[rows] = own
        likes[rows] = [ids[rows[at]] if at >= 0 else "" for at in like]
    is_kept = reasons == ""
    aside = ranked[["clip_id", "logit"]].assign(reason=reasons, like=likes)[~is_kept]
    aside = aside.astype({"reason": "str", "like": "str"})[list(ASIDE_COLUMNS)]
    return ranked[is_kept].reset_index(drop=True), aside.reset_index(drop=True)


def _thin_recorder(
    vectors: np.ndarray, nights: np.ndarray, options: ThinningOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Of one recorder's candidates, why each is set aside (empty: kept), and the row it is like (-1: none)."""
    reasons, like = np.full(len(vectors), "", dtype=object), np.full(len(vectors), -1, dtype=np.int64)
    kept, of_night = _Kept(vectors.shape[1]), Counter[str]()
    for row, (vector, night) in enumerate(zip(_unit(vectors), nights, strict=True)):
        if options.per_recorder is not None and len(kept.rows) >= options.per_recorder:
            reasons[row] = RECORDER_FULL
        elif options.per_night is not None and of_night[night] >= options.per_night:
            reasons[row] = NIGHT_FULL
        elif options.similarity is not None and (found := kept.like(vector, options.similarity)) >= 0:
            reasons[row], like[row] = ALIKE, found
        else:
            kept.add(row, vector)
            of_night[night] += 1
    return reasons, like


class _Kept:
    """What was kept so far: rows and unit vectors, in a matrix that grows by doubling."""

    def __init__(self, n_dims: int) -> None:
        self.rows: list[int] = []
        self._vectors = np.zeros((64, n_dims), dtype=np.float32)

    def add(self, row: int, vector: np.ndarray) -> None:
        if len(self.rows) == len(self._vectors):
            self._vectors = np.concatenate([self._vectors, np.zeros_like(self._vectors)])
        self._vectors[len(self.rows)] = vector
        self.rows.append(row)

    def like(self, vector: np.ndarray, similarity: float) -> int:
        """The row of the highest cosine, if it is `similarity` or more; else -1."""
        if not self.rows:
            return -1
        cosines = self._vectors[: len(self.rows)] @ vector
        best = int(cosines.argmax())
        return self.rows[best] if cosines[best] >= similarity else -1


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Rows at length 1, float32; a row of zeros stays and is like nothing."""
    length = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return (vectors / np.where(length > 0, length, 1.0)).astype(np.float32)
