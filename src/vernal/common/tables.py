"""Tables of other people: read strictly, and written so that a spreadsheet shows their text and does not run it.

Names and messages come from files that somebody else wrote. A cell that begins with `=`, `+`, `-` or `@` is a
formula to a spreadsheet; an apostrophe in front makes it text again. Numbers stay numbers.
"""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from vernal.common.files import POINTER
from vernal.common.problems import InputError, Problems, shown
from vernal.common.storage import as_path

# What a spreadsheet runs, and what `guard` made of it: an apostrophe more each time.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
MOST_BYTES, MOST_COLUMNS, MOST_CELLS = 512 * 1024**2, 1_000, 50_000_000
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def guard(text: str) -> str:
    """Text that no spreadsheet takes for a formula; a plain number stays. `unguard` undoes it.

    >>> guard("=1+1"), guard("-0.5"), unguard(guard("'=1+1"))
    ("'=1+1", '-0.5', "'=1+1")
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def unguard(text: str) -> str:
    """Undo `guard`; other text stays as it is.

    >>> unguard("'=1+1"), unguard("'tis")
    ('=1+1', "'tis")
    """
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def safe_csv_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with text cells and column names that would start a formula put behind an apostrophe.

    Args:
        frame: any table; only text is looked at, text that is a plain number stays.
    Returns:
        A new table of the same shape, index and order.

    >>> safe_csv_text(pd.DataFrame({"name": ["=1+1", "-0.5", "a"], "score": [-1, 0, 1]})).name.tolist()
    ["'=1+1", '-0.5', 'a']
    """
    columns = {
        name: frame[name].map(_of_text(guard))
        for name in frame.columns
        if not pd.api.types.is_numeric_dtype(frame[name].dtype)
        and not pd.api.types.is_datetime64_any_dtype(frame[name].dtype)
    }
    return frame.assign(**columns).rename(columns=_of_text(guard))


