"""BirdNET V2.4's embedding, computed the fast way.

Only the bins that the mel bands hear are kept of the spectrogram, and the network behind it runs with fixed
shapes on XNNPACK, one thread. The result equals the whole model's to about 1e-5, in silence too: the
spectrogram raises its values to a power near 0.2, so where nothing sounds, or above the band of a low
sample rate, the model sees its own rounding errors. The frames are therefore windowed in float32 and
transformed in float64, as the model's own kernels do; one float32 matrix product for window,
transform and bands is a little faster, and there off by 0.01.
"""

from __future__ import annotations

import numpy as np

from vernal.birdnet.model import N_DIMS, interpreter, model_version
from vernal.birdnet.network import N_BANDS, N_FRAMES, SpectrogramScale, network, spectrogram_scales
from vernal.encoders.base import Encoder

_FRAMES_AT_ONCE = 64  # about what a core's cache holds


class BirdNetEncoder(Encoder):
    """BirdNET V2.4: 1,024 values for three seconds at 48 kHz."""

    name = "birdnet_v2.4"
    n_dims = N_DIMS
    sample_rate_hz = 48_000
    window_s = 3.0

    def __init__(self) -> None:
        self._scales = spectrogram_scales()
        self._content = network()  # the interpreter reads it as long as it lives
        self._interpreter = interpreter(self._content)
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._spectrogram = np.empty((1, N_BANDS, N_FRAMES, 2), dtype=np.float32)
        self._transforms = [_RealBins(scale) for scale in self._scales]

    @staticmethod
    def version() -> str:
        return model_version()

    @staticmethod
    def prepare() -> None:
        spectrogram_scales()
        network()

    def embed(self, windows: np.ndarray) -> np.ndarray:
        vectors = np.empty((len(windows), self.n_dims), dtype=np.float32)
        for vector, window in zip(vectors, windows, strict=True):
            self._interpreter.set_tensor(self._input, self.spectrogram(window))
            self._interpreter.invoke()
            vector[:] = self._interpreter.get_tensor(self._output)[0]
        return vectors

    def spectrogram(self, window: np.ndarray) -> np.ndarray:
        """Both spectrograms of (144000,) samples: (1, 96, 511, 2) float32, overwritten by the next call."""
        samples = _stretched(np.asarray(window, dtype=np.float32))
        for channel, (scale, transform) in enumerate(zip(self._scales, self._transforms, strict=True)):
            bands = transform(samples) @ scale.bands
            bands *= bands
            self._spectrogram[0, :, :, channel] = np.power(bands, scale.exponent).T
        return self._spectrogram


def _stretched(samples: np.ndarray) -> np.ndarray:
    """Scale to [-1, 1] by the window's own minimum and maximum, in the model's order of operations."""
    raised = samples - samples.min()
    return (raised / (raised.max() + np.float32(1e-6)) - np.float32(0.5)) * np.float32(2)


class _RealBins:
    """Real part of each frame's spectrum, the bins that are heard.

    Some frames at a time, in memory that is kept: fresh memory for all of them costs more than the transform.
    """

    def __init__(self, scale: SpectrogramScale) -> None:
        size = len(scale.window)
        self._scale = scale
        self._bins = slice(scale.first_bin, scale.first_bin + len(scale.bands))
        self._windowed = np.empty((_FRAMES_AT_ONCE, size), dtype=np.float32)
        self._exact = np.empty((_FRAMES_AT_ONCE, size), dtype=np.float64)
        self._spectra = np.empty((_FRAMES_AT_ONCE, size // 2 + 1), dtype=np.complex128)
        self._real = np.empty((N_FRAMES, len(scale.bands)), dtype=np.float32)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Spectra of (144000,) samples: (511, n_bins) float32, overwritten by the next call."""
        window, hop = self._scale.window, self._scale.hop
        frames = np.lib.stride_tricks.sliding_window_view(samples, len(window))[::hop][:N_FRAMES]
        for start in range(0, N_FRAMES, _FRAMES_AT_ONCE):
            some = frames[start : start + _FRAMES_AT_ONCE]
            n = len(some)
            # The product is rounded to float32 before the transform, see above.
            np.multiply(some, window, out=self._windowed[:n])
            self._exact[:n] = self._windowed[:n]
            np.fft.rfft(self._exact[:n], axis=1, out=self._spectra[:n])
            self._real[start : start + n] = self._spectra.real[:n, self._bins]
        return self._real
