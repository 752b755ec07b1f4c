"""What libraries of trained things have in common as catalog datasets."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar

from kedro.io import AbstractDataset
from kedro_datasets._typing import JSONPreview

from vernal.common.storage import as_path
from vernal.datasets.previews import folder_preview

Result = TypeVar("Result")
Library = TypeVar("Library")


class LibraryDataset(AbstractDataset[list[Result], Library], Generic[Result, Library]):
    """Loads a library; saving adds to it, so that a node can hand over results as they are finished.

    A subclass names the class of its library, which is made of a folder and has `add`.
    """

    library: ClassVar[type]

    def __init__(self, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = as_path(path)
        self.metadata = metadata

    def load(self) -> Library:
        return self.library(self._path)

    def save(self, data: list[Result]) -> None:
        self.library(self._path).add(data)

    def preview(self) -> JSONPreview:
        """How many files there are and how large they are, for Kedro-Viz."""
        return folder_preview(self._path)

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": self._path}
