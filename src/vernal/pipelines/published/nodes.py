"""Compare published leaderboards with the experiments behind them.

The files are named by parameters, since they lie wherever their owner put them; reading them is the node's one access
to files.
"""

from __future__ import annotations

import logging

import pandas as pd

from vernal.published import leaderboards as published
from vernal.published.leaderboards import PublishedOptions

logger = logging.getLogger(__name__)


def compare_published(
    options: PublishedOptions,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Recompute every cell; return cells, labels, a summary of each table, and our own leaderboard."""
    experiments, boards = published.read_published(options)
    cells = published.compare_cells(experiments, boards)
    labels = published.compare_labels(experiments, boards)
    summary = published.summarise(experiments, boards, cells, labels, options)
    for line in published.said(summary):
        logger.info("%s", line)
    return cells, labels, summary, published.own_leaderboard(experiments, options)
