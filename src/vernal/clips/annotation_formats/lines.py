"""What the formats share: tables of text cells, columns by name, and refusals that name the lines."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from vernal.clips.annotations import annotation_table, note_wrong_rows, parse_number, spell_number
from vernal.common.problems import InputError, Problems
from vernal.common.tables import check_bounds, delimiter_of, guard, plain_text, unguard

_MOST_LEFT_AWAY = 5_000_000  # cells at rows' ends, which a file has for nothing and memory has not


def first_line(text: str) -> str:
    """The first line that is not blank, without its line end."""
    return next((line for line in plain_text(text).splitlines() if line.strip()), "")


def column_names(text: str) -> set[str]:
    """What the first line names, in lower case, whatever divides the cells and whether they are quoted."""
    line = first_line(text)
    return {cell.strip().strip('"').strip().lower() for cell in line.split(delimiter_of(line))}


def read_rows(text: str, where: str) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Read a table with a header line; what `write_rows` put behind an apostrophe or into quotes loses it.

    Tables are often pasted together: a further line of column names holds for the rows below it.

    Returns:
        The column names as written, and for each row its line number and its cells by lower-case column name.
    Raises:
        InputError: no header, a name twice, a row of another width, or text that is no such table.
    """
    delimiter = delimiter_of(first_line(text))
    is_tabbed = delimiter == "\t"
    quoting: dict[str, Any] = {"quoting": csv.QUOTE_NONE} if is_tabbed else {}
    reader = csv.reader(
        io.StringIO(plain_text(text), newline=""), delimiter=delimiter, strict=True, **quoting
    )
    plain: Callable[[str], str] = unguard
    headers: list[list[str]] = []
    rows: list[tuple[int, dict[str, str]]] = []
    crooked: list[str] = []
    n_left_away = 0
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not headers:
                check_bounds(where, n_columns=len(cells))
                headers.append([_unquoted(cell.strip(), is_always=is_tabbed) for cell in cells])
                if is_tabbed:
                    has_quotes = any(cell.lstrip().startswith('"') for cell in cells)
                    plain = partial(_unquoted, is_always=has_quotes)
                continue
            padded = [*(plain(cell.strip()) for cell in cells), *[""] * (len(headers[-1]) - len(cells))]
            if _is_header(padded, headers[-1]):
                headers.append(padded)
                continue
            header = headers[-1]
            n_left_away += max(len(header) - len(cells), 0)
            if n_left_away > _MOST_LEFT_AWAY:
                raise InputError(
                    f"{where} has {len(header):,} columns and leaves most of its rows empty, from line "
                    f"{reader.line_num} on more than {_MOST_LEFT_AWAY:,} cells. Take away columns that nothing uses."
                )
            # Spreadsheets and Raven leave empty cells away, or add some, at a row's end.
            if any(padded[len(header) :]):
                crooked.append(f"line {reader.line_num}: {len(cells)} cells, {len(header)} columns")
            rows.append((reader.line_num, dict(zip(map(str.lower, header), padded, strict=False))))
    except csv.Error as error:
        raise InputError(f"{where} cannot be read as a table (line {reader.line_num}): {error}") from error
    problems = Problems(where)
    if not headers:
        problems.add("no header", ["the file is empty"], "The first line names the columns.")
    called = [Counter(name.lower() for name in header if name) for header in headers]
    twice = {name for names in called for name, n in names.items() if n > 1}
    problems.add("column twice", sorted(twice), "Name each column once.")
    problems.add("row of another width", crooked, "Each row has as many cells as the first line.")
    problems.raise_if_any()
    return headers[0], rows


def _is_header(cells: list[str], header: list[str]) -> bool:
    """Whether a row names columns again: most of the header's names stand in it, at least two."""
    known = {name.lower() for name in header if name}
    n_known = len(known & {cell.lower() for cell in cells})
    return n_known >= 2 and 2 * n_known > len([cell for cell in cells if cell])


def _unquoted(cell: str, is_always: bool) -> str:
    """A cell of a tab-separated table without the quotes of R, which sets all text in them, or of a spreadsheet.

    >>> _unquoted('"RADR"', is_always=True), _unquoted('"RADR, two"', False), _unquoted('"RADR"', False)
    ('RADR', 'RADR, two', '"RADR"')
    """
    if len(cell) < 2 or not (cell.startswith('"') and cell.endswith('"')):
        return cell
    inside = cell[1:-1]
    is_quoted = is_always or "," in inside or '""' in inside
    return inside.replace('""', '"') if is_quoted and '"' not in inside.replace('""', "") else cell


