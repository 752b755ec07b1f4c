"""Tables on disk: Parquet between the project's own steps, CSV where a person opens them.

The same table gives the same bytes; a half-written file is never seen. Text that a spreadsheet would run as a
formula stands behind an apostrophe in every CSV, and loses it again when it is read.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from vernal.common.files import writing
from vernal.common.storage import as_path
from vernal.common.tables import plain_csv_text, safe_csv_text


def write_table(table: pd.DataFrame, path: Path | str) -> None:
    """Write a table as its path's ending says: `.parquet`, or `.csv` with `\\n` line ends.

    Numbers in CSV are written in full (shortest text that reads back the same), times in whole seconds and always
    with the clock (pandas would leave midnight away). Text in CSV is made safe (see `vernal.common.tables`).
    """
    path = as_path(path)
    with writing(path) as temporary:
        if path.suffix == ".parquet":
            table.to_parquet(temporary, index=False, compression="zstd")
        elif path.suffix == ".csv":
            safe_csv_text(table).to_csv(
                temporary, index=False, lineterminator="\n", encoding="utf-8", date_format="%Y-%m-%d %H:%M:%S"
            )
        else:
            raise ValueError(f"tables are written as .parquet or .csv, not {path.suffix!r}: {path}")


def read_table(path: Path | str, text_columns: Iterable[str] = ()) -> pd.DataFrame:
    """Read what `write_table` wrote. `text_columns` of a CSV stay text even if they look like numbers."""
    path = as_path(path)
    if path.suffix == ".parquet":
        return pd.read_parquet(path if isinstance(path, Path) else path.open("rb"))
    return read_csv(path if isinstance(path, Path) else path.open("rb"), text_columns)


def read_csv(content: Any, text_columns: Iterable[str] = (), n_rows: int | None = None) -> pd.DataFrame:
    """A CSV that `write_table` wrote, or its first rows. Only an empty cell is missing: a class may be called NA."""
    types = dict.fromkeys(text_columns, "str")
    return plain_csv_text(
        pd.read_csv(content, dtype=types, nrows=n_rows, keep_default_na=False, na_values=[""])
    )


def digest_of_table(table: pd.DataFrame) -> str:
    """Hex hash of a table's column names and values in their order; categories count as the values they name."""
    hashed = hashlib.sha256(repr(list(table.columns)).encode("utf-8"))
    for name in table.columns:
        hashed.update(
            pd.util.hash_pandas_object(table[name], index=False, categorize=True).to_numpy().tobytes()
        )
    return hashed.hexdigest()
