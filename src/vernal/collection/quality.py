"""How far a call stands out of its night, and which quality tier that suggests.

The signal-to-noise ratio of an annotation is that of its band: power while it lasts, against the median power
of the frames in which nobody marked anything. A tier that a person gave and one that a ratio suggests are
never mixed unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vernal.collection.levels import FRAME_S, frame_length_s, frame_powers
from vernal.common.settings import Number, one_of, settings

TAKE_ANY = "assigned_else_proposed"
BY_PERSON, BY_RATIO = "a person", "signal-to-noise ratio"
# Nobody gave a tier and no mark gave a ratio: labels of whole clips are such.
NOT_GRADED = "not graded"
_GUARD_S = 0.2
_MIN_QUIET_S = 1.0
_FLOOR = 1e-14


@settings("collection.quality")
class QualityOptions:
    """How quality tiers are proposed, and which the manifest takes.

    A positive clip is proposed as `high` from `high_from_db` of signal-to-noise ratio on, as `medium` from
    `medium_from_db` on, else as `low`. `take`: `assigned` (only what a person said), `proposed` (only the
    ratio), or `assigned_else_proposed`, which also takes positives that have neither, as they were labelled as a whole;
    the manifest's `quality_from` says for each clip which it was.
    """

    high_from_db: Number = 10.0
    medium_from_db: Number = 3.0
    take: Annotated[str, one_of(("assigned", "proposed", TAKE_ANY))] = TAKE_ANY

    def __post_init__(self) -> None:
        if self.high_from_db <= self.medium_from_db:
            raise ValueError("high_from_db must lie above medium_from_db")


def snr_db(
    powers: NDArray[np.float64],
    spans_s: Iterable[tuple[float, float]],
    busy_s: Iterable[tuple[float, float]],
    frame_s: float = FRAME_S,
) -> float:
    """Signal-to-noise ratio of the marked spans of one band.

    Args:
        powers: (n_frames,) mean square of the band's frames, as `levels.frame_powers` gives them.
        spans_s: the spans whose ratio is wanted, seconds from the recording's start.
        busy_s: all spans in which anybody marked anything: they are not taken for noise.
        frame_s: length of a frame, as `levels.frame_length_s` gives it.
    Returns:
        dB; NaN when no frame lies in the spans. Where less than a second is quiet, the lowest fifth of all
        frames stands for the noise. Below about -10 dB the value is a floor, not a measurement.
    """
    inside = _frames_in(len(powers), spans_s, 0.0, frame_s)
    if not inside.any():
        return float("nan")
    quiet = ~_frames_in(len(powers), busy_s, _GUARD_S, frame_s)
    if quiet.sum() * frame_s >= _MIN_QUIET_S:
        noise = float(np.median(powers[quiet]))
    else:
        noise = float(np.quantile(powers, 0.2))
    signal = max(float(powers[inside].mean()) - noise, 0.1 * noise, _FLOOR)
    return float(10 * np.log10(signal / max(noise, _FLOOR)))


def ratios_of_clips(
    path_of: Callable[[str], Path],
    clips: pd.DataFrame,
    marks: pd.DataFrame,
    target: pd.DataFrame,
    pairs: pd.DataFrame,
    band_hz: tuple[float, float] | None,
) -> pd.DataFrame:
    """Signal-to-noise ratio of each clip in which somebody marked the target.

    Args:
        path_of: where a content lies.
        clips: as `clipping.cut_clips` gives them, with their `sample_rate_hz`.
        marks: strong annotations of every class: `content_hash`, `start_s`, `end_s`; none of them is noise.
        target: those of the target, with `low_hz`, `high_hz`.
        pairs: which of the target's marks lie in which clips, as `clipping.transfer_labels` gives them.
        band_hz: the target's band; None takes the marks' own, or the whole range where they have none.
    Returns:
        `clip_id`, `snr_db`, sorted by clip.
    """
    bands = target[["start_s", "end_s", "low_hz", "high_hz"]]
    columns = ["content_hash", "sample_rate_hz", "start_s", "end_s"]
    place = clips.set_index("clip_id")[columns].add_prefix("clip_")
    inside = pairs[pairs.is_enough.astype(bool)].join(bands, on="annotation").join(place, on="clip_id")
    rows: list[tuple[str, float]] = []
    for content_hash, of_recording in inside.groupby("clip_content_hash", sort=True):
        band = band_hz or _band_of_marks(of_recording)
        powers = frame_powers(path_of(str(content_hash)), [band])[:, 0]
        frame_s = frame_length_s(of_recording.clip_sample_rate_hz.iloc[0])
        busy = marks.loc[marks.content_hash == content_hash, ["start_s", "end_s"]].to_numpy()
        for clip_id, of_clip in of_recording.groupby("clip_id", sort=True):
            starts = np.maximum(of_clip.start_s, of_clip.clip_start_s)
            ends = np.minimum(of_clip.end_s, of_clip.clip_end_s)
            spans = list(zip(starts, ends, strict=True))
            rows.append((str(clip_id), snr_db(powers, spans, busy, frame_s)))
    table = pd.DataFrame(rows, columns=["clip_id", "snr_db"]).astype({"clip_id": "str", "snr_db": "float64"})
    return table.sort_values("clip_id", ignore_index=True)


def _band_of_marks(marks: pd.DataFrame) -> tuple[float, float]:
    low, high = marks.low_hz.min(), marks.high_hz.max()
    return (0.0 if np.isnan(low) else float(low), np.inf if np.isnan(high) else float(high))


def _frames_in(
    n_frames: int, spans_s: Iterable[tuple[float, float]], guard_s: float, frame_s: float
) -> NDArray[np.bool_]:
    found = np.zeros(n_frames, dtype=bool)
    for start_s, end_s in spans_s:
        first = int(max(0.0, start_s - guard_s) / frame_s)
        last = int(np.ceil((end_s + guard_s) / frame_s - 1e-9))
        found[first : max(last, first + 1)] = True
    return found


def propose_quality(ratios_db: pd.Series, options: QualityOptions) -> pd.Series:
    """The tier that each signal-to-noise ratio suggests; missing where there is no ratio.

    >>> propose_quality(pd.Series([12.0, 5.0, -3.0]), QualityOptions()).tolist()
    ['high', 'medium', 'low']
    """
    tiers = np.select(
        [ratios_db >= options.high_from_db, ratios_db >= options.medium_from_db], ["high", "medium"], "low"
    )
    return pd.Series(tiers, index=ratios_db.index, dtype="str").where(ratios_db.notna())


def choose_quality(assigned: pd.Series, proposed: pd.Series, options: QualityOptions) -> pd.DataFrame:
    """The manifest's tier and where it comes from.

    Returns:
        `quality` and `quality_from` (`a person` or `signal-to-noise ratio`), missing where the chosen source
        has none.
    """
    nothing = pd.Series(np.nan, index=assigned.index, dtype="str")
    by_person = nothing if options.take == "proposed" else assigned
    by_ratio = nothing if options.take == "assigned" else proposed
    source = nothing.mask(by_ratio.notna(), BY_RATIO).mask(by_person.notna(), BY_PERSON)
    return pd.DataFrame({"quality": by_person.fillna(by_ratio), "quality_from": source})
