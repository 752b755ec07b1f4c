"""The problem card, as a catalog dataset."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vernal.clips.problem_card import ProblemCard, card_of, read_problem_card
from vernal.common.names import ALL_CLASSES
from vernal.datasets.atomic import AtomicFile, WrittenByPeople
from vernal.datasets.previews import JSONPreview, json_preview

SHIPPED = Path("conf/base/problem.yml")
"""The card of the project's own target, which is read where a person names no other."""


class ProblemCardDataset(WrittenByPeople, AtomicFile[None, ProblemCard]):
    """Loads a problem card, checked. Never writes: people agree on it and write it themselves.

    Args:
        filepath: the card.
        target: what is looked for. Where the shipped card is not about it, nobody has written one: then it is a card of
            the target alone.
        targets: what is looked for instead where several are; then all of them have to be the shipped card's.
        metadata: for Kedro-Viz and the documentation.
    """

    # Whoever reads the card tells how to begin one.
    loads_before_written = True
    is_read_where_started = True
    refusal = "A problem card is written by the people who agree on it."

    def __init__(
        self,
        filepath: str,
        target: str | None = None,
        targets: Sequence[str] | str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath, metadata)
        self._targets = [target] if target else []
        if targets and targets != ALL_CLASSES:
            self._targets = [targets] if isinstance(targets, str) else list(targets)

    def _read(self) -> ProblemCard:
        card = read_problem_card(self._filepath)
        is_shipped = self._filepath.as_posix().endswith(SHIPPED.as_posix())
        is_of_others = any(card.find(name) is None for name in self._targets)
        return card_of(*self._targets) if is_shipped and is_of_others else card

    def preview(self) -> JSONPreview:
        """The card, for Kedro-Viz."""
        return json_preview(asdict(self.load()))
