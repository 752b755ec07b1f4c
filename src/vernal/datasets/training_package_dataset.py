"""A folder of training audio for other programs, as a catalog dataset."""

import pandas as pd

from vernal.clips.training_package import INDEX_NAME, TrainingPackage, write_training_package
from vernal.common.storage import local_copy, on_disk
from vernal.datasets.atomic import AtomicFolder
from vernal.datasets.previews import TablePreview, table_preview


class TrainingPackageDataset(AtomicFolder[TrainingPackage, pd.DataFrame | None]):
    """Saves a package as folders of links or copies; loads the index of the one that is there, or None.

    A package that nobody asked for (mode None) writes nothing and leaves an earlier one alone.
    """

    loads_before_written = True

    def _read(self) -> pd.DataFrame | None:
        index = self._path / INDEX_NAME
        return pd.read_csv(local_copy(index)) if index.is_file() else None

    def _write(self, data: TrainingPackage) -> None:
        if data.mode is None:
            return
        folder = on_disk(self._path, "A training package of links and copies")
        write_training_package(data.clips, data.roots, folder, data.target_label, data.mode)

    def preview(self) -> TablePreview:
        """The first rows of the index, for Kedro-Viz; none where nobody asked for a package."""
        index = self.load()
        return table_preview(pd.DataFrame(columns=["file_path"]) if index is None else index)

    def _is_there(self) -> bool:
        return (self._path / INDEX_NAME).is_file()
