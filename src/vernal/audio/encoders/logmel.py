"""A weight-free encoder: how loud each frequency band is, and how that varies within the window.

It shows what plain acoustics can do where BirdNET's network is the question, and it proves that the
encoder interface is not BirdNET's alone.
"""

import numpy as np

from vernal.audio.encoders.base import BuiltInEncoder
from vernal.common.compiling import compiling_alone

_N_BANDS = 64
_N_FFT = 2_048
_HOP = 512
_FLOOR = 1e-10
_QUANTILES = (0.1, 0.5, 0.9)


class LogMelEncoder(BuiltInEncoder):
    """Log-mel statistics, six a band: mean, standard deviation, three quantiles, mean change."""

    name = "logmel"
    n_dims = _N_BANDS * (3 + len(_QUANTILES))
    sample_rate_hz = 48_000
    window_s = 3.0

    def __init__(self) -> None:
        # Importing librosa compiles parts of it.
        with compiling_alone():
            from librosa.filters import mel

            self._mel = mel(sr=self.sample_rate_hz, n_fft=_N_FFT, n_mels=_N_BANDS, fmin=50, fmax=15_000)
            self._log_mel(np.zeros(self.n_samples, dtype=np.float32))

    @staticmethod
    def version() -> str:
        return "1"

    def embed(self, windows: np.ndarray) -> np.ndarray:
        vectors = np.empty((len(windows), self.n_dims), dtype=np.float32)
        for vector, window in zip(vectors, windows, strict=True):
            vector[:] = _statistics(self._log_mel(window))
        return vectors

    def _log_mel(self, window: np.ndarray) -> np.ndarray:
        """(n_bands, n_frames), natural logarithm of power."""
        from librosa import stft

        power = np.abs(stft(np.asarray(window, dtype=np.float32), n_fft=_N_FFT, hop_length=_HOP)) ** 2
        return np.log(self._mel @ power + _FLOOR)


def _statistics(bands: np.ndarray) -> np.ndarray:
    change = np.abs(np.diff(bands, axis=1)).mean(axis=1)
    quantiles = np.quantile(bands, _QUANTILES, axis=1)
    return np.concatenate([bands.mean(axis=1), bands.std(axis=1), *quantiles, change])
