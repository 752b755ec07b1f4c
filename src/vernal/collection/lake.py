"""The data lake: a raw zone that only grows.

Every file is kept once, under the hash of its bytes, and is never written again. What was said of it when it
was added is kept beside it, one small file a statement, never changed either: who adds the same file under
another licence adds a statement. Adding twice changes nothing; an interrupted addition is simply repeated.
What can be computed from a file (length, header, hash of the sound itself) is computed once, when it is
added, and kept with the number of the code that computed it.
"""

import json
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from vernal.clips.annotation_formats import LABEL_SUFFIXES
from vernal.clips.manifest import spelled_on_disk
from vernal.clips.recording_facts import FACTS_VERSION, is_recording, recording_facts
from vernal.collection.statements import (
    FILES_TABLE,
    STATEMENT_FILE,
    YES_NO_NAMES,
    Statement,
    read_files_table,
    read_statement,
)
from vernal.common.files import TEMPORARY_PREFIX, is_inside, printable, sha256_of_file, write_text, writing
from vernal.common.hashing import digest
from vernal.common.json_text import read_json
from vernal.common.problems import InputError, Problems, on_one_line

ADDED_COLUMNS = ("file_path", "content_hash", "kind", "outcome", "reason")
# What recorders, programs and people leave beside recordings, called like a label file.
_NO_LABELS = re.compile(
    r"config\.txt|.*_summary\.(txt|csv)|.*\.list\.txt|birdnet_analysis_params\.csv|birdnet\.analyze-params\.csv|error_log\.txt"
    r"|(readme|licen[cs]e|attribution)[^.]*\.(txt|csv)",
    re.IGNORECASE,
)
# Statements under names that an editor, or a system that hides endings, gave them.
_NEARLY = {
    STATEMENT_FILE: re.compile(r"sources?\.ya?ml(\.ya?ml|\.txt)?", re.IGNORECASE),
    FILES_TABLE: re.compile(r"files\.csv\.(csv|txt)", re.IGNORECASE),
}
_FACT_NAMES = (
    "format", "subtype", "n_frames", "sample_rate_hz", "channels", "duration_s", "sound_hash", "problem", "length",
    "header_origin", "device", "recorder_id", "started_at", "latitude", "longitude", "copyright", "name_scheme",
)  # fmt: skip


@dataclass(frozen=True)
class Addition:
    """One file to add: where it lies, what it is called in the folder it came from, and what is said of it."""

    path: Path
    file_path: str
    statement: Statement


def list_inbox(inbox: Path | str) -> tuple[list[Addition], pd.DataFrame]:
    """Everything in a folder that people filled, with the statements that speak for each file.

    Returns:
        The additions, sorted by path, then those that withdraw what is no longer there; and a table `file_path`,
        `reason` of what is left where it lies: links that lead out of the folder, hidden files, empty files.
    Raises:
        InputError: no such folder, nothing in it, or statements that are not understood; all at once.
    """
    root = Path(inbox)
    if not root.is_dir():
        raise InputError(
            f"The inbox {root} does not exist. Give a folder of recordings and label files as collection.inbox."
        )
    additions: list[Addition] = []
    left: list[dict[str, str]] = []
    problems = Problems(f"The inbox {root}")
    wrong: list[str] = []
    gone: dict[str, Statement] = {}
    for folder, statement, single in _folders(root, root, Statement(), {}, wrong):
        for path in sorted(child for child in folder.iterdir() if child.is_file() or child.is_symlink()):
            name = printable(path.relative_to(root).as_posix())
            if path.is_symlink() and path.is_dir():
                continue
            is_text = name == path.relative_to(root).as_posix()
            reason = _reason_to_leave(path, root) if is_text else "its name is no UTF-8 text; rename it"
            if reason:
                left.append({"file_path": name, "reason": reason})
            elif path.name.lower() not in (STATEMENT_FILE, FILES_TABLE):
                own = single.get(name, Statement())
                additions.append(Addition(path, name, own.filled_from(statement)))
        gone |= {name: own for name, own in single.items() if own.withdrawn and not (root / name).is_file()}
    additions += [Addition(root / name, name, own) for name, own in sorted(gone.items())]
    for link in sorted(path for path in root.rglob("*") if path.is_symlink() and path.is_dir()):
        name = printable(link.relative_to(root).as_posix())
        left.append({"file_path": name, "reason": "a link to a folder; its files are not taken"})
    problems.add("statement not understood", wrong, "Correct them; nothing was added.")
    problems.raise_if_any()
    if not additions:
        raise InputError(f"The inbox {root} holds no files to add.")
    return additions, pd.DataFrame(left, columns=["file_path", "reason"]).sort_values(
        "file_path", ignore_index=True
    )


