"""Fixed-length clips of recordings, in whole samples, and which annotations belong to which clip.

Lengths and steps are kept as fractions, so that the thousandth clip starts where it should: no rounding
adds up. An annotation belongs to a clip when it overlaps it enough; where it overlaps too little, the clip is
on the edge, and neither holds the class nor lacks it.
"""

import io
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from vernal.audio.headers import open_sound
from vernal.clips.recordings import clip_id
from vernal.common.problems import InputError
from vernal.common.settings import Number, PositiveShare, Seconds, one_of, settings

TAILS = ("drop", "pad", "keep")


@settings("collection.clips")
class ClipOptions:
    """How recordings are cut.

    `length_s` and `overlap_s` are seconds. `tail`: what becomes of a last piece that is shorter: `drop` it,
    `pad` it with silence to full length, or `keep` it as it is; pieces below `min_tail_s` are always
    dropped. An annotation belongs to a clip when they share at least `min_overlap_s` seconds, or
    `min_overlap_share` of the annotation.
    """

    length_s: Annotated[Number, Field(gt=0, description="seconds")] = 3.0
    overlap_s: Seconds = 0.0
    tail: Annotated[str, one_of(TAILS)] = "keep"
    min_tail_s: Seconds = 1.0
    min_overlap_s: Annotated[Number, Field(gt=0, description="seconds")] = 0.5
    min_overlap_share: PositiveShare = 0.5

    def __post_init__(self) -> None:
        wrong = []
        if self.overlap_s >= self.length_s:
            wrong.append(f"overlap_s is {self.overlap_s}; give 0 to below the length")
        if self.min_tail_s > self.length_s:
            wrong.append(f"min_tail_s is {self.min_tail_s}; give 0 to the length")
        if wrong:
            raise ValueError("\n".join(wrong))


def to_frames(seconds: float, sample_rate_hz: int) -> int:
    """Seconds as whole samples, the nearest, halves up; exact for decimals.

    >>> to_frames(0.1, 22_050), to_frames(1.0000454, 22_050)
    (2205, 22051)
    """
    return _round(_exact(seconds) * sample_rate_hz)


def _exact(seconds: float) -> Fraction:
    # The shortest decimal is what a person wrote; the binary number beside it is not.
    return Fraction(repr(float(seconds)))


def _round(value: Fraction) -> int:
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def clip_bounds(n_frames: int, sample_rate_hz: int, options: ClipOptions) -> NDArray[np.int64]:
    """Where a recording is cut.

    Args:
        n_frames: samples per channel of the recording.
        sample_rate_hz: its rate.
        options: length, overlap, tail.
    Returns:
        (n_clips, 2) first and one-past-last sample; the last may reach beyond the recording when `tail` is
        `pad`.
    """
    length = to_frames(options.length_s, sample_rate_hz)
    step = (_exact(options.length_s) - _exact(options.overlap_s)) * sample_rate_hz
    if length < 1 or step < 1:
        raise ValueError(f"clips of {options.length_s} s have no sample at {sample_rate_hz} Hz")
    shortest = max(1, to_frames(options.min_tail_s, sample_rate_hz))
    bounds: list[tuple[int, int]] = []
    while True:
        start = _round(len(bounds) * step)
        end = start + length
        if end >= n_frames:
            if end == n_frames:
                bounds.append((start, end))
            elif options.tail != "drop" and n_frames - start >= shortest:
                bounds.append((start, end if options.tail == "pad" else n_frames))
            break
        bounds.append((start, end))
    return np.array(bounds, dtype=np.int64).reshape(-1, 2)


