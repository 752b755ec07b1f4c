"""A folder of files that the project makes itself, byte by byte, as a catalog dataset."""

from collections.abc import Callable
from typing import Any

from vernal.common.files import inside, write_bytes
from vernal.datasets.atomic import AtomicFolder
from vernal.datasets.previews import JSONPreview, folder_preview


class FileFolderDataset(AtomicFolder[dict[str, Callable[[], Any]], str]):
    """Saves relative path -> function that gives the bytes; loads the folder's path.

    A file that exists is left as it is and its function is not called: whoever saves names a file after all that
    determines its content.

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
        for name, make in data.items():
            file = inside(self._path, name)
            if not file.exists():
                write_bytes(file, make())

    def preview(self) -> JSONPreview:
        """How many files there are and how large they are, for Kedro-Viz."""
        return folder_preview(self._path)
