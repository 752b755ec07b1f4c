"""The sound of a clip with what came before and after it, and its spectrogram, as a browser takes them."""

import io
import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vernal.audio.bandpass import band_of
from vernal.audio.reading import SAMPLE_RATE_HZ, AudioError, load_clip, probe_audio
from vernal.common.problems import InputError

WINDOW = 2_048
HOP = 480
FLOOR_DB = -120.0
MAX_S = 120.0
_KEPT = 48


@dataclass(frozen=True)
class Excerpt:
    """A stretch of a recording: the clip itself from `start_s` to `end_s`, heard from `from_s` to `to_s`."""

    path: Path
    start_s: float
    end_s: float
    from_s: float
    to_s: float


def place_excerpt(path: Path, start_s: float | None, end_s: float | None, context_s: float) -> Excerpt:
    """Add context on both sides, as far as the recording reaches; a missing start or end is the file's.

    Raises:
        InputError: the file cannot be read, or the clip lies outside it or is longer than two minutes.
    """
    try:
        duration_s = probe_audio(path).duration_s
    except AudioError as error:
        raise InputError(f"{path.name}: {error.message}.") from error
    start = 0.0 if start_s is None or math.isnan(start_s) else start_s
    end = duration_s if end_s is None or math.isnan(end_s) else min(end_s, duration_s)
    if not 0 <= start < end:
        raise InputError(
            f"{path.name} lasts {duration_s:.3g} s and has nothing from {start:.3g} to {end:.3g} s."
        )
    if end - start > MAX_S:
        raise InputError(
            f"{path.name}: a clip of {end - start:.0f} s is too long to review; cut it to {MAX_S:.0f} s."
        )
    return Excerpt(path, start, end, max(0.0, start - context_s), min(duration_s, end + context_s))


class _Decoded:
    """Samples that are there, or are being decoded by whoever holds the lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.samples: NDArray[np.float32] | None = None


class Sounds:
    """Decoded excerpts, the last few kept, so that sound, filter and spectrogram decode once."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Excerpt, _Decoded] = OrderedDict()
        self._lock = threading.Lock()

    def samples(self, excerpt: Excerpt) -> NDArray[np.float32]:
        """(n,) float32 mono at 48 kHz, context included.

        Raises:
            InputError: the audio cannot be decoded.
        """
        with self._lock:
            decoded = self._kept.setdefault(excerpt, _Decoded())
            self._kept.move_to_end(excerpt)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        # Whoever asks for the same sound waits for it; others do not.
        with decoded.lock:
            if decoded.samples is None:
                try:
                    decoded.samples = load_clip(excerpt.path, excerpt.from_s, excerpt.to_s)
                except AudioError as error:
                    raise InputError(f"{excerpt.path.name}: {error.message}.") from error
            return decoded.samples

    def wav(self, excerpt: Excerpt, low_hz: float, high_hz: float) -> bytes:
        """The excerpt as a WAV file, of a band alone; 0 to 15,000 Hz leaves it as it is."""
        import soundfile

        try:
            filtered = band_of(self.samples(excerpt), low_hz, high_hz)
        except ValueError as error:
            raise InputError(f"This band cannot be heard alone: {error}.") from error
        file = io.BytesIO()
        soundfile.write(file, np.clip(filtered, -1, 1), SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
        return file.getvalue()

    def spectrogram(self, excerpt: Excerpt) -> NDArray[np.uint8]:
        """See `spectrogram`."""
        return spectrogram(self.samples(excerpt))


def shown_top_hz(band_hz: Sequence[float] | None) -> int:
    """Up to which frequency a spectrogram is best shown: well above the call, so that others are told from it.

    >>> shown_top_hz([200.0, 1200.0]), shown_top_hz([8000.0, 9000.0]), shown_top_hz(None)
    (4800, 24000, 12000)
    """
    return 12_000 if band_hz is None else int(min(max(4 * band_hz[1], 4_000), 24_000))


def spectrogram(samples: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Levels over frequency and time, Hann windows of 43 ms every 10 ms.

    Args:
        samples: (n,) mono at 48 kHz.
    Returns:
        (n_frames, n_bins) from -120 dB of full scale (0) to 0 dB (255); a full-scale tone has 0 dB. Frame `i` is
        centred on `i * HOP` samples, bin `k` on `k * 48,000 / WINDOW` Hz.
    """
    n_frames = len(samples) // HOP + 1
    padded = np.pad(np.asarray(samples, dtype=np.float32), WINDOW // 2)
    padded = np.pad(padded, (0, max(0, (n_frames - 1) * HOP + WINDOW - len(padded))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[: n_frames * HOP : HOP]
    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    magnitude = np.abs(np.fft.rfft(frames * window, axis=1)) * (2 / window.sum())
    level_db = 20 * np.log10(np.maximum(magnitude, 10 ** (FLOOR_DB / 20)))
    return np.rint(np.clip((level_db - FLOOR_DB) / -FLOOR_DB, 0, 1) * 255).astype(np.uint8)