def cut_clips(recordings: pd.DataFrame, options: ClipOptions) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Plan the clips of all recordings.

    Args:
        recordings: `content_hash`, `n_frames`, `sample_rate_hz` and any further columns, which are repeated.
        options: how to cut.
    Returns:
        `clips`, one row a clip with `clip_id`, `start_frame`, `end_frame` (inside the recording),
        `padded_s` (silence to add behind), `start_s`, `end_s`; and `uncut`, one row a recording with
        `uncut_s`, the seconds at its end that are in no clip.
    """
    bounds = [
        clip_bounds(int(n), int(rate), options)
        for n, rate in zip(recordings.n_frames, recordings.sample_rate_hz, strict=True)
    ]
    counts = [len(pair) for pair in bounds]
    clips = recordings.loc[recordings.index.repeat(counts)].reset_index(drop=True)
    flat = np.concatenate(bounds) if bounds else np.empty((0, 2), dtype=np.int64)
    end = np.minimum(flat[:, 1], clips.n_frames.to_numpy(dtype=np.int64))
    rate = clips.sample_rate_hz.to_numpy(dtype=float)
    clips = clips.assign(
        start_frame=flat[:, 0],
        end_frame=end,
        start_s=flat[:, 0] / rate,
        end_s=end / rate,
        padded_s=(flat[:, 1] - end) / rate,
    )
    ids = [clip_id(*part) for part in zip(clips.content_hash, clips.start_s, clips.end_s, strict=True)]
    clips.insert(0, "clip_id", pd.Series(ids, index=clips.index, dtype="str"))
    last = [int(pair[-1, 1]) if len(pair) else 0 for pair in bounds]
    left = np.maximum(0, recordings.n_frames.to_numpy(dtype=np.int64) - np.array(last, dtype=np.int64))
    return clips, recordings.assign(uncut_s=left / recordings.sample_rate_hz.to_numpy(dtype=float))


def transfer_labels(clips: pd.DataFrame, strong: pd.DataFrame, options: ClipOptions) -> pd.DataFrame:
    """Which strong annotations lie in which clips.

    Args:
        clips: as `cut_clips` gives them.
        strong: annotations with `content_hash`, `start_s`, `end_s`; its index is kept as `annotation`.
        options: the least overlap.
    Returns:
        One row a pair that overlaps: `clip_id`, `annotation`, `overlap_s`, `is_enough`. An annotation
        without length belongs to the clip that it lies in.
    """
    pairs = []
    by_recording = dict(list(clips.groupby("content_hash", sort=True)))
    for content_hash, spoken in strong.groupby("content_hash", sort=True):
        if content_hash not in by_recording:
            continue
        own = by_recording[content_hash]
        rate = int(own.sample_rate_hz.iloc[0])
        first, last = (np.array([to_frames(s, rate) for s in spoken[name]]) for name in ("start_s", "end_s"))
        start, end = (own[name].to_numpy(dtype=np.int64)[:, None] for name in ("start_frame", "end_frame"))
        shared = np.minimum(end, last) - np.maximum(start, first)
        is_point = first == last
        touches = (shared > 0) | (is_point & (start <= first) & (first < end))
        share = options.min_overlap_share * (last - first)
        at_least = np.minimum(to_frames(options.min_overlap_s, rate), share)
        row, column = np.nonzero(touches)
        table = {
            "clip_id": own.clip_id.to_numpy()[row],
            "annotation": spoken.index.to_numpy()[column],
            "overlap_s": np.maximum(0, shared[row, column]) / rate,
            "is_enough": (shared >= at_least)[row, column] | is_point[column],
        }
        pairs.append(pd.DataFrame(table))
    if not pairs:
        kinds = {"clip_id": "str", "annotation": "int64", "overlap_s": "float64", "is_enough": "bool"}
        return pd.DataFrame(columns=list(kinds)).astype(kinds)
    return pd.concat(pairs, ignore_index=True)


def clip_bytes(recording: Path, start_frame: int, end_frame: int, padded_frames: int) -> bytes:
    """One clip as a WAV file's bytes: the recording's samples as they are, silence behind.

    The clip keeps the recording's rate, channels and depth; lossy recordings become 16-bit WAV.

    Raises:
        InputError: the recording ends before the clip does.
    """
    import soundfile

    with open_sound(recording) as file:
        subtype = file.subtype if file.subtype in soundfile.available_subtypes("WAV") else "PCM_16"
        # Integers pass unchanged through integers; everything else through floats.
        is_whole = file.subtype == subtype and subtype.startswith("PCM")
        file.seek(start_frame)
        samples = file.read(end_frame - start_frame, dtype="int32" if is_whole else "float64", always_2d=True)
        rate = file.samplerate
    if len(samples) < end_frame - start_frame:
        raise InputError(
            f"{recording.name} ends at sample {start_frame + len(samples):,}, before its clip at {end_frame:,}."
        )
    out = io.BytesIO()
    soundfile.write(out, np.pad(samples, ((0, padded_frames), (0, 0))), rate, subtype=subtype, format="WAV")
    return out.getvalue()
