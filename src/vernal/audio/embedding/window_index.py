"""All stored embeddings in the order of one number each, to be read at any place and to be ranked as a whole.

Beside the store lie segments: folders with the embeddings of some of its parts in one plain file, and their sketches in
another. Both are memory-mapped. New parts become a new segment; what was there stays as it is. A segment of which a
part has left the store is made anew. All of it can be deleted.
"""

import contextlib
import json
import mmap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.embedding.sketch import N_SAMPLED, Basis, fit_basis, read_basis
from vernal.audio.embedding.store import EmbeddingStore, count_windows, read_whole
from vernal.common.files import write_text, writing, writing_folder
from vernal.common.hashing import digest
from vernal.common.json_text import read_json
from vernal.common.progress import progress_bar
from vernal.common.storage import remove_tree

SKETCHED_FROM = 100_000  # windows; fewer are read in full as quickly
_SEGMENT = 262_144  # windows of a segment, 1 GB; an interrupted start loses no more
_GROWTH = 4  # times as many windows as the axes were found from: they are found again
_BLOCK = 16_384
Float = NDArray[np.float32]


class Embeddings(Protocol):
    """What is read like an array (n, n_dims) float32."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, rows: Any, /) -> Float: ...


@dataclass(frozen=True, eq=False)
class WindowIndex:
    """Embeddings of windows, numbered from 0.

    `vectors`: arrays (n, n_dims) float32 that follow each other, perhaps memory-mapped; `lengths` and
    `keys` (n_windows,) of all. `codes`: their sketches in the same pieces by `basis`; none of few windows.
    """

    vectors: Sequence[Embeddings]
    lengths: Float
    keys: NDArray[np.bytes_]
    codes: Sequence[NDArray[np.int8]] = ()
    basis: Basis | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    def rows_of(self, keys: Sequence[str]) -> NDArray[np.intp]:
        """The number of each of these windows; -1 where the store does not have it."""
        if not len(self):
            return np.full(len(keys), -1)
        asked = np.asarray(keys, dtype=self.keys.dtype)
        order = np.argsort(self.keys, kind="stable")
        found = order[np.minimum(np.searchsorted(self.keys, asked, sorter=order), len(self) - 1)]
        return np.where(self.keys[found] == asked, found, -1)

    def embeddings(self, rows: NDArray[np.intp]) -> Float:
        """(n, n_dims) of the windows of these numbers."""
        starts = np.cumsum([0, *(len(piece) for piece in self.vectors)])
        found = np.empty((len(rows), self.vectors[0].shape[1]), dtype=np.float32)
        for piece, (first, end) in zip(self.vectors, pairwise(starts), strict=True):
            here = np.flatnonzero((rows >= first) & (rows < end))
            # As they lie on the disk, which is then read in one direction.
            here = here[np.argsort(rows[here], kind="stable")]
            _ask_for(piece, rows[here] - first)
            found[here] = piece[rows[here] - first]
        return found

    def products(self, weights: Float) -> Float:
        """(n_windows,) of all embeddings with `weights` (n_dims,): nearly those where there are sketches, else exactly.

        Memory is that of a block and of one number a window, however many there are.
        """
        if self.basis is not None:
            pieces = [self.basis.products(piece, weights) for piece in self.codes]
        else:
            pieces = [piece @ weights for whole in self.vectors for piece in _blocks(whole)]
        return np.concatenate([np.empty(0, dtype=np.float32), *pieces])


def _ask_for(piece: Embeddings, rows: NDArray[np.intp]) -> None:
    """Let the system read rows of a file all at once: 2,000 take 0.1 s, and one after the other seconds."""
    memory = getattr(piece, "_mmap", None)
    if memory is None or not isinstance(piece, np.memmap) or not hasattr(mmap, "MADV_WILLNEED"):
        return
    for start in (piece.offset + rows * piece.strides[0]).tolist():
        page = start // mmap.PAGESIZE * mmap.PAGESIZE
        memory.madvise(mmap.MADV_WILLNEED, page, start + piece.strides[0] - page)


def _blocks(vectors: Embeddings) -> Iterator[Float]:
    return (vectors[first : first + _BLOCK] for first in range(0, len(vectors), _BLOCK))


def lengths_of(vectors: Float) -> Float:
    """(n,) lengths of embeddings, none of them 0."""
    return np.maximum(np.linalg.norm(vectors, axis=1), np.finfo(np.float32).tiny)


def open_window_index(folder: Path, store: EmbeddingStore, options: EmbeddingOptions) -> WindowIndex:
    """The index of all windows that the store has under these settings.

    Args:
        folder: where the segments of these settings lie. What is missing there is made, with a line of progress.
    Raises:
        InputError: a part of the store is damaged.
    """
    segments = _up_to_date(folder, store, options)
    vectors = [np.load(segment / "vectors.npy", mmap_mode="r") for segment in segments]
    lengths, keys = (
        np.concatenate([none, *(np.load(segment / name) for segment in segments)])
        for none, name in ((np.empty(0, np.float32), "lengths.npy"), (np.empty(0, "S1"), "keys.npy"))
    )
    index = WindowIndex(vectors or [np.empty((0, options.n_dims), np.float32)], lengths, keys)
    if len(index) < SKETCHED_FROM:
        return index
    basis, name = _basis(folder, index)
    return replace(index, codes=_codes(segments, basis, name), basis=basis)


def _up_to_date(folder: Path, store: EmbeddingStore, options: EmbeddingOptions) -> list[Path]:
    """The segments' folders in order, after what has left the store was removed and what is new was added."""
    parts = {part.name: part for part in store.parts(options)}
    covered: set[str] = set()
    for segment in _segments(folder):
        names = read_json(segment / "parts.json")
        if covered.isdisjoint(names) and set(names) <= parts.keys():
            covered.update(names)
        else:
            remove_tree(segment)
    fresh = [part for name, part in parts.items() if name not in covered]
    if fresh:
        with progress_bar(len(fresh), "indexing stored embeddings", "part") as done:
            _add_segments(folder, fresh, options, done)
    return _segments(folder)


