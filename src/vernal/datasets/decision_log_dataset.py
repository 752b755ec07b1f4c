"""The decisions made on the review page, as a catalog dataset."""

from __future__ import annotations

from typing import Any, NoReturn

import pandas as pd
from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import TablePreview

from vernal.common.storage import as_path
from vernal.datasets.previews import table_preview
from vernal.web.review.decisions import DecisionLog


class DecisionLogDataset(AbstractDataset[None, pd.DataFrame]):
    """Loads every decision that stands, oldest first; an empty table where nobody has reviewed anything.

    >>> import tempfile
    >>> DecisionLogDataset(path=tempfile.mkdtemp()).load().empty
    True
    """

    def __init__(self, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = as_path(path)
        self.metadata = metadata

    def load(self) -> pd.DataFrame:
        return DecisionLog(self._path).read()

    def save(self, data: None) -> NoReturn:
        raise DatasetError("Decisions are made by people, with `kedro review`.")

    def preview(self) -> TablePreview:
        """The first decisions, for Kedro-Viz."""
        return table_preview(self.load())

    def _exists(self) -> bool:
        # A log that nobody has written to is an empty one.
        return True

    def _describe(self) -> dict[str, Any]:
        return {"path": self._path}
