"""Who gave what, under which terms: the statements that come with a folder of files.

A person puts a `source.yml` into their folder. It speaks for the folder and everything below; a deeper one
adds to it and wins where both speak. A `files.csv` speaks for single files, by path, and wins over both.
A statement can be completed later: nothing that was said is overwritten, it is said again. A file can be
withdrawn, also when it has left the folder: a table names it and says so.
"""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, time
from pathlib import Path
from typing import Any

from vernal.clips.annotation_formats import read_text
from vernal.clips.annotation_formats.lines import read_rows
from vernal.common.problems import InputError, Problems, on_one_line, suggest
from vernal.common.safe_yaml import read_yaml

STATEMENT_FILE = "source.yml"
FILES_TABLE = "files.csv"
_FILE_COLUMNS = ("file", "file_path", "filename", "path")
ROLES = ("training", "deployment", "adversarial")
YES_NO_NAMES = ("complete", "withdrawn")
_YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Statement:
    """What is said of a file by whoever gave it; None where nothing is said.

    `collector` recorded or gathered it, `source` is where it comes from (a place on the web, a campaign),
    `licence` the terms. `annotator`, `session` (their first or second time) and `complete` (everything in the
    recording that belongs to a class was marked) speak for label files. `role`: `training`, `deployment` (a
    sample of what the detector will hear, never trained on) or `adversarial` (collected by outsiders to
    test it). `mined_by` names the model that chose the recording. `utc_offset` is the recorder's clock, as
    in `+02:00`. `label`: what was boxed where a label file names nothing; `negative` also says
    of recordings that nothing of the target is in them.
    """

    collector: str | None = None
    source: str | None = None
    licence: str | None = None
    site: str | None = None
    device: str | None = None
    recorder_id: str | None = None
    date: str | None = None
    time: str | None = None
    utc_offset: str | None = None
    role: str | None = None
    mined_by: str | None = None
    annotator: str | None = None
    session: str | None = None
    complete: bool | None = None
    withdrawn: bool | None = None
    label: str | None = None
    note: str | None = None

    def filled_from(self, other: "Statement") -> "Statement":
        """This statement, with `other`'s word where this one says nothing."""
        return replace(other, **{key: value for key, value in asdict(self).items() if value is not None})

    def spoken(self) -> dict[str, Any]:
        """Only what is said, as plain values."""
        return {key: value for key, value in asdict(self).items() if value is not None}


_NAMES = tuple(field.name for field in fields(Statement))
# Other words that people write.
_ALSO = {
    "license": "licence", "recordist": "collector", "place": "site", "location": "site", "recorder": "recorder_id"
}  # fmt: skip


def _read_by(read: Callable[[str], Any], form: str) -> Callable[[str], bool]:
    """Whether a text has this form and `read` takes it."""

    def is_fine(text: str) -> bool:
        if not re.fullmatch(form, text):
            return False
        try:
            read(text)
        except ValueError:
            return False
        return True

    return is_fine


# What a value must be, and what to do about another.
_FORMS: dict[str, tuple[Callable[[str], bool], str]] = {
    "role": (lambda text: text.lower() in ROLES, f"Use {', '.join(ROLES)}."),
    "complete": (lambda text: text.lower() in _YES_NO, "Write yes when all calls are marked, else no."),
    "withdrawn": (lambda text: text.lower() in _YES_NO, "Write yes when the file counts no longer."),
    # YAML 1.1 reads an unquoted +02:00 as the number 120, and 21:30 as 1290.
    "utc_offset": (
        _read_by(lambda text: time.fromisoformat(f"00:00{text}"), r"[+-]\d{2}:\d{2}|Z"),
        'Write it in quotes, as in "+02:00".',
    ),
    "date": (_read_by(date.fromisoformat, r"\d{4}-\d{2}-\d{2}"), "Write it as in 2025-04-03."),
    "time": (_read_by(time.fromisoformat, r"\d{2}:\d{2}(:\d{2})?"), 'Write it in quotes, as in "21:30".'),
}


def make_statement(values: dict[str, Any], where: str) -> Statement:
    """A statement from plain values, as a YAML file or a row of a table gives them.

    Raises:
        InputError: unknown names, or values that are not what their names ask for; all at once.
    """
    problems = Problems(where)
    written = {str(key).strip().lower(): value for key, value in values.items()}
    named = {_ALSO.get(key, key): value for key, value in written.items()}
    unknown = [f"{key!r} ({suggest(key, _NAMES)})" for key in named if key not in _NAMES]
    problems.add("unknown name", unknown, "Correct it, or put it into `note`.")
    nested = [repr(key) for key, value in named.items() if isinstance(value, dict | list)]
    problems.add("value that is a list or mapping", nested, "Give one text each.")
    texts = {
        key: re.sub(r"\s+", " ", str(value)).strip()
        for key, value in named.items()
        if key in _NAMES and value is not None and not isinstance(value, dict | list) and str(value).strip()
    }
    for key, (is_fine, remedy) in _FORMS.items():
        wrong = [repr(texts[key])] if key in texts and not is_fine(texts[key]) else []
        problems.add(f"`{key}` not understood", wrong, remedy)
    problems.raise_if_any()
    answers = {key: _YES_NO[texts.pop(key).lower()] for key in YES_NO_NAMES if key in texts}
    if "role" in texts:
        texts["role"] = texts["role"].lower()
    said: dict[str, Any] = {**texts, **answers}
    return Statement(**said)


def read_statement(path: Path) -> Statement:
    """The statement in a `source.yml`.

    Raises:
        InputError: not YAML, or not a statement.
    """
    content = read_yaml(path)
    if content is None:
        return Statement()
    if not isinstance(content, dict):
        raise InputError(f"{path.as_posix()} holds no `name: value` lines, such as `licence: CC-BY-4.0`.")
    return make_statement(content, path.as_posix())


def read_files_table(path: Path) -> dict[str, Statement]:
    """The statements of a `files.csv`, by path relative to the table's folder.

    Raises:
        InputError: no column `file`, a path twice, or rows that are no statements; all rows at once.
    """
    where = path.as_posix()
    header, rows = read_rows(read_text(path, where), where)
    written = {name.lower() for name in header}
    name = next((key for key in _FILE_COLUMNS if key in written), None)
    if name is None:
        raise InputError(
            f"{where} has no column `file`. Each row names a file, relative to the table's folder."
        )
    statements: dict[str, Statement] = {}
    twice: list[str] = []
    wrong: list[str] = []
    for line, cells in rows:
        if not cells.get(name):  # below a further header, or an empty cell
            wrong.append(f"line {line}: no file")
            continue
        key = cells.pop(name).replace("\\", "/").removeprefix("./")
        twice += [f"line {line}: {key!r}"] if key in statements else []
        values = {column: cell for column, cell in cells.items() if cell}
        try:
            statements[key] = make_statement(values, f"line {line}")
        except InputError as error:
            wrong.append(on_one_line(error))
    problems = Problems(where)
    problems.add("row not understood", wrong, "Correct them.")
    problems.add("file named twice", twice, "Keep one row each.")
    problems.raise_if_any()
    return statements
