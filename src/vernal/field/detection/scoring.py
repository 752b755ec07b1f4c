"""From a recording to the logits of its windows, block by block; this is what worker processes do.

A block is half an hour of windows (all of a file, where its format has to be decoded from the start). Blocks of a
file follow each other exactly: the band-pass goes on where the block before left it, so that the division changes
no bit, and neither memory nor what is lost when a run is stopped depends on how long a recording is. No tables
are loaded here, because every worker process would wait for them.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from vernal.audio.bandpass import Bandpass, is_full_band
from vernal.audio.embedding.jobs import Filtered, whole_window, window_key
from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.encoders.base import get_encoder
from vernal.audio.reading import AudioError, AudioReader, window_starts
from vernal.common.storage import as_path
from vernal.field.detection.file_facts import FileFacts, words
from vernal.training.heads import Head

BLOCK_WINDOWS = 600
_BATCH = 16  # windows encoded at a time
_NO_SIGNAL = 1e-6  # between lowest and highest sample; the finest step of 24 bits is a tenth of it


@dataclass(frozen=True, eq=False)
class Scorer:
    """What turns windows into logits. `keep_vectors`: results carry the embeddings that were computed."""

    head: Head
    audio: EmbeddingOptions
    keep_vectors: bool = False


@dataclass(frozen=True)
class Traces:
    """What reading a block leaves behind that no vector tells.

    `level`: lowest, highest and mean sample. `next_state`: the filter's at the first sample of the next block.
    `silent`: numbers of the block's windows that hold no signal at all.
    """

    level: tuple[float, float, float]
    next_state: tuple[float, ...] = ()
    silent: tuple[int, ...] = ()


@dataclass(frozen=True)
class BlockTask:
    """One block of one file.

    `state`: the filter's at its first sample. `stored_parts`: files of the store that may hold its embeddings;
    `traces`: what an earlier reading left. With all of both, nothing is read.
    """

    path: str
    facts: FileFacts
    block: int
    state: tuple[float, ...] = ()
    stored_parts: tuple[str, ...] = ()
    traces: Traces | None = None


@dataclass(frozen=True, eq=False)
class BlockScores:
    """The logits of a block's windows, as far as they could be heard; windows without any signal are left out.

    `start_s`, `end_s`: (n,) seconds in the file; `logits`: (n, n_classes) float64, without any sensitivity.
    `heard_s`: seconds that no other block counts. `keys`, `vectors`: embeddings that were computed, if asked for.
    `is_final`: whether another try would find the same; not so where the disk failed, not the file.
    """

    content_hash: str
    block: int
    n_blocks: int
    start_s: np.ndarray
    end_s: np.ndarray
    logits: np.ndarray
    heard_s: float
    traces: Traces
    reason: str = ""
    message: str = ""
    keys: tuple[str, ...] = ()
    vectors: np.ndarray | None = None
    is_final: bool = True


def starts_of(facts: FileFacts, audio: EmbeddingOptions) -> tuple[int, ...]:
    """First sample of every window of a file, at the encoder's rate."""
    if not facts.is_readable:
        return ()
    encoder = audio.facts
    # Not through its cache, which would hold the windows of thousands of long files.
    return window_starts.__wrapped__(
        facts.n_samples(encoder.sample_rate_hz), encoder.sample_rate_hz, audio.overlap_s, encoder.window_s
    )


