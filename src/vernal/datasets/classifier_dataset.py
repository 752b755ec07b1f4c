"""The classifier of a detection run on disk: weights and everything about them in one file, without pickle."""

from __future__ import annotations

from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import JSONPreview

from vernal.common.storage import as_path
from vernal.datasets.absent import absent
from vernal.datasets.previews import json_preview
from vernal.field.detection.classifier import Classifier
from vernal.training.heads import load_head, save_head


class ClassifierDataset(AbstractDataset[Classifier, Classifier]):
    """Saves and loads a classifier as `.npz`: its layers, and the rest as JSON in it.

    >>> ClassifierDataset(filepath="data/classifier.npz").exists()
    False
    """

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = as_path(filepath)
        self.metadata = metadata

    def load(self) -> Classifier:
        if not self._filepath.is_file():
            raise absent(self._filepath)
        head, record = load_head(self._filepath)
        return Classifier.from_record(head, record)

    def save(self, data: Classifier) -> None:
        save_head(self._filepath, data.head, data.as_record())

    def preview(self) -> JSONPreview:
        """What it is and where its threshold came from, for Kedro-Viz."""
        return json_preview(self.load().as_record())

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
