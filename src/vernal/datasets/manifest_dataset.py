"""A manifest that a person wrote, or that their class folders say, as a catalog dataset."""

from typing import Any

import pandas as pd
from kedro.io import AbstractDataset

from vernal.clips.class_folders import read_class_folders
from vernal.clips.manifest import read_manifest
from vernal.common.storage import as_path
from vernal.datasets.atomic import WrittenByPeople
from vernal.datasets.previews import TablePreview, table_preview


class ManifestDataset(WrittenByPeople, AbstractDataset[None, pd.DataFrame | None]):
    """Loads a CSV or Parquet manifest, or that of class folders; None when neither is named. Never writes.

    >>> ManifestDataset(filepath=None).load() is None
    True
    """

    # A person's file beside the project: workers of a cluster are sent what it holds.
    is_read_where_started = True
    refusal = "A manifest belongs to the person who wrote it; the project does not write it."

    def __init__(
        self,
        filepath: str | None,
        folder: str | None = None,
        recorder_pattern: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._filepath = as_path(filepath) if filepath else None
        self._folder = as_path(folder) if folder else None
        self._recorder_pattern = recorder_pattern
        self.metadata = metadata

    def load(self) -> pd.DataFrame | None:
        if self._filepath is not None:
            return read_manifest(self._filepath)
        return None if self._folder is None else read_class_folders(self._folder, self._recorder_pattern)

    def preview(self) -> TablePreview:
        """The first rows, for Kedro-Viz; none where no manifest is named."""
        manifest = self.load()
        return table_preview(pd.DataFrame(columns=["file_path", "label"]) if manifest is None else manifest)

    def _exists(self) -> bool:
        if self._filepath is not None:
            return self._filepath.is_file()
        return self._folder is None or self._folder.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "folder": self._folder}
