"""The decisions made on the review page, as a catalog dataset."""

from __future__ import annotations

import pandas as pd

from vernal.datasets.atomic import AtomicFolder, WrittenByPeople
from vernal.datasets.previews import TablePreview, table_preview
from vernal.web.review.decisions import DecisionLog


class DecisionLogDataset(WrittenByPeople, AtomicFolder[None, pd.DataFrame]):
    """Loads every decision that stands, oldest first; an empty table where nobody has reviewed anything.

    >>> import tempfile
    >>> DecisionLogDataset(path=tempfile.mkdtemp()).load().empty
    True
    """

    loads_before_written = exists_before_written = True
    refusal = "Decisions are made by people, with `kedro review`."

    def _read(self) -> pd.DataFrame:
        return DecisionLog(self._path).read()

    def preview(self) -> TablePreview:
        """The first decisions, for Kedro-Viz."""
        return table_preview(self.load())
