"""A table on disk, written whole or not at all, the same bytes for the same table."""

from typing import Any

import pandas as pd

from vernal.common.table_files import read_table, write_table
from vernal.datasets.atomic import AtomicFile, absent
from vernal.datasets.previews import ROWS, TablePreview, head_of_table, table_preview


class TableDataset(AtomicFile[pd.DataFrame, pd.DataFrame | None]):
    """A `.parquet` or `.csv` table; None where an optional one is absent.

    Kedro's own pandas datasets write in place, so that a reader could see half a file. `text_columns` of a CSV
    stay text even if they look like numbers.

    >>> import tempfile
    >>> table = TableDataset(filepath=tempfile.mkdtemp() + "/clips.csv")
    >>> table.save(pd.DataFrame({"clip_id": ["a"], "n": [1]}))
    >>> table.load().n.tolist()
    [1]
    """

    def __init__(
        self,
        filepath: str,
        text_columns: list[str] | None = None,
        optional: bool = False,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath, metadata)
        self._text_columns = text_columns or []
        self._optional = optional

    def load(self) -> pd.DataFrame | None:
        return None if self._optional and not self._is_there() else super().load()

    def _read(self) -> pd.DataFrame:
        return read_table(self._filepath, self._text_columns)

    def _write(self, data: pd.DataFrame) -> None:
        write_table(data, self._filepath)

    def preview(self, nrows: int = ROWS, columns: list[str] | None = None) -> TablePreview:
        """The first rows, for Kedro-Viz."""
        if not self._is_there():
            raise absent(self._filepath)
        return table_preview(head_of_table(self._filepath, self._text_columns, nrows), nrows, columns)

    def _exists(self) -> bool:
        return self._optional or self._is_there()
