"""How far a call stands out of its night, and which quality tier that suggests.

The signal-to-noise ratio of an annotation is that of the call's own band and time: of the third octaves within its box
the one in which it stands out most, in its loud frames, against the frames in which nobody marked anything. Boxes are
drawn wider than calls, and a whistle fills a tenth of one. A tier that a person gave and one that a ratio suggests are
never mixed unseen.
"""

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
_LOUD = 0.9  # a frame that a tenth of the frames are louder than, in the call as in the background
_THIRD = 2 ** (1 / 3)
_PARTS = [(float(low), low + 100.0) for low in range(0, 400, 50)] + [
    (low, low * _THIRD) for low in (400 * 2 ** (step / 6) for step in range(50))
]


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
    """Signal-to-noise ratio of the marked spans of one band, in their loud frames.

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
        noise, loud_noise = np.quantile(powers[quiet], [0.5, _LOUD])
    else:
        noise = loud_noise = np.quantile(powers, 0.2)
    signal = max(float(np.quantile(powers[inside], _LOUD) - loud_noise), 0.1 * noise, _FLOOR)
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
        band_hz: the target's band, for marks that have none of their own; None takes the whole range there.
    Returns:
        `clip_id`, `snr_db` of the clearest call in it, sorted by clip.
    """
    bands = target[["start_s", "end_s", "low_hz", "high_hz"]]
    columns = ["content_hash", "sample_rate_hz", "start_s", "end_s"]
    place = clips.set_index("clip_id")[columns].add_prefix("clip_")
    inside = pairs[pairs.is_enough.astype(bool)].join(bands, on="annotation").join(place, on="clip_id")
    rows: list[tuple[str, float]] = []
    for content_hash, of_recording in inside.groupby("clip_content_hash", sort=True):
        busy = marks.loc[marks.content_hash == content_hash, ["start_s", "end_s"]].to_numpy()
        ratios = _ratios_of_marks(path_of(str(content_hash)), of_recording, busy, band_hz)
        rows += [(str(clip), float(found.max())) for clip, found in ratios.groupby(of_recording.clip_id)]
    table = pd.DataFrame(rows, columns=["clip_id", "snr_db"]).astype({"clip_id": "str", "snr_db": "float64"})
    return table.sort_values("clip_id", ignore_index=True)


def _ratios_of_marks(
    path: Path, of_recording: pd.DataFrame, busy: NDArray[np.float64], band_hz: tuple[float, float] | None
) -> pd.Series:
    """The ratio of each mark of one recording, in the clip that it stands with."""
    rate = float(of_recording.clip_sample_rate_hz.iloc[0])
    low, high = band_hz or (0.0, np.inf)
    lows, highs = of_recording.low_hz.fillna(low), of_recording.high_hz.fillna(high).clip(upper=rate / 2)
    # Of a mark without a box nobody knows that it is narrow, and the best of many parts flatters noise.
    is_box = of_recording[["low_hz", "high_hz"]].notna().any(axis=1)
    parts = [
        parts_of_band(*band) if is_box[at] else [band]
        for at, band in zip(lows.index, zip(lows, highs, strict=True), strict=True)
    ]
    listed = sorted({part for of_mark in parts for part in of_mark})
    powers = frame_powers(path, listed)
    frame_s = frame_length_s(rate)
    starts = np.maximum(of_recording.start_s, of_recording.clip_start_s)
    ends = np.minimum(of_recording.end_s, of_recording.clip_end_s)
    ratios = [
        max(snr_db(powers[:, listed.index(part)], [span], busy, frame_s) for part in of_mark)
        for span, of_mark in zip(zip(starts, ends, strict=True), parts, strict=True)
    ]
    return pd.Series(ratios, index=of_recording.index)


def parts_of_band(low_hz: float, high_hz: float) -> list[tuple[float, float]]:
    """The third octaves, of at least 100 Hz, within a band, overlapping by half; where there is none, the band itself.

    They are the same for all bands, so that a recording with many boxes has few of them.

    >>> [(round(low), round(high)) for low, high in parts_of_band(450, 820)]
    [(504, 635), (566, 713), (635, 800)]
    >>> parts_of_band(4_297.5, 4_330.6)
    [(4297.5, 4330.6)]
    """
    within = [(low, high) for low, high in _PARTS if low_hz <= low and high <= high_hz]
    return within or [(float(low_hz), float(high_hz))]


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
