"""Which features there are, and every setting that changes their values.

A feature is computed from sound, raw (a row a frame) or beat-synced (a row a beat). What it depends on has one
short hash, the name of its place in the store; `fused` is read from its two parts and stored nowhere.
"""

from functools import lru_cache
from importlib.metadata import version
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from vernal.common.hashing import digest
from vernal.common.settings import one_of, settings

PARTS = {
    "mel": ("mel",),
    "chroma": ("chroma",),
    "pcen": ("pcen",),
    "mfcc": ("mfcc",),
    "fused": ("mel", "chroma"),
}
FEATURES = tuple(PARTS)
SYNCS = ("raw", "beat_synced")
STATISTICS = ("median", "mean")

_REVISION = 1  # raise it when the same settings would give other values


class Kind(NamedTuple):
    """One stored sequence a clip: a feature that is computed, and how its frames are gathered."""

    feature: str
    sync: str


@settings("features.audio")
class FeatureOptions:
    """How sound becomes rows of numbers; the defaults are the lab's.

    `sample_rate_hz`: sound is resampled to it. `n_fft`, `hop`: samples a frame hears, and between frames.
    `n_mels`, `n_chroma`, `n_mfcc`: values a frame has. `beat_statistic`: `median` or `mean` of a beat's frames.

    Raises:
        InputError: values out of range, all of them named.
    """

    sample_rate_hz: Annotated[int, Field(ge=4_000)] = 22_050
    n_fft: Annotated[int, Field(ge=128)] = 2_048
    hop: Annotated[int, Field(ge=32)] = 512
    n_mels: Annotated[int, Field(ge=8)] = 128
    n_chroma: Annotated[int, Field(ge=12)] = 12
    n_mfcc: Annotated[int, Field(ge=2)] = 20
    beat_statistic: Annotated[str, one_of(STATISTICS)] = "median"

    def __post_init__(self) -> None:
        wrong = []
        if self.hop > self.n_fft:
            wrong.append(
                f"hop is {self.hop}; give at most n_fft, {self.n_fft}, or sound between frames is lost"
            )
        if self.n_mfcc > self.n_mels:
            wrong.append(f"n_mfcc is {self.n_mfcc}; give at most n_mels, {self.n_mels}")
        if wrong:
            raise ValueError("\n".join(wrong))

    def n_dims(self, feature: str) -> int:
        """Values a row of a feature has.

        >>> FeatureOptions().n_dims("fused")
        140
        """
        widths = {"mel": self.n_mels, "pcen": self.n_mels, "chroma": self.n_chroma, "mfcc": self.n_mfcc}
        return sum(widths[part] for part in PARTS[feature])

    def settings(self, kind: Kind) -> dict[str, Any]:
        """All that a stored sequence depends on beside the sound, as plain values."""
        used = {
            "mel": ("n_mels",),
            "pcen": ("n_mels",),
            "chroma": ("n_chroma",),
            "mfcc": ("n_mels", "n_mfcc"),
        }
        names = ["sample_rate_hz", "n_fft", "hop", *used[kind.feature]]
        if kind.sync == "beat_synced":
            names.append("beat_statistic")
        return {
            **kind._asdict(),
            **{name: getattr(self, name) for name in names},
            "n_dims": self.n_dims(kind.feature),
            "librosa": version("librosa"),
            "revision": _REVISION,
        }

    def settings_id(self, kind: Kind) -> str:
        """Short hash of `settings`."""
        return _settings_id(self, kind)


@lru_cache(maxsize=256)
def _settings_id(options: FeatureOptions, kind: Kind) -> str:
    return digest("spectral feature", options.settings(kind))


def kinds_of(feature: str, sync: str) -> list[Kind]:
    """What has to be stored for a feature to be read.

    >>> kinds_of("fused", "raw")
    [Kind(feature='mel', sync='raw'), Kind(feature='chroma', sync='raw')]
    """
    return [Kind(part, sync) for part in PARTS[feature]]
