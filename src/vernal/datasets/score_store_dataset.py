"""The scores of long recordings, as a catalog dataset."""

from __future__ import annotations

from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import JSONPreview

from vernal.common.storage import as_path
from vernal.datasets.previews import folder_preview
from vernal.field.detection.score_store import ScoreStore, StoredScores


class ScoreStoreDataset(AbstractDataset[StoredScores, ScoreStore]):
    """Saving adds finished blocks; loading gives the store itself.

    A node that yields blocks keeps each as soon as it is finished, so that a run continues where it was stopped.

    >>> ScoreStoreDataset(path="data/07_model_output/detection/scores").load()
    ScoreStore('data/07_model_output/detection/scores')
    """

    def __init__(self, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = as_path(path)
        self._store = ScoreStore(self._path)
        self.metadata = metadata

    def load(self) -> ScoreStore:
        return ScoreStore(self._path)

    def save(self, data: StoredScores) -> None:
        self._store.append(data)

    def preview(self) -> JSONPreview:
        """How many files there are and how large they are, for Kedro-Viz."""
        return folder_preview(self._path)

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": self._path}
