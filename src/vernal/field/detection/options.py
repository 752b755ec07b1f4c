"""The settings of a detection run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vernal.audio.reading import FULL_BAND_HZ
from vernal.common.problems import Problems, is_number, is_whole, suggest

FORMATS = ("raven", "audacity", "kaleidoscope", "birdnet")


@dataclass(frozen=True)
class DetectionOptions:
    """What is searched, with what, and what comes out. None leaves a choice to the classifier.

    `recordings`: folder; None is the demo season's field recordings. `model`: STAGE/POINT, STAGE, or an exported
    file or folder. `overlap` in seconds, `fmin` and `fmax` in Hz, `sensitivity` as BirdNET-Analyzer has it.
    `min_confidence`: lowest confidence of a detection, in [0, 1). `merge_gap_s`: detections at most this far apart
    are one; None merges none. `night_starts_hour`: clock hour at which a new night begins; 0 makes it the calendar
    date. `silence_db`: recordings whose loudest sample lies below this level of full scale are not counted as heard.
    `queue`, `queue_per_night`: detections for a person to check, and how many of them one recorder's night may give.
    `clips`: how many of the queue are cut out as WAV, with `clip_margin_s` on both sides.
    """

    recordings: str | None = None
    model: str | None = None
    overlap: float | None = None
    fmin: float | None = None
    fmax: float | None = None
    sensitivity: float | None = None
    min_confidence: float | None = None
    merge_gap_s: float | None = 0.0
    night_starts_hour: int = 0
    silence_db: float = -60.0
    keep_embeddings: bool = False
    formats: Sequence[str] | str | None = ()
    queue: int = 200
    queue_per_night: int = 5
    clips: int = 20
    clip_margin_s: float = 1.0

    def __post_init__(self) -> None:
        problems = Problems("The detection settings (detection.* in parameters.yml or --params)")
        for name, wanted, low, high in (
            ("overlap", "0 to 2.9 seconds", 0, 2.9),
            ("fmin", "0 to 15000 Hz", *FULL_BAND_HZ),
            ("fmax", "0 to 15000 Hz", *FULL_BAND_HZ),
            ("sensitivity", "0.5 to 1.5", 0.5, 1.5),
            ("min_confidence", "0 or more, below 1", 0, 1 - 1e-12),
            ("merge_gap_s", "0 seconds or more", 0, float("inf")),
            ("night_starts_hour", "a whole hour from 0 to 23", 0, 23),
            ("silence_db", "a level of at most 0 dB", float("-inf"), 0),
            ("queue", "0 or more", 0, float("inf")),
            ("queue_per_night", "1 or more", 1, float("inf")),
            ("clips", "0 or more", 0, float("inf")),
            ("clip_margin_s", "0 to 60 seconds", 0, 60),
        ):
            value = getattr(self, name)
            needs_whole = name in ("night_starts_hour", "queue", "queue_per_night", "clips")
            if value is None and name in (
                "overlap", "fmin", "fmax", "sensitivity", "min_confidence", "merge_gap_s"
            ):  # fmt: skip
                continue
            is_right = (is_whole if needs_whole else is_number)(value) and low <= value <= high
            problems.add("impossible value", [] if is_right else [f"{name} is {value!r}"], f"Give {wanted}.")
        low, high = (
            FULL_BAND_HZ[i] if edge is None else edge for i, edge in enumerate((self.fmin, self.fmax))
        )
        is_band = not (is_number(low) and is_number(high)) or low < high
        problems.add(
            "impossible value",
            [] if is_band else [f"fmin is {low!r} and fmax {high!r}"],
            "Give fmin below fmax.",
        )
        problems.add(
            "unknown format", [f"{name!r}, {suggest(name, FORMATS)}" for name in self.wanted_formats
                               if name not in FORMATS],
            f"Give any of {', '.join(FORMATS)}; on the command line detection.formats=raven+audacity.",
        )  # fmt: skip
        is_switch = isinstance(self.keep_embeddings, bool)
        problems.add(
            "impossible value",
            [] if is_switch else [f"keep_embeddings is {self.keep_embeddings!r}"],
            "Give true or false.",
        )
        problems.raise_if_any()

    @property
    def wanted_formats(self) -> tuple[str, ...]:
        """The formats to write, each once, in the order of `FORMATS`; unknown ones last."""
        listed = self.formats or ()
        names = re.split(r"[+;, ]+", listed) if isinstance(listed, str) else [str(name) for name in listed]
        named = dict.fromkeys(name.strip().lower() for name in names if name.strip())
        return tuple(sorted(named, key=lambda name: (FORMATS.index(name) if name in FORMATS else 99, name)))
