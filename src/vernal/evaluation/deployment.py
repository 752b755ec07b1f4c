"""Which point of a stage to deploy: the one place where that choice is made.

The configuration is the first of the leaderboard, which `vernal.evaluation.choice` orders without a test split; its
points differ by their seed alone.
"""

from collections.abc import Collection

import numpy as np
import pandas as pd

AVERAGE_PRECISION = "val_average_precision"


def deployed_point(points: pd.DataFrame, leading: Collection[str] = ()) -> str | None:
    """The chosen configuration's point with the highest average precision on validation, the first if equal.

    The seed is a choice like any other, so it must not be made on a test split.

    Args:
        points: the stage's points table. Only points without an `error` count, as the others have no results.
        leading: the points of the chosen configuration; where none of them has results, all points count.
    Returns:
        The point's name; None where no point has results.

    >>> points = pd.DataFrame({"point": ["a", "b"], "error": [None, None], AVERAGE_PRECISION: [0.8, 0.9]})
    >>> deployed_point(points), deployed_point(points, ["a"])
    ('b', 'a')
    """
    trained = points[points["error"].isna()]
    candidates = trained[trained["point"].isin(leading)]
    candidates = candidates if len(candidates) else trained
    if candidates.empty:
        return None
    ranked = pd.to_numeric(candidates.get(AVERAGE_PRECISION, pd.Series(np.nan, index=candidates.index)))
    return str(candidates["point"].iloc[int(np.argmax(ranked.fillna(-1.0).to_numpy()))])


def leading_points(leaderboard: pd.DataFrame) -> list[str]:
    """All points of the chosen configuration, at the top of a leaderboard; none where it is empty."""
    return str(leaderboard["points"].iloc[0]).split(", ") if len(leaderboard) else []
