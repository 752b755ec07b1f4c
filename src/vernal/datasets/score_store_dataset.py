"""The scores of long recordings, as a catalog dataset."""

from typing import Any

from vernal.datasets.atomic import StoreFolder
from vernal.field.detection.score_store import ScoreStore, StoredScores


class ScoreStoreDataset(StoreFolder[StoredScores, ScoreStore]):
    """Saving adds finished blocks; loading gives the store itself.

    A node that yields blocks keeps each as soon as it is finished, so that a run continues where it was stopped.

    >>> ScoreStoreDataset(path="data/07_model_output/detection/scores").load()
    ScoreStore('data/07_model_output/detection/scores')
    """

    store = ScoreStore

    def __init__(self, path: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(path, metadata)
        self._appended = ScoreStore(self._path)  # one for all blocks: it looks for what was abandoned once

    def _write(self, data: StoredScores) -> None:
        self._appended.append(data)
