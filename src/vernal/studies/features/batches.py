"""Batches read on demand: clips of like length together, padded to the longest of the batch, lengths kept.

Only one batch is in memory beside a bounded cache, so memory does not grow with the number of clips.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vernal.studies.features.feature_store import FeatureStore
from vernal.studies.features.options import FeatureOptions, kinds_of

CACHE_BYTES = 64 * 2**20
_BUCKET_BATCHES = 4


class Batch(NamedTuple):
    """Padded clips: `x` (n, longest, n_dims) float32, zeros after each clip's end; `lengths` (n,) rows of each;
    `rows` (n,) places of the clips in their source."""

    x: np.ndarray
    lengths: np.ndarray
    rows: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """(n, longest) bool: what is sound and not padding."""
        return np.arange(self.x.shape[1]) < self.lengths[:, None]


@dataclass(frozen=True, eq=False)
class Scaling:
    """Brings each dimension to mean 0 and standard deviation 1 over the training clips; both (n_dims,) float32."""

    mean: np.ndarray
    std: np.ndarray

    def __call__(self, sequence: np.ndarray) -> np.ndarray:
        return (sequence - self.mean) / self.std


class SequenceSource:
    """Clips' sequences by place, read from the store when asked for.

    Args:
        feature, sync: what to read; `fused` joins the columns of its parts.
        keys: the clips, in order.
        frames_per_step: rows of a raw feature whose mean is one step; beat-synced ones are taken row by row.
        cache_bytes: how much is kept in memory, least recently used going first.
    Raises:
        InputError: a clip is not stored.
    """

    def __init__(
        self,
        store: FeatureStore,
        options: FeatureOptions,
        feature: str,
        sync: str,
        keys: Sequence[str],
        frames_per_step: int = 1,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.store, self.options, self.keys = store, options, list(keys)
        self.kinds = kinds_of(feature, sync)
        self.n_dims = options.n_dims(feature)
        self.frames_per_step = frames_per_step if sync == "raw" else 1
        stored = store.lengths(options, self.kinds[0])
        # A key that is missing fails at its first reading, with the store's own words.
        self.lengths = np.array(
            [-(-stored.get(key, 1) // self.frames_per_step) for key in self.keys], dtype=np.int64
        )
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()
        self._cache_bytes, self._limit = 0, cache_bytes

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, row: int) -> np.ndarray:
        """(n_steps, n_dims) float32 of one clip."""
        if row in self._cache:
            self._cache.move_to_end(row)
            return self._cache[row]
        parts = [self.store.load(self.options, kind, self.keys[row]) for kind in self.kinds]
        sequence = stepped(np.concatenate(parts, axis=1), self.frames_per_step)
        self._cache[row] = sequence
        self._cache_bytes += sequence.nbytes
        while self._cache_bytes > self._limit:
            self._cache_bytes -= self._cache.popitem(last=False)[1].nbytes
        return sequence

    def batches(
        self, rows: np.ndarray, batch_size: int, scaling: Scaling, rng: np.random.Generator | None = None
    ) -> Iterator[Batch]:
        """Read some clips batch by batch; with `rng` in a drawn order, else in one that follows from lengths."""
        for part in bucketed(self.lengths[rows], batch_size, rng):
            chosen = rows[part]
            x, lengths = padded([scaling(self[int(row)]) for row in chosen])
            yield Batch(x, lengths, chosen)

    def scaling(self, rows: np.ndarray) -> Scaling:
        """Mean and standard deviation over the steps of some clips, one clip in memory at a time."""
        total, squares, count = np.zeros(self.n_dims), np.zeros(self.n_dims), 0
        for row in rows:
            sequence = self[int(row)].astype(np.float64)
            total, squares, count = (
                total + sequence.sum(0),
                squares + (sequence**2).sum(0),
                count + len(sequence),
            )
        mean = total / count
        std = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
        # A dimension that never changes says nothing, and must not be blown up.
        return Scaling(mean.astype(np.float32), np.where(std > 1e-6, std, 1.0).astype(np.float32))


def stepped(sequence: np.ndarray, frames_per_step: int) -> np.ndarray:
    """Means of each `frames_per_step` rows; the last step may have fewer.

    >>> stepped(np.array([[1.0], [3.0], [5.0]]), 2).ravel().tolist()
    [2.0, 5.0]
    """
    if frames_per_step == 1:
        return sequence
    starts = np.arange(0, len(sequence), frames_per_step)
    counts = np.diff(np.append(starts, len(sequence)))
    return (np.add.reduceat(sequence, starts, axis=0) / counts[:, None]).astype(sequence.dtype)


def bucketed(
    lengths: np.ndarray, batch_size: int, rng: np.random.Generator | None = None
) -> list[np.ndarray]:
    """Divide clips into batches of like lengths.

    Args:
        lengths: (n,) rows of each clip.
        rng: shuffles which clips of like length meet, and the order of the batches; None: by length alone.
    Returns:
        Arrays of places, each place once; all but one have `batch_size`.

    >>> [part.tolist() for part in bucketed(np.array([5, 1, 4, 2]), 2)]
    [[1, 3], [2, 0]]
    """
    n = len(lengths)
    if rng is None:
        order = np.argsort(lengths, kind="stable")
        return [order[at : at + batch_size] for at in range(0, n, batch_size)]
    shuffled = rng.permutation(n)
    batches = []
    # Sorted within buckets of a few batches: like lengths meet, but not always the same clips.
    by_length = shuffled[np.argsort(lengths[shuffled], kind="stable")]
    size = batch_size * _BUCKET_BATCHES
    for at in range(0, n, size):
        bucket = rng.permutation(by_length[at : at + size])
        bucket = bucket if _are_alike(lengths[bucket]) else bucket[np.argsort(lengths[bucket], kind="stable")]
        batches += [bucket[start : start + batch_size] for start in range(0, len(bucket), batch_size)]
    return [batches[place] for place in rng.permutation(len(batches))]


def _are_alike(lengths: np.ndarray) -> bool:
    """Whether padding to the longest wastes less than a quarter."""
    return bool(lengths.mean() >= 0.75 * lengths.max())


def padded(sequences: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Sequences as one array (n, longest, n_dims), zeros behind each, and their lengths (n,)."""
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    x = np.zeros((len(sequences), int(lengths.max()), sequences[0].shape[1]), dtype=np.float32)
    for row, sequence in zip(x, sequences, strict=True):
        row[: len(sequence)] = sequence
    return x, lengths
