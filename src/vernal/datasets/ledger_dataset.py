"""The test ledger, as a catalog dataset that only ever grows."""

from datetime import UTC, datetime
from typing import Any

from vernal.datasets.atomic import AtomicFile
from vernal.datasets.previews import JSONPreview, json_preview
from vernal.proof.ledger import append_entries, read_ledger

_SHOWN = 20


class LedgerDataset(AtomicFile[list[dict[str, Any]], list[dict[str, Any]]]):
    """Loads all lines; saving adds the entries that are not there yet, each with the time of day.

    >>> import tempfile
    >>> ledger = LedgerDataset(filepath=tempfile.mkdtemp() + "/ledger.jsonl")
    >>> entry = {"stage": "s", "evaluation": "k", "points": 1, "splits": {"test_iid": {"clips": 1, "digest": "d"}}}
    >>> ledger.save([entry])
    >>> ledger.save([entry])
    >>> len(ledger.load())
    1
    """

    loads_before_written = exists_before_written = True

    def _read(self) -> list[dict[str, Any]]:
        return read_ledger(self._filepath)

    def _write(self, data: list[dict[str, Any]]) -> None:
        append_entries(self._filepath, data, datetime.now(UTC).isoformat(timespec="seconds"))

    def preview(self) -> JSONPreview:
        """The last entries, for Kedro-Viz."""
        return json_preview(self.load()[-_SHOWN:])
