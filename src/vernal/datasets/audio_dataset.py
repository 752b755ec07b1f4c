"""One sound, as a WAV file."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from kedro.io import AbstractDataset

from vernal.audio.reading import Audio
from vernal.common.files import write_bytes
from vernal.common.storage import as_path, local_copy


class AudioDataset(AbstractDataset[Audio, Audio]):
    """Loads any audio file as it is; saves 16-bit WAV, whole or not at all.

    >>> dataset = AudioDataset(filepath="tone.wav")
    >>> dataset.save(Audio(np.zeros(48_000, dtype=np.float32), 48_000))  # doctest: +SKIP
    >>> dataset.load().sample_rate_hz  # doctest: +SKIP
    48000
    """

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = as_path(filepath)
        self.metadata = metadata

    def load(self) -> Audio:
        import soundfile

        samples, sample_rate_hz = soundfile.read(local_copy(self._filepath), dtype="float32")
        return Audio(samples, sample_rate_hz)

    def save(self, data: Audio) -> None:
        import soundfile

        file = io.BytesIO()
        # Beyond full scale is clipped, not wrapped round.
        samples = np.clip(np.asarray(data.samples, dtype=np.float32), -1.0, 1.0)
        soundfile.write(file, samples, data.sample_rate_hz, format="WAV", subtype="PCM_16")
        write_bytes(self._filepath, file.getvalue())

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
