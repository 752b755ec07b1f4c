"""The journal of recordings that were looked at, as a catalog dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import JSONPreview

from vernal.common.storage import as_path
from vernal.datasets.previews import json_preview
from vernal.field.detection.file_facts import FileFacts
from vernal.field.detection.file_journal import KnownFiles


class KnownFilesDataset(AbstractDataset[Mapping[str, FileFacts], KnownFiles]):
    """Saving notes files, by absolute path; loading gives the journal itself.

    >>> KnownFilesDataset(filepath="data/02_intermediate/detection/known_files.jsonl").load()
    KnownFiles('data/02_intermediate/detection/known_files.jsonl')
    """

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = as_path(filepath)
        self.metadata = metadata

    def load(self) -> KnownFiles:
        return KnownFiles(self._filepath)

    def save(self, data: Mapping[str, FileFacts]) -> None:
        KnownFiles(self._filepath).append(data)

    def preview(self) -> JSONPreview:
        """How many files are known, for Kedro-Viz."""
        return json_preview({"files": len(self.load().load())})

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
