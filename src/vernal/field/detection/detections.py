"""From scores to detections: what lies at or above the threshold, neighbours merged, and what was heard of each file.

A file that could not be heard to its end counts for what was heard; one that nothing could be heard of, or that a
recorder with a dead microphone made, counts for nothing. A second copy of a file counts for nothing either.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from vernal.audio.checks import peak_db
from vernal.clips import nights
from vernal.clips.nights import START_HOUR
from vernal.field.detection.classifier import Classifier
from vernal.field.detection.file_facts import FileFacts
from vernal.field.detection.listing import RECORDING_COLUMNS, UNKNOWN, started_at
from vernal.field.detection.options import DetectionOptions
from vernal.field.detection.score_counts import ScoreCounts
from vernal.field.detection.score_store import ScoreStore
from vernal.field.detection.scoring import BlockScores, n_blocks_of

DETECTION_COLUMNS = (
    "file_path", "recorder_id", "night", "label", "started_at", "start_s", "end_s", "peak_start_s", "logit",
    "confidence", "n_windows", "review_state", "reviewed_by", "reviewed_at",
)  # fmt: skip
FILE_COLUMNS = (
    "file_path", "recorder_id", "date", "time", "state", "duration_s", "heard_s", "n_windows", "sample_rate_hz",
    "channels", "reason", "message", "content_hash",
)  # fmt: skip
EFFORT_COLUMNS = ("recorder_id", "night", "hour", "heard_s", "n_windows")
HEARD, PARTLY, UNHEARD, COPY = "heard", "partly heard", "not heard", "copy"
UNCHECKED = "unchecked"  # what nobody decided on; see `verification` for the others
_TOLERANCE_S = 1e-6


@dataclass(frozen=True, eq=False)
class Detections:
    """Everything that scores of a folder come to, as tables.

    `detections`: `DETECTION_COLUMNS`, sorted by file and start. `files`: `FILE_COLUMNS`, one row a recording. `effort`:
    `EFFORT_COLUMNS`, seconds and windows heard by recorder, night and clock hour (-1 where the time is unknown).
    `counts`: windows by score, recorder and night (`score_counts.COUNT_COLUMNS`).
    """

    detections: pd.DataFrame
    files: pd.DataFrame
    effort: pd.DataFrame
    counts: pd.DataFrame = field(default_factory=pd.DataFrame)


def find_detections(
    recordings: pd.DataFrame,
    facts: Mapping[str, FileFacts],
    scores: ScoreStore,
    classifier: Classifier,
    options: DetectionOptions,
    start_hour: int = START_HOUR,
    lines: Sequence[float] = (),
) -> Detections:
    """Read the scores of every recording, one at a time, and keep what is flagged.

    Args:
        recordings: as listed.
        facts: by absolute path.
        start_hour: when a night begins.
        lines: logits, ascending, that windows are counted between.
    """
    counts = ScoreCounts(classifier.labels, np.array(lines), start_hour)
    found: list[pd.DataFrame] = []
    found_in: list[tuple[_Listed, pd.Timestamp]] = []
    files: list[dict[str, object]] = []
    effort: dict[tuple[str, str, int], list[float]] = {}
    first_of: dict[str, str] = {}
    run_key, finished = classifier.run_key, scores.finished(classifier.run_key)
    for file, start in zip(_listed(recordings), started_at(recordings), strict=True):
        fact = facts.get(file.path, FileFacts(failure="it was not reached"))
        blocks = [
            scores.load(run_key, fact.content_hash, number)
            for number in range(n_blocks_of(fact, classifier.audio))
            if (fact.content_hash, number) in finished
        ]
        copy_of = (
            first_of.setdefault(fact.content_hash, file.file_path) if fact.is_readable else file.file_path
        )
        outcome = _outcome(fact, blocks, options.silence_db, "" if copy_of == file.file_path else copy_of)
        files.append({**file._asdict(), **outcome})
        if outcome["state"] not in (HEARD, PARTLY):
            continue
        for block in blocks:
            counts.add(file.recorder_id, start, block, classifier.shift)
            for night, hour, *heard in _spread_windows(start, block, start_hour):
                so_far = effort.setdefault((file.recorder_id, night, hour), [0.0, 0])
                so_far[:] = [before + more for before, more in zip(so_far, heard, strict=True)]
        flagged = _flagged(blocks, classifier, options.merge_gap_s)
        if len(flagged):
            found.append(flagged)
            found_in.append((file, start))
    detections = _placed(found, found_in, start_hour)
    return Detections(detections, _file_table(files), _effort_table(effort), counts.table())


class _Listed(NamedTuple):
    path: str
    file_path: str
    recorder_id: str
    date: str
    time: str


def _listed(recordings: pd.DataFrame) -> Iterator[_Listed]:
    columns = (recordings[name].tolist() for name in RECORDING_COLUMNS)
    for root, file_path, recorder_id, date, time in zip(*columns, strict=True):
        yield _Listed(f"{root}/{file_path}", file_path, recorder_id, date, time)


# Flagged windows ------------------------------------------------------------------------------------


def merge_flagged(
    start_s: np.ndarray, end_s: np.ndarray, logits: np.ndarray, threshold: float, gap_s: float | None
) -> pd.DataFrame:
    """Windows at or above a threshold, those that follow each other as one detection.

    Args:
        start_s, end_s: (n,) seconds, in order.
        logits: (n,).
        gap_s: detections at most this far apart are one; 0 joins those that touch or overlap, None joins none.
    Returns:
        `start_s`, `end_s`, `peak_start_s` (where its highest window begins), `logit` (of that window), `n_windows`
        (flagged ones).
    """
    at = np.flatnonzero(logits >= threshold)
    if not len(at):
        return pd.DataFrame(
            columns=["start_s", "end_s", "peak_start_s", "logit", "n_windows"], dtype="float64"
        )
    starts, ends, values = start_s[at], end_s[at], logits[at]
    is_new = np.ones(len(at), dtype=bool)
    if gap_s is not None:
        is_new[1:] = starts[1:] - ends[:-1] > gap_s + _TOLERANCE_S
    first = np.flatnonzero(is_new)
    last = np.append(first[1:], len(at)) - 1
    group = np.cumsum(is_new) - 1
    # The first of equal peaks: sorted by group, then by falling logit, then by place.
    order = np.lexsort((np.arange(len(at)), -values, group))
    peak = order[np.searchsorted(group[order], np.arange(len(first)))]
    return pd.DataFrame(
        {
            "start_s": starts[first],
            "end_s": ends[last],
            "peak_start_s": starts[peak],
            "logit": values[peak],
            "n_windows": last - first + 1,
        }
    )


def _flagged(blocks: list[BlockScores], classifier: Classifier, gap_s: float | None) -> pd.DataFrame:
    start_s, end_s, logits = (
        np.concatenate([getattr(block, name) for block in blocks]) for name in ("start_s", "end_s", "logits")
    )
    shifted = logits + classifier.shift
    thresholds = classifier.thresholds
    if not (shifted >= np.array(thresholds)).any():
        return pd.DataFrame()
    found = [
        merge_flagged(start_s, end_s, shifted[:, at], thresholds[at], gap_s).assign(label=label)
        for at, label in enumerate(classifier.labels)
    ]
    return pd.concat([table for table in found if len(table)] or found[:1], ignore_index=True)


def _placed(
    found: list[pd.DataFrame], found_in: list[tuple[_Listed, pd.Timestamp]], start_hour: int
) -> pd.DataFrame:
    """What was found in each file as one table, with whose it is and when it was."""
    if not found:
        return _typed(pd.DataFrame(columns=list(DETECTION_COLUMNS)))
    from scipy.special import expit

    table = pd.concat(found, ignore_index=True)
    owner = np.repeat(np.arange(len(found)), [len(part) for part in found])
    starts = pd.Series([start for _, start in found_in], dtype="datetime64[ms]")
    began = starts.iloc[owner].reset_index(drop=True)
    began += pd.to_timedelta((table.start_s * 1_000).round(), unit="ms").astype("timedelta64[ms]")
    table = table.assign(
        owner=owner,
        file_path=pd.Series([file.file_path for file, _ in found_in], dtype="str").iloc[owner].to_numpy(),
        recorder_id=pd.Series([file.recorder_id for file, _ in found_in], dtype="str").iloc[owner].to_numpy(),
        started_at=began,
        night=nights.nights_of_moments(began, start_hour).fillna(UNKNOWN),
        confidence=expit(table.logit.to_numpy()),
        review_state=UNCHECKED,
        reviewed_by=np.nan,
        reviewed_at=np.nan,
    )
    return _typed(table.sort_values(["owner", "start_s", "label"], kind="stable", ignore_index=True))


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    numbers = dict.fromkeys(("start_s", "end_s", "peak_start_s", "logit", "confidence"), "float64")
    texts = dict.fromkeys(
        ("file_path", "recorder_id", "night", "label", "review_state", "reviewed_by", "reviewed_at"), "str"
    )
    return table[list(DETECTION_COLUMNS)].astype(
        {**numbers, **texts, "started_at": "datetime64[ms]", "n_windows": "int64"}
    )


# Nights and hours -----------------------------------------------------------------------------------


def night_of(moment: pd.Timestamp, start_hour: int = START_HOUR) -> str:
    """The night that a moment belongs to, as in `clips.nights`; `unknown` without a time."""
    return UNKNOWN if pd.isna(moment) else nights.night_of(moment, start_hour)


def spread(
    start: pd.Timestamp, first_s: float, heard_s: float, start_hour: int = START_HOUR
) -> Iterator[tuple[str, int, float]]:
    """Divide a stretch of a recording by night and clock hour: night, hour, seconds.

    >>> list(spread(pd.Timestamp("2025-04-03 23:30"), 0.0, 3600.0))
    [('2025-04-03', 23, 1800.0), ('2025-04-03', 0, 1800.0)]
    """
    if pd.isna(start):
        if heard_s > 0:
            yield UNKNOWN, -1, heard_s
        return
    moment, left = start + pd.Timedelta(seconds=first_s), heard_s
    while left > _TOLERANCE_S:
        until = moment.floor("h") + pd.Timedelta(hours=1)
        here = min(left, (until - moment).total_seconds())
        yield night_of(moment, start_hour), moment.hour, here
        moment, left = until, left - here


def _spread_windows(
    start: pd.Timestamp, block: BlockScores, start_hour: int
) -> Iterator[tuple[str, int, float, int]]:
    """`spread` of a block, with the windows that begin in each part."""
    left_s = block.heard_s
    gaps = np.flatnonzero(block.start_s[1:] - block.end_s[:-1] > _TOLERANCE_S) + 1
    for starts, ends in zip(np.split(block.start_s, gaps), np.split(block.end_s, gaps), strict=True):
        is_last = not len(starts) or ends[-1] == block.end_s[-1]
        first_s = float(starts[0]) if len(starts) else 0.0
        heard_s = left_s if is_last else float(ends[-1]) - first_s
        left_s -= heard_s
        yield from _spread_stretch(start, starts, first_s, heard_s, start_hour)


def _spread_stretch(
    start: pd.Timestamp, starts: np.ndarray, first_s: float, heard_s: float, start_hour: int
) -> Iterator[tuple[str, int, float, int]]:
    parts = list(spread(start, first_s, heard_s, start_hour))
    ends = first_s + np.cumsum([seconds for *_, seconds in parts])
    # Whatever begins after the last part's end is of that part.
    until = [*np.searchsorted(starts, ends[:-1] - _TOLERANCE_S), len(starts)]
    for part, n_windows in zip(parts, np.diff(until, prepend=0), strict=False):
        yield (*part, int(n_windows))


def _effort_table(effort: Mapping[tuple[str, str, int], list[float]]) -> pd.DataFrame:
    rows = [(*key, *heard) for key, heard in sorted(effort.items())]
    table = pd.DataFrame(rows, columns=list(EFFORT_COLUMNS))
    return table.astype(
        {"recorder_id": "str", "night": "str", "hour": "int64", "heard_s": "float64", "n_windows": "int64"}
    )


# Files ----------------------------------------------------------------------------------------------


def _outcome(
    fact: FileFacts, blocks: list[BlockScores], silence_db: float, copy_of: str
) -> dict[str, object]:
    """What became of a file: its state, seconds heard, and the first thing that was wrong with it."""
    heard_s = sum(block.heard_s for block in blocks)
    broken = next((block for block in blocks if block.reason), None)
    reason, message = (broken.reason, broken.message) if broken else (fact.reason, fact.message)
    if fact.failure:
        reason, message = "failed", fact.failure
    state = HEARD if heard_s and not reason else PARTLY if heard_s else UNHEARD
    peak_db = _peak_db(blocks)
    n_silent = sum(len(block.traces.silent) for block in blocks)
    if n_silent and state == HEARD:
        state, reason = PARTLY, "silent"
        message = f"{n_silent:,} windows hold no signal at all (digital silence) and were not heard"
    if (heard_s or n_silent) and peak_db < silence_db:
        state, reason = UNHEARD, "silent"
        message = f"its loudest sample is at {peak_db:.0f} dB of full scale: was the microphone connected?"
    if copy_of:
        state, reason, message = COPY, "duplicate_audio", f"the same content as {copy_of}"
    return {
        "state": state,
        "duration_s": fact.duration_s,
        "heard_s": heard_s if state in (HEARD, PARTLY) else 0.0,
        "n_windows": sum(len(block.start_s) for block in blocks) if state in (HEARD, PARTLY) else 0,
        "sample_rate_hz": fact.sample_rate_hz,
        "channels": fact.channels,
        "reason": reason or None,
        "message": message or None,
        "content_hash": fact.content_hash or None,
    }


def _peak_db(blocks: list[BlockScores]) -> float:
    """Loudest sample after the mean is removed, dB of full scale."""
    heard = [block for block in blocks if len(block.start_s) or block.traces.silent]
    levels = np.array([block.traces.level for block in heard]).reshape(-1, 3)
    if not len(levels):
        return float("nan")
    return peak_db(levels[:, 0].min(), levels[:, 1].max(), levels[:, 2].mean())


def _file_table(files: list[dict[str, object]]) -> pd.DataFrame:
    table = pd.DataFrame(files, columns=list(FILE_COLUMNS))
    texts = ("file_path", "recorder_id", "date", "time", "state", "reason", "message", "content_hash")
    return table.astype(
        {
            **dict.fromkeys(texts, "str"),
            "duration_s": "float64",
            "heard_s": "float64",
            "n_windows": "int64",
            "sample_rate_hz": "int64",
            "channels": "int64",
        }
    )
