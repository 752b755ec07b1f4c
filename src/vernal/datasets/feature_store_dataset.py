"""The store of spectral features, as a catalog dataset."""

from __future__ import annotations

from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import JSONPreview

from vernal.common.storage import as_path
from vernal.datasets.previews import folder_preview
from vernal.studies.features.feature_store import FeaturePart, FeatureStore


class FeatureStoreDataset(AbstractDataset[FeaturePart, FeatureStore]):
    """Saving appends a part; loading gives the store itself, from which sequences are read one by one.

    >>> FeatureStoreDataset(filepath="data/04_feature/features").load()
    FeatureStore('data/04_feature/features')
    """

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = as_path(filepath)
        self.metadata = metadata

    def load(self) -> FeatureStore:
        return FeatureStore(self._filepath)

    def save(self, data: FeaturePart) -> None:
        FeatureStore(self._filepath).append(data)

    def preview(self) -> JSONPreview:
        """How many files there are and how large they are, for Kedro-Viz."""
        return folder_preview(self._filepath)

    def _exists(self) -> bool:
        return self._filepath.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
