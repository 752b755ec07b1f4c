"""Which close pairs of windows may be one recording, by a part of their sound: cheap enough for every pair.

The largest correlation of two sounds at any shift is at most the sum of those of their bands, each at its own best
phase. So no common fine shift is needed, and some bands from all over the spectrum estimate that sum: a copy stays
itself in all bands, whether filtered, coded or made noisy, while of sounds that are only similar the bands agree at
no shift. Whoever passes is compared in full.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vernal.common.problems import InputError

Array = np.ndarray[Any, Any]

BAND_HZ = (150.0, 7_000.0)
WHITENED_OVER_HZ = 100.0
# A band this much weaker than the strongest (-60 dB) is rounding, not sound.
WEAKEST = 1e-6
_HIGHEST_HZ = 8_000.0
# Of windows of three seconds, 40 bands of 128 bins are a quarter; by chance, unlike sounds reach 0.1.
_BANDS, _BINS = 40, 128
_STEPS = 16  # of the 127 that eight bits have, for a number of the usual size
# More would not stay in the memory that an allocator keeps: giving it back takes half as long as the work.
_SOUNDS_AT_ONCE, _PAIRS_AT_ONCE = 16, 64


class Stretch(NamedTuple):
    """A part of a file, seconds."""

    path: Path
    start_s: float
    end_s: float


def likeness(stretches: Sequence[Stretch], left: Array, right: Array, workers: int = 1) -> Array:
    """How alike the sounds of pairs may be at any shift, either way up.

    Args:
        stretches: of all rows.
        left, right: (n_pairs,) rows of each pair.
    Returns:
        (n_pairs,) float32: correlation and what chance adds; 1 for the same sound, 0 for silence.
    Raises:
        InputError: audio that passed ingest cannot be read now.
    """
    rows, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    used = [stretches[row] for row in rows]
    longest_s = max((end_s - start_s for _, start_s, end_s in used), default=0.0)
    prints = np.zeros((len(rows), _BANDS, 2 * _BINS), dtype=np.int8)

    def read(chosen: Array) -> None:
        prints[chosen] = _fingerprints(list(_read([used[at] for at in chosen])), longest_s)

    def compare(pairs: Array) -> Array:
        return _compare(prints[places[pairs]], prints[places[len(left) + pairs]])

    by_file = np.array(sorted(range(len(used)), key=used.__getitem__), dtype=np.int64)
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        list(pool.map(read, _pieces(by_file, _SOUNDS_AT_ONCE)))
        found = list(pool.map(compare, _pieces(np.arange(len(left)), _PAIRS_AT_ONCE)))
    return np.concatenate([np.empty(0, dtype=np.float32), *found])


def _pieces(values: Array, size: int) -> Iterator[Array]:
    return (values[at : at + size] for at in range(0, len(values), size))


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Whoever reads audio that passed ingest is told so where it is gone (`InputError`)."""
    from vernal.audio.reading import AudioError

    try:
        yield
    except (AudioError, OSError) as error:
        raise InputError(
            f"{path} passed ingest and cannot be read now ({error}). Restore it, or run again from ingest."
        ) from error


def _read(stretches: Sequence[Stretch]) -> Iterator[tuple[Array, int]]:
    """Samples of each stretch at its file's own rate, and that rate; neighbours in one file are read in one go."""
    from vernal.audio.reading import AudioReader

    for path, of_file in groupby(stretches, key=lambda stretch: stretch.path):
        with readable(path), AudioReader(path, None) as reader:
            rate = reader.sample_rate_hz
            for _, start_s, end_s in of_file:
                pieces = list(reader.stream(round(start_s * rate), round(end_s * rate)))
                yield np.concatenate([np.empty(0, dtype=np.float32), *pieces]), rate


def _fingerprints(sounds: Sequence[tuple[Array, int]], longest_s: float) -> Array:
    """Whitened bands of each sound: (n, bands, 2 bins) int8, real and imaginary in turn; zeros for silence."""
    prints = np.zeros((len(sounds), _BANDS, 2 * _BINS), dtype=np.int8)
    rates = np.array([rate for _, rate in sounds])
    for rate in np.unique(rates):
        of_rate = np.flatnonzero(rates == rate)
        padded = np.zeros((len(of_rate), max(1, round(longest_s * rate))), dtype=np.float32)
        for row, at in zip(padded, of_rate, strict=True):
            sound = sounds[int(at)][0][: len(row)]
            if np.isfinite(sound).all():
                row[: len(sound)] = sound - sound.mean() if len(sound) else sound
        prints[of_rate] = _in_bands(padded, longest_s)
    return prints


def _in_bands(sounds: Array, longest_s: float) -> Array:
    from scipy import fft, ndimage

    # A bin is 1 / longest_s Hz wide, whatever the rate.
    bins = _bins(longest_s)
    spectrum = fft.rfft(sounds, axis=1)[:, : max(round(_HIGHEST_HZ * longest_s), int(bins.max())) + 1]
    power = spectrum.real**2 + spectrum.imag**2
    smooth = ndimage.uniform_filter1d(power, max(3, round(WHITENED_OVER_HZ * longest_s)), mode="nearest")
    smooth += np.maximum(smooth.max(axis=1, keepdims=True) * WEAKEST, np.finfo(np.float32).tiny)
    chosen = np.zeros((len(sounds), len(bins)), dtype=np.complex64)
    known = bins < spectrum.shape[1]  # files of a low rate end below the highest band
    chosen[:, known] = spectrum[:, bins[known]] / np.sqrt(smooth[:, bins[known]])
    values = chosen.view(np.float32)
    energy = np.sqrt(np.mean(values**2, axis=1, keepdims=True))
    values *= _STEPS / np.maximum(energy, 1e-30)
    return np.clip(np.rint(values), -127, 127).astype(np.int8).reshape(len(sounds), _BANDS, 2 * _BINS)


def _bins(longest_s: float) -> Array:
    """Bins of all bands: one in each part of the spectrum, never at the same place in it, as harmonics would be."""
    low_hz, high_hz = BAND_HZ
    edges = np.linspace(low_hz * longest_s, high_hz * longest_s, _BANDS + 1)
    room = np.maximum(np.diff(edges) - _BINS, 0)
    places = np.arange(_BANDS) * 0.618034 % 1.0
    return (np.rint(edges[:-1] + room * places).astype(np.int64)[:, None] + np.arange(_BINS)).ravel()


def _compare(one: Array, other: Array) -> Array:
    from scipy import fft

    left, right = (values.astype(np.float32) for values in (one, other))
    energy = np.einsum("ijk,ijk->i", left, left) * np.einsum("ijk,ijk->i", right, right)
    product = left.view(np.complex64) * np.conj(right.view(np.complex64))
    by_shift = np.abs(fft.ifft(product, 2 * _BINS, axis=2)).sum(axis=1).max(axis=1)
    # ifft takes the mean of as many values.
    return 2 * _BINS * by_shift / np.sqrt(np.maximum(energy, 1.0))
