"""Google's speech embedding: small, trained on words, and free for any use; a network that knows nothing of animals.

The package `pyopen-wakeword` carries it as two TFLite files (Apache-2.0): 32 log-mel bands up to 3.8 kHz, and the
network on 76 frames of them. It shows what a network of another world can do where BirdNET's is the question.

Source: Lin et al. (2020), "Training keyword spotters with limited and synthesized speech data",
doi:10.1109/ICASSP40776.2020.9053193.
"""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from vernal.audio.encoders.base import BuiltInEncoder
from vernal.audio.encoders.networks import allocate, tflite_interpreter
from vernal.common.files import sha256_of_file
from vernal.common.problems import InputError

_MELS, _NETWORK = "melspectrogram.tflite", "embedding_model.tflite"
_FULL_SCALE = np.float32(32_768)  # it takes samples as 16-bit numbers


class SpeechEncoder(BuiltInEncoder):
    """The speech embedding: 96 values for the 0.79 s at 16 kHz that its 76 frames reach over."""

    name = "speech_embedding"
    n_dims = 96
    sample_rate_hz = 16_000
    window_s = 0.79

    def __init__(self) -> None:
        self._mels, self._network = (
            tflite_interpreter(_file(name).read_bytes()) for name in (_MELS, _NETWORK)
        )
        allocate(self._mels, 0, (1, self.n_samples))
        allocate(self._network, 0, (1, 76, 32, 1))
        self._bands, self._output = (
            made.get_output_details()[0]["index"] for made in (self._mels, self._network)
        )

    @staticmethod
    def version() -> str:
        return _version()

    def embed(self, windows: np.ndarray) -> np.ndarray:
        vectors = np.empty((len(windows), self.n_dims), dtype=np.float32)
        for vector, window in zip(vectors, windows, strict=True):
            self._mels.set_tensor(0, np.asarray(window, dtype=np.float32)[np.newaxis] * _FULL_SCALE)
            self._mels.invoke()
            bands = self._mels.get_tensor(self._bands)[0, 0] / np.float32(10) + np.float32(2)
            self._network.set_tensor(0, bands[np.newaxis, :, :, np.newaxis])
            self._network.invoke()
            vector[:] = self._network.get_tensor(self._output).ravel()
        return vectors


@lru_cache(maxsize=1)
def _version() -> str:
    return f"1-{'-'.join(sha256_of_file(_file(name))[:12] for name in (_MELS, _NETWORK))}"


def _file(name: str) -> Path:
    found = find_spec("pyopen_wakeword")  # found, not imported: the package loads a library of its own
    if found is None or not found.submodule_search_locations:
        raise InputError(
            "The package pyopen-wakeword, which carries the speech embedding, is not installed: "
            'pip install "vernal[speech]"'
        )
    path = Path(found.submodule_search_locations[0]) / "models" / name
    if not path.is_file():
        raise InputError(f"{path} is missing; the package pyopen-wakeword is incomplete. Install it again.")
    return path
