"""Trained heads by what they were trained on, so that nothing is ever trained twice.

A head's key is the digest of everything its weights depend on: settings, seed, the clips of both roles with
their windows, the encoder's settings, and the trainer's own revision. Any change gives another key, so a found
head is never stale, and a run that was killed goes on with what it had finished.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from vernal.common.files import write_text
from vernal.common.storage import as_path
from vernal.training.chunk import FailedHead, FittedHead
from vernal.training.heads import load_head, save_head

_HEAD = ".npz"
_PROBLEM = ".problem.txt"


class HeadLibrary:
    """A folder of trained heads, one file a key. Files are written whole, so readers and writers never meet."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = as_path(folder)

    def keys(self) -> set[str]:
        """The keys of all heads that are there."""
        if not self.folder.is_dir():
            return set()
        return {file.stem for file in self.folder.glob(f"*{_HEAD}") if not file.name.startswith(".")}

    def load(self, key: str) -> FittedHead:
        """The head of a key.

        Raises:
            InputError: it is not there, or its file is damaged.
        """
        head, meta = load_head(self.folder / f"{key}{_HEAD}")
        history = pd.DataFrame(meta["history"])
        return FittedHead(key, head, history, meta["best_epoch"], meta["n_steps"])

    def problem(self, key: str) -> str | None:
        """Why a head could not be trained the last time, or None."""
        file = self.folder / f"{key}{_PROBLEM}"
        return file.read_text(encoding="utf-8") if file.is_file() else None

    def add(self, results: Iterable[FittedHead | FailedHead]) -> None:
        """Keep trained heads, and the reasons of those that failed; a failed one is tried again next time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for result in results:
            if isinstance(result, FailedHead):
                write_text(self.folder / f"{result.key}{_PROBLEM}", result.problem)
                continue
            meta: dict[str, Any] = {
                "best_epoch": int(result.best_epoch),
                "n_steps": int(result.n_steps),
                "history": {name: _plain(result.history[name]) for name in result.history.columns},
            }
            save_head(self.folder / f"{result.key}{_HEAD}", result.head, meta)
            (self.folder / f"{result.key}{_PROBLEM}").unlink(missing_ok=True)

    def remove(self, keys: Iterable[str]) -> None:
        """Delete heads; those that are not there are passed over."""
        for key in keys:
            (self.folder / f"{key}{_HEAD}").unlink(missing_ok=True)


def _plain(column: pd.Series) -> list[float | int | None]:
    return [None if pd.isna(value) else value for value in column.tolist()]
