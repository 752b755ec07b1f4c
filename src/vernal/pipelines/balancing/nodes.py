"""Choose the clips that train each point: filters, subsets, caps, balance, in this order."""

from __future__ import annotations

import pandas as pd

from vernal.proof.near_duplicates import PAIRS
from vernal.proof.options import ProofOptions
from vernal.training import sets as training_sets


def draw_training_sets(
    plan: pd.DataFrame,
    splits: pd.DataFrame,
    subsets: dict[str, pd.DataFrame],
    near_duplicates: dict[str, pd.DataFrame],
    proof: ProofOptions,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Training sets, their counts, and the points for which none can be drawn."""
    pairs = near_duplicates[PAIRS]
    copies = pairs[pairs.correlation >= proof.near_duplicate_correlation]
    return training_sets.draw_training_sets(plan, *training_sets.without_copies(splits, subsets, copies))
