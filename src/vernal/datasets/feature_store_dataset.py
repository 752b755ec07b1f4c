"""The store of spectral features, as a catalog dataset."""

from typing import TYPE_CHECKING, Any

from vernal.datasets.atomic import StoreFolder

if TYPE_CHECKING:
    from vernal.studies.features.feature_store import FeatureStore


class FeatureStoreDataset(StoreFolder[Any, "FeatureStore"]):
    """Saving appends a part; loading gives the store itself, from which sequences are read one by one.

    The store is imported when it is used: the catalog is whole without the study.

    >>> FeatureStoreDataset(filepath="data/04_feature/features").load()
    FeatureStore('data/04_feature/features')
    """

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath, metadata)

    def _read(self) -> "FeatureStore":
        from vernal.studies.features.feature_store import FeatureStore

        return FeatureStore(self._path)
