"""The library of networks of the features study, as a catalog dataset."""

from __future__ import annotations

from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import JSONPreview

from vernal.datasets.previews import folder_preview
from vernal.features.fit_library import FitLibrary
from vernal.features.fitting import FailedFit, Fit
from vernal.storage import as_path


class FitLibraryDataset(AbstractDataset[list[Fit | FailedFit], FitLibrary]):
    """Loads the library; saving adds to it, so that a node can hand over networks as they are finished.

    >>> import tempfile
    >>> FitLibraryDataset(path=tempfile.mkdtemp()).load().keys()
    set()
    """

    def __init__(self, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = as_path(path)
        self.metadata = metadata

    def load(self) -> FitLibrary:
        return FitLibrary(self._path)

    def save(self, data: list[Fit | FailedFit]) -> None:
        FitLibrary(self._path).add(data)

    def preview(self) -> JSONPreview:
        """How many files there are and how large they are, for Kedro-Viz."""
        return folder_preview(self._path)

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": self._path}
