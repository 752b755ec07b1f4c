"""The embedding store, as a catalog dataset."""

from typing import Any

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingPart
from vernal.datasets.atomic import AtomicFolder
from vernal.datasets.previews import TablePreview, table_preview


class EmbeddingStoreDataset(AtomicFolder[EmbeddingPart, EmbeddingStore]):
    """Saving appends a part; loading gives the store itself, from which vectors are read by key.

    A node that yields parts appends each as soon as it is made, so an interrupted run keeps what it had. A
    store that nobody has written to yet is an empty one.

    >>> dataset = EmbeddingStoreDataset(filepath="data/04_feature/embeddings")
    >>> dataset.load()
    EmbeddingStore('data/04_feature/embeddings')
    """

    loads_before_written = only_grows = True

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath, metadata)

    def _read(self) -> EmbeddingStore:
        return EmbeddingStore(self._path)

    def _write(self, data: EmbeddingPart) -> None:
        EmbeddingStore(self._path).append(data)

    def preview(self) -> TablePreview:
        """How much is stored, by audio settings, for Kedro-Viz."""
        return table_preview(self.load().info())
