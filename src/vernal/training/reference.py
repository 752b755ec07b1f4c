"""What a plain logistic regression reaches on a point's own clips, solved to its optimum.

A head is trained by steps, and may be stopped before it has learnt. The optimum of a linear head with an L2 penalty
is one place, and scikit-learn finds it: what a point's head does not reach of it is for want of training, not of data.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vernal.training.chunk import FittedHead
from vernal.training.heads import Head

Array = NDArray[Any]

# To be raised when the same clips give another reference than before.
REFERENCE_REVISION = 1
# scikit-learn's C, from strong to weak; vectors are scaled to a variance of 1, so it fits every encoder.
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
# The strength is that of a prior and does not depend on the number of rows, so it is sought on so many of each class.
_SEARCHED = 1_000
_MOST_STEPS = 1_000


def solve_reference(key: str, x: Array, y: Array, stop_x: Array, stop_y: Array) -> FittedHead:
    """Logistic regression on a point's training rows, with the L2 penalty that its stopping rows are best told with.

    Args:
        key: name of what comes out.
        x: (n, n_dims) embeddings of the rows that train. `y`: (n,) 0 or 1, both among them.
        stop_x, stop_y: the same of the rows that end the point's training; never of a test.
    Returns:
        A linear head on unscaled embeddings, as a point's own. Its history has a row for each strength tried (`C`,
        `val_loss`), `best_epoch` is the row of the one chosen, `n_steps` the iterations of all.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(x)
    scaled, stop_scaled = scaler.transform(x), scaler.transform(stop_x)
    rows, weights = _searched(y)
    model = LogisticRegression(warm_start=True, max_iter=_MOST_STEPS)
    tried: list[tuple[float, float]] = []
    n_steps = 0
    best = (np.zeros((1, x.shape[1])), np.zeros(1))
    for strength in STRENGTHS:
        model.set_params(C=strength).fit(scaled[rows], y[rows], weights)
        n_steps += int(model.n_iter_[0])
        tried.append((strength, _loss(model.decision_function(stop_scaled), stop_y)))
        if tried[-1][1] > min(loss for _, loss in tried):
            break
        best = (model.coef_.copy(), model.intercept_.copy())
    history = pd.DataFrame(tried, columns=["C", "val_loss"])
    chosen = int(history["val_loss"].argmin())
    model.coef_, model.intercept_ = best
    model.set_params(C=STRENGTHS[chosen]).fit(scaled, y)
    slopes = model.coef_[0] / scaler.scale_
    head = Head(((slopes[:, None], model.intercept_ - scaler.mean_ @ slopes),))
    return FittedHead(key, head, history, chosen + 1, n_steps + int(model.n_iter_[0]))


def _searched(y: Array) -> tuple[Array, Array]:
    """Rows that the strength is sought on, evenly out of each class, weighted such that no class gains by it."""
    of_class = [np.flatnonzero(y == value) for value in (0, 1)]
    kept = [
        rows[np.linspace(0, len(rows) - 1, min(len(rows), _SEARCHED)).round().astype(int)]
        for rows in of_class
    ]
    n_kept = sum(map(len, kept))
    weights = [
        np.full(len(few), len(rows) / len(few) * n_kept / len(y))
        for rows, few in zip(of_class, kept, strict=True)
    ]
    return np.concatenate(kept), np.concatenate(weights)


def _loss(logits: Array, y: Array) -> float:
    return float(np.mean(np.logaddexp(0.0, logits) - y * logits))
