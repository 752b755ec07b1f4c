"""Whether an audio file can be trusted: read to its end, and compared with what its own header says.

Recorders lose power and cards are pulled: a file may announce an hour and hold a minute. How a container says where it
ends differs, and decoders pass over most of it in silence, so it is read here.
"""

from pathlib import Path

import numpy as np

from vernal.audio.chunks import STREAMED, chunks_of
from vernal.audio.decoder_noise import n_complaints
from vernal.audio.headers import announced_samples, is_triggered, true_length
from vernal.audio.reading import (
    BLOCK_VALUES,
    AudioError,
    AudioFacts,
    check_amplitude,
    open_audio,
    reason_of,
    to_mono,
)
from vernal.common.settings import Number, Seconds, settings
from vernal.common.storage import local_copy


@settings("ingest")
class AudioChecks:
    """What `check_audio` accepts.

    `min_duration_s`, `max_duration_s`: shortest and longest recording, seconds; what is
    shorter than a window is padded with silence. `silence_db`: a recording
    counts as silent when its loudest sample, after the mean is removed, lies below this level in dB of
    full scale (a quiet night in a forest peaks near -30 dB, an MP3 of silence near -67 dB).
    """

    min_duration_s: Seconds = 0.1
    max_duration_s: Seconds = 90_000.0
    silence_db: Number = -60.0

    def __post_init__(self) -> None:
        if self.min_duration_s >= self.max_duration_s:
            raise ValueError(
                f"min_duration_s is {self.min_duration_s} and max_duration_s {self.max_duration_s}; "
                "give 0 <= min < max"
            )


