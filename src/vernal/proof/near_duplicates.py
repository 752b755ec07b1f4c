"""The same recording in two splits under other bytes: cut anew, coded anew, shifted by some samples.

Two steps, because neither is enough. Embeddings find who might be meant, exactly and fast; but two quiet
minutes of one recorder are as close as a recording and its copy. So what is close is listened to: only where
the whitened sound of two windows correlates at some shift are they the same recording. Some bands of the sound
(`sound_screen`) rule most pairs out.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vernal.common.formatting import percent
from vernal.common.hashing import digest
from vernal.common.progress import progress_bar
from vernal.common.storage import as_path
from vernal.common.table_files import digest_of_table
from vernal.proof.options import ProofOptions
from vernal.proof.sound_screen import BAND_HZ, WEAKEST, WHITENED_OVER_HZ, Stretch, likeness, readable

# To be raised when the same recordings would give other pairs than before.
REVISION = 3
NEIGHBOURS = 5
PAIRS, SUMMARY = "pairs", "summary"
PAIR_COLUMNS = (
    "clip_id",
    "start_s",
    "split",
    "other_clip_id",
    "other_start_s",
    "other_split",
    "cosine",
    "correlation",
)
_BLOCK = 2_048
_PAIRS_AT_ONCE = 2_000_000
_RATE_HZ = 16_000
_SILENCE_RMS = 1e-5
# Of 4,353 changed copies of real recordings, none had less than two thirds of its correlation in those bands that are
# looked at first; less than half of the limit is no copy.
_SURE = 0.5
_ALWAYS_HEARD = 100  # pairs that are the most alike by their bands: the certificate names the closest
_WORTH_TELLING = 0.1  # share of a kind of copies that are missed
# Windows of three seconds: some 500 MB of sound at half precision, and 300 MB of transforms with what they are of. Of
# 3,000 windows in 8,900 pairs, 128 transforms were made 4,600 times, 512 once each.
_SOUNDS_KEPT = 5_120
_TRANSFORMS_KEPT = 512

# Which changed copies are found, measured by `python -m tools.docs_site near-duplicates`.
MISSED = Path(__file__).with_name("missed_copies.csv")

Array = np.ndarray[Any, Any]


def closest_across(
    x: Array, group: Array, floor: float, neighbours: int = NEIGHBOURS, pairs_at_once: int = _PAIRS_AT_ONCE
) -> tuple[Array, Array, Array]:
    """The nearest neighbours in other groups, by cosine; an exact search in blocks of bounded memory.

    Args:
        x: (n, d) float32; a row of zeros is close to nothing.
        group: (n,) int; rows of one group are not compared.
        floor: smallest cosine.
        neighbours: a pair stays where it is among so many closest of either of its rows.
        pairs_at_once: how many pairs are held before those that cannot stay are let go.
    Returns:
        `left`, `right` (rows, left < right) and `cosine` (float32), the closest first.
    """
    order = np.argsort(group, kind="stable")
    ordered, groups = np.ascontiguousarray(x[order], dtype=np.float32), np.asarray(group)[order]
    length = np.sqrt(np.einsum("ij,ij->i", ordered, ordered, dtype=np.float64))
    ordered /= np.maximum(length, 1e-30)[:, None].astype(np.float32)
    found = _Found(len(ordered), floor, neighbours, pairs_at_once)
    for top in range(0, len(ordered), _BLOCK):
        rows = slice(top, top + _BLOCK)
        # Sorted by group, so every row's partners in other groups begin where its own group ends.
        first = int(np.searchsorted(groups, groups[top], side="right"))
        for left in range(first, len(ordered), _BLOCK):
            columns = slice(left, left + _BLOCK)
            cosine = ordered[rows] @ ordered[columns].T
            if groups[min(rows.stop, len(groups)) - 1] >= groups[left]:
                cosine[groups[rows, None] >= groups[None, columns]] = -2.0
            found.add(cosine, rows, columns)
    left_rows, right_rows, cosines = found.best()
    left_rows, right_rows = order[left_rows], order[right_rows]
    low, high = np.minimum(left_rows, right_rows), np.maximum(left_rows, right_rows)
    closest = np.lexsort((high, low, -cosines))
    return low[closest], high[closest], cosines[closest]


class _Found:
    """Pairs found so far; lets go of those that are no row's neighbours any more."""

    def __init__(self, n_rows: int, floor: float, neighbours: int, limit: int) -> None:
        self._floors = np.full(n_rows, floor, dtype=np.float32)
        self._neighbours = neighbours
        self._limit = limit
        self._parts: list[tuple[Array, Array, Array]] = []
        self._held = 0

    def add(self, cosine: Array, rows: slice, columns: slice) -> None:
        enough = cosine >= np.minimum(self._floors[rows, None], self._floors[None, columns])
        left, right = np.nonzero(enough)
        if len(left):
            self._parts.append((left + rows.start, right + columns.start, cosine[left, right]))
            self._held += len(left)
        if self._held > self._limit:
            self.best()

    def best(self) -> tuple[Array, Array, Array]:
        if not self._parts:
            nothing = np.empty(0, dtype=np.int64)
            return nothing, nothing, np.empty(0, dtype=np.float32)
        left, right, cosine = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        rank, ends = neighbour_ranks(left, right, cosine)
        last = rank == self._neighbours - 1
        values = np.concatenate([cosine, cosine])
        self._floors[ends[last]] = np.maximum(self._floors[ends[last]], values[last])
        stays = (rank < self._neighbours).reshape(2, -1).any(axis=0)
        self._parts = [(left[stays], right[stays], cosine[stays])]
        self._held = int(stays.sum())
        return self._parts[0]