def plain_csv_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The table that `safe_csv_text` made safe, without its apostrophes.

    >>> plain_csv_text(pd.DataFrame({"name": ["'=1+1", "'tis", "a"]})).name.tolist()
    ['=1+1', "'tis", 'a']
    """
    columns = {
        name: frame[name].map(_of_text(unguard))
        for name in frame.columns
        if pd.api.types.is_string_dtype(frame[name].dtype)
        and frame[name].astype(str).str.startswith("'").any()
    }
    return frame.assign(**columns).rename(columns=_of_text(unguard))


def _of_text(change: Callable[[str], str]) -> Callable[[Any], Any]:
    """The change for cells of text; others, missing ones among them, stay."""
    return lambda cell: change(cell) if isinstance(cell, str) else cell


def plain_text(text: str) -> str:
    """A table's text without byte order marks, and blank where a spreadsheet's first line says what divides cells."""
    return re.sub(r"\A\s*sep=.[ \t]*(?=\r?\n)", "", text.replace("\ufeff", ""), flags=re.IGNORECASE)


def decode(content: bytes) -> str:
    """The text of a table's bytes: UTF-8, or UTF-16 with its mark.

    Raises:
        UnicodeError: another encoding, with the first line that shows it.
    """
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        ends = r"\r\n|\r|\n"
        number = len(re.split(ends, content[: error.start].decode(encoding, errors="replace")))
        line = re.split(ends, content.decode(encoding, errors="replace"))[number - 1]
        raise UnicodeError(f"line {number} is not {encoding.upper()} text: {shown(line)}") from error


def delimiter_of(header: str) -> str:
    """What divides the cells: spreadsheets of half the world write semicolons; some write tabs."""
    return max(",;\t", key=header.count)


def check_bounds(where: str, n_columns: int = 0, n_cells: int = 0, n_bytes: int = 0) -> None:
    """Refuse a table of other people that is larger than any table people write, before it is built.

    Raises:
        InputError: more than `MOST_COLUMNS`, `MOST_CELLS` or `MOST_BYTES`.
    """
    sizes = (
        (n_columns, MOST_COLUMNS, "columns"),
        (n_cells, MOST_CELLS, "cells"),
        (n_bytes, MOST_BYTES, "bytes"),
    )
    for size, most, what in sizes:
        if size > most:
            raise InputError(f"{where} has {size:,} {what}; tables may have up to {most:,}. Split it.")


def read_foreign_parquet(path: Path, where: str) -> pd.DataFrame:
    """A Parquet table of other people, as it stands there: what pandas notes beside a table is not followed.

    Args:
        path: on this machine.
        where: how messages call it.
    Raises:
        InputError: it cannot be read, has a column twice or one of lists, or is larger than `check_bounds` allows.
    """
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        check_bounds(where, n_bytes=path.stat().st_size)
        with ParquetFile(path, read_dictionary=_texts_of(path, where)) as file:
            table = _plain_texts(file.read(use_threads=False), where)
            table.validate(full=True)  # texts that are no UTF-8
            frame = table.to_pandas(ignore_metadata=True)
    except InputError:
        raise
    except (
        ArrowException,
        ValueError,
        OSError,
        TypeError,
        KeyError,
        MemoryError,
        OverflowError,
        RecursionError,
    ) as error:
        raise InputError(f"{where} cannot be read as Parquet: {error}") from error
    return frame[[name for name in frame.columns if not re.fullmatch(r"__index_level_\d+__", name)]]


def _texts_of(path: Path, where: str) -> list[str]:
    """Columns of text in a Parquet file whose footer claims no more than `check_bounds` allows."""
    from pyarrow.parquet import ParquetFile
    from pyarrow.types import is_nested

    with ParquetFile(path) as file:
        metadata, schema = file.metadata, file.schema
        check_bounds(where, metadata.num_columns, metadata.num_rows * metadata.num_columns)
        leaves = [schema.column(at) for at in range(metadata.num_columns)]
        fixed = sum(leaf.length for leaf in leaves if leaf.physical_type == "FIXED_LEN_BYTE_ARRAY")
        check_bounds(where, n_bytes=metadata.num_rows * fixed)
        # Not by the chunks of a column: pyarrow ends the process where a damaged footer says nonsense of one.
        sizes = [metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)]
        check_bounds(where, n_bytes=sum(sizes))
        names = [name.strip() for name in file.schema_arrow.names]
        problems = Problems(where)
        doubles = sorted({repr(name) for name in names if names.count(name) > 1})
        problems.add("column name used twice", doubles, "Give each column a name of its own.")
        nested = sorted(field.name for field in file.schema_arrow if is_nested(field.type))
        problems.add("column of lists", nested, "Write one text or number a cell, or leave the column out.")
        problems.raise_if_any()
        return [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]


def _plain_texts(table: Any, where: str) -> Any:
    """The table with its texts written out: a small file may repeat a long one in every row."""
    import pyarrow as pa
    from pyarrow import compute

    total = 0
    for at, name in enumerate(table.column_names):
        column = table.column(at)
        if pa.types.is_dictionary(column.type) and not pa.types.is_primitive(column.type.value_type):
            for chunk in column.chunks:
                lengths = compute.binary_length(chunk.dictionary).take(chunk.indices)
                total += compute.sum(lengths).as_py() or 0
            check_bounds(where, n_bytes=total)
            table = table.set_column(at, name, column.cast(column.type.value_type))
    return table.rename_columns([name.strip() for name in table.column_names])


def read_cells(path: Path | str, what: str, setting: str) -> pd.DataFrame:
    """Read a CSV as text: stripped cells, every row as wide as the header.

    Args:
        path: UTF-8 (a byte order mark is fine) or UTF-16 with its mark, separated by comma, semicolon or tab.
        what: how messages call the file; `setting`: the parameter that named it.
    Raises:
        InputError: not there, unreadable, empty, columns of one name, or rows of another width.
    """
    return read_numbered_cells(path, what, setting).reset_index(drop=True)


def read_numbered_cells(path: Path | str, what: str, setting: str) -> pd.DataFrame:
    """As `read_cells`, with each row's place below the header as index, from 0; blank rows count and are left out."""
    path = as_path(path).expanduser()
    if not path.is_file():
        raise InputError(
            f"{what} {path} does not exist or is no file. Give the path of a CSV file as {setting}."
        )
    try:
        # Not pandas: it takes rows that are too wide as having an index, and shifts every column without a
        # word.
        check_bounds(f"{what} {path}", n_bytes=path.stat().st_size)
        content = io.StringIO(decode(path.read_bytes()), newline=None).read()  # ends of lines of any system
        text = plain_text(content).lstrip("\n")
        header = text.split("\n", 1)[0]
        if header.startswith(POINTER):
            raise InputError(f"{what} {path} is a Git LFS pointer, not the table: `git lfs pull`")
        delimiter = delimiter_of(header)
        n_cells = text.count(delimiter) + text.count("\n") + 1
        check_bounds(f"{what} {path}", header.count(delimiter) + 1, n_cells)
        # Not `splitlines`: it also ends lines at signs that people have inside cells, such as vertical tabs.
        lines = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
        cells = [[cell.strip() for cell in row] for row in lines]
    except (OSError, UnicodeError, csv.Error) as error:
        raise InputError(
            f"{what} {path} cannot be read as CSV: {error}. Save it as CSV in UTF-8 (Excel: CSV UTF-8)."
        ) from error
    # Counted from the header, so that blank rows move no number.
    filled = [number for number, row in enumerate(cells) if any(row)]
    rows, numbers = [cells[number] for number in filled], [number - filled[0] for number in filled]
    if len(rows) < 2:
        raise InputError(
            f"{what} {path} has no rows below its header. It needs a header and at least one row."
        )
    columns = [name or f"column {number}" for number, name in enumerate(rows[0], 1)]
    problems = Problems(f"{what} {path}")
    doubles = (
        sorted({repr(name) for name in columns if columns.count(name) > 1})
        if len(set(columns)) < len(columns)
        else []
    )
    problems.add("column name used twice", doubles, "Give each column a name of its own.")
    odd = [
        f"row {n} has {len(row)} cells"
        for n, row in zip(numbers, rows, strict=True)
        if len(row) != len(columns)
    ]
    problems.add(
        "row of another width", odd, f"The header has {len(columns)} columns; each row needs as many cells."
    )
    problems.raise_if_any()
    return pd.DataFrame(rows[1:], index=[n - 1 for n in numbers[1:]], columns=columns, dtype="str")
