"""Choose the clips that train each point: filters, subsets, caps, balance, in this order."""

import pandas as pd

from vernal.clips.folds import folds_of
from vernal.evaluation.options import EvaluationOptions
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
    copies = _copies(near_duplicates, proof)
    return training_sets.draw_training_sets(plan, *training_sets.without_copies(splits, subsets, copies))


def draw_fold_sets(
    plan: pd.DataFrame,
    splits: pd.DataFrame,
    subsets: dict[str, pd.DataFrame],
    near_duplicates: dict[str, pd.DataFrame],
    proof: ProofOptions,
    evaluation: EvaluationOptions,
) -> pd.DataFrame:
    """What trains each configuration while each fold of the train split is held out, to choose among them."""
    folds, copies = folds_of(splits, evaluation.choose_by), _copies(near_duplicates, proof)
    return training_sets.draw_fold_sets(plan, splits, subsets, copies, folds)


def _copies(near_duplicates: dict[str, pd.DataFrame], proof: ProofOptions) -> pd.DataFrame:
    pairs = near_duplicates[PAIRS]
    return pairs[pairs.correlation >= proof.near_duplicate_correlation]
