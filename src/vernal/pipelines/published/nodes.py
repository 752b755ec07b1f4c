"""Compare published leaderboards with the experiments behind them.

The files are named by parameters, since they lie wherever their owner put them; reading them is the node's one access
to files.
"""

import logging

import pandas as pd

from vernal.studies.published.comparison import compare_cells, compare_labels, said, summarise
from vernal.studies.published.leaderboards import PublishedOptions, read_published
from vernal.studies.published.page import page

logger = logging.getLogger(__name__)


def compare_published(options: PublishedOptions) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, str]:
    """Recompute every cell; return cells, labels, a summary of each table, and a page of them."""
    experiments, boards = read_published(options)
    cells = compare_cells(experiments, boards)
    labels = compare_labels(experiments, boards)
    summary = summarise(experiments, boards, cells, labels, options)
    for line in said(summary):
        logger.info("%s", line)
    return cells, labels, summary, page(cells, labels, summary)
