"""The audio settings of an embedding: one object for training and for inference.

It stands in a module of its own, without tables, because every worker process loads it.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from vernal.audio.bandpass import FULL_BAND_HZ, grows_without_end, is_full_band
from vernal.audio.encoders.base import ENCODERS, BuiltInEncoder, encoder_class
from vernal.audio.encoders.files import EncoderFile
from vernal.common.hashing import digest
from vernal.common.problems import suggest
from vernal.common.settings import Listed, Number, problems_in, settings

_AUDIO_REVISION = 1  # raise it when windows, resampling or filters change a sample
_SETTINGS = ("encoder", "fmin", "fmax", "overlap")


Hertz = Annotated[Number, Field(ge=FULL_BAND_HZ[0], le=FULL_BAND_HZ[1], description="Hz")]


def _files(given: Any) -> Any:
    """The encoders of a person, as the parameters name them (name -> what it is), or as they are already."""
    if given is None or isinstance(given, list | tuple):
        return tuple(one if isinstance(one, EncoderFile) else EncoderFile(**one) for one in given or ())
    if not isinstance(given, Mapping):
        raise Listed([f"encoders is {given!r}; give name: settings of each"])
    lines = [f"encoders.{name} is the name of a built-in encoder" for name in given if name in ENCODERS]
    made = {name: _named(name, one) if isinstance(one, Mapping) else one for name, one in given.items()}
    lines += [
        line for name, one in made.items() for line in problems_in(EncoderFile, one, f"encoders.{name}")
    ]
    if lines:
        raise Listed(lines)
    return tuple(EncoderFile(**one) for one in made.values())


def _named(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of an encoder, with its name; an empty value is none."""
    return {key: value for key, value in given.items() if value is not None} | {"name": name}


@settings("embedding")
class EmbeddingOptions:
    """Every audio setting that changes an embedding; the same object serves training and inference.

    `encoders`: those that are files. `encoder`: a name among them or in `encoders.ENCODERS`. `fmin`, `fmax`: band-pass
    in Hz, 0 to 15,000 is none. `overlap`: seconds that successive windows share, below the window's length.
    """

    encoders: Annotated[tuple[EncoderFile, ...], BeforeValidator(_files)] = Field(default=(), repr=False)
    encoder: str = "birdnet_v2.4"
    fmin: Hertz = FULL_BAND_HZ[0]
    fmax: Hertz = FULL_BAND_HZ[1]
    overlap: Annotated[Number, Field(ge=0, le=2.9, description="seconds")] = 0.0

    @field_validator("encoder")
    @classmethod
    def _known(cls, name: str, info: ValidationInfo) -> str:
        known = [*ENCODERS, *(one.name for one in info.data.get("encoders", ()))]
        if name not in known:
            near = suggest(name, known)
            raise ValueError(near if near.startswith("did you mean") else f"give one of {', '.join(known)}")
        return name

    def __post_init__(self) -> None:
        lowest, highest = FULL_BAND_HZ
        if self.fmin >= self.fmax:
            raise ValueError(
                f"fmin is {self.fmin} and fmax {self.fmax}; give {lowest} <= fmin < fmax <= {highest} Hz"
            )
        facts = self.facts
        if self.overlap >= facts.window_s:
            raise ValueError(
                f"overlap is {self.overlap:g} s; give less than the {facts.window_s:g} s of a window of {self.encoder}"
            )
        edge = max(self.fmin, self.fmax if self.fmax < highest else 0)
        if not is_full_band(self.fmin, self.fmax) and edge >= facts.sample_rate_hz / 2:
            raise ValueError(
                f"a band-pass at {edge:g} Hz; {self.encoder} hears {facts.sample_rate_hz:,} samples a second, so "
                f"give less than {facts.sample_rate_hz / 2:g} Hz"
            )
        if grows_without_end(self.fmin, self.fmax, facts.sample_rate_hz):
            raise ValueError(
                f"fmin is {self.fmin:g} and fmax {self.fmax:g}: BirdNET-Analyzer's filter of so narrow or low a band "
                "grows without end; give a wider one, or one side alone"
            )

    @classmethod
    def from_settings(cls, kept: Mapping[str, Any]) -> "EmbeddingOptions":
        """The options that `settings` were kept of; of an encoder that is a file, all but where that lies."""
        files = (EncoderFile.from_record(kept),) if isinstance(kept.get("encoder_file"), Mapping) else ()
        return cls(encoders=files, **{name: kept[name] for name in _SETTINGS})

    def with_files_of(self, other: "EmbeddingOptions") -> "EmbeddingOptions":
        """The same, with the place of the encoder's file where the other options name a file of its checksum.

        They are searched by what vectors depend on, not by name.
        """
        own = self.source
        if isinstance(own, str) or own.file:
            return self
        same = (one for one in other.encoders if one.sha256 == own.sha256 or one.checksum == own.checksum)
        found = next(same, None)
        return self if found is None else replace(self, encoders=(replace(own, file=found.file),))

    @property
    def source(self) -> str | EncoderFile:
        """The encoder, as `get_encoder` takes it: the name of a built-in one, or a file."""
        return next((one for one in self.encoders if one.name == self.encoder), self.encoder)

    @property
    def facts(self) -> type[BuiltInEncoder] | EncoderFile:
        """What is known of the encoder before it is loaded: size, sample rate, window, version."""
        source = self.source
        return encoder_class(source) if isinstance(source, str) else source

    @property
    def overlap_s(self) -> float:
        """Seconds that successive windows share: `overlap`, or what an encoder that is a file has of its own."""
        own = self.source
        return self.overlap if self.overlap or isinstance(own, str) else own.window_s - own.step_s

    @property
    def settings(self) -> dict[str, Any]:
        """All that the vectors depend on beside the audio, with versions, as plain values."""
        facts = self.facts
        found = {
            "encoder": self.encoder,
            "encoder_version": facts.version(),
            "n_dims": facts.n_dims,
            "sample_rate_hz": facts.sample_rate_hz,
            "window_s": facts.window_s,
            "fmin": self.fmin,
            "fmax": self.fmax,
            "overlap": self.overlap,
            "audio_revision": _AUDIO_REVISION,
        }
        # Not with those that are built in: their settings have had their ids since before there were files.
        return found | ({"encoder_file": facts.as_record()} if isinstance(facts, EncoderFile) else {})

    @property
    def settings_id(self) -> str:
        """Short hash of `settings`."""
        return _settings_id(self)

    @property
    def n_dims(self) -> int:
        return self.facts.n_dims


@lru_cache(maxsize=256)
def _settings_id(options: EmbeddingOptions) -> str:
    return digest(options.settings)
