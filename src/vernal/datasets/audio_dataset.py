"""One sound, as a WAV file."""

from __future__ import annotations

import io

import numpy as np

from vernal.audio.reading import Audio
from vernal.common.files import write_bytes
from vernal.common.storage import local_copy
from vernal.datasets.atomic import AtomicFile


class AudioDataset(AtomicFile[Audio, Audio]):
    """Loads any audio file as it is; saves 16-bit WAV, whole or not at all.

    >>> dataset = AudioDataset(filepath="tone.wav")
    >>> dataset.save(Audio(np.zeros(48_000, dtype=np.float32), 48_000))  # doctest: +SKIP
    >>> dataset.load().sample_rate_hz  # doctest: +SKIP
    48000
    """

    def _read(self) -> Audio:
        import soundfile

        samples, sample_rate_hz = soundfile.read(local_copy(self._filepath), dtype="float32")
        return Audio(samples, sample_rate_hz)

    def _write(self, data: Audio) -> None:
        # Beyond full scale is clipped, not wrapped round.
        samples = np.clip(np.asarray(data.samples, dtype=np.float32), -1.0, 1.0)
        write_bytes(self._filepath, wav_bytes(samples, data.sample_rate_hz))


def wav_bytes(samples: np.ndarray, sample_rate_hz: int) -> bytes:
    """Samples in [-1, 1] as a 16-bit WAV file."""
    import soundfile

    # Encoded in memory, because libsndfile reports a full disk as "System error".
    encoded = io.BytesIO()
    soundfile.write(encoded, samples, sample_rate_hz, subtype="PCM_16", format="WAV")
    return encoded.getvalue()
