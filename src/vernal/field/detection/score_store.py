"""Where scores are kept: one small Parquet file a block of a recording, named by content, written when it is finished.

A folder for each classifier and set of audio settings holds them, so that a run continues where it was stopped, and
a recording that was scored once is never scored again by the same classifier, whatever it is called.
"""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vernal.common.files import TEMPORARY_PREFIX, write_bytes, write_text
from vernal.common.hashing import digest
from vernal.common.problems import InputError
from vernal.common.storage import as_path
from vernal.field.detection.scoring import BlockScores, Traces

_SETTINGS = "settings.json"
_META = b"vernal"
_ABANDONED_AFTER_S = 3_600.0


@dataclass(frozen=True, eq=False)
class StoredScores:
    """Finished blocks on their way to the store: the run they belong to and its settings in words."""

    run_key: str
    settings: dict[str, Any]
    blocks: tuple[BlockScores, ...]


class ScoreStore:
    """Scores of all classifiers in a folder."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = as_path(folder)
        self._is_tidy = False

    def __repr__(self) -> str:
        return f"ScoreStore({str(self.folder)!r})"

    def finished(self, run_key: str) -> set[tuple[str, int]]:
        """Content and number of every finished block of a run."""
        found = set()
        for file in (self.folder / run_key).glob("*/*.parquet"):
            content, dash, block = file.stem.rpartition("-")
            if dash and block.isdigit() and not content.startswith("."):
                found.add((content, int(block)))
        return found

    def append(self, scores: StoredScores) -> None:
        """Keep finished blocks, each whole or not at all.

        Raises:
            InputError: the folder cannot be written.
        """
        folder = self.folder / scores.run_key
        try:
            self._remove_abandoned(folder)
            if scores.blocks and not (folder / _SETTINGS).is_file():
                write_text(
                    folder / _SETTINGS, json.dumps(scores.settings, indent=2, ensure_ascii=False) + "\n"
                )
            for block in scores.blocks:
                path = self._file(scores.run_key, block.content_hash, block.block)
                write_bytes(path, _as_parquet(block))
        except OSError as error:
            raise InputError(
                f"Scores cannot be written to {folder}: {error.strerror or error}. What was finished before is kept; "
                "free space or mend the folder, then run again to continue."
            ) from error

    def load(self, run_key: str, content_hash: str, block: int) -> BlockScores:
        """A finished block, without embeddings.

        Raises:
            InputError: it is not there, or damaged.
        """
        file = self._file(run_key, content_hash, block)
        table = _read(file, None)
        meta = json.loads(table.schema.metadata[_META])
        logits = [table.column(name).to_numpy() for name in table.column_names[2:]]
        return BlockScores(
            content_hash=content_hash,
            block=block,
            n_blocks=meta["n_blocks"],
            start_s=table.column("start_s").to_numpy(),
            end_s=table.column("end_s").to_numpy(),
            logits=np.column_stack(logits) if logits else np.empty((0, 0)),
            heard_s=meta["heard_s"],
            traces=_traces(meta),
            reason=meta["reason"],
            message=meta["message"],
        )

    def traces(self, settings_id: str, content_hash: str, block: int) -> Traces | None:
        """What reading a block left behind, from any classifier that heard it with the same audio settings."""
        for run_key in self._runs.get(settings_id, []):
            file = self._file(run_key, content_hash, block)
            if file.is_file():
                meta = _meta(file)
                return None if meta["reason"] else _traces(meta)
        return None

    def next_state(self, run_key: str, content_hash: str, block: int) -> tuple[float, ...]:
        """The filter's state after a finished block."""
        return _traces(_meta(self._file(run_key, content_hash, block))).next_state

    def _remove_abandoned(self, folder: Path) -> None:
        """Remove, once, what killed writers left; young files may still be written to."""
        if self._is_tidy:
            return
        self._is_tidy = True
        for file in folder.rglob(f"{TEMPORARY_PREFIX}*"):
            if time.time() - file.stat().st_mtime > _ABANDONED_AFTER_S:
                file.unlink(missing_ok=True)

    def _file(self, run_key: str, content_hash: str, block: int) -> Path:
        # Half a million files in one folder are slow to list on some systems.
        return self.folder / run_key / content_hash[:2] / f"{content_hash}-{block}.parquet"

    @cached_property
    def _runs(self) -> dict[str, list[str]]:
        """Runs by the id of their audio settings, as they were when first asked for."""
        found: dict[str, list[str]] = {}
        for file in sorted(self.folder.glob(f"*/{_SETTINGS}")):
            try:
                settings_id = digest(json.loads(file.read_text(encoding="utf-8"))["audio"])
            except (OSError, ValueError, KeyError, TypeError):
                continue
            found.setdefault(settings_id, []).append(file.parent.name)
        return found


def _meta(file: Path) -> dict[str, Any]:
    return json.loads(_read(file, []).schema.metadata[_META])


def _traces(meta: dict[str, Any]) -> Traces:
    low, high, mean = meta["level"]
    return Traces((low, high, mean), tuple(meta["next_state"]))


def _as_parquet(scores: BlockScores) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    meta = {
        "n_blocks": scores.n_blocks,
        "heard_s": float(scores.heard_s),
        "level": [float(value) for value in scores.traces.level],
        "next_state": [float(value) for value in scores.traces.next_state],
        "reason": scores.reason,
        "message": scores.message,
    }
    columns = {
        "start_s": pa.array(scores.start_s),
        "end_s": pa.array(scores.end_s),
        **{f"logit_{at}": pa.array(scores.logits[:, at]) for at in range(scores.logits.shape[1])},
    }
    table = pa.table(columns).replace_schema_metadata({_META: json.dumps(meta, ensure_ascii=False)})
    file = io.BytesIO()
    parquet.write_table(
        table,
        file,
        compression="zstd",
        use_dictionary=False,
        write_statistics=False,
        write_page_checksum=True,
    )
    return file.getvalue()


def _readable(file: Path) -> Any:
    """What Arrow can read: a file on a disk, or the content of an object."""
    return file if isinstance(file, Path) else file.open("rb")


def _read(file: Path, columns: list[str] | None) -> Any:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(_readable(file), page_checksum_verification=True) as opened:
            return opened.read(columns=columns, use_threads=False)
    except (ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"The scores in {file} are damaged or cannot be read ({reason}). Delete that file and run again: its "
            "block is then scored anew."
        ) from error
