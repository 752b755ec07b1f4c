"""The store of spectral features, as a catalog dataset."""

from __future__ import annotations

from typing import Any

from vernal.datasets.atomic import StoreFolder
from vernal.studies.features.feature_store import FeaturePart, FeatureStore


class FeatureStoreDataset(StoreFolder[FeaturePart, FeatureStore]):
    """Saving appends a part; loading gives the store itself, from which sequences are read one by one.

    >>> FeatureStoreDataset(filepath="data/04_feature/features").load()
    FeatureStore('data/04_feature/features')
    """

    store = FeatureStore

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath, metadata)
