"""Audio files: what they hold, and any part of one as 48 kHz mono samples.

Times are seconds from the start of the file. Everything is read block by block, so that neither a long
recording nor a header that claims one costs memory. Windows and resampling are those of BirdNET-Analyzer
2.4.0, so that its scores and ours are of the same sound.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from pathlib import Path

import numpy as np

from vernal.audio.decoder_noise import complaints_in_words
from vernal.audio.headers import IS_POINTER, is_pointer, open_sound
from vernal.audio.resampling import Resampler, resampler
from vernal.common.storage import local_copy

CLIP_S = 3.0
MIN_TAIL_S = 1.0
SAMPLE_RATE_HZ = 48_000

REASONS = (
    "not_found",
    "empty",
    "unreadable",
    "truncated",
    "too_short",
    "too_long",
    "not_finite",
    "silent",
    "changed",
)

BLOCK_VALUES = 1 << 18
# Some programs write integers of up to 32 bits into float files as they are; beyond them no unit is known.
MAX_AMPLITUDE = 2.0**32
_SAMPLE_RATES_HZ = (1_000, 1_000_000)
# libsndfile finds any sample of these exactly; in the others it is only sure of what it decoded in order.
_SEEKABLE_FORMATS = {"WAV", "WAVEX", "RF64", "W64", "FLAC", "AIFF", "AU", "CAF"}


def check_amplitude(lowest: float, highest: float) -> None:
    """Refuse samples that are no sound.

    Raises:
        AudioError: one is NaN, infinite or beyond `MAX_AMPLITUDE`.
    """
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise AudioError("not_finite", "holds values that are not numbers (NaN or infinite)")
    loudest = max(abs(lowest), abs(highest))
    if loudest > MAX_AMPLITUDE:
        raise AudioError(
            "not_finite", f"holds values that are no sound (up to {loudest:.3g}; full scale is 1)"
        )


class AudioError(ValueError):
    """A file that cannot be used. `reason` is one of `REASONS`; `message` says it in words."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

    def __reduce__(self):
        return type(self), (self.reason, self.message)


@dataclass(frozen=True, eq=False)
class Audio:
    """Sound in memory: (n,) or (n, channels) float32 in [-1, 1] at a rate."""

    samples: np.ndarray
    sample_rate_hz: int


@dataclass(frozen=True)
class AudioFacts:
    """Length and form of a recording; `n_frames` counts samples per channel.

    `n_passed_over`: places that are no sound, where the file was decoded.
    """

    duration_s: float
    sample_rate_hz: int
    channels: int
    n_frames: int
    n_passed_over: int = 0


def open_audio(path: Path):
    """Open a file with libsndfile; raises `AudioError` where that cannot be."""
    import soundfile

    if not path.is_file():
        raise AudioError("not_found", why_not_found(path))
    if path.stat().st_size == 0:
        raise AudioError("empty", "the file has 0 bytes")
    if is_pointer(path):
        raise AudioError("unreadable", IS_POINTER)
    try:
        file = open_sound(path)
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError) as error:
        raise AudioError("unreadable", f"not readable as audio: {reason_of(error)}") from error
    if not _SAMPLE_RATES_HZ[0] <= file.samplerate <= _SAMPLE_RATES_HZ[1]:
        rate = file.samplerate
        file.close()
        raise AudioError(
            "unreadable", f"the header gives a sample rate of {rate:,} Hz; expected 1 kHz to 1 MHz"
        )
    return file


def why_not_found(path: Path) -> str:
    """What is wrong with a path that leads to no file, in words."""
    if path.exists():
        return "not a file"
    # As `files.printable` writes a name that is no UTF-8.
    is_printed = re.search(r"\\x[89a-f][0-9a-f]", path.as_posix()) is not None
    return "its name is no UTF-8 text; rename the file" if is_printed else "no such file"


def reason_of(error: Exception) -> str:
    """What libsndfile says, without its full stop."""
    text = getattr(error, "error_string", None) or str(error)
    return text.strip().rstrip(".")


def probe_audio(path: Path | str) -> AudioFacts:
    """Read the header only; what it claims is not checked (see `vernal.audio.checks`).

    Raises:
        AudioError: no such file, or not audio.
    """
    with open_audio(local_copy(path)) as file:
        return AudioFacts(file.frames / file.samplerate, file.samplerate, file.channels, file.frames)


def to_mono(block: np.ndarray) -> np.ndarray:
    """(n, channels) to (n,): the mean of the channels."""
    if block.shape[1] == 1:
        return block[:, 0]
    with np.errstate(invalid="ignore", over="ignore"):  # the checks refuse what is not finite, by name
        return np.mean(block, axis=1)


