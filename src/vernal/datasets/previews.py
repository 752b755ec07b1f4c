"""What Kedro-Viz shows of a dataset in its panel: the first rows of a table, a record, the facts about a folder."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NewType

import pandas as pd

from vernal.common.storage import local_copy
from vernal.common.table_files import read_csv, read_table

# Kedro-Viz chooses how to show a preview by the name of the type that `preview` returns, wherever it is defined.
TablePreview = NewType("TablePreview", dict)
JSONPreview = NewType("JSONPreview", str)
ImagePreview = NewType("ImagePreview", str)
HTMLPreview = NewType("HTMLPreview", str)

ROWS = 10
_DIGITS = 5  # of a number: enough to tell rows apart, few enough to read
_NAMES = 5  # of the files of a folder


def table_preview(
    table: pd.DataFrame, nrows: int = ROWS, columns: Sequence[str] | None = None
) -> TablePreview:
    """The first rows as Kedro-Viz takes them; a missing value is empty, a number has five digits.

    Args:
        table: any table.
        nrows: rows to show.
        columns: those to show, in this order; names that the table has not are left out. None shows all.

    >>> table_preview(pd.DataFrame({"a": [0.1234567, None]}))
    {'index': [0, 1], 'columns': ['a'], 'data': [[0.12346], ['']]}
    """
    shown = [name for name in columns if name in table.columns] if columns else list(table.columns)
    rows = table[shown].head(nrows).reset_index(drop=True)
    data = [[_cell(value) for value in row] for row in rows.itertuples(index=False)]
    return TablePreview(
        {"index": list(range(len(rows))), "columns": [str(name) for name in shown], "data": data}
    )


def head_of_table(path: Path, text_columns: Iterable[str] = (), nrows: int = ROWS) -> pd.DataFrame:
    """The first rows of a file, without reading the rest of a large one."""
    path = local_copy(path)
    if path.suffix == ".csv":
        return read_csv(path, text_columns, nrows)
    import pyarrow as pa
    import pyarrow.parquet as parquet

    with parquet.ParquetFile(path) as file:
        batches = list(_first(file.iter_batches(batch_size=nrows)))
        if batches:
            return pa.Table.from_batches(batches).to_pandas()
    return read_table(path).head(nrows)


def json_preview(value: Any) -> JSONPreview:
    """A record as Kedro-Viz takes it; what JSON cannot hold becomes text."""
    return JSONPreview(json.dumps(value, default=str, ensure_ascii=False))


def folder_preview(folder: Path, pattern: str = "*") -> JSONPreview:
    """How many files a folder holds, how large they are, and the first names."""
    files = sorted(file for file in folder.rglob(pattern) if file.is_file() and not file.name.startswith("."))
    size = sum(file.stat().st_size for file in files)
    names = [file.relative_to(folder).as_posix() for file in files[:_NAMES]]
    return json_preview({"files": len(files), "megabytes": round(size / 1e6, 1), "first": names})


def _first(batches: Iterable[Any]) -> Iterable[Any]:
    for batch in batches:
        yield batch
        return


def _cell(value: Any) -> Any:
    """A value as JSON has it: text, a number of five digits, or nothing."""
    if hasattr(value, "tolist"):  # of NumPy: one value, or several
        value = value.tolist()
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, float):
        return "" if math.isnan(value) else str(value)
    return value if isinstance(value, (bool, int, str)) else str(value)
