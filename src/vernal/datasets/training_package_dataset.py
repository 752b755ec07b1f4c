"""A folder of training audio for other programs, as a catalog dataset."""

from __future__ import annotations

from typing import Any

import pandas as pd
from kedro.io import AbstractDataset
from kedro_datasets._typing import TablePreview

from vernal.clips.training_package import INDEX_NAME, TrainingPackage, write_training_package
from vernal.common.storage import as_path, local_copy, on_disk
from vernal.datasets.previews import table_preview


class TrainingPackageDataset(AbstractDataset[TrainingPackage, pd.DataFrame | None]):
    """Saves a package as folders of links or copies; loads the index of the one that is there, or None.

    A package that nobody asked for (mode None) writes nothing and leaves an earlier one alone.
    """

    def __init__(self, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = as_path(path)
        self.metadata = metadata

    def load(self) -> pd.DataFrame | None:
        index = self._path / INDEX_NAME
        return pd.read_csv(local_copy(index)) if index.is_file() else None

    def save(self, data: TrainingPackage) -> None:
        if data.mode is None:
            return
        folder = on_disk(self._path, "A training package of links and copies")
        write_training_package(data.clips, data.roots, folder, data.target_label, data.mode)

    def preview(self) -> TablePreview:
        """The first rows of the index, for Kedro-Viz; none where nobody asked for a package."""
        index = self.load()
        return table_preview(pd.DataFrame(columns=["file_path"]) if index is None else index)

    def _exists(self) -> bool:
        return (self._path / INDEX_NAME).is_file()

    def _describe(self) -> dict[str, Any]:
        return {"path": self._path}
