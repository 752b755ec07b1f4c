"""The clips most like a clip: an exact search over all embeddings.

Cosine similarity of BirdNET's vectors, every clip compared, nothing approximated: at fifty thousand clips a
matrix product takes tens of milliseconds, which no index has to beat. The normalised vectors lie in one
memory-mapped file beside the store, made once for a set of clips.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import plan_windows
from vernal.common.files import writing
from vernal.common.hashing import digest
from vernal.common.problems import InputError
from vernal.common.table_files import digest_of_table, read_table, write_table

_CHUNK = 16_384


class SimilarityIndex:
    """Normalised vectors of windows, those of one clip next to each other.

    Args:
        clip_ids: (n_windows,) the clip of each window, sorted.
        vectors: (n_windows, n_dims) float32 of length 1; may be memory-mapped.
        lengths: (n_windows,) of the embeddings that they were; 1 by default.
    """

    def __init__(
        self, clip_ids: NDArray, vectors: NDArray[np.float32], lengths: NDArray[np.float32] | None = None
    ) -> None:
        if len(clip_ids) != len(vectors):
            raise ValueError(f"{len(clip_ids)} windows came with {len(vectors)} vectors")
        self._names, self._starts = np.unique(np.asarray(clip_ids, dtype=str), return_index=True)
        if (np.diff(self._starts) < 0).any():
            raise ValueError("windows must be sorted by clip")
        self._ends = np.append(self._starts[1:], len(vectors))
        self._vectors = vectors
        self._lengths = np.ones(len(vectors), dtype=np.float32) if lengths is None else lengths
        self._row_of = {name: row for row, name in enumerate(self._names.tolist())}

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, clip_id: str) -> bool:
        return clip_id in self._row_of

    def vectors_of(self, clip_id: str) -> NDArray[np.float32]:
        """(n_windows, n_dims) of one clip.

        Raises:
            InputError: the clip is not in the index.
        """
        if clip_id not in self._row_of:
            raise InputError(
                f"Clip {clip_id} has no embedding here; run the embedding pipeline, or name another."
            )
        row = self._row_of[clip_id]
        return np.asarray(self._vectors[self._starts[row] : self._ends[row]])

    def embeddings_of(self, clip_id: str) -> NDArray[np.float32]:
        """(n_windows, n_dims) of one clip as its encoder gave them.

        Raises:
            InputError: the clip is not in the index.
        """
        vectors = self.vectors_of(clip_id)
        row = self._row_of[clip_id]
        return vectors * self._lengths[self._starts[row] : self._ends[row], None]

    @property
    def clip_ids(self) -> NDArray:
        """(n_clips,) names, sorted."""
        return self._names

    def linear_scores(self, weights: NDArray, bias: float) -> NDArray[np.float32]:
        """(n_clips,) of a linear classifier of embeddings, exact; the highest of a clip's windows counts.

        Memory is that of a block and of one number a window, however many there are.
        """
        if not len(self):
            return np.empty(0, dtype=np.float32)
        scores = self._products(np.asarray(weights, dtype=np.float32)) * self._lengths
        return np.maximum.reduceat(scores, self._starts) + np.float32(bias)

    def likeness(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n_clips,) cosine similarity to the most alike of some embeddings (n, n_dims)."""
        return self._scores(_of_length_1(vectors)) if len(self) else np.empty(0, dtype=np.float32)

    def _products(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        products = np.empty(len(self._vectors), dtype=np.float32)
        for first in range(0, len(products), _CHUNK):
            products[first : first + _CHUNK] = self._vectors[first : first + _CHUNK] @ weights
        return products

    def similarity(self, clip_id: str) -> pd.Series:
        """Cosine similarity of every clip to one, in [-1, 1], by clip; the most alike pair of windows counts.

        Raises:
            InputError: the clip is not in the index.
        """
        return pd.Series(self._scores(self.vectors_of(clip_id)), index=self._names, name="similarity")

    def _scores(self, asked: NDArray[np.float32]) -> NDArray[np.float32]:
        scores = np.empty(len(self._vectors), dtype=np.float32)
        for first in range(0, len(scores), _CHUNK):
            part = self._vectors[first : first + _CHUNK] @ asked.T
            scores[first : first + _CHUNK] = part.max(axis=1)
        return np.maximum.reduceat(scores, self._starts)

    def nearest(self, clip_id: str, count: int, among: Collection[str] | None = None) -> pd.DataFrame:
        """The `count` clips most like one, itself left out.

        Args:
            among: clips that may be found; all by default.
        Returns:
            `clip_id`, `similarity`, falling; equal ones by clip.
        """
        wanted = self._among(among)
        scores = self._scores(self.vectors_of(clip_id))
        wanted[self._row_of[clip_id]] = False
        return self._best(scores, wanted, count)

    def nearest_to(
        self, vectors: NDArray[np.float32], count: int, among: Collection[str] | None = None
    ) -> pd.DataFrame:
        """The `count` clips most like a sound that need not be among them.

        Args:
            vectors: (n_windows, n_dims) of the sound, of any length but 0.
            among: clips that may be found; all by default.
        Returns:
            `clip_id`, `similarity`, falling; equal ones by clip.
        """
        return self._best(self._scores(_of_length_1(vectors)), self._among(among), count)

    def _among(self, among: Collection[str] | None) -> NDArray[np.bool_]:
        if among is None:
            return np.ones(len(self), dtype=bool)
        return np.isin(self._names, np.asarray(list(among), dtype=str))

    def _best(self, scores: NDArray[np.float32], wanted: NDArray[np.bool_], count: int) -> pd.DataFrame:
        rows = np.flatnonzero(wanted)
        # Names are in order, so a stable sort settles ties by name and not by chance.
        best = rows[np.argsort(-scores[rows], kind="stable")[:count]]
        return pd.DataFrame({"clip_id": self._names[best], "similarity": scores[best].astype(np.float64)})


def _lengths(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.maximum(np.linalg.norm(vectors, axis=1), np.finfo(np.float32).tiny)


def _of_length_1(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / _lengths(vectors)[:, None]


def _save(path: Path, values: NDArray) -> None:
    with writing(path) as temporary:
        np.save(temporary, values)


def open_index(
    folder: Path, clips: pd.DataFrame, store: EmbeddingStore, options: EmbeddingOptions
) -> SimilarityIndex:
    """The index of all of `clips` that the store has; made at the first call, then read from `folder`.

    Args:
        folder: where index files lie; each set of clips and settings has its own.
        clips: as `plan_windows` needs them.
    """
    windows = plan_windows(clips, options)[["clip_id", "key"]]
    stored = windows[windows.key.isin(store.known_keys(options))].reset_index(drop=True)
    place = folder / digest(options.settings_id, digest_of_table(stored))
    if not (place / "windows.parquet").is_file():
        _write_index(place, stored, store, options)
    names = read_table(place / "windows.parquet").clip_id.to_numpy(dtype=str)
    if not len(names):
        return SimilarityIndex(names, np.empty((0, options.n_dims), dtype=np.float32))
    lengths = place / "lengths.npy"
    if not lengths.is_file():  # an index of a version that did not keep them
        _save(lengths, _lengths(store.load(options, stored.key)))
    return SimilarityIndex(names, np.load(place / "vectors.npy", mmap_mode="r"), np.load(lengths))


def _write_index(
    place: Path, windows: pd.DataFrame, store: EmbeddingStore, options: EmbeddingOptions
) -> None:
    vectors = store.load(options, windows.key)
    _save(place / "lengths.npy", _lengths(vectors))
    _save(place / "vectors.npy", _of_length_1(vectors))
    # Written last: where it is, the vectors are whole.
    write_table(windows, place / "windows.parquet")
