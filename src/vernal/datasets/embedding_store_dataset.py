"""The embedding store, as a catalog dataset."""

from __future__ import annotations

from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import TablePreview

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingPart
from vernal.common.storage import as_path
from vernal.datasets.previews import table_preview


class EmbeddingStoreDataset(AbstractDataset[EmbeddingPart, EmbeddingStore]):
    """Saving appends a part; loading gives the store itself, from which vectors are read by key.

    A node that yields parts appends each as soon as it is made, so an interrupted run keeps what it had. A
    store that nobody has written to yet is an empty one.

    >>> dataset = EmbeddingStoreDataset(filepath="data/04_feature/embeddings")
    >>> dataset.load()
    EmbeddingStore('data/04_feature/embeddings')
    """

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = as_path(filepath)
        self.metadata = metadata

    def load(self) -> EmbeddingStore:
        return EmbeddingStore(self._filepath)

    def save(self, data: EmbeddingPart) -> None:
        EmbeddingStore(self._filepath).append(data)

    def preview(self) -> TablePreview:
        """How much is stored, by audio settings, for Kedro-Viz."""
        return table_preview(self.load().info())

    def _exists(self) -> bool:
        return self._filepath.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
