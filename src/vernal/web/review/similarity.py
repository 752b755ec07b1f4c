"""The clips most like a clip, or highest by a linear detector, among all that have an embedding.

A season is ranked by sketches of its embeddings (see `vernal.audio.embedding.sketch`), and the best of that ranking
are scored from the embeddings themselves. Where windows are few, all of it is exact.
"""

from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.window_index import WindowIndex, lengths_of, open_window_index
from vernal.audio.embedding.windows import plan_windows
from vernal.collection.listening import lowest
from vernal.common.problems import InputError
from vernal.common.storage import remove_tree

_CHUNK = 16_384
Float = NDArray[np.float32]


class SimilarityIndex:
    """Clips and the windows of each.

    Args:
        clip_ids: (n_windows,) the clip of each window, sorted.
        windows: embeddings.
        rows: (n_windows,) which of these each window is; by default all in their order.
    """

    def __init__(self, clip_ids: NDArray, windows: WindowIndex, rows: NDArray[np.intp] | None = None) -> None:
        self._rows = np.arange(len(windows)) if rows is None else rows
        if len(clip_ids) != len(self._rows):
            raise ValueError(f"{len(clip_ids)} windows came with {len(self._rows)} vectors")
        clip_ids = np.asarray(clip_ids, dtype=str)
        is_first = np.append(True, clip_ids[1:] != clip_ids[:-1])[: len(clip_ids)]
        self._starts = np.flatnonzero(is_first)
        self._names = clip_ids[self._starts]
        if (self._names[1:] <= self._names[:-1]).any():
            raise ValueError("windows must be sorted by clip")
        self._ends = np.append(self._starts[1:], len(clip_ids))
        self._windows = windows

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, clip_id: str) -> bool:
        return bool(len(self.rows_of([clip_id])))

    @property
    def clip_ids(self) -> NDArray:
        """(n_clips,) names, sorted."""
        return self._names

    def rows_of(self, clip_ids: Collection[str]) -> NDArray[np.intp]:
        """Places of clips among all, sorted, without those that are not there."""
        return places_in(self._names, clip_ids)

    def embeddings_of(self, clip_id: str) -> Float:
        """(n_windows, n_dims) of one clip as its encoder gave them.

        Raises:
            InputError: the clip is not in the index.
        """
        row = self.rows_of([clip_id])
        if not len(row):
            raise InputError(
                f"Clip {clip_id} has no embedding here; run the embedding pipeline, or name another."
            )
        return self._windows.embeddings(self._rows[self._starts[row[0]] : self._ends[row[0]]])

    def linear_scores(self, weights: NDArray, bias: float) -> Float:
        """(n_clips,) of a linear classifier of embeddings, the highest of a clip's windows.

        Nearly those of `exact_linear_scores`, and the same where windows are few.
        """
        if not len(self):
            return np.empty(0, dtype=np.float32)
        products = self._windows.products(np.asarray(weights, dtype=np.float32))
        return self._highest(products) + np.float32(bias)

    def exact_linear_scores(self, weights: NDArray, bias: float, clips: NDArray[np.intp]) -> Float:
        """(n,) of the clips at these places, from their embeddings."""
        exact = np.asarray(weights, dtype=np.float32)
        return self._exact(clips, lambda embeddings: embeddings @ exact) + np.float32(bias)

    def _highest(self, of_all: Float) -> Float:
        """(n_clips,) the highest of a clip's windows."""
        return np.maximum.reduceat(of_all[self._rows], self._starts)

    def _exact(self, clips: NDArray[np.intp], score: Callable[[Float], Float]) -> Float:
        """(n,) the highest that `score` gives the windows of clips, some thousand windows at a time."""
        found = np.empty(len(clips), dtype=np.float32)
        step = max(1, _CHUNK * len(self) // max(1, len(self._rows)))
        for first in range(0, len(clips), step):
            some = clips[first : first + step]
            counts = self._ends[some] - self._starts[some]
            begins = np.cumsum(counts) - counts
            places = np.arange(counts.sum()) + np.repeat(self._starts[some] - begins, counts)
            scores = score(self._windows.embeddings(self._rows[places]))
            found[first : first + step] = np.maximum.reduceat(scores, begins)
        return found

    def nearest(self, clip_id: str, count: int, among: Collection[str] | None = None) -> pd.DataFrame:
        """The `count` clips most like one, itself left out.

        Args:
            among: clips that may be found; all by default.
        Returns:
            `clip_id`, `similarity` (cosine of the most alike pair of windows, in [-1, 1]), falling; equal ones by
            clip.
        Raises:
            InputError: the clip is not in the index.
        """
        wanted = self._among(among)
        vectors = self.embeddings_of(clip_id)
        wanted[self.rows_of([clip_id])] = False
        return self._nearest(vectors, wanted, count)

    def nearest_to(self, vectors: Float, count: int, among: Collection[str] | None = None) -> pd.DataFrame:
        """The `count` clips most like a sound that need not be among them.

        Args:
            vectors: (n_windows, n_dims) of the sound, of any length but 0.
            among: clips that may be found; all by default.
        Returns:
            As `nearest`.
        """
        return self._nearest(vectors, self._among(among), count)

    def _among(self, among: Collection[str] | None) -> NDArray[np.bool_]:
        if among is None:
            return np.ones(len(self), dtype=bool)
        wanted = np.zeros(len(self), dtype=bool)
        wanted[self.rows_of(among)] = True
        return wanted

    def _nearest(self, vectors: Float, wanted: NDArray[np.bool_], count: int) -> pd.DataFrame:
        asked = vectors / lengths_of(vectors)[:, None]

        def unlike(clips: NDArray[np.intp]) -> Float:
            return -self._exact(clips, lambda found: (found @ asked.T).max(axis=1) / lengths_of(found))

        best = np.empty(0, dtype=np.intp)
        if len(self):
            likeness = np.max([self._windows.products(one) for one in asked], axis=0) / self._windows.lengths
            best = lowest(-self._highest(likeness), wanted, count, unlike)
        similarity = -unlike(best).astype(np.float64)
        return pd.DataFrame({"clip_id": self._names[best], "similarity": similarity})


def places_in(names: NDArray, asked: Collection[str]) -> NDArray[np.intp]:
    """Places of some names among sorted ones, sorted, without those that are not there.

    >>> places_in(np.array(["a", "b", "d"]), ["d", "c", "a"]).tolist()
    [0, 2]
    """
    wanted = np.unique(np.asarray(list(asked), dtype=str))
    at = np.searchsorted(names, wanted)
    is_known = at < len(names)
    is_known[is_known] = names[at[is_known]] == wanted[is_known]
    return at[is_known]


def open_index(
    folder: Path, clips: pd.DataFrame, store: EmbeddingStore, options: EmbeddingOptions
) -> SimilarityIndex:
    """The index of all of `clips` that the store has.

    Args:
        folder: where indices lie, one for each group of settings, which grow with the store.
        clips: as `plan_windows` needs them.
    """
    for old in folder.glob("*/windows.parquet"):  # of a version that kept one for each set of clips
        remove_tree(old.parent)
    index = open_window_index(folder / options.settings_id, store, options)
    windows = plan_windows(clips, options)
    rows = index.rows_of(windows.key.tolist())
    is_stored = rows >= 0
    return SimilarityIndex(windows.clip_id.to_numpy(dtype=str)[is_stored], index, rows[is_stored])
