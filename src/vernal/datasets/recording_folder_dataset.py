"""A folder of recordings, as a catalog dataset."""

from typing import Any

import pandas as pd
from kedro.io import AbstractDataset

from vernal.clips.recordings import list_recordings
from vernal.common.storage import as_path
from vernal.datasets.atomic import WrittenByPeople
from vernal.datasets.previews import TablePreview, table_preview


class RecordingFolderDataset(WrittenByPeople, AbstractDataset[None, pd.DataFrame | None]):
    """Loads the list of a folder's audio files; None when no folder is named. Never writes.

    >>> RecordingFolderDataset(path=None).load() is None
    True
    """

    refusal = "Recordings are never written by the project."

    def __init__(
        self, path: str | None, recorder_pattern: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self._path = as_path(path) if path else None
        self._recorder_pattern = recorder_pattern
        self.metadata = metadata

    def load(self) -> pd.DataFrame | None:
        if self._path is None:
            return None
        return list_recordings(self._path, recorder_pattern=self._recorder_pattern)

    def preview(self) -> TablePreview:
        """The first recordings, for Kedro-Viz; none where no folder is named."""
        recordings = self.load()
        return table_preview(pd.DataFrame(columns=["file_path"]) if recordings is None else recordings)

    def _exists(self) -> bool:
        return self._path is None or self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": self._path}
