"""The decisions made on the review page, as a catalog dataset."""

import pandas as pd

from vernal.common.storage import as_path
from vernal.common.target_folders import TargetFolders
from vernal.datasets.atomic import AtomicFolder, WrittenByPeople
from vernal.datasets.previews import TablePreview, table_preview
from vernal.web.review.decisions import DecisionLog


class DecisionLogDataset(WrittenByPeople, AtomicFolder[None, pd.DataFrame]):
    """Loads every decision that stands, oldest first; an empty table where nobody has reviewed anything.

    In the data folder of one of several targets, those made for all of them at once are among them.

    >>> import tempfile
    >>> DecisionLogDataset(path=tempfile.mkdtemp()).load().empty
    True
    """

    loads_before_written = exists_before_written = True
    refusal = "Decisions are made by people, with `kedro review`."

    def _read(self) -> pd.DataFrame:
        log = as_path(self._path)
        root = TargetFolders.above(log.parent.parent)
        return DecisionLog(log, [] if root is None else [root / log.parent.name / log.name]).read()

    def preview(self) -> TablePreview:
        """The first decisions, for Kedro-Viz."""
        return table_preview(self.load())
