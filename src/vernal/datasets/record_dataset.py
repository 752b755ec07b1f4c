"""A small record (a mapping) as JSON, written whole or not at all."""

import json
from typing import Any

from vernal.common.files import write_text
from vernal.common.json_text import read_json
from vernal.datasets.atomic import AtomicFile
from vernal.datasets.previews import JSONPreview, json_preview


class RecordDataset(AtomicFile[dict[str, Any], dict[str, Any]]):
    """Saves and loads a mapping of plain values; keys keep their order.

    >>> import tempfile
    >>> record = RecordDataset(filepath=tempfile.mkdtemp() + "/roots.json")
    >>> record.save({"field": "a b"})
    >>> record.load()
    {'field': 'a b'}
    """

    def _read(self) -> dict[str, Any]:
        return read_json(self._filepath)

    def _write(self, data: dict[str, Any]) -> None:
        write_text(self._filepath, json.dumps(data, indent=2, ensure_ascii=False) + "\n")

    def preview(self) -> JSONPreview:
        """The record, for Kedro-Viz."""
        return json_preview(self.load())