def build(
    rows: Iterable[tuple[int, dict[str, str]]],
    convert: Callable[[dict[str, str]], dict[str, Any] | None],
    where: str,
    needs_label: bool = True,
) -> pd.DataFrame:
    """Turn rows of cells into checked annotations.

    Args:
        rows: line number and cells of each row.
        convert: gives an annotation's values, or None for a row that states nothing; raises ValueError for
            a bad cell.
        where: how messages call the file.
        needs_label: whether a row without a label is wrong; else it is missing.
    Returns:
        As `annotation_table`, and `line`, each row's in the file.
    """
    made: list[dict[str, Any]] = []
    lines: list[int] = []
    bad: list[str] = []
    for line, cells in rows:
        try:
            values = convert(cells)
        except (ValueError, ArithmeticError) as error:
            bad.append(f"line {line}: {error}")
            continue
        if values is not None:
            made.append(values)
            lines.append(line)
    problems = Problems(where)
    problems.add("cell not understood", bad, "Correct the cells, or leave optional ones empty.")
    note_wrong_rows(made, lines, problems, needs_label)
    problems.raise_if_any()
    return annotation_table(made).assign(line=pd.Series(lines, dtype="Int64"))


def number(cells: dict[str, str], *names: str) -> float:
    """The number in the first of these columns that is not empty; NaN when all are."""
    for name in names:
        if cells.get(name):
            try:
                return parse_number(cells[name])
            except ValueError:
                raise ValueError(f"{name} is {cells[name][:40]!r}, not a number") from None
    return float("nan")


def needed_number(cells: dict[str, str], *names: str) -> float:
    """As `number`, but one must be there."""
    value = number(cells, *names)
    if np.isnan(value):
        raise ValueError(f"{names[0]} is empty")
    return value


def text(cells: dict[str, str], *names: str) -> str | float:
    """The text in the first of these columns that is not empty; NaN when all are."""
    return next((cells[name] for name in names if cells.get(name)), np.nan)


def path_named(cells: dict[str, str], name: str, *folders: str) -> str | float:
    """The path of the recording named in a column, behind the folders in others; NaN when it is empty."""
    if not cells.get(name):
        return np.nan
    above = [cells[folder].rstrip("/\\") for folder in folders if cells.get(folder, "").strip("./\\")]
    return "/".join([*above, cells[name]])


def add_exactly(start_s: float, duration_s: float) -> float:
    """End of a part, in decimal arithmetic, so that `1.1` and `0.2` end at `1.3`.

    >>> add_exactly(1.1, 0.2)
    1.3
    """
    return float(Decimal(repr(float(start_s))) + Decimal(repr(float(duration_s))))


def subtract_exactly(end_s: float, start_s: float) -> str:
    """Length of a part in decimal arithmetic, spelled without an exponent; the inverse of `add_exactly`."""
    return format(Decimal(repr(float(end_s))) - Decimal(repr(float(start_s))), "f")


def file_name(path: str) -> str:
    """The last part of a path of any system.

    >>> file_name("C:\\\\nights\\\\a.wav"), file_name("nights/a.wav")
    ('a.wav', 'a.wav')
    """
    return path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def spelled(value: Any) -> str:
    """A cell: empty when missing, numbers in full, everything else as text."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        return spell_number(float(value))
    return str(value)


def write_rows(header: Sequence[str], rows: Iterable[Iterable[Any]], delimiter: str) -> str:
    """Spell a table with `\\n` line ends; no text of a comma-separated one is a formula to a spreadsheet.

    Raises:
        InputError: tab-separated text cannot hold a cell with a tab or a line break.
    """
    written = [[spelled(value) for value in row] for row in rows]
    if delimiter == "\t":
        broken = [cell for row in written for cell in row if _breaks(cell)]
        refuse("has a tab or line break in a text", broken, "Remove it.")
        return "".join("\t".join(map(_quoted, row)) + "\n" for row in (header, *written))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([guard(cell) for cell in row] for row in written)
    return out.getvalue()


def _quoted(cell: str) -> str:
    """A cell in quotes where they would be taken away otherwise."""
    return cell if _unquoted(cell, is_always=False) == cell else '"' + cell.replace('"', '""') + '"'


def _breaks(cell: str) -> bool:
    return "\t" in cell or len(cell.splitlines()) > 1 or cell.endswith(("\n", "\r"))


def refuse(kind: str, cases: Iterable[str], remedy: str) -> None:
    """Refuse to write what the format cannot hold.

    Raises:
        InputError: there is such a case.
    """
    problems = Problems("The annotations to write")
    problems.add(kind, [repr(case) for case in cases], remedy)
    problems.raise_if_any()


def refuse_weak(annotations: pd.DataFrame, program: str) -> None:
    """Refuse statements about whole recordings in a format that only knows parts."""
    weak = annotations[annotations.start_s.isna()]
    refuse(
        f"speaks of a whole recording, which a file of {program} cannot say",
        [str(label) for label in weak.label],
        "Write them as plain CSV, or write only the strong ones.",
    )
