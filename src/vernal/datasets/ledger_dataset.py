"""The test ledger, as a catalog dataset that only ever grows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import JSONPreview

from vernal.common.storage import as_path
from vernal.datasets.previews import json_preview
from vernal.proof.ledger import append_entries, read_ledger

_SHOWN = 20


class LedgerDataset(AbstractDataset[list[dict[str, Any]], list[dict[str, Any]]]):
    """Loads all lines; saving adds the entries that are not there yet, each with the time of day.

    >>> import tempfile
    >>> ledger = LedgerDataset(filepath=tempfile.mkdtemp() + "/ledger.jsonl")
    >>> entry = {"stage": "s", "evaluation": "k", "points": 1, "splits": {"test_iid": {"clips": 1, "digest": "d"}}}
    >>> ledger.save([entry])
    >>> ledger.save([entry])
    >>> len(ledger.load())
    1
    """

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = as_path(filepath)
        self.metadata = metadata

    def load(self) -> list[dict[str, Any]]:
        return read_ledger(self._filepath)

    def save(self, data: list[dict[str, Any]]) -> None:
        append_entries(self._filepath, data, datetime.now(UTC).isoformat(timespec="seconds"))

    def preview(self) -> JSONPreview:
        """The last entries, for Kedro-Viz."""
        return json_preview(self.load()[-_SHOWN:])

    def _exists(self) -> bool:
        # A ledger that nobody has written to is an empty one.
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
