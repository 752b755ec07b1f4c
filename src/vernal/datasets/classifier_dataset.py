"""The classifier of a detection run on disk: weights and everything about them in one file, without pickle."""

from vernal.datasets.atomic import AtomicFile
from vernal.datasets.previews import JSONPreview, json_preview
from vernal.field.detection.classifier import Classifier
from vernal.training.heads import load_head, save_head


class ClassifierDataset(AtomicFile[Classifier, Classifier]):
    """Saves and loads a classifier as `.npz`: its layers, and the rest as JSON in it.

    >>> ClassifierDataset(filepath="data/classifier.npz").exists()
    False
    """

    def _read(self) -> Classifier:
        head, record = load_head(self._filepath)
        return Classifier.from_record(head, record)

    def _write(self, data: Classifier) -> None:
        save_head(self._filepath, data.head, data.as_record())

    def preview(self) -> JSONPreview:
        """What it is and where its threshold came from, for Kedro-Viz."""
        return json_preview(self.load().as_record())
