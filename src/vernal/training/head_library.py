"""Trained heads by what they were trained on, so that nothing is ever trained twice.

A head's key is the digest of everything its weights depend on: settings, seed, the clips of both roles with
their windows, the encoder's settings, and the trainer's own revision. Any change gives another key, so a found
head is never stale, and a run that was killed goes on with what it had finished.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import pandas as pd

from vernal.common.files import write_text
from vernal.common.problems import InputError
from vernal.common.storage import as_path
from vernal.training.chunk import FailedHead, FittedHead
from vernal.training.heads import load_head, save_head

_TRAINED = ".npz"
_PROBLEM = ".problem.txt"


class Keyed(Protocol):
    """What a library holds: something trained, under the key of all that it depends on."""

    @property
    def key(self) -> str: ...


Trained = TypeVar("Trained", bound=Keyed)


class TrainedLibrary(ABC, Generic[Trained]):
    """A folder of what was trained, one file a key. Files are written whole, so readers and writers never meet."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = as_path(folder)

    def keys(self) -> set[str]:
        """The keys of all that is there."""
        if not self.folder.is_dir():
            return set()
        return {file.stem for file in self.folder.glob(f"*{_TRAINED}") if not file.name.startswith(".")}

    @abstractmethod
    def load(self, key: str) -> Trained:
        """What was trained under a key.

        Raises:
            InputError: it is not there, or its file is damaged.
        """

    def problem(self, key: str) -> str | None:
        """Why it could not be trained the last time, or None."""
        file = self._file(key, _PROBLEM)
        return file.read_text(encoding="utf-8") if file.is_file() else None

    def add(self, results: Iterable[Trained | FailedHead]) -> None:
        """Keep what was trained, and the reasons of what failed; a failed one is tried again next time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for result in results:
            problem = self._file(result.key, _PROBLEM)
            if isinstance(result, FailedHead):
                write_text(problem, result.problem)
                continue
            self._save(result)
            problem.unlink(missing_ok=True)

    @abstractmethod
    def _save(self, result: Trained) -> None:
        """Write the file of `result.key`."""

    def _file(self, key: str, ending: str = _TRAINED) -> Path:
        return self.folder / f"{key}{ending}"


class HeadLibrary(TrainedLibrary[FittedHead]):
    """Trained heads with their learning curves."""

    def load(self, key: str) -> FittedHead:
        head, meta = load_head(self._file(key))
        try:
            history = pd.DataFrame(meta["history"])
            return FittedHead(key, head, history, int(meta["best_epoch"]), int(meta["n_steps"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{self._file(key)} is not a whole file of a trained head ({error}). Train the point again."
            ) from error

    def remove(self, keys: Iterable[str]) -> None:
        """Delete heads; those that are not there are passed over."""
        for key in keys:
            self._file(key).unlink(missing_ok=True)

    def _save(self, result: FittedHead) -> None:
        meta: dict[str, Any] = {
            "best_epoch": int(result.best_epoch),
            "n_steps": int(result.n_steps),
            "history": plain_columns(result.history),
        }
        save_head(self._file(result.key), result.head, meta)


def plain_columns(history: pd.DataFrame) -> dict[str, list[float | int | None]]:
    """A learning curve as plain lists by column, with None where nothing is known."""
    return {
        str(name): [None if pd.isna(value) else value for value in history[name].tolist()] for name in history
    }