class AudioReader:
    """Any stretch of a file as mono samples at one rate, holding only a few seconds in memory.

    A stretch is the same, bit for bit, however the file is asked for it. Reading forward decodes nothing
    twice. Use as a context manager. `sample_rate_hz` None is the file's own rate.
    """

    def __init__(self, path: Path | str, sample_rate_hz: int | None = SAMPLE_RATE_HZ) -> None:
        self.path = local_copy(path)
        self._file = open_audio(self.path)
        self.facts = AudioFacts(
            self._file.frames / self._file.samplerate,
            self._file.samplerate,
            self._file.channels,
            self._file.frames,
        )
        self.sample_rate_hz = sample_rate_hz or self.facts.sample_rate_hz
        self._can_seek = self._file.format in _SEEKABLE_FORMATS
        self._end: int | None = None  # frame where the audio ended, once seen
        self._step_frames = max(1, BLOCK_VALUES // self._file.channels)
        self._step = (0, np.empty(0, dtype=np.float32))
        self._kept = (0, np.empty(0, dtype=np.float32))  # first frame and samples of what was read last
        self._resampler: Resampler | None = None
        self._block = (-1, np.empty(0, dtype=np.float32))
        if self.facts.sample_rate_hz != self.sample_rate_hz:
            self._resampler = resampler(self.facts.sample_rate_hz, self.sample_rate_hz)

    def __enter__(self) -> "AudioReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    @property
    def n_samples(self) -> int:
        """Length at `sample_rate_hz`, by the header or, once the end was read, by what is there."""
        n_frames = self.facts.n_frames if self._end is None else self._end
        return n_frames if self._resampler is None else self._resampler.n_outputs(n_frames)

    @property
    def note(self) -> str:
        """What the decoder has complained of so far, in words."""
        return complaints_in_words(self._file)

    @property
    def can_seek(self) -> bool:
        """Whether any place of the file is found at once; other formats are decoded from the start."""
        return self._can_seek

    @property
    def n_silent_more(self) -> int:
        """Samples of silence that BirdNET-Analyzer has after the end (see `Resampler.n_silent_more`)."""
        n_frames = self.facts.n_frames if self._end is None else self._end
        return 0 if self._resampler is None else self._resampler.n_silent_more(n_frames)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Samples `start` to `stop` at `sample_rate_hz`.

        Returns:
            (stop - start,) float32.
        Raises:
            AudioError: the audio ends before `stop`, or cannot be decoded.
        """
        samples = self._samples(start, stop)
        if self._end is not None and stop > self.n_samples:
            raise self._ended(stop)
        return samples

    def stream(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Samples from `start` to `stop` (None: the end) in pieces; the header's length is not relied on.

        Raises:
            AudioError: the audio ends more than 10 ms before `stop`, or cannot be decoded.
        """
        tolerance = self.sample_rate_hz // 100  # ends are often written as rounded seconds
        told = self.n_samples
        while stop is None or start < stop:
            end = start + BLOCK_VALUES if stop is None else min(start + BLOCK_VALUES, stop)
            if start < told:
                # Resampling the silence behind a short clip would cost more than the clip.
                end = min(end, told)
            samples = self._samples(start, end)
            if self._end is not None and end >= self.n_samples:
                if stop is not None and stop > self.n_samples + tolerance:
                    raise self._ended(stop)
                if start < self.n_samples:
                    yield samples[: self.n_samples - start]
                return
            yield samples
            start = end

    def _samples(self, start: int, stop: int) -> np.ndarray:
        return self._frames(start, stop) if self._resampler is None else self._resampled(start, stop)

    def _ended(self, wanted: int) -> AudioError:
        rate = self.sample_rate_hz
        return AudioError(
            "truncated",
            f"audio up to {wanted / rate:.3g} s was expected; it ends at {self.n_samples / rate:.3g} s",
        )

    def _resampled(self, start: int, stop: int) -> np.ndarray:
        assert self._resampler is not None
        size = self._resampler.block_outputs
        samples = np.empty(stop - start, dtype=np.float32)
        for block in range(start // size, -(-stop // size)):
            if self._block[0] != block:
                self._block = (
                    block,
                    self._resampler.block(self._frames(*self._resampler.input_span(block)), block),
                )
            first, last = max(start, block * size), min(stop, (block + 1) * size)
            samples[first - start : last - start] = self._block[1][first - block * size : last - block * size]
        if self._end is not None:
            # The reference fills the last, partial step with silence.
            whole = self._end * self._resampler.up // self._resampler.down
            samples[max(0, whole - start) :] = 0
        return samples

    def _frames(self, start: int, stop: int) -> np.ndarray:
        """Frames of the file as mono; zeros before its start and after its end."""
        samples = np.zeros(stop - start, dtype=np.float32)
        first, kept = self._kept
        low, high = max(start, first), min(stop, first + len(kept))
        if low < high:
            samples[low - start : high - start] = kept[low - first : high - first]
        position = max(high if low == max(start, 0) and low < high else start, 0)
        if position < stop and (self._end is None or position < self._end):
            fresh = self._decode(position, stop)
            samples[position - start : position - start + len(fresh)] = fresh
        known = min(stop, self._end) if self._end is not None else stop
        self._kept = (max(start, 0), samples[max(start, 0) - start : max(known - start, 0)])
        return samples

    def _decode(self, start: int, stop: int) -> np.ndarray:
        """Fresh frames of the file; fewer where it ends, which is then known."""
        import soundfile

        pieces = []
        try:
            while start < stop and (self._end is None or start < self._end):
                piece = self._next_frames(start, stop)
                pieces.append(piece)
                start += len(piece)
        except (soundfile.SoundFileError, RuntimeError) as error:
            at_s = start / self.facts.sample_rate_hz
            raise AudioError("truncated", f"the audio cannot be decoded after {at_s:.3g} s") from error
        return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.float32)

    def _next_frames(self, start: int, stop: int) -> np.ndarray:
        if not self._can_seek:
            first, step = self._step_with(start)
            return step[start - first : stop - first]
        if self._file.tell() != start:
            self._file.seek(min(start, self._file.frames))
        return self._read_here(min(stop - start, self._step_frames))

    def _step_with(self, frame: int) -> tuple[int, np.ndarray]:
        """The step that `frame` lies in: its first frame and its samples.

        Where a decoder has a memory, the last bits depend on how much is asked for at a time; so such files
        are always taken from the start in the same steps.
        """
        first, step = self._step
        if frame < first:
            self._file.close()
            self._file, first, step = open_audio(self.path), 0, np.empty(0, dtype=np.float32)
        while frame >= first + len(step) and self._end is None:
            first, step = first + len(step), self._read_here(self._step_frames)
        self._step = (first, step)
        return self._step

    def _read_here(self, n_frames: int) -> np.ndarray:
        position = self._file.tell()
        # Scaled here, 16 bits take a quarter of libsndfile's time, and have the same value.
        is_16_bit = self._can_seek and self._file.subtype == "PCM_16"
        block = self._file.read(n_frames, dtype="int16" if is_16_bit else "float32", always_2d=True)
        if len(block) < n_frames:
            self._end = position + len(block)
        return to_mono(block * np.float32(2**-15) if is_16_bit else block)


def load_clip(
    path: Path | str, start_s: float = 0.0, end_s: float | None = None, sample_rate_hz: int = SAMPLE_RATE_HZ
) -> np.ndarray:
    """Read a part of a file.

    Args:
        start_s, end_s: the part, seconds; `end_s` None or NaN is the end of the file.
    Returns:
        (n,) float32, mono (mean of the channels), resampled where the file has another rate.
    Raises:
        AudioError: the file cannot be read or ends before `end_s`.
    Source: `birdnet_analyzer.audio.open_audio_file`, which gives the same samples for a whole file.
    """
    start = 0 if start_s is None or np.isnan(start_s) else round(start_s * sample_rate_hz)
    stop = None if end_s is None or np.isnan(end_s) else round(end_s * sample_rate_hz)
    with AudioReader(path, sample_rate_hz) as reader:
        pieces = list(reader.stream(start, stop))
    return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.float32)