def n_blocks_of(facts: FileFacts, audio: EmbeddingOptions) -> int:
    """Blocks that a file is scored in."""
    n_windows = len(starts_of(facts, audio))
    return -(-n_windows // BLOCK_WINDOWS) if facts.can_seek else min(n_windows, 1)


@dataclass(frozen=True)
class _BlockPlan:
    """The windows of a block in samples: first and one-past-last of each, and where the next block begins."""

    spans: list[tuple[int, int]]
    next_start: int | None
    n_blocks: int
    rate: int


def _plan(task: BlockTask, audio: EmbeddingOptions) -> _BlockPlan:
    encoder = audio.facts
    size = int(encoder.window_s * encoder.sample_rate_hz)
    starts, end = starts_of(task.facts, audio), task.facts.n_samples(encoder.sample_rate_hz)
    per_block = BLOCK_WINDOWS if task.facts.can_seek else len(starts)
    first, last = task.block * per_block, (task.block + 1) * per_block
    return _BlockPlan(
        spans=[(start, min(start + size, end)) for start in starts[first:last]],
        next_start=starts[last] if last < len(starts) else None,
        n_blocks=-(-len(starts) // per_block),
        rate=encoder.sample_rate_hz,
    )


def score_block(task: BlockTask, scorer: Scorer) -> BlockScores:
    """Score the windows of one block; where the sound breaks off, those before it."""
    plan = _plan(task, scorer.audio)
    keys = [
        window_key(task.facts.content_hash, start, stop, 0, scorer.audio.settings_id)
        for start, stop in plan.spans
    ]
    known = _stored(task, keys, scorer.audio.n_dims)
    wanted = _with_signal(keys, task.traces)
    if task.traces is not None and set(wanted) <= set(known):
        found = _Heard([], {}, task.traces, len(keys))
        _add(found, wanted, [], known, scorer)
    else:
        found = _hear(task, plan, keys, known, scorer)
    logits = np.concatenate([np.empty((0, scorer.head.n_classes)), *found.logits])
    heard = _with_signal(plan.spans[: found.n_read], found.traces)
    ends = [end for _, end in heard]
    if heard and plan.next_start is not None and heard[-1] == plan.spans[-1]:
        ends[-1] = plan.next_start
    n_unheard = sum(max(0, start - end) for (start, _), end in zip(heard[1:], ends[:-1], strict=True))
    fresh = found.vectors if scorer.keep_vectors else {}
    return BlockScores(
        content_hash=task.facts.content_hash,
        block=task.block,
        n_blocks=plan.n_blocks,
        start_s=np.array([start for start, _ in heard], dtype=np.float64) / plan.rate,
        end_s=np.array([stop for _, stop in heard], dtype=np.float64) / plan.rate,
        logits=logits,
        heard_s=(ends[-1] - heard[0][0] - n_unheard) / plan.rate if heard else 0.0,
        traces=found.traces,
        reason=found.reason,
        message=found.message,
        keys=tuple(fresh),
        vectors=np.stack(list(fresh.values())) if fresh else None,
        is_final=found.is_final,
    )


def _with_signal(of_windows: list[Any], traces: Traces | None) -> list[Any]:
    """What belongs to the windows that hold a signal, as far as is known."""
    silent = set(traces.silent) if traces is not None else set()
    return [value for number, value in enumerate(of_windows) if number not in silent]


def _stored(task: BlockTask, keys: Sequence[str], n_dims: int) -> dict[str, np.ndarray]:
    """Vectors of the block that the store has."""
    found: dict[str, np.ndarray] = {}
    if task.stored_parts:
        from vernal.audio.embedding.store import vectors_in

        for part in task.stored_parts:
            found |= vectors_in(as_path(part), set(keys) - set(found), n_dims)
    return found


@dataclass
class _Heard:
    """What came of reading a block: logits piece by piece, new vectors by key, and why it ended early.

    `n_read`: windows that were read, silent ones too.
    """

    logits: list[np.ndarray]
    vectors: dict[str, np.ndarray]
    traces: Traces
    n_read: int = 0
    reason: str = ""
    message: str = ""
    is_final: bool = True


def _hear(
    task: BlockTask, plan: _BlockPlan, keys: list[str], known: Mapping[str, np.ndarray], scorer: Scorer
) -> _Heard:
    """Read all of a block, since filter and level need every sample; encode the windows that are not known."""
    heard = _Heard([], {}, Traces((0.0, 0.0, 0.0)))
    silent: list[int] = []
    try:
        with AudioReader(task.path, plan.rate) as reader:
            if reader.facts.sample_rate_hz != plan.rate:
                _compile_resampler()
            sound = _Sound(reader, task, plan, scorer.audio)
            try:
                for at in range(0, len(keys), _BATCH):
                    windows, error = sound.windows(plan.spans[at : at + _BATCH])
                    numbers = [number for number, window in enumerate(windows) if np.ptp(window) > _NO_SIGNAL]
                    silent += [at + number for number in range(len(windows)) if number not in set(numbers)]
                    heard.n_read += len(windows)
                    _add(heard, [keys[at + n] for n in numbers], [windows[n] for n in numbers], known, scorer)
                    if error is not None:
                        raise error
            finally:
                heard.traces = dataclasses.replace(sound.traces, silent=tuple(silent))
    except AudioError as error:
        heard.reason, heard.message = error.reason, error.message
    except OSError as error:
        heard.reason, heard.message, heard.is_final = "unreadable", words(error), False
    return heard


def _add(
    heard: _Heard, keys: list[str], windows: list[np.ndarray], known: Mapping[str, np.ndarray], scorer: Scorer
) -> None:
    """Encode and score some windows."""
    if not keys:
        return
    missing = [number for number, key in enumerate(keys) if key not in known]
    fresh: dict[str, np.ndarray] = {}
    if missing:
        vectors = get_encoder(scorer.audio.source).embed(np.stack([windows[number] for number in missing]))
        fresh = {keys[number]: vector for number, vector in zip(missing, vectors, strict=True)}
    heard.logits.append(scorer.head.logits(np.stack([fresh[k] if k in fresh else known[k] for k in keys])))
    if scorer.keep_vectors:
        heard.vectors |= fresh


class _Sound:
    """The windows of a block, read forward and filtered if asked; notes level and the filter's state."""

    def __init__(
        self, reader: AudioReader, task: BlockTask, plan: _BlockPlan, audio: EmbeddingOptions
    ) -> None:
        self._meter = _Meter(reader)
        self._size = int(audio.facts.window_s * plan.rate)
        self._next_start = plan.next_start
        self._next_state: tuple[float, ...] = ()
        self._filtered: _ResumedFilter | None = None
        if not is_full_band(audio.fmin, audio.fmax):
            start = plan.spans[0][0] if plan.spans else 0
            self._filtered = _ResumedFilter(self._meter, audio, start, task.state)

    @property
    def traces(self) -> Traces:
        return Traces(self._meter.level, self._next_state)

    def windows(self, spans: Sequence[tuple[int, int]]) -> tuple[list[np.ndarray], AudioError | None]:
        """(size,) float32 each, zeros after the end; the error that ended the reading early, if one did."""
        found: list[np.ndarray] = []
        for start, stop in spans:
            try:
                found.append(whole_window(self._read(start, stop), self._size))
            except AudioError as error:
                return found, error
        return found, None

    def _read(self, start: int, stop: int) -> np.ndarray:
        if self._filtered is None:
            return self._meter.read(start, stop)
        if self._next_start is not None and not self._next_state and stop >= self._next_start:
            # Windows may overlap, so that the next block begins before the last window of this one ends.
            self._filtered.read(0, start, self._next_start)
            self._next_state = self._filtered.state
        return self._filtered.read(0, start, stop)


class _Meter:
    """A reader that notes how loud what it gave was."""

    def __init__(self, reader: AudioReader) -> None:
        self._reader = reader
        self._low, self._high, self._sum, self._n = np.inf, -np.inf, 0.0, 0

    def __getattr__(self, name: str):
        return getattr(self._reader, name)

    def read(self, start: int, stop: int) -> np.ndarray:
        samples = self._reader.read(start, stop)
        if len(samples):
            self._low = min(self._low, float(samples.min()))
            self._high = max(self._high, float(samples.max()))
            self._sum += float(samples.sum(dtype=np.float64))
            self._n += len(samples)
        return samples

    @property
    def level(self) -> tuple[float, float, float]:
        """Lowest, highest and mean sample; zeros where nothing was read or the numbers are not finite."""
        found = (self._low, self._high, self._sum / self._n if self._n else 0.0)
        return found if np.isfinite(found).all() else (0.0, 0.0, 0.0)


class _ResumedFilter(Filtered):
    """A filter that began at the start of the file and goes on in the middle of it."""

    def __init__(self, reader: _Meter, audio: EmbeddingOptions, start: int, state: tuple[float, ...]) -> None:
        super().__init__(reader, audio)  # type: ignore[arg-type]  # a meter reads as a reader does
        self._clip_start, self._start = 0, start
        self._filter = Bandpass(audio.fmin, audio.fmax, reader.sample_rate_hz)
        self._after = None
        if state:
            self._filter.state = state

    @property
    def state(self) -> tuple[float, ...]:
        return self._filter.state


@lru_cache(maxsize=1)
def _compile_resampler() -> None:
    """Compile the resampler in one process at a time (see `compiling.compiling_alone`)."""
    from vernal.audio.resampling import resampler
    from vernal.common.compiling import compiling_alone

    with compiling_alone():
        example = resampler(44_100, 48_000)
        first, last = example.input_span(0)
        example.block(np.zeros(last - first, dtype=np.float32), 0)