def neighbour_ranks(left: Array, right: Array, cosine: Array) -> tuple[Array, Array]:
    """Which neighbour (0 = the closest) each pair is for its left row, then for its right row.

    Returns:
        (2 n,) ranks and (2 n,) the rows they are for.
    """
    ends = np.concatenate([left, right])
    others = np.concatenate([right, left])
    order = np.lexsort((others, -np.concatenate([cosine, cosine]), ends))
    ordered = ends[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    sizes = np.diff(np.append(starts, len(ordered)))
    rank = np.empty(len(ends), dtype=np.int64)
    rank[order] = np.arange(len(ordered)) - np.repeat(starts, sizes)
    return rank, ends


def whitened(sound: Array, rate_hz: int = _RATE_HZ) -> Array:
    """Sound with all bands of its spectrum made equally loud, so that no hum and no hiss decides alone.

    Args:
        sound: (n,) one channel.
    Returns:
        (n,) float32 of energy 1; all zeros for silence.
    """
    from scipy import fft, ndimage

    sound = np.asarray(sound, dtype=np.float32)
    if len(sound) == 0 or not np.isfinite(sound).all():
        return np.zeros(len(sound), dtype=np.float32)
    sound = sound - sound.mean()
    if np.sqrt(np.mean(sound**2)) < _SILENCE_RMS:
        return np.zeros(len(sound), dtype=np.float32)
    n = fft.next_fast_len(2 * len(sound), real=True)
    spectrum = fft.rfft(sound, n)
    power = spectrum.real**2 + spectrum.imag**2
    smooth = ndimage.uniform_filter1d(power, max(3, round(WHITENED_OVER_HZ * n / rate_hz)), mode="nearest")
    spectrum /= np.sqrt(smooth + smooth.max() * WEAKEST)
    spectrum[_outside_band(len(spectrum), rate_hz / n)] = 0
    flat = fft.irfft(spectrum, n)[: len(sound)]
    energy = float(np.sqrt(np.sum(flat**2)))
    return (flat / energy).astype(np.float32) if energy > 0 else np.zeros(len(sound), dtype=np.float32)


@lru_cache(maxsize=16)
def _outside_band(n_bins: int, step_hz: float) -> Array:
    hz = np.arange(n_bins) * step_hz
    return (hz < BAND_HZ[0]) | (hz > BAND_HZ[1])


def correlation(one: Array, other: Array) -> float:
    """Largest correlation of two whitened sounds at any shift, either way up: 1 for the same, 0 for silence."""
    n_shifts = _n_shifts(len(one) + len(other))
    return _largest(_transformed(one, n_shifts), _transformed(other, n_shifts), n_shifts)


def _n_shifts(n_samples: int) -> int:
    from scipy import fft

    return int(fft.next_fast_len(max(1, n_samples), real=True))


def _transformed(sound: Array, n: int) -> Array:
    from scipy import fft

    return fft.rfft(sound, n)


def _largest(one: Array, other: Array, n: int) -> float:
    from scipy import fft

    shifted = fft.irfft(one * np.conj(other), n)
    return min(1.0, float(max(shifted.max(initial=0.0), -shifted.min(initial=0.0))))


class _Heard(NamedTuple):
    """A whitened sound, and its transform for comparing it with others of its length."""

    sound: Array
    n_shifts: int
    transform: Array

    @classmethod
    def of(cls, sound: Array) -> "_Heard":
        n_shifts = _n_shifts(2 * len(sound))
        return cls(sound, n_shifts, _transformed(sound, n_shifts))

    def correlation(self, other: "_Heard") -> float:
        if len(self.sound) != len(other.sound):
            return correlation(self.sound, other.sound)
        return _largest(self.transform, other.transform, self.n_shifts)


def missed_words() -> str:
    """Which copies such a search misses, as measured on real recordings; the most often missed first."""
    table = pd.read_csv(MISSED)
    missed = (1 - table.found / table.copies).to_numpy(dtype=float)
    told = [at for at in np.argsort(-missed, kind="stable") if missed[at] >= _WORTH_TELLING]
    words = [f"{table.change[at]}, {'all' if missed[at] == 1 else percent(missed[at])}" for at in told]
    return (
        f"What such a search misses, measured on copies of {int(table.copies.max())} real recordings that were: "
        f"{'; '.join(words)}."
    )


def search_key(splits: pd.DataFrame, settings_id: str, options: ProofOptions) -> str:
    """Name of a search by all that its result depends on."""
    used = splits.sort_values("clip_id")[["clip_id", "content_hash", "start_s", "end_s", "split"]]
    limits = (options.near_duplicate_cosine, options.near_duplicate_correlation)
    numbers = (*limits, options.listened_pairs, NEIGHBOURS)
    return digest("near_duplicates", REVISION, settings_id, digest_of_table(used), *numbers, length=32)


def find_pairs(
    windows: pd.DataFrame,
    x: Array,
    split_of: Mapping[str, str],
    roots: Mapping[str, str],
    options: ProofOptions,
    workers: int = 1,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Close pairs of windows of two splits, each with its correlation.

    Args:
        windows: as `embedding.windows.plan_windows` gives them, `clip_id` with its `file_path`, `start_s`, `end_s`.
        x: (n_windows, n_dims) embeddings in that order.
        split_of: split by `clip_id`.
        roots: folder of each source.
    Returns:
        `PAIR_COLUMNS`, one row per pair of windows that was listened to, the most alike first, `correlation` missing
        where some bands showed that it is far below the limit; and how many windows there are and how many pairs
        were close, so that a search that had to leave some out says so.
    Raises:
        InputError: audio that passed ingest cannot be read now.
    """
    windows = windows.reset_index(drop=True)
    split = windows.clip_id.map(dict(split_of)).to_numpy(dtype=object)
    names = sorted(set(split))
    codes = np.array([names.index(name) for name in split], dtype=np.int64)
    left, right, cosine = closest_across(x, codes, options.near_duplicate_cosine)
    counts = {"n_windows": len(windows), "n_close_pairs": len(left)}
    chosen = np.sort(_nearest_first(left, right, cosine)[: options.listened_pairs])
    left, right = left[chosen], right[chosen]
    alike = _listen(windows, roots, left, right, options.near_duplicate_correlation, workers)
    exact = [_cosine(x[one], x[other]) for one, other in zip(left, right, strict=True)]
    ids, starts = windows.clip_id.to_numpy(dtype=object), windows.start_s.to_numpy(dtype=float)
    ends = {
        "clip_id": ids[left], "start_s": starts[left], "split": split[left],
        "other_clip_id": ids[right], "other_start_s": starts[right], "other_split": split[right],
    }  # fmt: skip
    # Rounded to what does not depend on the order of additions.
    found = {"cosine": np.round(np.array(exact, dtype=float), 4), "correlation": np.round(alike, 3)}
    texts = dict.fromkeys(("clip_id", "split", "other_clip_id", "other_split"), "str")
    table = pd.DataFrame(ends | found).astype(texts)
    falling = ["correlation", "cosine", "clip_id", "other_clip_id", "start_s", "other_start_s"]
    table = table.sort_values(falling, ascending=[False, False, True, True, True, True], ignore_index=True)
    return table[list(PAIR_COLUMNS)], counts


def _nearest_first(left: Array, right: Array, cosine: Array) -> Array:
    """Pairs in the order in which they are worth listening to: each other's nearest, then next nearest, ..."""
    if not len(left):
        return np.empty(0, dtype=np.int64)
    rank, _ = neighbour_ranks(left, right, cosine)
    return np.lexsort((-cosine, rank.reshape(2, -1).min(axis=0)))


def _cosine(one: Array, other: Array) -> float:
    one, other = one.astype(np.float64), other.astype(np.float64)
    return float(one @ other / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-30))


def _listen(
    windows: pd.DataFrame, roots: Mapping[str, str], left: Array, right: Array, limit: float, workers: int
) -> Array:
    """Correlation of each pair: 0 for silence, NaN where some bands show that it is far below the limit."""
    columns = [windows[name] for name in ("source", "file_path", "start_s", "end_s")]
    stretches = [
        Stretch(as_path(roots[source]) / path, start_s, end_s)
        for source, path, start_s, end_s in zip(*columns, strict=True)
    ]
    likely = likeness(stretches, left, right, workers)
    passes = likely >= _SURE * limit
    passes[np.argsort(-likely, kind="stable")[:_ALWAYS_HEARD]] = True
    found = np.where(likely > 0, np.nan, 0.0)
    found[passes] = _correlations(stretches, left[passes], right[passes], workers)
    return found


def _correlations(stretches: Sequence[Stretch], left: Array, right: Array, workers: int) -> Array:
    @lru_cache(maxsize=_SOUNDS_KEPT)
    def sound(row: int) -> Array:
        flat = whitened(_load(*stretches[row]))
        # Scaled to about 1, half precision loses nothing that three decimals of a correlation show.
        return (flat * np.sqrt(len(flat), dtype=np.float32)).astype(np.float16)

    @lru_cache(maxsize=_TRANSFORMS_KEPT)
    def heard(row: int) -> _Heard:
        kept = sound(row).astype(np.float32)
        return _Heard.of(kept / np.float32(max(float(np.linalg.norm(kept)), 1e-30)))

    def alike(pair: tuple[int, int]) -> float:
        value = heard(pair[0]).correlation(heard(pair[1]))
        listened(1)
        return value

    order = _reading_order(left, right, len(stretches))
    pairs = [(int(left[at]), int(right[at])) for at in order]
    with (
        progress_bar(len(pairs), "listening to close pairs", "pair") as listened,
        ThreadPoolExecutor(max_workers=max(1, workers)) as pool,
    ):
        values = list(pool.map(alike, pairs))
    found = np.empty(len(values))
    found[order] = values
    return found


def _reading_order(left: Array, right: Array, n_windows: int) -> Array:
    """Pairs in an order in which a window is needed again soon after it was read (reverse Cuthill-McKee)."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    ends = np.concatenate([left, right]), np.concatenate([right, left])
    is_pair = csr_array((np.ones(len(ends[0])), ends), shape=(n_windows, n_windows))
    place = np.empty(n_windows, dtype=np.int64)
    place[reverse_cuthill_mckee(is_pair, symmetric_mode=True)] = np.arange(n_windows)
    return np.lexsort((np.minimum(place[left], place[right]), np.maximum(place[left], place[right])))


def _load(path: Path, start_s: float, end_s: float) -> Array:
    from vernal.audio.reading import load_clip

    with readable(path):
        return load_clip(path, start_s, end_s, _RATE_HZ)
