"""A folder that holds exactly the files of the last run, as a catalog dataset."""

from collections.abc import Callable
from typing import Any

from vernal.common.files import inside, write_bytes
from vernal.common.storage import is_remote
from vernal.datasets.file_folder_dataset import FileFolderDataset


class WrittenFilesDataset(FileFolderDataset):
    """Saves relative path -> function that gives the bytes, and removes files of earlier runs; loads the folder's path.

    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = WrittenFilesDataset(path=tempfile.mkdtemp())
    >>> folder.save({"a/one.txt": lambda: b"1"})
    >>> folder.save({"two.txt": lambda: b"2"})
    >>> sorted(file.name for file in Path(folder.load()).rglob("*.txt"))
    ['two.txt']
    """

    def _write(self, data: dict[str, Callable[[], Any]]) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        wanted = {inside(self._path, name): make for name, make in data.items()}
        for file, make in wanted.items():
            write_bytes(file, make())
        for file in sorted(self._path.rglob("*"), reverse=True):
            if file.is_file() and file not in wanted:
                file.unlink()
            elif not is_remote(file) and file.is_dir() and not any(file.iterdir()):
                file.rmdir()