def _segments(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("segment-*/parts.json"))


def _add_segments(
    folder: Path, parts: list[Path], options: EmbeddingOptions, done: Callable[[int], None]
) -> None:
    group: list[Path] = []
    n_windows = 0
    for part in parts:
        group.append(part)
        n_windows += count_windows(part)
        if n_windows >= _SEGMENT or part is parts[-1]:
            _write_segment(folder, group, n_windows, options, done)
            group, n_windows = [], 0


def _write_segment(
    folder: Path, parts: list[Path], n_windows: int, options: EmbeddingOptions, done: Callable[[int], None]
) -> None:
    """The embeddings of some parts one after the other, never more of them in memory than a part has."""
    names = [part.name for part in parts]
    keys: list[NDArray[np.bytes_]] = []
    lengths = np.empty(n_windows, dtype=np.float32)
    with writing_folder(folder / f"segment-{digest(names)}") as place:
        shape = (n_windows, options.n_dims)
        vectors = np.lib.format.open_memmap(place / "vectors.npy", "w+", np.float32, shape)
        first = 0
        for part in parts:
            part_keys, part_vectors = read_whole(part, options.n_dims)
            rows = slice(first, first := first + len(part_keys))
            vectors[rows], lengths[rows] = part_vectors, lengths_of(part_vectors)
            keys.append(part_keys.astype("S"))
            done(1)
        vectors.flush()
        del vectors  # or Windows does not let the folder be renamed
        np.save(place / "lengths.npy", lengths)
        np.save(place / "keys.npy", np.concatenate(keys))
        write_text(place / "parts.json", json.dumps(names) + "\n")


def _basis(folder: Path, index: WindowIndex) -> tuple[Basis, str]:
    """The axes of the sketches, and what codes are called that were made by them."""
    known = {int(path.stem.rpartition("_")[2]): path for path in folder.glob("basis_*.npz")}
    of = max(known, default=0)
    if of * _GROWTH < len(index):
        rows = np.linspace(0, len(index) - 1, min(N_SAMPLED, len(index))).astype(np.intp)
        basis, of = fit_basis(index.embeddings(rows)), len(index)
        basis.save(folder / f"basis_{of}.npz")
        for old in [*known.values(), *folder.glob("segment-*/codes_*.npy")]:
            with contextlib.suppress(OSError):  # on Windows another server may hold it
                old.unlink()
    else:
        basis = read_basis(known[of])
    return basis, f"codes_{of}.npy"


def _codes(segments: list[Path], basis: Basis, name: str) -> list[NDArray[np.int8]]:
    """The sketches of all segments; those that are missing are made."""
    missing = [segment for segment in segments if not (segment / name).is_file()]
    if missing:
        with progress_bar(len(missing), "sketching embeddings", "segment") as done:
            for segment in missing:
                _write_codes(segment, basis, name)
                done(1)
    return [np.load(segment / name, mmap_mode="r") for segment in segments]


def _write_codes(segment: Path, basis: Basis, name: str) -> None:
    vectors = np.load(segment / "vectors.npy", mmap_mode="r")
    codes = np.empty((len(vectors), basis.axes.shape[1]), dtype=np.int8)
    for number, block in enumerate(_blocks(vectors)):
        codes[number * _BLOCK : number * _BLOCK + len(block)] = basis.sketch(block)
    with writing(segment / name) as temporary:
        np.save(temporary, codes)
