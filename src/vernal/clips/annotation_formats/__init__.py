"""Label files of the programs people use, read and written.

Each module is one format with the same five names: `NAME`, `CARRIES` (the columns of an annotation that
survive the way out and back), `looks_like`, `parse` and `render`. What a format cannot say is refused when
writing, never dropped: the caller drops it knowingly, with `vernal.clips.annotations`.
"""

from pathlib import Path
from types import ModuleType

import pandas as pd

from vernal.clips.annotation_formats import audacity, birdnet, kaleidoscope, plain_csv, raven
from vernal.clips.annotation_formats.lines import first_line
from vernal.common import tables
from vernal.common.files import POINTER
from vernal.common.problems import InputError, suggest

# The order matters for recognition: the most particular first.
FORMATS: dict[str, ModuleType] = {
    module.NAME: module for module in (birdnet, kaleidoscope, raven, plain_csv, audacity)
}
LABEL_SUFFIXES = (".txt", ".csv", ".tsv")
MAX_BYTES = 50_000_000


def read_labels(path: Path | str, name: str | None = None) -> tuple[pd.DataFrame, str]:
    """Read a label file of any known format.

    Args:
        path: the file.
        name: the format's name; None looks at the file.
    Returns:
        Annotations in the file's order, each with its `line`, and the name of the format. Columns that the file does
        not give are missing.
    Raises:
        InputError: not text, no known format, or impossible values, with the lines.
    """
    path = Path(path)
    text = read_text(path)
    module = _module(name) if name else FORMATS[recognise(text, path.name)]
    return module.parse(text, path.name), module.NAME


def recognise(text: str, where: str) -> str:
    """Name the format of a label file by what stands in it.

    >>> recognise("0.5\\t1.5\\tRADR\\n", "night.txt")
    'audacity'
    """
    for name, module in FORMATS.items():
        if module.looks_like(text):
            return name
    raise InputError(
        f"{where} is no label file that is known ({', '.join(FORMATS)}); it begins with {first_line(text)[:60]!r}. "
        "Export it again from the program that made it, or give a CSV with the columns recording, start_s, "
        "end_s, label."
    )


def read_text(path: Path, where: str | None = None) -> str:
    """A label file's text: UTF-8, or UTF-16 with its mark; messages call it `where`, or by its name.

    Raises:
        InputError: not there, too large for a label file, or another encoding.
    """
    where = where or path.name
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(
                f"{where} has {size:,} bytes; no label file is that large. Was another file meant?"
            )
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{where} cannot be read: {error.strerror or error}") from error
    if content.startswith(POINTER.encode()):
        raise InputError(f"{where} is a Git LFS pointer, not the label file: `git lfs pull`")
    return decode(content, where)


def decode(content: bytes, where: str) -> str:
    """The text of a label file's bytes.

    Raises:
        InputError: neither UTF-8 nor UTF-16 with its mark.
    """
    try:
        return tables.decode(content)
    except UnicodeError as error:
        raise InputError(f"{where}, {error}. Save it as UTF-8 and add it again.") from error


def _module(name: str) -> ModuleType:
    if name not in FORMATS:
        raise InputError(f"No annotation format {name!r}; {suggest(name, FORMATS)}.")
    return FORMATS[name]
