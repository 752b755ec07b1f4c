"""A folder of files that the project makes itself, byte by byte, as a catalog dataset."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from vernal.common.files import inside, write_bytes
from vernal.common.workers import cores
from vernal.datasets.atomic import AtomicFolder
from vernal.datasets.previews import JSONPreview, folder_preview


class FileFolderDataset(AtomicFolder[dict[str, Callable[[], Any]], str]):
    """Saves relative path -> function that gives the bytes; loads the folder's path.

    A file that exists is left as it is and its function is not called: whoever saves names a file after all that
    determines its content. Files that are saved together are made in as many threads as there are cores.

    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = FileFolderDataset(path=tempfile.mkdtemp())
    >>> folder.save({"a/one.txt": lambda: b"1"})
    >>> (Path(folder.load()) / "a" / "one.txt").read_bytes()
    b'1'
    """

    loads_before_written = True

    def _read(self) -> str:
        return self._path.as_posix()

    def _write(self, data: dict[str, Callable[[], Any]]) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        files = [(inside(self._path, name), make) for name, make in data.items()]
        missing = [(file, make) for file, make in files if not file.exists()]
        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(lambda item: write_bytes(item[0], item[1]()), missing))

    def preview(self) -> JSONPreview:
        """How many files there are and how large they are, for Kedro-Viz."""
        return folder_preview(self._path)
