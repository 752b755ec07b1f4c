"""A table in a folder by the values of some columns, as Arrow, DuckDB, pandas and Spark read it."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from vernal.common.files import writing_folder
from vernal.common.storage import is_remote
from vernal.common.table_files import read_table, write_table
from vernal.datasets.atomic import AtomicFolder
from vernal.datasets.previews import TablePreview, table_preview

_FILE = "part.parquet"
_EMPTY = "empty.parquet"


class PartitionedTableDataset(AtomicFolder[pd.DataFrame, pd.DataFrame]):
    """Saves rows as `recorder=.../date=.../part.parquet`; `partitions` names the folders and the columns behind them.

    The columns stay in the files too, under their own names, so that one file alone is a whole table. On a disk the
    folder is written beside its place and then takes it: a reader sees all of the old table or all of the new one.

    >>> import tempfile
    >>> dataset = PartitionedTableDataset(path=tempfile.mkdtemp() + "/calls", partitions={"date": "night"})
    >>> dataset.save(pd.DataFrame({"night": ["2025-04-03", "2025-04-04"], "n": [1, 2]}))
    >>> sorted(file.parent.name for file in Path(dataset._describe()["path"]).rglob("*.parquet"))
    ['date=2025-04-03', 'date=2025-04-04']
    >>> dataset.load().n.tolist()
    [1, 2]
    """

    def __init__(self, path: str, partitions: dict[str, str], metadata: dict[str, Any] | None = None) -> None:
        super().__init__(path, metadata)
        self._partitions = dict(partitions)

    def _read(self) -> pd.DataFrame:
        tables = [read_table(file) for file in self._files()]
        return pd.concat(tables, ignore_index=True)

    def _write(self, data: pd.DataFrame) -> None:
        if not is_remote(self._path):
            with writing_folder(self._path) as folder:
                self._write_parts(folder, data)
            return
        written = self._write_parts(self._path, data)
        for file in self._files():
            if file not in written:
                file.unlink()

    def _write_parts(self, folder: Path, data: pd.DataFrame) -> set[Path]:
        return {self._write_part(folder, values, rows) for values, rows in self._divided(data)}

    def _divided(self, data: pd.DataFrame) -> list[tuple[tuple[str, ...], pd.DataFrame]]:
        columns = list(self._partitions.values())
        if data.empty:  # a file all the same, for the columns
            return [((), data)]
        grouped = data.groupby([data[name].astype(str) for name in columns], sort=True)
        return [(tuple(map(str, values)), rows) for values, rows in grouped]

    def _write_part(self, folder: Path, values: tuple[str, ...], rows: pd.DataFrame) -> Path:
        names = [
            f"{name}={quote(value, safe='')}" for name, value in zip(self._partitions, values, strict=False)
        ]
        file = folder.joinpath(*names, _FILE if values else _EMPTY)
        write_table(rows, file)
        return file

    def _files(self) -> list[Path]:
        return sorted(file for file in self._path.rglob("*.parquet") if not file.name.startswith("."))

    def preview(self) -> TablePreview:
        """The first rows, for Kedro-Viz."""
        return table_preview(read_table(self._files()[0]))

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "partitions": self._partitions}
