"""What people decide, kept as it is said: one line a decision, never changed, never taken back but by a further line.

Each server writes a file of its own, so that two of them, or a browser opened twice, cannot disturb each other.
A line is on the disk before the page goes on. A server that is killed loses at most a line that nobody was told
was saved.

Of two decisions the later written counts, not the later stamped, for clocks are set back: each line has a number, one
more than the highest that its server found in the folder, and lines of one file follow each other as they stand there.

Where a person drew a box around the call, the line has `box`: start and end in seconds from the recording's start, as
`start_s` and `end_s` are, then lowest and highest frequency in Hz. A line without a box has no such entry.

What a person decides of several classes at once is a line a class, written in one go: `action` names what belongs
together and `of` says how many lines that is. Where some of them are missing, none counts.
"""

import json
import os
import re
import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import MAXYEAR, UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vernal.audio.reading import SAMPLE_RATE_HZ
from vernal.clips.annotations import ANNOTATION_COLUMNS, MAX_TIME_S, annotation_table
from vernal.clips.curation import DECISIONS
from vernal.clips.manifest import QUALITIES
from vernal.common.formatting import visible
from vernal.common.json_text import parse_json
from vernal.common.problems import InputError, Problems, is_number, is_whole, suggest
from vernal.common.storage import as_path, on_disk

DECIDED, UNDONE = "decision", "undo"
SUFFIX = ".jsonl"
MAX_NOTE = 2_000
MAX_NAME = 80
_MAX_ORDER = 2**53
_TOP_HZ = SAMPLE_RATE_HZ // 2
_EVER = datetime.min.replace(tzinfo=UTC)
_MAX_LINE = 64 * 1024  # bytes; notes and names are bounded
DECISION_COLUMNS = (
    "id", "when", "reviewer", "session", "queue", "item", "look", "clip_id", "source", "recording", "file_path",
    "start_s", "end_s", "content_hash", "asked", "decision", "quality", "call_type", "note", "model", "score",
    "is_score_shown", "rank",
)  # fmt: skip
BOX_COLUMNS = ("box_start_s", "box_end_s", "box_low_hz", "box_high_hz")
SHOWN_COLUMNS = (
    "clip_id", "content_hash", "decision", "call_type", "queue", "look", "shown_model", "shown_score", "is_score_shown",
    "decision_id",
)  # fmt: skip
_NUMBERS = ("start_s", "end_s", "score", "rank", "look")


