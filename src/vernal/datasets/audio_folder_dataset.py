"""A folder of WAV files that the project makes itself, as a catalog dataset."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from kedro.io import AbstractDataset
from kedro_datasets._typing import JSONPreview

from vernal.datasets.previews import folder_preview
from vernal.files import is_inside, write_bytes
from vernal.storage import as_path


class AudioFolderDataset(AbstractDataset[dict[str, Callable[[], np.ndarray]], str]):
    """Saves relative path -> function that gives the samples; loads the folder's path.

    A file that exists is left as it is and its function is not called: whoever saves names a file after all
    that determines its sound. Samples are float32 in [-1, 1], one channel, written as 16-bit PCM.

    >>> import tempfile
    >>> folder = AudioFolderDataset(path=tempfile.mkdtemp(), sample_rate_hz=48_000)
    >>> folder.save({"a/tone.wav": lambda: np.zeros(480, dtype="float32")})
    >>> [path.name for path in as_path(folder.load()).rglob("*.wav")]
    ['tone.wav']
    """

    def __init__(self, path: str, sample_rate_hz: int, metadata: dict[str, Any] | None = None) -> None:
        self._path = as_path(path)
        self._sample_rate_hz = sample_rate_hz
        self.metadata = metadata

    def load(self) -> str:
        return self._path.as_posix()

    def save(self, data: dict[str, Callable[[], np.ndarray]]) -> None:
        import soundfile

        self._path.mkdir(parents=True, exist_ok=True)
        for name, render in data.items():
            file = self._path / name
            if not is_inside(file, self._path):
                raise ValueError(f"{name!r} leads out of {self._path}; give a path inside it")
            if file.exists():
                continue
            # Encoded in memory, because libsndfile reports a full disk as "System error".
            encoded = io.BytesIO()
            soundfile.write(encoded, render(), self._sample_rate_hz, subtype="PCM_16", format="WAV")
            write_bytes(file, encoded.getvalue())

    def preview(self) -> JSONPreview:
        """How many files there are and how large they are, for Kedro-Viz."""
        return folder_preview(self._path)

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": self._path, "sample_rate_hz": self._sample_rate_hz}
