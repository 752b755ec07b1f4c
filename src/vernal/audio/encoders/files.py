"""An encoder that is a file: what a person says of it in the parameters.

    encoders:
      newer:
        file: models/newer.onnx
        sample_rate_hz: 32000
        window_s: 5.0
        n_dims: 1536

The file's checksum stands in every key, so that another file under the same name is another encoder. What runs it,
and what finds out whether it is as described, is `networks`.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from vernal.common.files import sha256_of_file
from vernal.common.problems import InputError
from vernal.common.settings import Count, Number, PositiveNumber, settings
from vernal.common.storage import local_copy

FORMATS = (".tflite", ".onnx")
_REVISION = 1  # to be raised when the same file gives other vectors
_KEPT = ("sha256", "hop_s", "scale", "output")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Hertz = Annotated[int, Field(ge=1_000, le=1_000_000, description="Hz, a whole number")]
Length = Annotated[Number, Field(gt=0, le=60, description="seconds")]


@settings()
class EncoderFile:
    """A network in a file, and how sound is given to it.

    `file`: TFLite or ONNX; empty where only its checksum is known. `sample_rate_hz`, `window_s`: the sound that it
    hears at once. `n_dims`: values of a vector. `hop_s`: seconds from one window to the next where no overlap is asked
    for; 0 is the window's length. `scale`: samples from -1 to 1 are multiplied by it. `output`: name, or number in a
    TFLite file, of the tensor to take; empty is the only output. `licence`: as its makers name it. `sha256`: what its
    checksum has to be; empty is whatever it is.
    """

    name: str
    file: str
    sample_rate_hz: Hertz
    window_s: Length
    n_dims: Count
    hop_s: Annotated[Number, Field(ge=0, description="seconds")] = 0.0
    scale: PositiveNumber = 1.0
    output: str | int = ""
    licence: str = ""
    sha256: str = ""

    def __post_init__(self) -> None:
        n_samples = self.window_s * self.sample_rate_hz
        if abs(n_samples - round(n_samples)) > 1e-6 or int(n_samples) < 1:
            raise ValueError(
                f"a window of {self.window_s:g} s is {n_samples:g} samples at {self.sample_rate_hz} Hz; give a "
                "window_s of whole samples"
            )
        if self.hop_s > self.window_s:
            raise ValueError(
                f"hop_s is {self.hop_s:g} and window_s {self.window_s:g}; sound between windows would not be heard"
            )
        if self.sha256 and not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"sha256 is {self.sha256!r}; give 64 hexadecimal digits in small letters")

    @classmethod
    def from_record(cls, kept: Mapping[str, Any]) -> "EncoderFile":
        """The encoder that audio settings were kept of (see `EmbeddingOptions.settings`), all but its place."""
        facts = {name: kept[name] for name in ("sample_rate_hz", "window_s", "n_dims")}
        return cls(name=kept["encoder"], file="", **facts, **kept["encoder_file"])

    def as_record(self) -> dict[str, Any]:
        """What the vectors depend on beside sample rate, window and size, as plain values."""
        return {name: getattr(self, name) for name in _KEPT} | {"sha256": self.checksum}

    @property
    def n_samples(self) -> int:
        """Samples of a window."""
        return round(self.window_s * self.sample_rate_hz)

    @property
    def step_s(self) -> float:
        """Seconds from one window to the next where no overlap is asked for."""
        return self.hop_s or self.window_s

    @property
    def checksum(self) -> str:
        """Hex SHA-256: what it has to be, or else what the file's is."""
        return self.sha256 or checksum_of(self.path)

    @property
    def path(self) -> Path:
        """The file itself.

        Raises:
            InputError: not known here, not there, or of another format.
        """
        if not self.file:
            raise InputError(
                f"Where the file of the encoder {self.name} lies is not known (sha256 {self.sha256[:16]}...). Name it "
                f"under encoders.{self.name} in the parameters."
            )
        path = local_copy(self.file)
        if not path.is_file():
            raise InputError(f"encoders.{self.name}.file is {self.file}, and there is no such file.")
        if path.suffix.lower() not in FORMATS:
            raise InputError(f"encoders.{self.name}.file is {self.file}; give a {' or '.join(FORMATS)} file.")
        return path

    def version(self) -> str:
        """Version of its vectors: the file's checksum, shortened, and that of the code that runs it."""
        return f"sha256-{self.checksum[:16]}-r{_REVISION}"

    def prepare(self) -> None:
        """Nothing is made once for all workers."""
        return


def checksum_of(path: Path) -> str:
    """Hex SHA-256 of a file that is asked for again and again."""
    stat = path.stat()
    return _checksum(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=16)
def _checksum(path: Path, _size: int, _mtime_ns: int) -> str:
    return sha256_of_file(path)
