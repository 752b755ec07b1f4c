"""What an encoder is, and which there are.

An encoder is named in the settings; its version stands in every store key and every result, so that
vectors of two versions are never mixed. A new one is a class with the members below and a line in
`ENCODERS`, or a file that the parameters name (`files.EncoderFile`).
"""

from abc import ABC, abstractmethod
from functools import lru_cache
from importlib import import_module

import numpy as np

from vernal.audio.encoders.files import EncoderFile
from vernal.common.problems import InputError, suggest

# name -> module, class; imported when asked for, since encoders bring heavy libraries.
ENCODERS = {
    "birdnet_v2.4": ("vernal.audio.encoders.birdnet", "BirdNetEncoder"),
    "logmel": ("vernal.audio.encoders.logmel", "LogMelEncoder"),
    "speech_embedding": ("vernal.audio.encoders.speech", "SpeechEncoder"),
}


class Encoder(ABC):
    """Turns windows of sound into vectors, each window by itself.

    The vector of a window is the same, bit for bit, alone or among others. An encoder need not be
    thread-safe; every worker process has its own.
    """

    name: str
    n_dims: int
    sample_rate_hz: int
    window_s: float

    @abstractmethod
    def embed(self, windows: np.ndarray) -> np.ndarray:
        """Encode windows.

        Args:
            windows: (n, n_samples) float32 in [-1, 1].
        Returns:
            (n, n_dims) float32, finite.
        """

    @property
    def n_samples(self) -> int:
        """Samples of a window."""
        return int(self.window_s * self.sample_rate_hz)


class BuiltInEncoder(Encoder):
    """An encoder that the project brings; what is asked of it before it is made is asked of its class."""

    @staticmethod
    @abstractmethod
    def version() -> str:
        """What the vectors depend on beside the sound: weights, code. Cheap: nothing heavy is loaded."""

    @staticmethod
    def prepare() -> None:
        """Do once what every worker would otherwise do again, such as deriving a model to a cache."""
        return


def encoder_class(name: str) -> type[BuiltInEncoder]:
    """The class behind the name of a built-in encoder.

    Raises:
        InputError: no such encoder.
    """
    if name not in ENCODERS:
        raise InputError(f"Unknown encoder {name!r}: {suggest(name, ENCODERS)} (embedding.encoder)")
    module, member = ENCODERS[name]
    return getattr(import_module(module), member)


@lru_cache(maxsize=4)
def get_encoder(which: str | EncoderFile) -> Encoder:
    """The encoder of that name or file, made once a process.

    Raises:
        InputError: no such encoder, or its model is missing or not as described.
    """
    if isinstance(which, str):
        return encoder_class(which)()
    from vernal.audio.encoders.networks import FileEncoder

    return FileEncoder(which)


@lru_cache(maxsize=16)
def encoder_version(name: str) -> str:
    """The version of a built-in encoder, without loading it.

    Raises:
        InputError: no such encoder, or its model is missing.
    """
    return encoder_class(name).version()
