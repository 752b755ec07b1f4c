"""The audio settings of an embedding: one object for training and for inference.

It stands in a module of its own, without tables, because every worker process loads it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field

from vernal.audio.encoders.base import ENCODERS, encoder_class, encoder_version
from vernal.audio.reading import FULL_BAND_HZ
from vernal.common.hashing import digest
from vernal.common.settings import Number, one_of, settings

_AUDIO_REVISION = 1  # raise it when windows, resampling or filters change a sample


Hertz = Annotated[Number, Field(ge=FULL_BAND_HZ[0], le=FULL_BAND_HZ[1], description="Hz")]


@settings("embedding")
class EmbeddingOptions:
    """Every audio setting that changes an embedding; the same object serves training and inference.

    `encoder`: a name in `encoders.ENCODERS`. `fmin`, `fmax`: band-pass in Hz, 0 to 15,000 is none.
    `overlap`: seconds that successive windows share, at least 0 and below the window's 3 s.
    """

    encoder: Annotated[str, one_of(ENCODERS)] = "birdnet_v2.4"
    fmin: Hertz = FULL_BAND_HZ[0]
    fmax: Hertz = FULL_BAND_HZ[1]
    overlap: Annotated[Number, Field(ge=0, le=2.9, description="seconds")] = 0.0

    def __post_init__(self) -> None:
        lowest, highest = FULL_BAND_HZ
        if self.fmin >= self.fmax:
            raise ValueError(
                f"fmin is {self.fmin} and fmax {self.fmax}; give {lowest} <= fmin < fmax <= {highest} Hz"
            )

    @property
    def settings(self) -> dict[str, Any]:
        """All that the vectors depend on beside the audio, with versions, as plain values."""
        encoder = encoder_class(self.encoder)
        return {
            "encoder": self.encoder,
            "encoder_version": encoder_version(self.encoder),
            "n_dims": encoder.n_dims,
            "sample_rate_hz": encoder.sample_rate_hz,
            "window_s": encoder.window_s,
            "fmin": self.fmin,
            "fmax": self.fmax,
            "overlap": self.overlap,
            "audio_revision": _AUDIO_REVISION,
        }

    @property
    def settings_id(self) -> str:
        """Short hash of `settings`."""
        return _settings_id(self)

    @property
    def n_dims(self) -> int:
        return encoder_class(self.encoder).n_dims


@lru_cache(maxsize=256)
def _settings_id(options: EmbeddingOptions) -> str:
    return digest(options.settings)
