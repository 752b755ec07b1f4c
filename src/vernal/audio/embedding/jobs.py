"""Reading and encoding windows, here or in worker processes.

A worker is a process with one thread and one encoder. It decodes, resamples and filters what it embeds,
so that sound never travels between processes; only vectors do, a job's at once.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vernal.audio.bandpass import Bandpass, is_full_band
from vernal.audio.reading import AudioError, AudioReader, check_amplitude
from vernal.common.files import sha256_of_file
from vernal.common.problems import InputError
from vernal.common.storage import as_path
from vernal.common.workers import Crash, on_cluster, run_tasks

if TYPE_CHECKING:
    from vernal.audio.embedding.options import EmbeddingOptions
    from vernal.audio.encoders.base import Encoder

_BATCH = 16  # windows encoded before a result is sent
_STRIDE = 1 << 18  # samples filtered at a time


class Span(NamedTuple):
    """A window in samples at the encoder's rate; a filter starts at `clip_start`."""

    key: str
    clip_start: int
    start: int
    stop: int


def window_key(content_hash: str, start: int, stop: int, origin: int, settings_id: str) -> str:
    """The name of a window's vector: a hash of all that it depends on.

    Args:
        content_hash: of the file's bytes.
        start, stop: in samples at the encoder's rate.
        origin: sample where the filter started, 0 without one.
    """
    spelled = f"{content_hash}:{start}:{stop}:{origin}:{settings_id}"
    return hashlib.blake2b(spelled.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class FileJob:
    """Windows of one file, in order."""

    path: str
    content_hash: str
    spans: list[Span]


@dataclass(frozen=True, eq=False)
class Outcome:
    """Vectors of some windows, or the reason why they have none."""

    keys: list[str]
    vectors: np.ndarray
    reason: str | None = None
    message: str = ""


def embed_file(job: FileJob, encoder: "Encoder", options: "EmbeddingOptions") -> Iterator[Outcome]:
    """Embed the windows of one file; what cannot be read comes out as a failure."""
    done = 0
    try:
        _check_unchanged(job)
        with AudioReader(job.path, encoder.sample_rate_hz) as reader:
            source = reader if is_full_band(options.fmin, options.fmax) else Filtered(reader, options)
            for at in range(0, len(job.spans), _BATCH):
                spans = job.spans[at : at + _BATCH]
                vectors = encoder.embed(_read(source, spans, encoder.n_samples))
                done = at + len(spans)
                yield Outcome([span.key for span in spans], vectors)
    except (AudioError, OSError) as error:
        reason = error.reason if isinstance(error, AudioError) else "unreadable"
        keys = [span.key for span in job.spans[done:]]
        yield Outcome(keys, np.empty((0, encoder.n_dims), np.float32), reason, str(error))


def _check_unchanged(job: FileJob) -> None:
    path = as_path(job.path)
    if not path.is_file():
        raise AudioError("not_found", "no such file")
    stat = path.stat()
    if _content_hash(job.path, stat.st_size, stat.st_mtime_ns) != job.content_hash:
        raise AudioError("changed", "its content is not what was ingested")


@lru_cache(maxsize=8)  # a long file comes as many jobs
def _content_hash(path: str, _size: int, _mtime_ns: int) -> str:
    return sha256_of_file(path)


def _read(source: "AudioReader | Filtered", spans: list[Span], n_samples: int) -> np.ndarray:
    """(n, n_samples) float32."""
    windows = []
    for span in spans:
        place = (span.clip_start, span.start, span.stop) if isinstance(source, Filtered) else span[2:]
        windows.append(whole_window(source.read(*place), n_samples))
    return np.stack(windows)


def whole_window(samples: np.ndarray, n_samples: int) -> np.ndarray:
    """(n_samples,) float32: what is missing at the end of a window is zero.

    Raises:
        AudioError: a sample is not finite, or beyond `MAX_AMPLITUDE`.
    """
    if len(samples):
        check_amplitude(float(samples.min()), float(samples.max()))
    window = np.zeros(n_samples, dtype=np.float32)
    window[: len(samples)] = samples[:n_samples]
    return window


class Filtered:
    """Band-passed samples of clips, read forward; the filter starts where the clip does."""

    def __init__(self, reader: AudioReader, options: "EmbeddingOptions") -> None:
        self._reader = reader
        self._options = options
        self._clip_start = -1
        self._start = 0
        self._samples = np.empty(0, dtype=np.float32)

    def read(self, clip_start: int, start: int, stop: int) -> np.ndarray:
        if clip_start != self._clip_start or start < self._start:
            self._filter = Bandpass(self._options.fmin, self._options.fmax, self._reader.sample_rate_hz)
            self._after: np.ndarray | None = None
            self._clip_start = self._start = clip_start
            self._samples = np.empty(0, dtype=np.float32)
        position = self._start + len(self._samples)
        while position < stop:
            step = min(_STRIDE, stop - position)
            fresh = self._filter(self._reader.read(position, position + step))
            position += step
            kept = self._samples[max(0, start - self._start) :]
            self._samples = np.concatenate([kept, fresh])
            self._start = position - len(self._samples)
        samples = self._samples[start - self._start : stop - self._start]
        return samples if stop < self._reader.n_samples else np.concatenate([samples, self._ringing()])

    def _ringing(self) -> np.ndarray:
        """What the filter makes of the silence that the reference has after the end of the file."""
        if self._after is None:
            self._after = self._filter(np.zeros(self._reader.n_silent_more, dtype=np.float32))
        return self._after


def run_here(jobs: Iterable[list[FileJob]], options: "EmbeddingOptions") -> Iterator[Outcome]:
    """Embed in this process, with one thread, so that sums are taken in the same order as in workers."""
    from threadpoolctl import ThreadpoolController

    from vernal.audio.encoders.base import get_encoder

    encoder = controller = None
    for job in jobs:
        encoder = encoder or get_encoder(options.source)
        controller = controller or ThreadpoolController()
        for file_job in job:
            outcomes = embed_file(file_job, encoder, options)
            while True:
                # Not held across `yield`: the caller's own work keeps its threads.
                with controller.limit(limits=1):
                    outcome = next(outcomes, None)
                if outcome is None:
                    break
                yield outcome


def run_in_workers(
    jobs: Iterable[list[FileJob]], options: "EmbeddingOptions", workers: int
) -> Iterator[Outcome]:
    """Embed in `workers` processes, or on the workers of the cluster that this run uses; results come as jobs finish.

    Raises:
        InputError: a worker died at some files, and again when it was alone with them.
    """
    prepare = options.facts.prepare
    if not on_cluster():
        prepare()  # here, so that workers find it done
    waiting = iter(jobs)
    embed = partial(_embed_job, options=options)
    for job, outcomes in run_tasks(embed, lambda: next(waiting, None), workers, prepare):
        if isinstance(outcomes, Crash):
            raise InputError(
                f"An embedding worker stopped (exit code {outcomes.exit_code}) at {_named(job)}. "
                "What was embedded before is kept: run again. If it happens there again, take the file out; "
                "if the exit code is -9, memory most likely ran out: use fewer workers."
            )
        yield from outcomes


def _embed_job(job: list[FileJob], options: "EmbeddingOptions") -> list[Outcome]:
    return list(run_here([job], options))


def _named(job: list[FileJob]) -> str:
    """The files of a job in a few words."""
    names = [as_path(one.path).name for one in job]
    more = f" or one of the {len(names) - 3} files after it" if len(names) > 3 else ""
    return " or ".join(names[:3]) + more
