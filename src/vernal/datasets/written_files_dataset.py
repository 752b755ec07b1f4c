"""A folder that holds exactly the files of the last run, as a catalog dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import JSONPreview

from vernal.datasets.previews import folder_preview
from vernal.files import is_inside, write_bytes
from vernal.storage import as_path, is_remote


class WrittenFilesDataset(AbstractDataset[dict[str, Callable[[], bytes]], str]):
    """Saves relative path -> function that gives the bytes, and removes files of earlier runs; loads the folder's path.

    >>> import tempfile
    >>> folder = WrittenFilesDataset(path=tempfile.mkdtemp())
    >>> folder.save({"a/one.txt": lambda: b"1"})
    >>> folder.save({"two.txt": lambda: b"2"})
    >>> sorted(file.name for file in as_path(folder.load()).rglob("*.txt"))
    ['two.txt']
    """

    def __init__(self, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = as_path(path)
        self.metadata = metadata

    def load(self) -> str:
        return self._path.as_posix()

    def save(self, data: dict[str, Callable[[], bytes]]) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        wanted = {self._path / name for name in data}
        for file in wanted:
            if not is_inside(file, self._path):
                raise ValueError(f"{file} leads out of {self._path}; give a path inside it")
        for name, make in data.items():
            write_bytes(self._path / name, make())
        for file in sorted(self._path.rglob("*"), reverse=True):
            if file.is_file() and file not in wanted:
                file.unlink()
            elif not is_remote(file) and file.is_dir() and not any(file.iterdir()):
                file.rmdir()

    def preview(self) -> JSONPreview:
        """How many files there are and how large they are, for Kedro-Viz."""
        return folder_preview(self._path)

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": self._path}
