"""The problem card, as a catalog dataset."""

from __future__ import annotations

from dataclasses import asdict

from vernal.clips.problem_card import ProblemCard, read_problem_card
from vernal.datasets.atomic import AtomicFile, WrittenByPeople
from vernal.datasets.previews import JSONPreview, json_preview


class ProblemCardDataset(WrittenByPeople, AtomicFile[None, ProblemCard]):
    """Loads a problem card, checked. Never writes: people agree on it and write it themselves."""

    # Whoever reads the card tells how to begin one.
    loads_before_written = True
    is_read_where_started = True
    refusal = "A problem card is written by the people who agree on it."

    def _read(self) -> ProblemCard:
        return read_problem_card(self._filepath)

    def preview(self) -> JSONPreview:
        """The card, for Kedro-Viz."""
        return json_preview(asdict(self.load()))
