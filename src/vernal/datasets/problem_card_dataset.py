"""The problem card, as a catalog dataset."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import JSONPreview

from vernal.clips.problem_card import ProblemCard, read_problem_card
from vernal.datasets.previews import json_preview


class ProblemCardDataset(AbstractDataset[None, ProblemCard]):
    """Loads a problem card, checked. Never writes: people agree on it and write it themselves."""

    # A person's file beside the project: workers of a cluster are sent what it holds.
    is_read_where_started = True

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> ProblemCard:
        return read_problem_card(self._filepath)

    def save(self, data: None) -> NoReturn:
        raise DatasetError("A problem card is written by the people who agree on it.")

    def preview(self) -> JSONPreview:
        """The card, for Kedro-Viz."""
        return json_preview(asdict(self.load()))

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
