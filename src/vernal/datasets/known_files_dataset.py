"""The journal of recordings that were looked at, as a catalog dataset."""

from collections.abc import Mapping

from vernal.datasets.atomic import AtomicFile
from vernal.datasets.previews import JSONPreview, json_preview
from vernal.field.detection.file_facts import FileFacts
from vernal.field.detection.file_journal import KnownFiles


class KnownFilesDataset(AtomicFile[Mapping[str, FileFacts], KnownFiles]):
    """Saving notes files, by absolute path; loading gives the journal itself.

    >>> KnownFilesDataset(filepath="data/02_intermediate/detection/known_files.jsonl").load()
    KnownFiles('data/02_intermediate/detection/known_files.jsonl')
    """

    loads_before_written = exists_before_written = True

    def _read(self) -> KnownFiles:
        return KnownFiles(self._filepath)

    def _write(self, data: Mapping[str, FileFacts]) -> None:
        KnownFiles(self._filepath).append(data)

    def preview(self) -> JSONPreview:
        """How many files are known, for Kedro-Viz."""
        return json_preview({"files": len(self.load().load())})
