"""A band of a recording: as BirdNET-Analyzer hears it, and as people do."""

from functools import lru_cache
from typing import Any

import numpy as np

from vernal.audio.reading import SAMPLE_RATE_HZ

FULL_BAND_HZ = (0, 15_000)


def is_full_band(fmin: float, fmax: float) -> bool:
    """Whether this pair means "no filter"."""
    return (fmin, fmax) == FULL_BAND_HZ


def band_of(
    samples: np.ndarray, fmin: float, fmax: float, sample_rate_hz: int = SAMPLE_RATE_HZ
) -> np.ndarray:
    """A band of a whole signal for people to hear, however narrow and low it is: (n,) float32 in and out.

    Second-order sections of the filter that `Bandpass` is, which in one piece grows without end where a band is so.

    Raises:
        ValueError: no band within 0 to 15,000 Hz.
    """
    sections = _butterworth(fmin, fmax, sample_rate_hz, "sos")
    if sections is None or not len(samples):
        return samples
    from scipy.signal import sosfilt

    return sosfilt(sections, samples).astype(np.float32)


def _butterworth(fmin: float, fmax: float, sample_rate_hz: int, output: str) -> Any:
    """The fifth-order filter of a band as `scipy.signal.butter` gives it; None where all is let through."""
    lowest, highest = FULL_BAND_HZ
    if not lowest <= fmin < fmax <= highest:
        raise ValueError(f"fmin {fmin} and fmax {fmax} Hz: give {lowest} <= fmin < fmax <= {highest}")
    if is_full_band(fmin, fmax):
        return None
    from scipy.signal import butter

    low, high = (2 * edge / sample_rate_hz for edge in (fmin, fmax))
    if fmax == highest:
        return butter(5, low, btype="high", output=output)
    if fmin == lowest:
        return butter(5, high, btype="low", output=output)
    return butter(5, [low, high], btype="band", output=output)


@lru_cache
def grows_without_end(fmin: float, fmax: float, sample_rate_hz: int) -> bool:
    """Whether `Bandpass` of a band goes on after ten seconds of silence, as narrow and low ones do.

    Its ten coefficients are too coarse for them; what BirdNET-Analyzer hears through it is no sound of the recording.
    """
    if is_full_band(fmin, fmax):
        return False
    click = np.zeros(10 * sample_rate_hz)
    click[0] = 1.0
    with np.errstate(all="ignore"):
        answer = np.abs(Bandpass(fmin, fmax, sample_rate_hz)(click))
        return not answer[-sample_rate_hz:].max() < 1e-6 * answer.max()


class Bandpass:
    """The band-pass of BirdNET-Analyzer, fed piece by piece: fifth-order Butterworth, forward only.

    `fmin` and `fmax` in Hz; 0 and 15,000 mean that side is open. A band that `grows_without_end` is the caller's to
    refuse.
    """

    def __init__(self, fmin: float, fmax: float, sample_rate_hz: int = SAMPLE_RATE_HZ) -> None:
        self._coefficients = _butterworth(fmin, fmax, sample_rate_hz, "ba")
        if self._coefficients is not None:
            self._state = np.zeros(max(map(len, self._coefficients)) - 1)

    @property
    def state(self) -> tuple[float, ...]:
        """What the filter remembers of all it was fed; empty for no filter. Set it to go on from there."""
        return () if self._coefficients is None else tuple(self._state.tolist())

    @state.setter
    def state(self, values: tuple[float, ...]) -> None:
        if self._coefficients is not None:
            self._state = np.array(values, dtype=np.float64)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Filter the next piece: (n,) float32 in and out."""
        if self._coefficients is None or not len(samples):
            return samples
        from scipy.signal import lfilter

        filtered, self._state = lfilter(*self._coefficients, samples, zi=self._state)
        return filtered.astype(np.float32)


def bandpass(
    samples: np.ndarray, fmin: float, fmax: float, sample_rate_hz: int = SAMPLE_RATE_HZ
) -> np.ndarray:
    """Filter a whole signal as BirdNET-Analyzer does; 0 to 15,000 Hz leaves it as it is.

    Source: `birdnet_analyzer.audio.bandpass`.
    """
    return Bandpass(fmin, fmax, sample_rate_hz)(samples)
