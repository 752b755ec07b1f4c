"""A folder of Parquet tables with names such as `hardNeg/hardneg_conf_min_50`, as one catalog dataset."""

from pathlib import Path
from typing import Any

import pandas as pd

from vernal.common.files import inside, write_text
from vernal.common.table_files import read_table, write_table
from vernal.datasets.atomic import AtomicFolder
from vernal.datasets.previews import TablePreview, table_preview

_SEAL = ".whole"


class TablesDataset(AtomicFolder[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]):
    """Saves and loads name -> table; saving removes tables that are not named any more.

    A sealed folder is whole or not there: its seal is broken before the first table is written and set after the
    last. An optional one that is not there loads as no tables.

    Kedro's partitioned dataset either keeps what no longer belongs or empties the folder first, which loses
    everything when the run is killed in between.

    >>> import tempfile
    >>> tables = TablesDataset(path=tempfile.mkdtemp())
    >>> tables.save({"a/one": pd.DataFrame({"n": [1]}), "a/two": pd.DataFrame({"n": [2]})})
    >>> tables.save({"a/one": pd.DataFrame({"n": [3]})})
    >>> {name: table.n.tolist() for name, table in tables.load().items()}
    {'a/one': [3]}
    """

    def __init__(
        self, path: str, sealed: bool = False, optional: bool = False, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(path, metadata)
        self._sealed = sealed
        self._optional = optional

    def load(self) -> dict[str, pd.DataFrame]:
        return {} if self._optional and not self._is_there() else super().load()

    def _read(self) -> dict[str, pd.DataFrame]:
        return {self._name(file): read_table(file) for file in self._files()}

    def _write(self, data: dict[str, pd.DataFrame]) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        (self._path / _SEAL).unlink(missing_ok=True)
        for name, table in data.items():
            write_table(table, inside(self._path, f"{name}.parquet"))
        for file in self._files():
            if self._name(file) not in data:
                file.unlink()
        if self._sealed:
            write_text(self._path / _SEAL, "whole\n")

    def _is_there(self) -> bool:
        return (self._path / _SEAL).is_file() if self._sealed else self._path.is_dir()

    def _files(self) -> list[Path]:
        return sorted(file for file in self._path.rglob("*.parquet") if not file.name.startswith("."))

    def _name(self, file: Path) -> str:
        return file.relative_to(self._path).with_suffix("").as_posix()

    def preview(self) -> TablePreview:
        """Names and sizes of the tables, for Kedro-Viz."""
        tables = self.load()
        sizes = {"table": list(tables), "rows": [len(table) for table in tables.values()]}
        return table_preview(pd.DataFrame(sizes), nrows=max(1, len(tables)))

    def _exists(self) -> bool:
        return self._optional or self._is_there()