def _folders(
    folder: Path, root: Path, inherited: Statement, single: dict[str, Statement], wrong: list[str]
) -> Iterator[tuple[Path, Statement, dict[str, Statement]]]:
    """Each folder with the statement that holds in it and those for its single files."""
    statement, single = inherited, dict(single)
    wrong += [
        f"{path.relative_to(root).as_posix()} is not read: did you mean {meant}?"
        for path in sorted(folder.iterdir())
        for meant, nearly in _NEARLY.items()
        if nearly.fullmatch(path.name) and path.name.lower() != meant and path.is_file()
    ]
    try:
        if own := _file_called(STATEMENT_FILE, folder, root):
            statement = read_statement(own).filled_from(inherited)
        if own := _file_called(FILES_TABLE, folder, root):
            prefix = folder.relative_to(root)
            written = read_files_table(own)
            absent = [name for name in written if not (folder / name).is_file()]
            spelled = spelled_on_disk(absent, folder)
            table = {spelled.get(name, name): said for name, said in written.items()}
            single |= {(prefix / name).as_posix(): said for name, said in table.items()}
            wrong += [
                f"{(prefix / own.name).as_posix()} names {name!r}, which is not there"
                for name, said in table.items()
                if not said.withdrawn and not (folder / name).is_file()
            ]
    except InputError as error:
        wrong.append(on_one_line(error))
    inside = {name: said for name, said in single.items() if (root / name).is_relative_to(folder)}
    yield folder, statement, inside
    folders = (path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    for child in sorted(path for path in folders if not path.name.startswith(".")):
        below = {name: said for name, said in inside.items() if (root / name).is_relative_to(child)}
        yield from _folders(child, root, statement, below, wrong)


def _file_called(name: str, folder: Path, root: Path) -> Path | None:
    """A folder's own file of this name, in whatever letters a person's system writes it."""
    found = sorted(path for path in folder.iterdir() if path.name.lower() == name and path.is_file())
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise InputError(f"{folder.as_posix()} has several files called {name}: {names}. Keep one of them.")
    return next((path for path in found if is_inside(path, root)), None)


def _reason_to_leave(path: Path, root: Path) -> str | None:
    if path.name.startswith(".") or path.name.lower() in ("thumbs.db", "desktop.ini"):
        return "a hidden or system file"
    if not is_inside(path, root):
        return "a link that leads out of the inbox"
    if not path.is_file():
        return "not a file"
    return "an empty file" if path.stat().st_size == 0 and is_recording(path.name) else None


class Lake:
    """A raw zone on disk: `objects` by content hash, `statements` about them, `facts` computed from them.

    Under each path the last word counts: a later file under it, or a later statement about the same file,
    counts instead of the earlier one, which stays.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def add(self, additions: Iterable[Addition]) -> pd.DataFrame:
        """Keep files and statements that are not kept yet.

        Returns:
            One row a file, in order: `file_path`, `content_hash`, `kind` (recording, labels or other),
            `outcome`: `new file`, `new statement` (the file was known), `known` (nothing changed) or
            `refused`, with `reason`.
        """
        latest = {said["file_path"]: said for said in self._said()}
        number = max((said["number"] for said in latest.values()), default=0)
        rows = []
        for addition in additions:
            row = {"file_path": addition.file_path, "kind": _kind(addition.file_path)}
            before = latest.get(addition.file_path, {})
            try:
                content_hash, is_new = self._keep_or_withdraw(addition, before)
            except OSError as error:
                rows.append(row | {"outcome": "refused", "reason": str(error.strerror or error)})
                continue
            keys = {"content_hash": content_hash, "file_path": addition.file_path}
            said = keys | addition.statement.spoken()
            is_known = said == {key: value for key, value in before.items() if key != "number"}
            if not is_known:
                number += 1
                said["number"] = number
                name = f"{content_hash}-{digest(said)}.json"
                write_text(self.root / "statements" / content_hash[:2] / name, _json(said))
                latest[addition.file_path] = said
            outcome = "new file" if is_new else "known" if is_known else "new statement"
            rows.append(row | {"content_hash": content_hash, "outcome": outcome})
        return pd.DataFrame(rows, columns=list(ADDED_COLUMNS)).astype("str")

    def _keep_or_withdraw(self, addition: Addition, before: dict[str, Any]) -> tuple[str, bool]:
        """As `_keep`; what is withdrawn and has left its folder is the content that was there."""
        if not addition.statement.withdrawn or addition.path.is_file():
            return self._keep(addition.path)
        if not before:
            raise OSError("it is withdrawn, but was never added under this path")
        return before["content_hash"], False

    def _keep(self, path: Path) -> tuple[str, bool]:
        """Keep one content and its facts; its hash, and whether it is new."""
        content_hash = sha256_of_file(path)
        stored = self._object(content_hash)
        is_new = stored is None
        if stored is None:
            stored = self.root / "objects" / content_hash[:2] / f"{content_hash}{path.suffix.lower()}"
            with writing(stored) as temporary:
                shutil.copyfile(path, temporary)
                if sha256_of_file(temporary) != content_hash:
                    raise OSError("it changed while it was read; add it again when nobody writes to it")
            stored.chmod(0o444)
        if is_recording(stored.name) and not self._facts_path(content_hash).is_file():
            write_text(self._facts_path(content_hash), _json(recording_facts(stored)))
        return content_hash, is_new

    def _object(self, content_hash: str) -> Path | None:
        found = sorted((self.root / "objects" / content_hash[:2]).glob(f"{content_hash}*"))
        return found[0] if found else None

    def _facts_path(self, content_hash: str) -> Path:
        return self.root / f"facts-{FACTS_VERSION}" / content_hash[:2] / f"{content_hash}.json"

    def path_of(self, content_hash: str) -> Path:
        """Where a content lies.

        Raises:
            InputError: it was never added, or was taken away by hand.
        """
        found = self._object(content_hash)
        if found is None:
            raise InputError(
                f"The raw zone {self.root} has no file {content_hash[:12]}…. Add it again, or restore the folder."
            )
        return found

    def object_path(self, content_hash: str) -> str:
        """A content's path relative to `objects`, with `/`."""
        return self.path_of(content_hash).relative_to(self.root / "objects").as_posix()

    def statements(self) -> pd.DataFrame:
        """The latest statement about each content under each path, sorted by path.

        Returns:
            `content_hash`, `file_path`, `kind`, `number` (statements are counted as they are made),
            `is_superseded` (a later file was added under its path, or it was withdrawn), and the fields of
            `Statement`.
        Raises:
            InputError: a statement's file is damaged.
        """
        latest = {(said["content_hash"], said["file_path"]): said for said in self._said()}
        rows = [{**said, "kind": _kind(said["file_path"])} for said in latest.values()]
        names = ["content_hash", "file_path", "kind", "number", *Statement.__dataclass_fields__]
        table = pd.DataFrame(rows, columns=names)
        texts = {str(name): _text(table[name]) for name in names if name not in (*YES_NO_NAMES, "number")}
        table = table.assign(**texts).sort_values(["file_path", "number"], ignore_index=True)
        newest = table.groupby("file_path").number.transform("max")
        return table.assign(is_superseded=(table.number < newest) | table.withdrawn.eq(True))

    def _said(self) -> list[dict[str, Any]]:
        """Every statement ever made, in order."""
        said: list[dict[str, Any]] = []
        damaged: list[str] = []
        for path in (self.root / "statements").glob("??/*.json"):
            if path.name.startswith(TEMPORARY_PREFIX):
                continue
            try:
                row = read_json(path)
                name = f"{row['content_hash']}-{digest(row)}.json"
                if path.name != name or not isinstance(row["number"], int):
                    raise ValueError("its name does not fit its content")
                said.append(row)
            except (ValueError, KeyError, TypeError) as error:
                damaged.append(f"{path.name[:20]}…: {error}")
        problems = Problems(f"The raw zone {self.root}")
        remedy = "Restore these files from a copy; they are never written twice."
        problems.add("damaged statement", damaged, remedy)
        problems.raise_if_any()
        return sorted(said, key=lambda row: row["number"])

    def facts(self, content_hashes: Iterable[str]) -> pd.DataFrame:
        """What was computed of recordings: one row a content hash, in order; computed anew where it is not kept."""
        rows = [
            {"content_hash": content_hash, **self._facts(content_hash)} for content_hash in content_hashes
        ]
        table = pd.DataFrame(rows, columns=["content_hash", *_FACT_NAMES])
        numbers = ["n_frames", "sample_rate_hz", "channels", "duration_s", "latitude", "longitude"]
        texts = table.drop(columns=numbers).apply(_text)
        return table.astype(dict.fromkeys(numbers, "float64")).assign(**texts)

    def _facts(self, content_hash: str) -> dict[str, Any]:
        path = self._facts_path(content_hash)
        if path.is_file():
            return read_json(path)
        return recording_facts(self.path_of(content_hash))

    def verify(self) -> list[str]:
        """Hash every kept file again and name those whose bytes are no longer what they were."""
        files = sorted(path for path in (self.root / "objects").glob("??/*") if not path.name.startswith("."))
        return [path.name for path in files if sha256_of_file(path) != path.name[:64]]


def _kind(name: str) -> str:
    if is_recording(name):
        return "recording"
    if _NO_LABELS.fullmatch(PurePosixPath(name).name):
        return "other"
    return "labels" if Path(name).suffix.lower() in LABEL_SUFFIXES else "other"


def _text(column: pd.Series) -> pd.Series:
    text = column.map(str, na_action="ignore").astype("str")
    return text.where(text != "")


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1) + "\n"
