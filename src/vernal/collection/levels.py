"""How loud a recording is, band by band and moment by moment.

Powers are of short frames, read block by block; levels are in dB of full scale.
"""

from collections.abc import Sequence
from math import log2
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vernal.audio.headers import open_sound
from vernal.audio.reading import probe_audio

FRAME_S = 0.05
OCTAVES_HZ = tuple(
    (round(hz / 2**0.5, 1), round(hz * 2**0.5, 1)) for hz in (125, 250, 500, 1000, 2000, 4000, 8000)
)
_FLOOR = 1e-14
_BLOCK_FRAMES = 512


def frame_length_s(sample_rate_hz: float) -> float:
    """What `FRAME_S` is in whole samples of a rate, seconds.

    >>> frame_length_s(48_000), round(frame_length_s(22_050), 6)
    (0.05, 0.049977)
    """
    return _frame_samples(sample_rate_hz) / sample_rate_hz


def _frame_samples(sample_rate_hz: float) -> int:
    return max(8, round(FRAME_S * sample_rate_hz))


def frame_powers(path: Path | str, bands_hz: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Mean square of each frame in each band, channels averaged.

    Args:
        path: a recording.
        bands_hz: lowest and highest frequency of each band; what lies above half the sample rate is empty.
    Returns:
        (n_frames, n_bands); frames of `frame_length_s` that follow each other, a last partial one left out.
    """
    rows = []
    with open_sound(path) as file:
        size = _frame_samples(file.samplerate)
        window = np.hanning(size)
        edges = np.fft.rfftfreq(size, 1 / file.samplerate)
        # What the window takes from the power is given back; a one-sided spectrum holds half of it.
        scale = 2 / (size * (window**2).sum())
        inside = np.stack([(edges >= low) & (edges < high) for low, high in bands_hz], axis=1).astype(float)
        for block in file.blocks(blocksize=size * _BLOCK_FRAMES, dtype="float32", always_2d=True):
            n = len(block) // size
            frames = block[: n * size].reshape(n, size, -1)
            frames = frames - frames.mean(axis=1, keepdims=True)
            spectra = np.abs(np.fft.rfft(frames * window[:, None], axis=1)) ** 2
            rows.append(spectra.mean(axis=2) @ inside * scale)
    return np.concatenate(rows) if rows else np.empty((0, len(bands_hz)))


def median_levels_db(
    path: Path | str, bands_hz: Sequence[tuple[float, float]] = OCTAVES_HZ
) -> NDArray[np.float64]:
    """A recording's background: median level of its frames in each band, dB of full scale; NaN above its range."""
    powers = frame_powers(path, bands_hz)
    if not len(powers):
        return np.full(len(bands_hz), np.nan)
    highest = probe_audio(path).sample_rate_hz / 2
    levels = 10 * np.log10(np.median(powers, axis=0) + _FLOOR)
    return np.where(np.array([high for _, high in bands_hz]) <= highest * 2**0.01, levels, np.nan)


def band_name(band_hz: tuple[float, float]) -> str:
    """An octave band by its centre.

    >>> band_name((707.1, 1414.2))
    '1 kHz'
    """
    centre = 2 ** ((log2(band_hz[0]) + log2(band_hz[1])) / 2)
    return f"{centre / 1000:.0f} kHz" if centre >= 950 else f"{centre:.0f} Hz"
