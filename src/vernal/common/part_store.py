"""Parquet files that are written once and never changed: what the stores of embeddings, features and scores share.

A folder for each group of settings holds parts and `settings.json`, the settings in words. A part is written under
another name and gets its own only when it is whole. Where that name is the SHA-256 of its bytes, damage can be seen,
and two writers cannot disturb each other; every page carries a checksum that is compared at each reading. Anything can
have such a name, so what a part holds is checked as well when it is opened.
"""

import hashlib
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from vernal.common.files import sha256_of_file, write_bytes, write_text
from vernal.common.formatting import examples
from vernal.common.hashing import digest
from vernal.common.json_text import read_json
from vernal.common.problems import InputError
from vernal.common.storage import as_path

if TYPE_CHECKING:
    import pandas as pd

SETTINGS = "settings.json"
_PART = "part-{}.parquet"
_MOST_COLUMNS = 1_000


class PartStore:
    """A folder of parts; several processes may read and write it at once.

    `cannot_write`: the message where `{folder}` of a group in `{store}` cannot be written for a `{reason}`.
    `when_damaged`: what a person does about a part that cannot be read.
    """

    cannot_write: ClassVar[str]
    when_damaged: ClassVar[str]

    def __init__(self, folder: Path | str) -> None:
        self.folder = as_path(folder)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder)!r})"

    def verify(self) -> "pd.DataFrame":
        """Read every file: is it what its name says, and does it hold what such a file holds?

        Returns:
            One row a file: `settings_id`, `file`, `bytes`, `state` (`ok` or `damaged`), `fault` (why; else empty).
        """
        import pandas as pd

        rows = []
        for folder in self._groups():
            for file in self._files(folder):
                fault = self._fault(file)
                state = "damaged" if fault else "ok"
                rows.append((folder.name, file.name, file.stat().st_size, state, fault))
        return pd.DataFrame(rows, columns=["settings_id", "file", "bytes", "state", "fault"])

    def _groups(self) -> list[Path]:
        """The folders of all settings."""
        if not self.folder.is_dir():
            return []
        return sorted(
            folder
            for folder in self.folder.iterdir()
            if (folder / SETTINGS).is_file() or self._parts(folder.name)
        )

    def _parts(self, group: str) -> list[Path]:
        return sorted((self.folder / group).glob(_PART.format("*")))

    def _files(self, folder: Path) -> list[Path]:
        """The files of a group of settings."""
        settings = folder / SETTINGS
        return [*([settings] if settings.is_file() else []), *self._parts(folder.name)]

    def _fault(self, file: Path) -> str:
        """What is wrong with a file; nothing where it is whole and its own."""
        if file.name == SETTINGS:
            return "" if self._settings(file.parent) else "no settings of this folder"
        if file.name != _PART.format(sha256_of_file(file)):
            return "not the bytes that its name tells"
        try:
            self._check(file)
        except InputError as error:
            return str(error.__cause__ or error).partition("\n")[0]
        return ""

    def _check(self, part: Path) -> None:
        """Read a part whole, for anybody may write one that is named by its bytes.

        Raises:
            InputError: it does not hold what a part of this store holds.
        """

    def _settings(self, folder: Path) -> dict[str, Any]:
        """The settings in words; nothing where the file is missing, damaged, or not that of this folder."""
        try:
            settings = read_json(folder / SETTINGS)
        except (FileNotFoundError, ValueError):
            return {}
        is_own = isinstance(settings, dict) and self._belong(settings, folder.name)
        return settings if is_own else {}

    def _belong(self, settings: dict[str, Any], group: str) -> bool:
        """Whether a group of this name has these settings."""
        return digest(settings) == group

    def _append(self, group: str, settings: Mapping[str, Any], content: bytes) -> Path:
        """Write a part under the hash of its content."""
        name = part_name(content)
        self._put(group, settings, {name: content})
        return self.folder / group / name

    def _put(self, group: str, settings: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        """Write files of a group, each whole or not at all, and its settings where they are missing.

        Raises:
            InputError: the folder cannot be written.
        """
        folder = self.folder / group
        try:
            if files and not self._settings(folder):
                words = json.dumps(settings, indent=2, ensure_ascii=False)
                write_text(folder / SETTINGS, words + "\n")
            for name, content in files.items():
                write_bytes(folder / name, content)
        except OSError as error:
            reason = error.strerror or error
            raise InputError(
                self.cannot_write.format(store=self.folder, folder=folder, reason=reason)
            ) from error


def part_name(content: bytes) -> str:
    """The name of a part with this content."""
    return _PART.format(hashlib.sha256(content).hexdigest())


def as_parquet(table: Any, **how: Any) -> bytes:
    """An Arrow table as a Parquet file with a checksum on every page; `how`: more of `pyarrow.parquet.write_table`."""
    from pyarrow import parquet

    file = io.BytesIO()
    parquet.write_table(table, file, write_statistics=False, write_page_checksum=True, **how)
    return file.getvalue()


def open_part(part: Path) -> Any:
    """A part as `pyarrow.parquet.ParquetFile`, from a disk or an object store."""
    from pyarrow.parquet import ParquetFile

    return ParquetFile(part if isinstance(part, Path) else part.open("rb"), page_checksum_verification=True)


def read_part(
    part: Path, columns: Sequence[str] | None, when_damaged: str, check: Callable[[Any], None] | None = None
) -> Any:
    """Columns of a part (None: all) as an Arrow table.

    Args:
        check: raises ValueError for an open `ParquetFile` that is no such part, before anything of it is read.
    Raises:
        InputError: the part is damaged or no such part; the message ends in `when_damaged`.
    """
    from pyarrow import ArrowException

    try:
        with open_part(part) as file:
            if check is not None:
                check(file)
            table = file.read(columns=columns, use_threads=False)
            check_rows(table, file.metadata.num_rows)
            return table
    except (ArrowException, OSError, KeyError, ValueError) as error:
        raise damaged(part, error, when_damaged) from error


def check_rows(table: Any, n_rows: int) -> None:
    """Refuse an Arrow table whose columns have other numbers of rows than its file tells, or texts that are no UTF-8.

    Raises:
        ValueError: says which.
    """
    table.validate(full=True)
    odd = [
        f"{name} has {len(column):,} rows"
        for name, column in zip(table.column_names, table.columns, strict=True)
        if len(column) != n_rows
    ]
    if odd:
        raise ValueError(f"{examples(odd)}, of {n_rows:,}")


def check_types(file: Any, types: Mapping[str, str]) -> None:
    """Refuse an open part whose columns are not these, in any order.

    Args:
        types: by column, a pattern of the type as Arrow spells it, as `double`.
    Raises:
        ValueError: a column is missing, too many, or of another type.
    """
    if len(file.metadata.schema) > _MOST_COLUMNS:
        raise ValueError(f"it has {len(file.metadata.schema):,} columns")
    found = [(field.name, str(field.type)) for field in file.schema_arrow]
    odd = [f"{name} is {kind}" for name, kind in found if not re.fullmatch(types.get(name, "(?!)"), kind)]
    lacking = [f"{name} is missing" for name in types if name not in dict(found)]
    if odd or lacking or len(found) > len(types):
        raise ValueError("columns that are not a part's: " + (examples(odd + lacking) or "one twice"))


def damaged(part: Path, error: Exception, when_damaged: str) -> InputError:
    """The mistake of a part that cannot be read, caused by `error`."""
    reason = str(error).partition("\n")[0]
    mistake = InputError(f"{part} is damaged or cannot be read ({reason}). {when_damaged}")
    mistake.__cause__ = error
    return mistake
