"""What the project's datasets share: a place on disk or in an object store that is written whole or not at all.

A format adds two functions, `_read` and `_write`. Where it lies, whether it is there, what is said where it is not,
and who may write it are settled here.
"""

from pathlib import Path
from typing import Any, ClassVar, Generic, NoReturn, TypeVar

from kedro.io import AbstractDataset, DatasetError

from vernal.common.storage import as_path
from vernal.datasets.previews import JSONPreview, folder_preview

Saved = TypeVar("Saved")
Loaded = TypeVar("Loaded")


class _AtomicDataset(AbstractDataset[Saved, Loaded], Generic[Saved, Loaded]):
    """Loads with `_read` and saves with `_write`.

    `loads_before_written`: what no run has written yet loads as an empty one instead of being a mistake.
    `exists_before_written`: such a one also counts as there.
    `is_read_where_started`: a person's file beside the project; workers of a cluster are sent what it holds.
    `only_grows`: a store whose files are named by what they hold and never changed.
    """

    loads_before_written: ClassVar[bool] = False
    exists_before_written: ClassVar[bool] = False
    is_read_where_started: ClassVar[bool] = False
    only_grows: ClassVar[bool] = False
    metadata: dict[str, Any] | None

    def load(self) -> Loaded:
        if not self.loads_before_written and not self._is_there():
            raise absent(self.place)
        return self._read()

    def save(self, data: Saved) -> None:
        self._write(data)

    @property
    def place(self) -> Path:
        """The file or folder."""
        raise NotImplementedError

    def contents(self) -> list[Path]:
        """The files that loading reads, sorted; those that are not there may be among them."""
        raise NotImplementedError

    def _read(self) -> Loaded:
        raise NotImplementedError

    def _write(self, data: Saved) -> None:
        raise NotImplementedError

    def _is_there(self) -> bool:
        raise NotImplementedError

    def _exists(self) -> bool:
        return self.exists_before_written or self._is_there()


class AtomicFile(_AtomicDataset[Saved, Loaded]):
    """One file.

    Args:
        filepath: the file; `s3://...` and other addresses of object stores as well.
        metadata: for Kedro-Viz and the documentation.
    """

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = as_path(filepath)
        self.metadata = metadata

    @property
    def place(self) -> Path:
        return self._filepath

    def contents(self) -> list[Path]:
        return [self._filepath]

    def _is_there(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}


class AtomicFolder(_AtomicDataset[Saved, Loaded]):
    """One folder.

    Args:
        path: the folder; `s3://...` and other addresses of object stores as well.
        metadata: for Kedro-Viz and the documentation.
    """

    def __init__(self, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = as_path(path)
        self.metadata = metadata

    @property
    def place(self) -> Path:
        return self._path

    def contents(self) -> list[Path]:
        return sorted(
            file for file in self._path.rglob("*") if file.is_file() and not file.name.startswith(".")
        )

    def _is_there(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": self._path}


class StoreFolder(AtomicFolder[Saved, Loaded]):
    """A store that only grows: loading gives the store itself, saving adds to it.

    A node that yields parts keeps each as soon as it is finished, so that an interrupted run goes on from there.
    `store` makes it from its folder and `adds_with` is the name of its method; a store that nobody has written to yet
    is an empty one.
    """

    store: ClassVar[type]
    adds_with: ClassVar[str] = "append"
    loads_before_written = only_grows = True

    def _read(self) -> Loaded:
        return self.store(self._path)

    def _write(self, data: Saved) -> None:
        getattr(self._read(), self.adds_with)(data)

    def preview(self) -> JSONPreview:
        """How many files there are and how large they are, for Kedro-Viz."""
        return folder_preview(self._path)


class WrittenByPeople:
    """Stands before a format that the project reads and never writes; `refusal` says whose it is."""

    refusal: ClassVar[str]

    def save(self, data: None) -> NoReturn:
        raise DatasetError(self.refusal)


def absent(path: Path) -> DatasetError:
    """The error to raise where `path` should be and is not."""
    return DatasetError(f"{path} does not exist yet; run the pipeline that writes it.")
