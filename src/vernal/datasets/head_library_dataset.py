"""The library of trained heads, as a catalog dataset."""

from __future__ import annotations

from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import JSONPreview

from vernal.datasets.previews import folder_preview
from vernal.storage import as_path
from vernal.training.chunk import FailedHead, FittedHead
from vernal.training.head_library import HeadLibrary


class HeadLibraryDataset(AbstractDataset[list[FittedHead | FailedHead], HeadLibrary]):
    """Loads the library; saving adds to it, so that a node can hand over heads as they are finished.

    >>> import tempfile
    >>> HeadLibraryDataset(path=tempfile.mkdtemp()).load().keys()
    set()
    """

    def __init__(self, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = as_path(path)
        self.metadata = metadata

    def load(self) -> HeadLibrary:
        return HeadLibrary(self._path)

    def save(self, data: list[FittedHead | FailedHead]) -> None:
        HeadLibrary(self._path).add(data)

    def preview(self) -> JSONPreview:
        """How many files there are and how large they are, for Kedro-Viz."""
        return folder_preview(self._path)

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": self._path}
