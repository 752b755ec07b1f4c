"""Choose the clips that train each point: filters, subsets, caps, balance, in this order."""

from __future__ import annotations

import pandas as pd

from vernal import training_sets


def draw_training_sets(
    plan: pd.DataFrame, splits: pd.DataFrame, subsets: dict[str, pd.DataFrame]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Training sets, their counts, and the points for which none can be drawn."""
    return training_sets.draw_training_sets(plan, splits, subsets)
