"""A small record (a mapping) as JSON, written whole or not at all."""

from __future__ import annotations

import json
from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import JSONPreview

from vernal.common.files import write_text
from vernal.common.storage import as_path
from vernal.datasets.absent import absent
from vernal.datasets.previews import json_preview


class RecordDataset(AbstractDataset[dict[str, Any], dict[str, Any]]):
    """Saves and loads a mapping of plain values; keys keep their order.

    >>> import tempfile
    >>> record = RecordDataset(filepath=tempfile.mkdtemp() + "/roots.json")
    >>> record.save({"field": "a b"})
    >>> record.load()
    {'field': 'a b'}
    """

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = as_path(filepath)
        self.metadata = metadata

    def load(self) -> dict[str, Any]:
        if not self._filepath.is_file():
            raise absent(self._filepath)
        return json.loads(self._filepath.read_text(encoding="utf-8"))

    def save(self, data: dict[str, Any]) -> None:
        write_text(self._filepath, json.dumps(data, indent=2, ensure_ascii=False) + "\n")

    def preview(self) -> JSONPreview:
        """The record, for Kedro-Viz."""
        return json_preview(self.load())

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
