"""A leaderboard of our own from published experiments, where a single run has no spread at all."""

from __future__ import annotations

import pandas as pd

from vernal.common.hashing import digest
from vernal.studies.published.experiments import Experiments
from vernal.studies.published.leaderboards import BEST_POINT, PublishedOptions


def own_leaderboard(experiments: Experiments, options: PublishedOptions) -> pd.DataFrame:
    """Our leaderboard of the same experiments: one row a configuration of a family of runs, seeds together.

    Returns:
        `family` (names without their number), `configuration` (hash of the settings that matter), `n_runs`,
        `experiments`, and for each set `<set>_<metric>_mean`, `<set>_<metric>_std` (missing for one run),
        `<set>_score` (mean less `std_weight` standard deviations of F1; missing for one run) and `<set>_rank`
        within the family. Rounded to three decimals; configurations below the precision floor have neither score
        nor rank.
    """
    effective = experiments.effective
    hashes = pd.Series(
        [digest(row, length=8) for row in effective.to_dict("records")],
        index=effective.index,
        name="configuration",
    )
    by = [experiments.families.rename("family"), hashes]
    groups = experiments.values.groupby(by)
    names = experiments.names.groupby(by).agg(", ".join)
    board = pd.DataFrame({"n_runs": groups.size(), "experiments": names})
    for test_set in experiments.test_sets:
        prefix = f"{test_set}_" if test_set else ""
        for name in ("f1", "precision", "recall", "auroc", "auprc"):
            metric = experiments.of(test_set, name, BEST_POINT) or experiments.of(test_set, name)
            if metric is not None:
                board[f"{prefix}{name}_mean"] = groups[metric.column].mean()
                board[f"{prefix}{name}_std"] = groups[metric.column].std(ddof=1)
        if f"{prefix}f1_mean" in board:
            score = _score(board, prefix, options)
            ranks = score.groupby(level="family").rank(ascending=False, method="min")
            board = board.assign(**{f"{prefix}score": score, f"{prefix}rank": ranks.astype("Int64")})
    board = board.reset_index().sort_values(["family", "configuration"])
    first_rank = next((str(column) for column in board if str(column).endswith("rank")), None)
    if first_rank:
        board = board.sort_values(["family", first_rank, "configuration"], na_position="last")
    return board.round(3).reset_index(drop=True)


def _score(board: pd.DataFrame, prefix: str, options: PublishedOptions) -> pd.Series:
    score = board[f"{prefix}f1_mean"] - options.std_weight * board[f"{prefix}f1_std"]
    if options.precision_floor is None or f"{prefix}precision_mean" not in board:
        return score
    return score.where(board[f"{prefix}precision_mean"] >= options.precision_floor)
