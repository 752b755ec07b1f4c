"""The settings of a detection run."""

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from vernal.audio.bandpass import FULL_BAND_HZ
from vernal.audio.embedding.options import Hertz
from vernal.common.problems import suggest
from vernal.common.settings import (
    Count,
    CountFromZero,
    InnerShare,
    Number,
    Seconds,
    ShareBelowOne,
    one_of,
    settings,
)

OCCASIONS = ("night", "week")
FORMATS = ("raven", "audacity", "kaleidoscope", "birdnet")


def _names(formats: Sequence[str] | str | None) -> tuple[str, ...]:
    listed = formats or ()
    names = re.split(r"[+;, ]+", listed) if isinstance(listed, str) else [str(name) for name in listed]
    named = dict.fromkeys(name.strip().lower() for name in names if name.strip())
    return tuple(sorted(named, key=lambda name: (FORMATS.index(name) if name in FORMATS else 99, name)))


def _are_known(formats: Sequence[str] | str | None) -> Sequence[str] | str | None:
    unknown = [f"{name!r}, {suggest(name, FORMATS)}" for name in _names(formats) if name not in FORMATS]
    if unknown:
        raise ValueError(
            f"unknown format {'; '.join(unknown)} Give any of {', '.join(FORMATS)}; on the command line "
            "detection.formats=raven+audacity"
        )
    return formats


@settings("detection")
class DetectionOptions:
    """What is searched, with what, and what comes out. None leaves a choice to the classifier.

    `recordings`: folder; None is the demo season's field recordings. `model`: STAGE/POINT, STAGE, or an exported
    file or folder. `overlap` in seconds, `fmin` and `fmax` in Hz, `sensitivity` as BirdNET-Analyzer has it.
    `min_confidence`: lowest confidence of a detection, in [0, 1). `merge_gap_s`: detections at most this far apart
    are one; None merges none. `silence_db`: recordings whose loudest sample lies below this level of full scale are not
    counted as heard.
    `queue`, `queue_per_night`: detections for a person to check, and how many of them one recorder's night may give.
    `night_budget`: detections of a night to hear at most, to confirm it.
    `occasion`: what occupancy models count as one occasion, a night or a week of them.
    `species_likelihood`: BirdNET's species at least this likely at a site in a week are listed; None: none.
    `confusers`: whether each detection also says what BirdNET takes it for (see `vernal.field.confusers`).
    `clips`: how many of the queue are cut out as WAV, with `clip_margin_s` on both sides.
    `sample`: windows of each label drawn to be checked (see `detection.sample`), of confidence `sample_floor` and more,
    by `sample_seed`. `wanted_precision`: what a threshold is looked for. `reviewer_error`: share of decisions on the
    sample taken to be wrong, either way.
    """

    recordings: str | None = None
    model: str | None = None
    overlap: Annotated[Number, Field(ge=0, le=2.9, description="seconds")] | None = None
    fmin: Hertz | None = None
    fmax: Hertz | None = None
    sensitivity: Annotated[Number, Field(ge=0.5, le=1.5)] | None = None
    min_confidence: ShareBelowOne | None = None
    merge_gap_s: Seconds | None = 0.0
    silence_db: Annotated[Number, Field(le=0, description="a level in dB")] = -60.0
    keep_embeddings: bool = False
    formats: Annotated[Sequence[str] | str | None, AfterValidator(_are_known)] = ()
    queue: CountFromZero = 200
    queue_per_night: Count = 5
    night_budget: Count = 5
    occasion: Annotated[str, one_of(OCCASIONS)] = "night"
    species_likelihood: ShareBelowOne | None = None
    confusers: bool = False
    clips: CountFromZero = 20
    clip_margin_s: Annotated[Number, Field(ge=0, le=60, description="seconds")] = 1.0
    sample: CountFromZero = 96
    sample_floor: InnerShare = 0.05
    sample_seed: int = 0
    wanted_precision: InnerShare = 0.9
    reviewer_error: Annotated[Number, Field(ge=0, lt=0.4, description="a share")] = 0.0

    def __post_init__(self) -> None:
        lowest, highest = FULL_BAND_HZ
        low, high = lowest if self.fmin is None else self.fmin, highest if self.fmax is None else self.fmax
        if low >= high:
            raise ValueError(f"fmin is {low!r} and fmax {high!r}; give fmin below fmax")

    @property
    def wanted_formats(self) -> tuple[str, ...]:
        """The formats to write, each once, in the order of `FORMATS`; unknown ones last."""
        return _names(self.formats)
