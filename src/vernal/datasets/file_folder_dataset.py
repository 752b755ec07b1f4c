"""A folder of files that the project makes itself, byte by byte, as a catalog dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import JSONPreview

from vernal.common.files import inside, write_bytes
from vernal.common.storage import as_path
from vernal.datasets.previews import folder_preview


class FileFolderDataset(AbstractDataset[dict[str, Callable[[], bytes]], str]):
    """Saves relative path -> function that gives the bytes; loads the folder's path.

    A file that exists is left as it is and its function is not called: whoever saves names a file after all that
    determines its content.

    >>> import tempfile
    >>> folder = FileFolderDataset(path=tempfile.mkdtemp())
    >>> folder.save({"a/one.txt": lambda: b"1"})
    >>> (as_path(folder.load()) / "a" / "one.txt").read_bytes()
    b'1'
    """

    def __init__(self, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = as_path(path)
        self.metadata = metadata

    def load(self) -> str:
        return self._path.as_posix()

    def save(self, data: dict[str, Callable[[], bytes]]) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        for name, make in data.items():
            file = inside(self._path, name)
            if not file.exists():
                write_bytes(file, make())

    def preview(self) -> JSONPreview:
        """How many files there are and how large they are, for Kedro-Viz."""
        return folder_preview(self._path)

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": self._path}
