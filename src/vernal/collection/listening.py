"""Label, refit, rank again: which clips a person should hear next, and how good the detector is by then.

A batch is mixed of clips that are likely to hold the class, of those that the detector is least sure of, and of a
random share. The random share is the beginning of one fixed random order of all clips. A clip in it stays in it when
it was also chosen for its score, and the clips of it that are decided say how good the detector is: each is scored by
a detector that learned nothing from its recording. Clips chosen for their score alone never say so.

The detector is a logistic regression on embeddings. It depends on what was decided, not on the order of deciding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from vernal.collection.block_bootstrap import block_interval
from vernal.common.hashing import unit_hash
from vernal.common.settings import Count, InnerShare, Number, settings
from vernal.evaluation.metrics import average_precision

LIKELY, UNCERTAIN, RANDOM = "likely", "uncertain", "random"
BATCH_COLUMNS = ("row", "chosen_by", "score")
N_PRESUMED = 50
_N_FOLDS = 5
_C = 0.1  # of a logistic regression on embeddings whose values have a mean square of 1
_CHUNK = 16_384
SHORTLIST = 2_000  # rows that are scored exactly, to find the lowest few
_SPARE = 4
Float = NDArray[np.float64]

Weight = Annotated[Number, Field(ge=0, description="a weight")]


@settings("review.loop")
class LoopOptions:
    """How a loop of listening goes.

    `batch`: clips heard between two fits. `likely`, `uncertain`, `random`: weights of the three ways of choosing,
    which need not sum to 1. `gain`: average precision that is worth another three batches. `seed`: draws the random
    order, the folds and the intervals. `n_draws`, `level`: of the intervals.
    """

    batch: Count = 20
    likely: Weight = 0.0
    uncertain: Weight = 0.875
    random: Weight = 0.125
    gain: Annotated[Number, Field(gt=0, lt=1)] = 0.02
    seed: int = 0
    n_draws: Annotated[int, Field(ge=50)] = 200
    level: InnerShare = 0.9

    def __post_init__(self) -> None:
        if self.likely + self.uncertain + self.random == 0:
            raise ValueError("give likely, uncertain and random weights that are not all 0")

    def shares(self) -> tuple[int, int, int]:
        """Clips of a batch that are likely, uncertain and random; together a batch.

        >>> LoopOptions(batch=20).shares(), LoopOptions(batch=20, likely=1, uncertain=1, random=2).shares()
        ((0, 18, 2), (5, 5, 10))
        """
        total = self.likely + self.uncertain + self.random
        edges = np.cumsum([self.likely, self.uncertain, self.random]) / total * self.batch
        first, second, last = np.floor(edges + 0.5).astype(int).tolist()
        return first, second - first, last - second


@dataclass(frozen=True, eq=False)
class LinearDetector:
    """`weights` (n_dims,) and `bias`: the logit of an embedding is their product with it and the bias."""

    weights: Float
    bias: float

    def logits(self, x: NDArray) -> NDArray[np.float32]:
        """(n,) of embeddings (n, n_dims), in blocks: `x` may be larger than memory."""
        weights = self.weights.astype(np.float32)
        scores = np.empty(len(x), dtype=np.float32)
        for first in range(0, len(x), _CHUNK):
            scores[first : first + _CHUNK] = x[first : first + _CHUNK] @ weights
        return scores + np.float32(self.bias)


def fit_detector(x: NDArray, y: NDArray, presumed: NDArray) -> LinearDetector:
    """A logistic regression on what was decided.

    Args:
        x, y: (n, n_dims) embeddings and (n,) bool, with a positive at least.
        presumed: (m, n_dims) clips drawn at random that nobody decided on. They count as negatives of half the weight
            as long as fewer than `N_PRESUMED` are decided, since almost all clips of a season are.
    """
    from scipy.linalg import solve_triangular
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    y = np.asarray(y, dtype=bool)
    presumed = presumed[: max(0, N_PRESUMED - int((~y).sum()))]
    rows = np.concatenate([x, presumed]).astype(np.float64)
    known = np.concatenate([y, np.zeros(len(presumed), dtype=bool)])
    weight = np.concatenate([np.ones(len(y)), np.full(len(presumed), 0.5)])
    if known.all():
        raise ValueError(
            "there is nothing to tell the class from: no clip is decided otherwise, and none is presumed"
        )
    # Both classes weigh the same, or a rare one would hardly count.
    for of_class in (known, ~known):
        weight[of_class] *= len(known) / (2 * weight[of_class].sum())
    scale = float(np.sqrt((rows**2).mean())) or 1.0
    rows /= scale
    # In the space that the rows span: the same solution, found in as many dimensions as there are rows.
    # One thread is quickest for so few, and gives the same numbers on every machine.
    with threadpool_limits(1):
        products = rows @ rows.T
        root = np.linalg.cholesky(products + np.eye(len(rows)) * 1e-9 * np.trace(products) / len(rows))
        model = LogisticRegression(C=_C, solver="newton-cholesky", tol=1e-6).fit(root, known, weight)
        weights = rows.T @ solve_triangular(root, model.coef_[0], lower=True, trans="T")
    return LinearDetector(weights / scale, float(model.intercept_[0]))


def random_order(names: Sequence[str], seed: int) -> NDArray[np.intp]:
    """One random order of clips, by name: rows of `names`. More clips later leave the others in their order."""
    drawn = np.array([unit_hash(seed, "listening", name) for name in names])
    return np.argsort(drawn, kind="stable")


def choose_batch(
    scores: NDArray,
    is_open: NDArray,
    order: NDArray,
    options: LoopOptions,
    exact: Callable[[NDArray[np.intp]], NDArray] | None = None,
) -> pd.DataFrame:
    """The clips to hear next, in a random order that tells nothing of how they were chosen.

    Args:
        scores: (n,) logits.
        is_open: (n,) bool: neither decided on nor in an earlier batch.
        order: of `random_order`.
        exact: the logits of rows, where `scores` are but near them.
    Returns:
        `BATCH_COLUMNS`; ties go to the earlier row. Fewer than a batch where no more are open.
    """
    n_likely, n_uncertain, n_random = options.shares()
    score = (lambda rows: scores[rows]) if exact is None else exact
    is_free = np.array(is_open, dtype=bool)
    chosen: list[tuple[int, str]] = []

    def take(rows: NDArray, chosen_by: str) -> None:
        is_free[rows] = False
        chosen.extend((int(row), chosen_by) for row in rows)

    # The random share first, or what is likely would be missing from it.
    take(_first_free(order, is_free, n_random), RANDOM)
    take(lowest(-scores, is_free, n_likely, lambda rows: -score(rows)), LIKELY)
    take(lowest(np.abs(scores), is_free, n_uncertain, lambda rows: np.abs(score(rows))), UNCERTAIN)
    take(_first_free(order, is_free, options.batch - len(chosen)), RANDOM)
    chosen.sort(key=lambda one: unit_hash(options.seed, "place in a batch", one[0]))
    table = pd.DataFrame(chosen, columns=["row", "chosen_by"]).astype({"row": "int64"})
    return table.assign(score=np.asarray(score(table.row.to_numpy()), dtype=np.float64))


def _first_free(order: NDArray, is_free: NDArray, count: int) -> NDArray[np.intp]:
    """The first free rows of an order, looked for no further than needed."""
    found = order[:0]
    for first in range(0, len(order), _CHUNK):
        if len(found) >= count:
            break
        part = order[first : first + _CHUNK]
        found = np.concatenate([found, part[is_free[part]]])
    return found[:count]


def lowest(
    values: NDArray, is_free: NDArray, count: int, exact: Callable[[NDArray[np.intp]], NDArray]
) -> NDArray[np.intp]:
    """The free rows of the lowest values, lowest first; ties go to the earlier row.

    Args:
        values: (n,) near the exact ones: they say which `SHORTLIST` rows or more are looked at.
        exact: the values of rows.
    """
    if not count:
        return np.empty(0, dtype=np.intp)
    rows = np.sort(_shortlist(values, is_free, max(SHORTLIST, _SPARE * count)))
    return rows[np.argsort(exact(rows), kind="stable")[:count]]


def _shortlist(values: NDArray, is_free: NDArray, count: int) -> NDArray[np.intp]:
    """The free rows of the lowest values, in blocks: one that holds none of them costs a comparison."""
    rows = np.empty(0, dtype=np.intp)
    edge = np.inf
    for first in range(0, len(values), _CHUNK):
        block = slice(first, first + _CHUNK)
        near = np.flatnonzero(is_free[block] & (values[block] < edge)) + first
        if not len(near):
            continue
        rows = np.concatenate([rows, near])
        if len(rows) > count:
            rows = rows[np.argsort(values[rows], kind="stable")[:count]]
            edge = values[rows[-1]]
    return rows


def random_share(order: NDArray, is_decided: NDArray) -> NDArray[np.intp]:
    """The clips that say how good the detector is: the beginning of the random order, as far as all are decided."""
    open_ones = _first_free(order, ~np.asarray(is_decided, dtype=bool), 1)
    return order[: int((order == open_ones[0]).argmax())] if len(open_ones) else order


def out_of_fold(
    x: NDArray,
    groups: Sequence[str],
    learned_groups: Sequence[str],
    fit: Callable[[NDArray[np.bool_]], LinearDetector | None],
    seed: int,
) -> Float:
    """Logits of clips, each by a detector that learned nothing from its group.

    Args:
        x, groups: of the clips to score.
        learned_groups: of the clips to learn from.
        fit: the detector that some of these give, by a mask; None where they give none.
    Returns:
        (n,); NaN where there was no detector.
    """
    inside, learned = _fold_of(groups, seed), _fold_of(learned_groups, seed)
    scores = np.full(len(x), np.nan)
    for number in np.unique(inside):
        detector = fit(learned != number)
        if detector is not None:
            scores[inside == number] = detector.logits(x[inside == number])
    return scores


def _fold_of(groups: Sequence[str], seed: int) -> NDArray[np.intp]:
    return np.array(
        [int(unit_hash(seed, "listening fold", group) * _N_FOLDS) for group in groups], dtype=np.intp
    )


def measure(scores: Float, y: NDArray, groups: NDArray, options: LoopOptions) -> dict[str, float]:
    """How good a detector is on the random share: `average_precision`, `low`, `high`, `n`, `n_positive`.

    The interval is bootstrapped over groups; it and the value are NaN where they cannot be known.
    """
    is_known = np.isfinite(scores)
    scores, y, groups = scores[is_known], np.asarray(y, dtype=bool)[is_known], np.asarray(groups)[is_known]

    def precision(rows: NDArray) -> float:
        return average_precision(scores[rows], y[rows]) if y[rows].any() else np.nan

    every = np.arange(len(y))
    low, high = block_interval(precision, groups, options.seed, "listening", options.n_draws, options.level)
    return {
        "average_precision": precision(every), "low": low, "high": high,
        "n": len(y), "n_positive": int(y.sum()),
    }  # fmt: skip


def gain_interval(
    before: Float, now: Float, y: NDArray, groups: NDArray, options: LoopOptions
) -> tuple[float, float]:
    """Interval of what average precision gained between two detectors on the same random share; NaN if unknown."""
    is_known = np.isfinite(before) & np.isfinite(now)
    y, groups = np.asarray(y, dtype=bool)[is_known], np.asarray(groups)[is_known]
    first, second = before[is_known], now[is_known]

    def gained(rows: NDArray) -> float:
        if not y[rows].any():
            return np.nan
        return average_precision(second[rows], y[rows]) - average_precision(first[rows], y[rows])

    return block_interval(gained, groups, options.seed, "listening gain", options.n_draws, options.level)
