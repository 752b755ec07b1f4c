"""Where scores are kept: one small Parquet file a block of a recording, named by content, written when it is finished.

A folder for each classifier and set of audio settings holds them, so that a run continues where it was stopped, and
a recording that was scored once is never scored again by the same classifier, whatever it is called.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vernal.common.files import abandoned
from vernal.common.hashing import digest
from vernal.common.json_text import parse_json
from vernal.common.part_store import SETTINGS, PartStore, as_parquet, check_types, damaged, read_part
from vernal.field.detection.scoring import BlockScores, Traces

_META = b"vernal"
_MOST_WINDOWS = 1_000_000
_WHEN_DAMAGED = "Delete that file and run again: its block is then scored anew."


@dataclass(frozen=True, eq=False)
class StoredScores:
    """Finished blocks on their way to the store: the run they belong to and its settings in words."""

    run_key: str
    settings: dict[str, Any]
    blocks: tuple[BlockScores, ...]


class ScoreStore(PartStore):
    """Scores of all classifiers in a folder."""

    cannot_write = (
        "Scores cannot be written to {folder}: {reason}. What was finished before is kept; "
        "free space or mend the folder, then run again to continue."
    )

    def __init__(self, folder: Path | str) -> None:
        super().__init__(folder)
        self._is_tidy = False

    def finished(self, run_key: str) -> set[tuple[str, int]]:
        """Content and number of every finished block of a run."""
        found = set()
        for file in (self.folder / run_key).glob("*/*.parquet"):
            content, dash, block = file.stem.rpartition("-")
            if dash and block.isdigit() and not content.startswith("."):
                found.add((content, int(block)))
        return found

    def has(self, run_key: str, content_hash: str, block: int) -> bool:
        """Whether a block is finished."""
        return self._file(run_key, content_hash, block).is_file()

    def append(self, scores: StoredScores) -> None:
        """Keep finished blocks, each whole or not at all.

        Raises:
            InputError: the folder cannot be written.
        """
        self._remove_abandoned(scores.run_key)
        files = {_file_name(block.content_hash, block.block): _as_parquet(block) for block in scores.blocks}
        self._put(scores.run_key, scores.settings, files)

    def load(self, run_key: str, content_hash: str, block: int) -> BlockScores:
        """A finished block, without embeddings.

        Raises:
            InputError: it is not there, or damaged.
        """
        file = self._file(run_key, content_hash, block)
        table = read_part(file, None, _WHEN_DAMAGED, _check_columns)
        meta, traces = _meta(table, file)
        times, logits = _numbers(table, file)
        return BlockScores(
            content_hash=content_hash,
            block=block,
            n_blocks=meta["n_blocks"],
            start_s=times[0],
            end_s=times[1],
            logits=np.column_stack(logits) if logits else np.empty((0, 0)),
            heard_s=meta["heard_s"],
            traces=traces,
            reason=meta["reason"],
            message=meta["message"],
        )

    def traces(self, settings_id: str, content_hash: str, block: int) -> Traces | None:
        """What reading a block left behind, from any classifier that heard it with the same audio settings."""
        for run_key in self._runs.get(settings_id, []):
            file = self._file(run_key, content_hash, block)
            if file.is_file():
                meta, traces = _read_meta(file)
                return None if meta["reason"] else traces
        return None

    def next_state(self, run_key: str, content_hash: str, block: int) -> tuple[float, ...]:
        """The filter's state after a finished block."""
        return _read_meta(self._file(run_key, content_hash, block))[1].next_state

    def _remove_abandoned(self, run_key: str) -> None:
        """Remove, once, what killed writers left."""
        if self._is_tidy:
            return
        self._is_tidy = True
        for file in abandoned(self.folder / run_key):
            file.unlink(missing_ok=True)

    def _file(self, run_key: str, content_hash: str, block: int) -> Path:
        return self.folder / run_key / _file_name(content_hash, block)

    def _belong(self, settings: dict[str, Any], group: str) -> bool:
        return "audio" in settings

    @cached_property
    def _runs(self) -> dict[str, list[str]]:
        """Runs by the id of their audio settings, as they were when first asked for."""
        found: dict[str, list[str]] = {}
        for file in sorted(self.folder.glob(f"*/{SETTINGS}")):
            if settings := self._settings(file.parent):
                found.setdefault(digest(settings["audio"]), []).append(file.parent.name)
        return found


def _file_name(content_hash: str, block: int) -> str:
    """A block's file in the folder of a run; half a million in one folder are slow to list on some systems."""
    return f"{content_hash[:2]}/{content_hash}-{block}.parquet"


def _check_columns(file: Any) -> None:
    """Refuse what is no file of scores, by its footer: two times and any number of logits."""
    logits = {f"logit_{at}": "double" for at in range(len(file.metadata.schema) - 2)}
    check_types(file, {"start_s": "double", "end_s": "double", **logits})
    if file.metadata.num_rows > _MOST_WINDOWS:
        raise ValueError(f"{file.metadata.num_rows:,} windows")


def _numbers(table: Any, file: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Starts and ends, and the logits of each class."""
    columns = [table.column(name).to_numpy() for name in table.column_names]
    if not all(np.isfinite(column).all() for column in columns):
        raise damaged(file, ValueError("it holds numbers that are not finite"), _WHEN_DAMAGED)
    return columns[:2], columns[2:]


def _read_meta(file: Path) -> tuple[dict[str, Any], Traces]:
    return _meta(read_part(file, [], _WHEN_DAMAGED), file)


def _meta(table: Any, file: Path) -> tuple[dict[str, Any], Traces]:
    """What is noted of a block beside its scores."""
    try:
        meta = parse_json((table.schema.metadata or {})[_META], "its description")
        low, high, mean = (float(value) for value in meta["level"])
        state = tuple(float(value) for value in meta["next_state"])
        traces = Traces((low, high, mean), state, tuple(int(number) for number in meta.get("silent", ())))
        kinds = {"n_blocks": int, "heard_s": float, "reason": str, "message": str}
        wrong = [name for name, kind in kinds.items() if not isinstance(meta[name], kind)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(file, error, _WHEN_DAMAGED) from error
    if wrong:
        raise damaged(file, TypeError(f"its description has no {wrong[0]}"), _WHEN_DAMAGED)
    return meta, traces


def _as_parquet(scores: BlockScores) -> bytes:
    import pyarrow as pa

    meta = {
        "n_blocks": scores.n_blocks,
        "heard_s": float(scores.heard_s),
        "level": [float(value) for value in scores.traces.level],
        "next_state": [float(value) for value in scores.traces.next_state],
        "reason": scores.reason,
        "message": scores.message,
    }
    if scores.traces.silent:
        meta["silent"] = list(scores.traces.silent)
    columns = {
        "start_s": pa.array(scores.start_s),
        "end_s": pa.array(scores.end_s),
        **{f"logit_{at}": pa.array(scores.logits[:, at]) for at in range(scores.logits.shape[1])},
    }
    table = pa.table(columns).replace_schema_metadata({_META: json.dumps(meta, ensure_ascii=False)})
    return as_parquet(table, compression="zstd", use_dictionary=False)
