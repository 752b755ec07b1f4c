"""BirdNET V2.4's embedding, computed the fast way.

The network behind the spectrogram runs with fixed shapes on XNNPACK, one thread, and each spectrogram is one
matrix product of window, transform and mel bands. That is not precise enough for a frame in which a band holds next
to nothing: the model raises bands to a power near 0.2, so in silence, or above the band of a low sample rate, it sees
its own rounding errors, and a product in float32 would move the embedding by 0.1. Such frames are windowed in float32
and transformed in float64, as the model's own kernels do. Which way a frame goes follows from its window alone. The
result equals the whole model's to about 1e-5.
"""

import numpy as np

from vernal.audio.birdnet.model import N_DIMS, interpreter, model_version
from vernal.audio.birdnet.network import N_BANDS, N_FRAMES, SpectrogramScale, network, spectrogram_scales
from vernal.audio.encoders.base import BuiltInEncoder

# About what a core's cache holds.
_FRAMES_AT_ONCE = 64
_FRAMES_A_PRODUCT = 128
# The product errs by 1e-7 to 1e-4 in a band, by how loud the others are. A frame with a band below this is computed
# in double precision; then embeddings differ by about 1e-5 (measured on noise, tones, field recordings and ESC-10).
_FAINT = np.float32(3e-4)
# Some frames show whether the product is worth trying: not where more than half of them are faint.
_PROBED_EVERY = 16
_MOST_FAINT = 0.5


class BirdNetEncoder(BuiltInEncoder):
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
        self._bands = [_Bands(scale) for scale in self._scales]

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
        for channel, (scale, bands_of) in enumerate(zip(self._scales, self._bands, strict=True)):
            bands = bands_of(samples)
            bands *= bands
            self._spectrogram[0, :, :, channel] = np.power(bands, scale.exponent).T
        return self._spectrogram


def _stretched(samples: np.ndarray) -> np.ndarray:
    """Scale to [-1, 1] by the window's own minimum and maximum, in the model's order of operations."""
    raised = samples - samples.min()
    return (raised / (raised.max() + np.float32(1e-6)) - np.float32(0.5)) * np.float32(2)


class _Bands:
    """What a window's frames hold in each mel band of one scale: the sum over its bins of the spectrum's real part."""

    def __init__(self, scale: SpectrogramScale) -> None:
        self._scale = scale
        self._product, self._exact = _Product(scale), _RealBins(scale)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Bands of (144000,) samples: (511, 96) float32, overwritten by the next call."""
        window, hop = self._scale.window, self._scale.hop
        frames = np.lib.stride_tricks.sliding_window_view(samples, len(window))[::hop][:N_FRAMES]
        if _is_faint(self._product(frames[::_PROBED_EVERY])).mean() > _MOST_FAINT:
            return self._exact(frames) @ self._scale.bands
        bands = self._product(frames)
        faint = np.flatnonzero(_is_faint(bands))
        if len(faint):
            bands[faint] = self._exact(frames[faint]) @ self._scale.bands
        return bands


def _is_faint(bands: np.ndarray) -> np.ndarray:
    """(n,) which frames have a band that single precision may not give."""
    return (np.abs(bands) < _FAINT).any(axis=1)


class _Product:
    """Window, transform and bands as one float32 matrix.

    The real part of a spectrum takes a sample and its mirror image about the frame's middle alike, so the matrix has a
    row for both and frames are folded first.
    """

    def __init__(self, scale: SpectrogramScale) -> None:
        size = len(scale.window)
        self._window, self._half = scale.window, size // 2
        bins = scale.first_bin + np.arange(len(scale.bands))
        turns = np.outer(np.arange(self._half + 1), bins) % size
        self._matrix = (np.cos(2 * np.pi / size * turns) @ scale.bands.astype(np.float64)).astype(np.float32)
        self._windowed = np.empty((_FRAMES_A_PRODUCT, size), dtype=np.float32)
        self._folded = np.empty((_FRAMES_A_PRODUCT, self._half + 1), dtype=np.float32)
        self._result = np.empty((N_FRAMES, self._matrix.shape[1]), dtype=np.float32)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Bands of (n, size) frames: (n, 96) float32, overwritten by the next call."""
        half = self._half
        for start in range(0, len(frames), _FRAMES_A_PRODUCT):
            some = frames[start : start + _FRAMES_A_PRODUCT]
            n = len(some)
            windowed, folded = self._windowed[:n], self._folded[:n]
            np.multiply(some, self._window, out=windowed)
            np.add(windowed[:, 1:half], windowed[:, :half:-1], out=folded[:, 1:half])
            folded[:, [0, half]] = windowed[:, [0, half]]
            np.matmul(folded, self._matrix, out=self._result[start : start + n])
        return self._result[: len(frames)]


class _RealBins:
    """Real part of each frame's spectrum, the bins that are heard, as the model's own kernels give it.

    Some frames at a time, in memory that is kept: fresh memory for all of them costs more than the transform.
    """

    def __init__(self, scale: SpectrogramScale) -> None:
        size = len(scale.window)
        self._window = scale.window
        self._bins = slice(scale.first_bin, scale.first_bin + len(scale.bands))
        self._windowed = np.empty((_FRAMES_AT_ONCE, size), dtype=np.float32)
        self._exact = np.empty((_FRAMES_AT_ONCE, size), dtype=np.float64)
        self._spectra = np.empty((_FRAMES_AT_ONCE, size // 2 + 1), dtype=np.complex128)
        self._real = np.empty((N_FRAMES, len(scale.bands)), dtype=np.float32)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Spectra of (n, size) frames: (n, n_bins) float32, overwritten by the next call."""
        for start in range(0, len(frames), _FRAMES_AT_ONCE):
            some = frames[start : start + _FRAMES_AT_ONCE]
            n = len(some)
            # The product is rounded to float32 before the transform, as the model's is.
            np.multiply(some, self._window, out=self._windowed[:n])
            self._exact[:n] = self._windowed[:n]
            np.fft.rfft(self._exact[:n], axis=1, out=self._spectra[:n])
            self._real[start : start + n] = self._spectra.real[:n, self._bins]
        return self._real[: len(frames)]