def check_audio(path: Path | str, options: AudioChecks | None = None) -> AudioFacts:
    """Read a file to its end and say what is really there.

    Returns:
        Length by the samples that could be decoded.
    Raises:
        AudioError: the first of `REASONS` that applies.
    """
    options = options or AudioChecks()
    path = local_copy(path)
    with open_audio(path) as file:
        rate, channels, announced = file.samplerate, file.channels, file.frames
    tally = _Tally()
    limit = int(options.max_duration_s * rate)
    broken = _read_on(path, tally, limit, BLOCK_VALUES // channels)
    if broken:
        # One error voids a whole block; small steps find how far the audio goes.
        broken = _read_on(path, tally, limit, 1_024)
    duration_s = tally.n / rate
    if duration_s > options.max_duration_s:
        raise AudioError("too_long", f"longer than {options.max_duration_s:g} s")
    _raise_if_cut_off(path, tally.n, announced, rate, broken)
    if tally.n == 0:
        raise AudioError("empty", f"its header announces no samples ({path.stat().st_size:,} bytes in all)")
    if duration_s < options.min_duration_s:
        raise AudioError(
            "too_short", f"{duration_s:.3g} s long; ingest.min_duration_s is {options.min_duration_s:g}"
        )
    check_amplitude(*tally.extremes)
    if tally.peak_db < options.silence_db:
        raise AudioError("silent", f"its loudest sample is at {tally.peak_db:.0f} dB of full scale")
    return AudioFacts(duration_s, rate, channels, tally.n, tally.n_passed_over)


class _Tally:
    """What is learnt from the samples as they pass."""

    def __init__(self) -> None:
        self.n = 0
        self.n_passed_over = 0
        self._sum = 0.0
        self._low, self._high = np.inf, -np.inf

    def add(self, mono: np.ndarray) -> None:
        self.n += len(mono)
        self._sum += float(mono.sum(dtype=np.float64))
        # Unlike Python's, NumPy's minimum and maximum keep a NaN.
        self._low = float(np.minimum(self._low, mono.min()))
        self._high = float(np.maximum(self._high, mono.max()))

    @property
    def extremes(self) -> tuple[float, float]:
        return self._low, self._high

    @property
    def peak_db(self) -> float:
        return peak_db(self._low, self._high, self._sum / self.n)


def peak_db(lowest: float, highest: float, mean: float) -> float:
    """Level of the loudest sample in dB of full scale, once the mean is removed; -inf for silence.

    >>> round(peak_db(-0.4, 0.5, 0.0), 2), peak_db(0.1, 0.1, 0.1)
    (-6.02, -inf)
    """
    peak = max(highest - mean, mean - lowest)
    return 20 * float(np.log10(peak)) if peak > 0 else -np.inf


def _read_on(path: Path, tally: _Tally, limit: int, frames: int) -> str | None:
    """Feed a file to `tally`, from where that stands, to the end, an error (in words) or `limit` frames."""
    import soundfile

    with open_audio(path) as file:
        try:
            if tally.n:
                file.seek(tally.n)
            while tally.n <= limit:
                block = file.read(max(1, frames), dtype="float32", always_2d=True)
                if not len(block):
                    tally.n_passed_over = n_complaints(file)
                    return None
                tally.add(to_mono(block))
        except (soundfile.SoundFileError, RuntimeError) as error:
            return reason_of(error)
    return None


def _raise_if_cut_off(path: Path, n_frames: int, announced: int, rate: int, broken: str | None) -> None:
    """Compare what was decoded with what the file itself says it holds."""
    heard = f"{n_frames / rate:.3g} s"
    if broken and not n_frames:
        raise AudioError("unreadable", f"no audio can be decoded: {broken}")
    if broken:
        of_all = f" of {announced / rate:.3g} s" if announced < 1 << 62 else ""
        raise AudioError("truncated", f"the audio breaks off after {heard}{of_all}")
    form = _form(path)
    if form == "flac":
        announced = announced_samples(path) or announced
    if n_frames < announced and form != "mp3_without_length":
        raise AudioError("truncated", f"the header announces {announced / rate:.3g} s; {heard} are there")
    missing = _missing_bytes(path) if form == "chunks" else 0
    if missing:
        raise AudioError(
            "truncated", f"the header announces {missing:,} bytes more than the file has; {heard} are there"
        )
    if form == "ogg_cut_off":
        raise AudioError("truncated", f"the last Ogg page is missing or cut off; {heard} are there")


def length_in_words(path: Path | str, n_frames: int, announced: int, sample_rate_hz: int) -> str:
    """What a file's header says wrongly of its length, less or more than is there; empty where it is right."""
    lengths = true_length(path)
    if lengths is not None and is_triggered(Path(path)) is not None:
        whole_s = n_frames / sample_rate_hz
        sound_s = whole_s * lengths[0] / lengths[1]
        return f"a triggered recording of AudioMoth: {sound_s:.3g} s of sound in {whole_s:.3g} s"
    if lengths is not None:
        said_s = n_frames / sample_rate_hz * lengths[0] / lengths[1]
        return f"its header says {said_s:.3g} s; {n_frames / sample_rate_hz:.3g} s are there and were read"
    try:
        check_not_cut_off(path, n_frames, announced, sample_rate_hz)
    except AudioError as error:
        return error.message
    return ""


def check_not_cut_off(path: Path | str, n_frames: int, announced: int, sample_rate_hz: int) -> None:
    """Compare the frames that are there with what the file itself says it holds.

    Raises:
        AudioError: it holds less than that.
    """
    _raise_if_cut_off(Path(path), n_frames, announced, sample_rate_hz, None)


def _form(path: Path) -> str:
    """Tell how the container says where it ends."""
    with path.open("rb") as file:
        head = file.read(8_192)
        if head[:4] in (b"RIFF", b"RF64", b"FORM"):
            return "chunks"
        if head[:4] == b"OggS":
            return "ogg" if _ogg_is_closed(file) else "ogg_cut_off"
    if head[:4] == b"fLaC":
        return "flac"
    # An MPEG stream's length is a guess unless its first frame carries a count.
    is_counted = any(mark in _after_id3(path, head) for mark in (b"Xing", b"Info", b"VBRI"))
    return "mp3" if is_counted else "mp3_without_length"


def _after_id3(path: Path, head: bytes) -> bytes:
    if head[:3] != b"ID3" or len(head) < 10:
        return head
    size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    with path.open("rb") as file:
        file.seek(size + 10)
        return file.read(8_192)


def _missing_bytes(path: Path) -> int:
    """How many bytes of samples a RIFF or AIFF header announces beyond the end of the file.

    Some programs count the header itself among the samples; nothing is missing there.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        sound = b"SSND" if file.read(4) == b"FORM" else b"data"
        for chunk in chunks_of(file):
            if chunk.name == sound:
                if chunk.length in STREAMED:
                    return 0
                missing = chunk.start + (chunk.length or 0) - size
                return missing if missing > chunk.start else 0
    return 0


def _ogg_is_closed(file) -> bool:
    """Whether an Ogg file ends in a whole page that is marked as the last."""
    size = file.seek(0, 2)
    start = file.seek(max(0, size - 131_072))
    tail = file.read()
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27:
        return False
    n_segments = tail[at + 26]
    lengths = tail[at + 27 : at + 27 + n_segments]
    is_whole = len(lengths) == n_segments and start + at + 27 + n_segments + sum(lengths) <= size
    return is_whole and bool(tail[at + 5] & 4)
