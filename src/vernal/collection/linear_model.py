"""A quick linear classifier over embeddings, for judging a collection, not for deploying.

Embeddings are standardised and reduced once, without looking at labels; each fit then takes milliseconds,
so that hundreds of them can be compared. Folds never divide a group.
"""

import numpy as np
from numpy.typing import NDArray

from vernal.common.hashing import rng_for
from vernal.evaluation.metrics import auroc, average_precision

N_DIMS = 40


def reduce_dims(x: NDArray, n_dims: int = N_DIMS) -> NDArray[np.float64]:
    """Standardised principal components of embeddings: (n, up to n_dims), the first of unit variance.

    Signs are fixed, so that the same clips give the same numbers whatever their order.
    """
    from sklearn.decomposition import PCA

    x = np.asarray(x, dtype=np.float64)
    spread = x.std(axis=0)
    z = (x - x.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    n_dims = min(n_dims, *z.shape)
    if n_dims < 1 or len(z) < 2 or not z.any():
        return z
    components = PCA(n_dims, svd_solver="full").fit_transform(z)
    top = np.abs(components).argmax(axis=0)
    components *= np.sign(components[top, np.arange(components.shape[1])] + 1e-300)
    return components / max(float(components[:, 0].std()), 1e-9)


def probabilities(x_train: NDArray, y_train: NDArray, x: NDArray) -> NDArray[np.float64]:
    """Probability of the positive class for `x` by logistic regression; the share in training if it has one class."""
    from sklearn.linear_model import LogisticRegression

    y_train = np.asarray(y_train, dtype=bool)
    if len(x) == 0:
        return np.empty(0)
    if y_train.all() or not y_train.any():
        return np.full(len(x), float(y_train.mean()) if len(y_train) else 0.5)
    model = LogisticRegression(max_iter=1000).fit(x_train, y_train)
    return model.predict_proba(x)[:, 1]


def out_of_fold(x: NDArray, y: NDArray, groups: NDArray, seed: int, n_folds: int = 5) -> NDArray[np.float64]:
    """Probability of the positive class for each clip, from a model that never saw its group.

    Args:
        x: (n, n_dims) embeddings, reduced.
        y: (n,) bool.
        groups: (n,) what must not be divided.
        seed: deals the groups into folds.
        n_folds: as many folds, or as many as there are groups.
    Returns:
        (n,) in [0, 1]; NaN when there are fewer than two groups.
    """
    fold = deal_groups(groups, seed, n_folds)
    found = np.full(len(y), np.nan)
    if fold.max(initial=0) < 1:
        return found
    for number in range(fold.max() + 1):
        inside = fold == number
        found[inside] = probabilities(x[~inside], y[~inside], x[inside])
    return found


def deal_groups(groups: NDArray, seed: int, n_folds: int) -> NDArray[np.int64]:
    """Fold of each clip: groups in a random order of the seed, each to the fold with the fewest clips so far."""
    names, code, sizes = np.unique(np.asarray(groups).astype(str), return_inverse=True, return_counts=True)
    filled = np.zeros(min(n_folds, len(names)), dtype=np.int64)
    fold_of = np.zeros(len(names), dtype=np.int64)
    for group in rng_for(seed, "folds").permutation(len(names)):
        fold_of[group] = int(filled.argmin())
        filled[fold_of[group]] += sizes[group]
    return fold_of[code]


METRICS = {"average_precision": average_precision, "auroc": auroc}
