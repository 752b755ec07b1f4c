"""The problem card, as a catalog dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from vernal.problem_card import ProblemCard, read_problem_card


class ProblemCardDataset(AbstractDataset[None, ProblemCard]):
    """Loads a problem card, checked. Never writes: people agree on it and write it themselves."""

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> ProblemCard:
        return read_problem_card(self._filepath)

    def save(self, data: None) -> NoReturn:
        raise DatasetError("A problem card is written by the people who agree on it.")

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