def n_samples_of(duration_s: float, sample_rate_hz: int = SAMPLE_RATE_HZ) -> int:
    """Samples that a recording of this length has at `sample_rate_hz`; a started sample counts.

    >>> n_samples_of(3.0), n_samples_of(441_001 / 44_100)
    (144000, 480002)
    """
    return ceil(round(duration_s * sample_rate_hz, 4))


@lru_cache(maxsize=4_096)
def window_starts(
    n_samples: int,
    sample_rate_hz: int,
    overlap_s: float = 0.0,
    window_s: float = CLIP_S,
    min_tail_s: float | None = None,
) -> tuple[int, ...]:
    """First sample of each window of a signal of `n_samples`.

    The last window may reach beyond the signal (it is padded with zeros) and is kept when at least
    `min_tail_s` of it is signal: if nothing is said 1 s, or a third of a window shorter than three. BirdNET-Analyzer
    gives no window at all for a signal shorter than that; here any signal gives one, since every clip must get a score.

    Source: `birdnet_analyzer.audio.split_signal`, the same arithmetic.

    >>> window_starts(5 * 48_000, 48_000)
    (0, 144000)
    >>> window_starts(int(3.9 * 48_000), 48_000)
    (0,)
    """
    if not 0 <= overlap_s < window_s:
        raise ValueError(
            f"overlap is {overlap_s} s; give at least 0 and less than the window's {window_s:g} s"
        )
    size = int(sample_rate_hz * window_s)
    step = int(sample_rate_hz * (window_s - overlap_s))
    if step < 1:
        raise ValueError(f"overlap is {overlap_s} s; windows of {window_s:g} s would not move on")
    tail_s = min(MIN_TAIL_S, window_s / 3) if min_tail_s is None else min_tail_s
    last = int((n_samples - size + step - 1) / step) * step
    if last < 0:
        last = 0
    elif n_samples - last < int(sample_rate_hz * tail_s):
        last -= step
    return tuple(range(0, max(last, 0) + 1, step)) if n_samples > 0 else ()


def cut_windows(
    duration_s: float, overlap_s: float = 0.0, window_s: float = CLIP_S, min_tail_s: float | None = None
) -> np.ndarray:
    """Start of each window of a recording, seconds; see `window_starts`.

    >>> cut_windows(7.0).tolist()
    [0.0, 3.0, 6.0]
    """
    starts = window_starts(n_samples_of(duration_s), SAMPLE_RATE_HZ, overlap_s, window_s, min_tail_s)
    return np.array(starts, dtype=np.float64) / SAMPLE_RATE_HZ
