"""From clips to windows, and from windows to vectors.

A clip is cut into the windows that an encoder hears. Every window has a key: a hash of the audio's content,
the place in it, and every setting that changes the vector. What the store already has under that key is
never computed again. Training and inference both take their audio settings from `EmbeddingOptions`, so
that they cannot differ.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from vernal.audio.bandpass import is_full_band
from vernal.audio.embedding.jobs import FileJob, Outcome, Span, run_here, run_in_workers, window_key
from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.reading import n_samples_of, window_starts
from vernal.common.problems import InputError, Problems
from vernal.common.storage import as_path
from vernal.common.workers import can_start_workers, n_workers, on_cluster

WINDOW_COLUMNS = ("clip_id", "source", "file_path", "content_hash", "start_s", "end_s", "key")
FAILURE_COLUMNS = ("key", "source", "file_path", "start_s", "reason", "message")

_TOLERANCE_S = 0.01  # ends are often written as rounded seconds
# A worker takes about half a second to start, in which this one could do as many windows.
_WORTH_A_WORKER = 64
_JOB_WINDOWS = 32
_JOB_COLUMNS = ("source", "file_path", "content_hash", "key", "clip_start", "start", "stop")
_SPLITTABLE = {".wav", ".flac", ".aif", ".aiff", ".w64", ".rf64"}  # found exactly at any place


# eq=False: arrays and tables have no single answer to "equal".
@dataclass(frozen=True, eq=False)
class EmbeddingPart:
    """Some windows' vectors, on their way to the store.

    `rows`: `key`, `content_hash`, `start_s`, `end_s`; `vectors`: (n_rows, n_dims) float32 in that order.
    `failures`: windows that gave none, columns `FAILURE_COLUMNS`.
    """

    options: EmbeddingOptions
    rows: pd.DataFrame
    vectors: np.ndarray
    failures: pd.DataFrame

    @property
    def keys(self) -> list[str]:
        return self.rows.key.tolist()


def plan_windows(clips: pd.DataFrame, options: EmbeddingOptions) -> pd.DataFrame:
    """Cut clips into windows.

    Args:
        clips: `clip_id`, `source`, `file_path`, `content_hash`, `duration_s` (of the file), and `start_s`,
            `end_s` (the part of the file; missing = whole). Other columns are ignored.
    Returns:
        One row a window, sorted by `clip_id` and `start_s`: `WINDOW_COLUMNS` (`start_s`, `end_s` in the
        file; a last window may end early and is padded), and for the reader `clip_start`, `start`, `stop` in
        samples.
    Raises:
        InputError: a clip's part is empty or lies outside its file.
    """
    encoder = options.facts
    rate = encoder.sample_rate_hz
    clips = clips.sort_values("clip_id", kind="stable", ignore_index=True)
    first, last = _parts_in_samples(clips, rate)
    starts = [window_starts(int(n), rate, options.overlap_s, encoder.window_s) for n in last - first]
    counts = np.array([len(of_clip) for of_clip in starts], dtype=np.int64)
    owner = np.repeat(np.arange(len(clips)), counts)
    flat = np.fromiter(
        (start for of_clip in starts for start in of_clip), dtype=np.int64, count=int(counts.sum())
    )
    windows = clips.loc[owner, ["clip_id", "source", "file_path", "content_hash"]].reset_index(drop=True)
    windows["clip_start"] = first[owner]
    windows["start"] = first[owner] + flat
    windows["stop"] = np.minimum(windows.start + int(rate * encoder.window_s), last[owner])
    windows["start_s"], windows["end_s"] = windows.start / rate, windows.stop / rate
    windows["key"] = _keys(windows, options)
    return windows[[*WINDOW_COLUMNS, "clip_start", "start", "stop"]]


def _parts_in_samples(clips: pd.DataFrame, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """First and one-past-last sample of each clip."""
    lengths = np.array([n_samples_of(duration, rate) for duration in clips.duration_s], dtype=np.int64)
    nothing = pd.Series(np.nan, index=clips.index)
    starts = clips.get("start_s", nothing).astype(float).fillna(0.0)
    ends = clips.get("end_s", nothing).astype(float).fillna(clips.duration_s)
    first = np.rint(starts.to_numpy() * rate).astype(np.int64)
    last = np.minimum(np.rint(ends.to_numpy() * rate).astype(np.int64), lengths)
    # A whole file keeps its last, started sample.
    last = np.where(ends == clips.duration_s, lengths, last)
    wrong = (first < 0) | (last <= first) | (ends > clips.duration_s + _TOLERANCE_S)
    problems = Problems("The clips to embed")
    cases = clips[wrong]
    problems.add(
        "part outside its recording",
        [
            f"{path} from {start} to {end} s"
            for path, start, end in zip(cases.file_path, starts[wrong], ends[wrong], strict=True)
        ],
        "Give start_s and end_s within the file.",
    )
    problems.raise_if_any()
    return first, last


def _keys(windows: pd.DataFrame, options: EmbeddingOptions) -> list[str]:
    settings = options.settings_id
    # A filter has a memory, so where it started matters too.
    origins = (
        np.zeros(len(windows), dtype=np.int64)
        if is_full_band(options.fmin, options.fmax)
        else windows.clip_start
    )
    return [
        window_key(content, start, stop, origin, settings)
        for content, start, stop, origin in zip(
            windows.content_hash, windows.start, windows.stop, origins, strict=True
        )
    ]


def embed_windows(
    windows: pd.DataFrame,
    roots: Mapping[str, str],
    options: EmbeddingOptions,
    known_keys: Collection[str] = frozenset(),
    workers: int | None = None,
    part_size: int = 512,
    progress: Callable[[int], Any] | None = None,
    on_failure: str = "raise",
) -> Iterator[EmbeddingPart]:
    """Embed the windows that are not known yet.

    Vectors are the same, bit for bit, whatever the number of workers and the order of rows. Which windows
    share a part is not.

    Args:
        windows: as `plan_windows` gives them.
        roots: folder of each source.
        known_keys: keys to leave out.
        workers: processes; None is one a core. Little work is done in this process.
        part_size: windows a part.
        progress: called with the number of windows just finished.
        on_failure: `raise` ends with an error that lists all windows whose audio could not be read, after all
            other windows were given out; `report` only lists them in the parts.
    Raises:
        InputError: audio could not be read (see `on_failure`), a source has no root, or a worker died; what was
            embedded by then has been given out.
    """
    if on_failure not in ("raise", "report"):
        raise ValueError(f"on_failure is {on_failure!r}; give 'raise' or 'report'")
    missing = windows[~windows.key.isin(known_keys)].drop_duplicates("key")
    missing = missing.sort_values(["source", "file_path", "clip_start", "start"], ignore_index=True)
    unknown = sorted(set(missing.source) - set(roots))
    if unknown:
        raise InputError(f"No audio folder is known for the source(s) {', '.join(unknown)}.")
    collected = _Collector(missing, options, part_size)
    failures = []
    try:
        for outcome in _outcomes(_jobs(missing, roots, options), len(missing), options, workers):
            for part in collected.add(outcome):
                failures.append(part.failures)
                yield part
            if progress is not None:
                progress(len(outcome.keys))
    except InputError:  # a worker is gone; what it and the others gave is not
        yield from collected.rest()
        raise
    for part in collected.rest():
        failures.append(part.failures)
        yield part
    if on_failure == "raise" and failures:
        raise_on_failures(pd.concat(failures, ignore_index=True))


def raise_on_failures(failures: pd.DataFrame) -> None:
    """Raise one error that lists every file that could not be embedded.

    Raises:
        InputError: there are failures.
    """
    problems = Problems("Embedding")
    files = failures.drop_duplicates(["source", "file_path"])
    for reason, of_reason in files.groupby("reason"):
        remedy = (
            "Run ingest again."
            if reason == "changed"
            else "Replace these files or take them out, then run again."
        )
        cases = [f"{row.source}: {row.file_path} ({row.message})" for row in of_reason.itertuples()]
        problems.add(f"audio that passed ingest and is now {reason}", cases, remedy)
    problems.raise_if_any()


def _jobs(
    missing: pd.DataFrame, roots: Mapping[str, str], options: EmbeddingOptions
) -> Iterator[list[FileJob]]:
    """Group windows so that every file is decoded once; a job has about `_JOB_WINDOWS` windows.

    Args:
        missing: windows, those of one file next to each other.
    """
    can_split = is_full_band(options.fmin, options.fmax)
    job: list[FileJob] = []
    size = 0
    rows = zip(*(missing[column] for column in _JOB_COLUMNS), strict=True)
    for (source, file_path, content_hash), of_file in groupby(rows, key=itemgetter(0, 1, 2)):
        path = as_path(roots[source]) / file_path
        spans = [Span(key, int(origin), int(start), int(stop)) for *_, key, origin, start, stop in of_file]
        step = _JOB_WINDOWS if can_split and path.suffix.lower() in _SPLITTABLE else len(spans)
        for at in range(0, len(spans), step):
            job.append(FileJob(str(path), content_hash, spans[at : at + step]))
            size += len(job[-1].spans)
            if size >= _JOB_WINDOWS:
                yield job
                job, size = [], 0
    if job:
        yield job


def _outcomes(
    jobs: Iterable[list[FileJob]], n_windows: int, options: EmbeddingOptions, workers: int | None
) -> Iterator[Outcome]:
    wanted = min(n_workers(workers), -(-n_windows // _JOB_WINDOWS))
    is_worth_it = wanted > 1 and n_windows >= _WORTH_A_WORKER and can_start_workers()
    if n_windows and (on_cluster() or is_worth_it):
        return run_in_workers(jobs, options, wanted)
    return run_here(jobs, options)


class _Collector:
    """Gathers outcomes into parts of a given size."""

    def __init__(self, missing: pd.DataFrame, options: EmbeddingOptions, part_size: int) -> None:
        self._table = missing
        self._row_of = {key: row for row, key in enumerate(missing.key)}
        self._options = options
        self._size = part_size
        self._clear()

    def _clear(self) -> None:
        self._rows: list[int] = []
        self._vectors: list[np.ndarray] = []
        self._failed: list[pd.DataFrame] = []

    def add(self, outcome: Outcome) -> Iterator[EmbeddingPart]:
        rows = [self._row_of[key] for key in outcome.keys]
        if outcome.reason is not None:
            failed = self._table.loc[rows, ["key", "source", "file_path", "start_s"]]
            self._failed.append(failed.assign(reason=outcome.reason, message=outcome.message))
            return
        self._rows += rows
        self._vectors.append(outcome.vectors)
        if len(self._rows) >= self._size:
            yield self._part()

    def rest(self) -> Iterator[EmbeddingPart]:
        if self._rows or self._failed:
            yield self._part()

    def _part(self) -> EmbeddingPart:
        rows = self._table.loc[self._rows, ["key", "content_hash", "start_s", "end_s"]].reset_index(drop=True)
        vectors = (
            np.concatenate(self._vectors)
            if self._vectors
            else np.empty((0, self._options.n_dims), np.float32)
        )
        nothing = pd.DataFrame({column: pd.Series(dtype="str") for column in FAILURE_COLUMNS}).astype(
            {"start_s": float}
        )
        failures = pd.concat(self._failed, ignore_index=True) if self._failed else nothing
        part = EmbeddingPart(self._options, rows, vectors, failures)
        self._clear()
        return part
