"""A folder of WAV files that the project makes itself, as a catalog dataset."""

import io
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from vernal.datasets.file_folder_dataset import FileFolderDataset


class AudioFolderDataset(FileFolderDataset):
    """Saves relative path -> function that gives the samples; loads the folder's path.

    As in `FileFolderDataset`, a file that exists is left as it is. Samples are float32 in [-1, 1], one channel,
    written as 16-bit PCM.

    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = AudioFolderDataset(path=tempfile.mkdtemp(), sample_rate_hz=48_000)
    >>> folder.save({"a/tone.wav": lambda: np.zeros(480, dtype="float32")})
    >>> [path.name for path in Path(folder.load()).rglob("*.wav")]
    ['tone.wav']
    """

    def __init__(self, path: str, sample_rate_hz: int, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(path, metadata)
        self._sample_rate_hz = sample_rate_hz

    def _write(self, data: dict[str, Callable[[], Any]]) -> None:
        super()._write({name: partial(_wav, render, self._sample_rate_hz) for name, render in data.items()})

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "sample_rate_hz": self._sample_rate_hz}


def _wav(render: Callable[[], np.ndarray], sample_rate_hz: int) -> bytes:
    import soundfile

    # Encoded in memory, because libsndfile reports a full disk as "System error".
    encoded = io.BytesIO()
    soundfile.write(encoded, render(), sample_rate_hz, subtype="PCM_16", format="WAV")
    return encoded.getvalue()
