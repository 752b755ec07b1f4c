"""The detections that a person should check first, and their sound cut out for listening.

The strongest come first, but no recorder's night gives more than its share: one bird that sings all night would else
fill the list.
"""

import io
import re
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from vernal.common.problems import InputError
from vernal.field.detection.detections import UNCHECKED
from vernal.field.detection.options import DetectionOptions

TOP_COLUMNS = (
    "rank", "clip_file", "audio_root", "file_path", "start_s", "end_s", "recorder_id", "night", "started_at", "label",
    "logit", "confidence", "model", "content_hash",
)  # fmt: skip
_NIGHT = ["recorder_id", "night", "label"]
_STRONGEST = ["logit", "file_path", "start_s", "label"]


def nights_to_confirm(detections: pd.DataFrame, nights: pd.DataFrame, budget: int) -> pd.DataFrame:
    """Nights with detections: how many of these people heard, and how many more are worth hearing to confirm the night.

    Args:
        detections: with `review_state`; `nights`: as `count_nights` gives them.
        budget: detections of a night to hear at most; a confirmed or rejected night needs no more.
    Returns:
        `recorder_id, night, label, review_state, n_heard, n_left`, by night.
    """
    heard = detections.assign(n_heard=detections.review_state != UNCHECKED).groupby(_NIGHT).n_heard
    counts = heard.agg(["size", "sum"]).reset_index().astype({"size": "int64", "sum": "int64"})
    table = nights[[*_NIGHT, "review_state"]].merge(counts, on=_NIGHT)
    left = (table["size"].clip(upper=budget) - table["sum"]).clip(lower=0)
    table = table.assign(n_heard=table["sum"], n_left=left.where(table.review_state == UNCHECKED, 0))
    return table[[*_NIGHT, "review_state", "n_heard", "n_left"]]


def choose_for_nights(
    detections: pd.DataFrame,
    nights: pd.DataFrame,
    recordings: pd.DataFrame,
    files: pd.DataFrame,
    model: str,
    options: DetectionOptions,
) -> pd.DataFrame:
    """The queue that confirms nights: of each that is not settled the strongest unheard detections, within its budget.

    Every night's first comes before any night's second, so that the review page, which passes over the nights that its
    reviewer has confirmed, asks night by night for the next one to hear.

    Returns:
        `TOP_COLUMNS` but for `clip_file`.
    """
    wanted = nights_to_confirm(detections, nights, options.night_budget)
    open_ones = detections[detections.review_state == UNCHECKED].merge(wanted[[*_NIGHT, "n_left"]], on=_NIGHT)
    ordered = open_ones.sort_values(_STRONGEST, ascending=[False, True, True, True], kind="stable")
    ordered = ordered.assign(turn=ordered.groupby(_NIGHT).cumcount())
    chosen = ordered[ordered.turn < ordered.n_left].sort_values("turn", kind="stable")
    return _queued(chosen, recordings, files, model)[[name for name in TOP_COLUMNS if name != "clip_file"]]


def choose_top(
    detections: pd.DataFrame,
    recordings: pd.DataFrame,
    files: pd.DataFrame,
    model: str,
    options: DetectionOptions,
) -> pd.DataFrame:
    """The queue for checking: `TOP_COLUMNS`, strongest first.

    `start_s` and `end_s` are of the detection in its recording, without margin; `clip_file` names the WAV that is cut
    out of it, for the first `options.clips` rows. `content_hash` is the recording's, from `files`: decisions are known
    again by it.
    """
    ordered = detections.sort_values(_STRONGEST, ascending=[False, True, True, True], kind="stable")
    place = ordered.groupby(["recorder_id", "night"]).cumcount()
    chosen = _queued(ordered[place < options.queue_per_night].head(options.queue), recordings, files, model)
    names = [_clip_name(row) if row["rank"] <= options.clips else None for row in chosen.to_dict("records")]
    return chosen.assign(clip_file=pd.Series(names, index=chosen.index, dtype="str"))[list(TOP_COLUMNS)]


def _queued(chosen: pd.DataFrame, recordings: pd.DataFrame, files: pd.DataFrame, model: str) -> pd.DataFrame:
    """Detections with their rank and where their recordings lie."""
    hashes = files.set_index("file_path").content_hash
    return chosen.reset_index(drop=True).assign(
        rank=np.arange(1, len(chosen) + 1),
        audio_root=recordings.audio_root.iloc[0] if len(recordings) else "",
        model=model,
        content_hash=chosen.file_path.map(hashes).astype("str").to_numpy(),
    )


def _clip_name(row: Mapping[Hashable, Any]) -> str:
    began, stem = row["started_at"], PurePosixPath(row["file_path"]).stem
    moment = f"{row['recorder_id']}_{began:%Y%m%d_%H%M%S}" if pd.notna(began) else stem
    safe = re.sub(r"[^\w.+-]+", "-", f"{moment}_{row['start_s']:g}s")[:120]
    return f"{row['rank']:04d}_{safe}_{row['confidence']:.3f}.wav"


def cut_clips(top: pd.DataFrame, margin_s: float) -> dict[str, Callable[[], bytes]]:
    """Clip name -> function that gives the WAV's bytes, at the recording's own sample rate, mono, 16 bit."""
    rows = top[top.clip_file.notna()].to_dict("records")
    return {
        row["clip_file"]: partial(_cut, _path(row), row["start_s"], row["end_s"], margin_s) for row in rows
    }


def _path(row: Mapping[Hashable, Any]) -> str:
    return f"{row['audio_root']}/{row['file_path']}"


def _cut(path: str, start_s: float, end_s: float, margin_s: float) -> bytes:
    import soundfile

    from vernal.audio.reading import AudioError

    problem: Exception | None = None
    # Where a recording breaks off there is no margin behind the last detection.
    for after_s in (margin_s, 0.0):
        try:
            samples, rate = _part(path, start_s - margin_s, end_s + after_s)
            break
        except (AudioError, OSError) as error:
            problem = error
    else:
        raise InputError(
            f"{path} was heard, but cannot be read any more ({problem}), so no clip can be cut out of it. Run again."
        ) from problem
    out = io.BytesIO()
    soundfile.write(out, np.clip(samples, -1, 1), rate, subtype="PCM_16", format="WAV")
    return out.getvalue()


def _part(path: str, start_s: float, end_s: float) -> tuple[np.ndarray, int]:
    """A part of a file at its own sample rate, cut off at the file's ends."""
    from vernal.audio.reading import AudioReader, probe_audio

    rate = probe_audio(path).sample_rate_hz
    first = round(max(0.0, start_s) * rate)
    with AudioReader(path, rate) as reader:
        last = min(round(end_s * rate), reader.n_samples) if reader.can_seek else round(end_s * rate)
        pieces = list(reader.stream(first, last)) if reader.can_seek else _until(reader, first, last)
    return np.concatenate([np.empty(0, np.float32), *pieces]), rate


def _until(reader, first: int, last: int) -> list[np.ndarray]:
    """The same where the header's length is only a guess."""
    pieces, at = [], 0
    for piece in reader.stream():
        pieces.append(piece[max(0, first - at) : max(0, last - at)])
        at += len(piece)
        if at >= last:
            break
    return pieces