class DecisionLog:
    """The decisions below a folder. `add` and `undo` write to this server's own file; `read` reads all files.

    `also`: further folders, whose decisions are read as if they lay in this one.
    """

    def __init__(self, folder: Path | str, also: Iterable[Path] = ()) -> None:
        self.folder = as_path(folder)
        self.also = tuple(also)
        self.session = uuid.uuid4().hex[:12]
        self._file: Path | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"DecisionLog({str(self.folder)!r})"

    def add(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Write one decision; it is on the disk when this returns.

        Args:
            values: of `DECISION_COLUMNS`, what the reviewer said and what was shown, and `box` where there is one;
                `id`, `when` and `session` are given here.
        Returns:
            The line as it was written.
        Raises:
            InputError: an unknown decision or quality, no reviewer, a text that is too long, a box that is not in the
                clip, or no way to write.
        """
        return self.add_together([values])[0]

    def add_together(self, several: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Write decisions that a person makes at once; all are on the disk when this returns, and are undone at once.

        Args:
            several: each as `add` takes it.
        Returns:
            The lines as they were written.
        Raises:
            InputError: as `add`; then none of them counts.
        """
        lines = [_line_of(values) for values in several]
        for line in lines:
            check_decision(line)
        return self._write([{"kind": DECIDED, **line} for line in lines])

    def undo(self, identity: str, reviewer: str) -> list[dict[str, Any]]:
        """Take a decision of the same reviewer back, by a further line; and with it all that was decided at once.

        Raises:
            InputError: there is no such decision, or somebody else made it, or it is taken back already.
        """
        lines = self._lines()
        known = {line["id"]: line for line in lines if line["kind"] == DECIDED}
        undone = {line["undoes"] for line in lines if line["kind"] == UNDONE}
        if identity not in known or known[identity]["reviewer"] != reviewer:
            raise InputError(
                f"{reviewer or 'Nobody'} made no such decision; only one's own can be taken back."
            )
        if identity in undone:
            raise InputError("This decision is taken back already.")
        action = _action(known[identity])
        together = [other for other, line in known.items() if _action(line) == action and other not in undone]
        return self._write([{"kind": UNDONE, "undoes": other, "reviewer": reviewer} for other in together])

    def read(self) -> pd.DataFrame:
        """All decisions that stand, as they were written, the first one first: `DECISION_COLUMNS`, `BOX_COLUMNS`.

        `when` is what the clock said, but never before an earlier decision of the same reviewer.
        """
        lines = self._lines()
        undone = {line["undoes"] for line in lines if line["kind"] == UNDONE}
        standing = [line for line in lines if line["kind"] == DECIDED and line["id"] not in undone]
        return decision_table(standing)

    def _write(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        on_disk(self.folder, "Writing decisions down as they are made")
        with self._lock:
            now = datetime.now(UTC)
            try:
                whole = self._stamped(lines, now)
                text = "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in whole)
                self.folder.mkdir(parents=True, exist_ok=True)
                if self._file is None:
                    stamp = now.strftime("%Y%m%dT%H%M%S.%fZ")
                    self._file = self.folder / f"{stamp}-{self.session}{SUFFIX}"
                with self._file.open("ab") as file:
                    file.write(text.encode("utf-8"))
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                self._file = None  # what follows must not continue a line that was cut off
                raise InputError(
                    f"The decision is NOT saved: {self.folder} cannot be written ({error.strerror or error}). Free or "
                    "unlock it, then decide again."
                ) from error
        return whole

    def _stamped(self, lines: list[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
        """Lines as they are written, with what says that they belong together where they are several."""
        first = self._last_order() + 1
        together = {"action": uuid.uuid4().hex, "of": len(lines)} if len(lines) > 1 else {}
        return [
            line
            | {
                "id": uuid.uuid4().hex,
                "order": min(first + at, _MAX_ORDER),
                "when": (now + timedelta(microseconds=at)).isoformat(timespec="microseconds"),
                "session": self.session,
            }
            | together
            for at, line in enumerate(lines)
        ]

    def _lines(self) -> list[dict[str, Any]]:
        """Every line of every file, as they were written."""
        problems = Problems(f"The decisions in {self.folder}")
        lines: dict[str, dict[str, Any]] = {}
        for file in self._files():
            bad, latest = [], _EVER
            # What follows the last line end was cut off when a server was killed; nobody was told it is saved.
            for number, text in enumerate(file.read_bytes().split(b"\n")[:-1], start=1):
                line = _parse(text)
                if line is None:
                    bad.append(f"{file.name} line {number}")
                else:
                    # A file is written by one server, line by line, whatever its clock says.
                    latest = max(latest, _moment(line))
                    lines[line["id"]] = line | {"_from": latest}
            problems.add("line that is no decision", bad, "Mend or remove it; nothing else is read before.")
        problems.raise_if_any()
        return _as_written(_whole_actions(lines.values()))

    def _files(self) -> list[Path]:
        folders = [folder for folder in (self.folder, *self.also) if folder.is_dir()]
        return [file for folder in folders for file in sorted(folder.glob(f"*{SUFFIX}"))]

    def _last_order(self) -> int:
        """The highest number of a line so far: that of the last whole line of one of the files."""
        return max((_order_at_end(file) for file in self.folder.glob(f"*{SUFFIX}")), default=0)


def _line_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """What is written of a decision; `box` only where there is one."""
    box = {} if values.get("box") is None else {"box": values["box"]}
    return {name: values.get(name) for name in DECISION_COLUMNS} | box


def _action(line: Mapping[str, Any]) -> str:
    """What a line was decided together with; itself where it stands alone."""
    return str(line.get("action") or line["id"])


def _whole_actions(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines without those of an action that was cut off when it was written; nobody was told that it is saved."""
    kept = list(lines)
    counts = Counter(map(_action, kept))
    return [line for line in kept if counts[_action(line)] >= line.get("of", 1)]


def _order_at_end(file: Path) -> int:
    """The number of a file's last whole line; 0 where it has none."""
    with file.open("rb") as content:
        size = content.seek(0, os.SEEK_END)
        content.seek(max(0, size - _MAX_LINE))
        lines = content.read().split(b"\n")[:-1]
    line = _parse(lines[-1]) if lines else None
    return line.get("order", 0) if line else 0


def check_decision(line: Mapping[str, Any]) -> None:
    """Refuse what cannot be a decision.

    Raises:
        InputError: says every problem of the line.
    """
    problems = Problems("The decision")
    if line["decision"] not in DECISIONS:
        problems.add(
            "unknown decision", [repr(line["decision"])], f"{suggest(str(line['decision']), DECISIONS)}"
        )
    if line["quality"] not in (None, *QUALITIES):
        problems.add("unknown quality", [repr(line["quality"])], f"Use {', '.join(QUALITIES)}.")
    reviewer = line["reviewer"]
    if not isinstance(reviewer, str) or not reviewer.strip() or len(reviewer) > MAX_NAME:
        problems.add("no reviewer", [repr(reviewer)], "Give a name of 1 to 80 characters.")
    elif visible(reviewer) != reviewer or re.search(r"[\t\n]", reviewer):
        problems.add(
            "name that cannot be used",
            [repr(reviewer)],
            "Leave line breaks, signs that nobody sees and broken letters out.",
        )
    for name, limit in (("note", MAX_NOTE), ("call_type", MAX_NAME)):
        value = line[name]
        if value is not None and (not _is_text(value) or len(value) > limit):
            problems.add(
                f"{name} that cannot be used", [repr(value)[:80]], f"Give up to {limit:,} characters."
            )
    if not _has_fitting_box(line):
        problems.add(
            "box that cannot be used",
            [repr(line["box"])[:80]],
            f"Give start and end in seconds, within the clip, and lowest and highest frequency, from 0 to {_TOP_HZ:,} "
            "Hz, of a clip with the target.",
        )
    problems.raise_if_any()


def _has_fitting_box(line: Mapping[str, Any]) -> bool:
    """Whether a line has no box, or one that lies in its clip and below half the rate that sound is read at."""
    box = line.get("box")
    if box is None:
        return True
    first = 0.0 if line.get("start_s") is None else line["start_s"]  # of a clip that is its whole recording
    last = MAX_TIME_S if line.get("end_s") is None else line["end_s"]
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, (*box, first, last))):
        return False
    start, end, low, high = box
    is_inside = first <= start < end <= last and 0 <= low < high <= _TOP_HZ
    return is_inside and line["decision"] == "target"


def _is_text(value: Any) -> bool:
    """Whether a value is text that a file can hold; half of a surrogate pair is not."""
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _parse(text: bytes) -> dict[str, Any] | None:
    """A line of a log, None where it is no decision and no undoing of one."""
    try:
        line = parse_json(text, "The line")
        if b"\\ud" in text.lower() and not _is_text(json.dumps(line, ensure_ascii=False)):
            return None
        order = line.get("order", 0)
        is_line = isinstance(line["id"], str) and is_whole(order) and 0 <= order <= _MAX_ORDER
        is_line = is_line and isinstance(line.get("action"), str | None) and is_whole(line.get("of", 1))
        if not is_line or _moment(line).year == MAXYEAR:
            return None
        if line["kind"] == UNDONE:
            return line if isinstance(line["undoes"], str) else None
        return line if line["kind"] == DECIDED and _is_decision(line) else None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None


def _is_decision(line: Mapping[str, Any]) -> bool:
    """Whether everything in a line is of the kind that its column holds."""
    numbers = [line.get(name) for name in _NUMBERS]
    others = [line.get(name) for name in DECISION_COLUMNS if name not in _NUMBERS]
    return (
        line["decision"] in DECISIONS
        and isinstance(line["reviewer"], str)
        and isinstance(line.get("is_score_shown"), bool | None)
        and {"queue", "item"} <= set(line)
        and all(value is None or is_number(value) for value in numbers)
        and not any(isinstance(value, dict | list) for value in others)
        and _has_fitting_box(line)
    )


def _moment(line: Mapping[str, Any]) -> datetime:
    """When a line was written, by the clock of its writer."""
    return datetime.fromisoformat(line["when"]).astimezone(UTC)


def _as_written(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines in the order in which they were written, and of each reviewer none stamped before an earlier one.

    Where a clock was set back, the stamp becomes that of the line before and a microsecond, since tables of decisions
    are sorted by it; the file keeps what the clock said.
    """
    last: dict[str, datetime] = {}
    ordered = []
    for line in sorted(lines, key=lambda line: (line.get("order", 0), line["_from"], line["id"])):
        moment = _moment(line)
        reviewer = str(line.get("reviewer"))
        before = last.get(reviewer, _EVER)
        last[reviewer] = latest = max(moment, before + timedelta(microseconds=1))
        when = line["when"] if latest == moment else latest.isoformat(timespec="microseconds")
        ordered.append({**line, "when": when})
    return ordered


def decision_table(lines: list[dict[str, Any]]) -> pd.DataFrame:
    """Lines of decisions as a table with the types of its columns."""
    columns, numbers = (*DECISION_COLUMNS, *BOX_COLUMNS), (*_NUMBERS, *BOX_COLUMNS)
    boxed = [line | dict(zip(BOX_COLUMNS, line.get("box") or (), strict=False)) for line in lines]
    table = pd.DataFrame(boxed, columns=list(columns), dtype=object)
    kinds = dict.fromkeys(columns, "str") | dict.fromkeys(numbers, "float64")
    return table.astype(kinds | {"is_score_shown": "bool"})


def latest_decisions(decisions: pd.DataFrame) -> pd.DataFrame:
    """Each reviewer's last word on each item and look."""
    ordered = decisions.sort_values(["when", "id"], kind="stable")
    return ordered.drop_duplicates(["reviewer", "queue", "item", "look"], keep="last")


def to_annotations(decisions: pd.DataFrame) -> pd.DataFrame:
    """Decisions as annotations in the collection's schema, followed by what was shown: `SHOWN_COLUMNS`.

    Times and frequencies are those of the box where one was drawn, else the times of the clip.
    Someone who is unsure states nothing, so such a decision gives no annotation. `session` counts the looks.
    `model` stays empty, since no model said it; what a model had said is in `shown_model` and `shown_score`.
    """
    said = decisions[decisions.decision != "unsure"].reset_index(drop=True)
    rows = said.assign(
        recording=said.recording.fillna(said.file_path),
        label=said.asked,
        is_present=said.decision == "target",
        annotator=said.reviewer,
        annotated_at=said.when,
        session=[f"{look:.0f}" for look in said["look"].fillna(1)],
        model=np.nan,
        start_s=said.box_start_s.fillna(said.start_s),
        end_s=said.box_end_s.fillna(said.end_s),
        low_hz=said.box_low_hz,
        high_hz=said.box_high_hz,
    )
    table = annotation_table(rows.reindex(columns=list(ANNOTATION_COLUMNS)).to_dict("records"))
    shown = said.rename(columns={"model": "shown_model", "score": "shown_score", "id": "decision_id"})
    return table.join(shown[list(SHOWN_COLUMNS)])


def to_reviews(decisions: pd.DataFrame, target: str) -> pd.DataFrame:
    """Decisions about the target as curation reads reviews: `clip_id`, `decision`, `reviewer`, `when`, `quality`."""
    about = decisions[(decisions.asked == target) & decisions.clip_id.notna()]
    return about[["clip_id", "decision", "reviewer", "when", "quality"]].reset_index(drop=True)
