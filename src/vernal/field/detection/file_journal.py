"""Which files were looked at before: a journal by path, so that an unchanged file need not be read to be known.

A line a file is appended as soon as it is known. The last line of a path counts; a line that a killed run left
half-written is passed over. In an object store, where nothing can be appended, each line is an object in a folder of
the journal's name. Losing the journal costs reading, never results.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from vernal.common.files import write_text
from vernal.common.hashing import digest
from vernal.common.json_text import parse_json
from vernal.common.problems import InputError
from vernal.common.storage import RemotePath, as_path
from vernal.field.detection.file_facts import FileFacts


class KnownFiles:
    """The journal in a file."""

    def __init__(self, file: Path | str) -> None:
        self.file = as_path(file)

    def __repr__(self) -> str:
        return f"KnownFiles({str(self.file)!r})"

    def load(self) -> dict[str, FileFacts]:
        """Facts by absolute path; nothing where there is no journal yet."""
        found = {}
        for line in self._lines():
            try:
                record = parse_json(line, str(self.file))
                path = record.pop("path")
                found[path] = FileFacts(**record)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
        return found

    def _lines(self) -> Iterator[str]:
        if isinstance(self.file, RemotePath):
            yield from (one.read_text() for one in self.file.glob("*.json"))
        elif self.file.is_file():
            with self.file.open(encoding="utf-8", errors="replace") as lines:
                yield from lines

    def append(self, facts: Mapping[str, FileFacts]) -> None:
        """Note files.

        Raises:
            InputError: the journal cannot be written.
        """
        if not facts:
            return
        lines = {
            path: json.dumps({"path": path, **asdict(fact)}, ensure_ascii=False) + "\n"
            for path, fact in facts.items()
        }
        try:
            if isinstance(self.file, RemotePath):
                for path, line in lines.items():
                    write_text(self.file / f"{digest(path, length=32)}.json", line)
            else:
                self._append("".join(lines.values()))
        except OSError as error:
            raise InputError(
                f"{self.file} cannot be written: {error.strerror or error}. What was finished before is kept; free "
                "space or mend the folder, then run again to continue."
            ) from error

    def _append(self, text: str) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("ab+") as file:
            if file.tell() and not _ends_a_line(file):
                text = "\n" + text
            file.write(text.encode("utf-8", errors="surrogatepass"))


def _ends_a_line(file) -> bool:
    file.seek(-1, 2)
    return file.read(1) == b"\n"
