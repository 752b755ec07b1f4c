"""Who looked at the test, and how often: an append-only list that every evaluation on a test split adds to.

A test split is worth less with each look that a choice is made after. The same evaluation looked at again
tells nothing new and is not counted again. Each line holds the hash of the line before, so that a line taken
out or changed is seen.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vernal.common.files import write_text
from vernal.common.hashing import canonical_json, digest
from vernal.common.json_text import parse_json
from vernal.common.problems import InputError
from vernal.common.storage import as_path
from vernal.training.scoring import EVALUATED_SPLITS

TEST_SPLITS = tuple(name for name in EVALUATED_SPLITS if name != "val")
SEALED = "sealed"
_FIRST = "0" * 64
Entry = Mapping[str, Any]


def split_digest(splits: pd.DataFrame, name: str) -> str:
    """Name of a split by its clips and their labels; another clip or label is another split."""
    rows = splits[splits.split == name].sort_values("clip_id")
    return digest("split", rows.clip_id.astype(str).tolist(), rows.is_positive.astype(bool).tolist())


def test_entry(stage: str, evaluation: str, n_points: int, splits: pd.DataFrame) -> dict[str, Any]:
    """What an evaluation of a stage adds: which test splits it opened, for how many points.

    Args:
        evaluation: the key of the evaluation (everything that its numbers depend on).
    """
    opened = {
        name: {"clips": int((splits.split == name).sum()), "digest": split_digest(splits, name)}
        for name in TEST_SPLITS
        if (splits.split == name).any()
    }
    return {"stage": stage, "evaluation": evaluation, "points": n_points, "splits": opened}


def read_ledger(path: Path | str) -> list[dict[str, Any]]:
    """The lines of a ledger, the oldest first; none where nobody has looked yet.

    Raises:
        InputError: a line is no JSON object.
    """
    path = as_path(path)
    if not path.is_file():
        return []
    entries = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            entry = parse_json(line, "It")
        except InputError as error:
            raise InputError(
                f"Line {number} of the test ledger {path} cannot be read ({error}). Restore the file."
            ) from error
        if not _is_entry(entry):
            raise InputError(
                f"Line {number} of the test ledger {path} is no entry of a ledger. Restore the file."
            )
        entries.append(entry)
    return entries


def append_entries(path: Path | str, entries: Iterable[Entry], now: str) -> list[dict[str, Any]]:
    """Add the entries whose stage and evaluation the ledger does not have; lines that are there stay as they are.

    Args:
        now: UTC time as ISO text.
    Returns:
        What was added.
    """
    path = as_path(path)
    listed = read_ledger(path)
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    known = {(entry.get("stage"), entry.get("evaluation")) for entry in listed}
    previous = _hash(listed[-1]) if listed else _FIRST
    added = []
    for entry in entries:
        if (entry["stage"], entry["evaluation"]) in known or not entry["splits"]:
            continue
        line = {**entry, "opened": now, "previous": previous}
        added.append(line)
        previous = _hash(line)
        known.add((entry["stage"], entry["evaluation"]))
    if added:
        if before and not before.endswith("\n"):
            before += "\n"
        write_text(path, before + "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in added))
    return added


def _is_entry(entry: Any) -> bool:
    """Whether it names what an entry names, and can be hashed: not what is no number, or half of a surrogate pair."""
    if not isinstance(entry, dict) or not isinstance(entry.get("splits"), dict):
        return False
    try:
        _hash(entry)
    except ValueError:
        return False
    return all(isinstance(entry.get(name), str | None) for name in ("stage", "evaluation"))


def _hash(entry: Entry) -> str:
    return hashlib.sha256(canonical_json(dict(entry)).encode("utf-8")).hexdigest()


def is_intact(entries: Sequence[Entry]) -> bool:
    """Whether each line still follows from the one before. A ledger cut off at its end cannot be told."""
    previous = _FIRST
    for entry in entries:
        if entry.get("previous") != previous:
            return False
        previous = _hash(entry)
    return True


def times_opened(entries: Sequence[Entry], splits: pd.DataFrame, stage: str | None = None) -> dict[str, int]:
    """How many evaluations have looked at each test split as it is now, of one stage or of all."""
    counts = {}
    for name in TEST_SPLITS:
        if (splits.split == name).any():
            own = split_digest(splits, name)
            counts[name] = sum(
                entry["splits"].get(name, {}).get("digest") == own
                for entry in entries
                if stage is None or entry.get("stage") == stage
            )
    return counts
