"""What to label next: clips the model is unsure of, unlike the labelled ones, from rare places and hours.

The three are mixed by weights; clips are picked one after another, each seen by the next, so that twenty
clips of one cricket do not fill the queue. Whether that beats picking at random is not believed but tried
out, on the labelled part of the same collection.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from vernal.collection.linear_model import METRICS, probabilities
from vernal.common.hashing import rng_for
from vernal.common.settings import Count, InnerShare, Number, one_of, settings

QUEUE_COLUMNS = ("rank", "clip_id", "score", "uncertainty", "diversity", "rarity", "probability")
SIMULATION_COLUMNS = ("replicate", "strategy", "n_labelled", "n_positive", "score")
_N_START = 20


Weight = Annotated[Number, Field(ge=0, description="a weight")]


@settings("collection.label_next")
class QueueOptions:
    """How the queue is mixed and tried out.

    `uncertainty`, `diversity`, `rarity`: weights of 0 or more. `size`: clips in the queue. `batch`,
    `n_rounds`, `n_replicates`: the simulation labels `batch` clips a round. `metric`, `level`, `seed` as for
    learning curves.
    """

    uncertainty: Weight = 1.0
    diversity: Weight = 0.5
    rarity: Weight = 0.25
    size: Count = 100
    batch: Count = 20
    n_rounds: Count = 5
    n_replicates: Annotated[int, Field(ge=2)] = 10
    metric: Annotated[str, one_of(METRICS)] = "average_precision"
    level: InnerShare = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.uncertainty + self.diversity + self.rarity == 0:
            raise ValueError("give weights that are not all 0")


@dataclass(frozen=True, eq=False)
class Pool:
    """Clips to pick from or to learn from: `x` (n, n_dims), `cells` (n,) site and hour, `y` (n,) where labelled."""

    x: NDArray
    cells: NDArray
    y: NDArray | None = None

    def part(self, rows: NDArray) -> "Pool":
        """The clips at these rows."""
        return Pool(self.x[rows], self.cells[rows], None if self.y is None else self.y[rows])


def pick_next(labelled: Pool, candidates: Pool, size: int, options: QueueOptions) -> pd.DataFrame:
    """Pick clips to label.

    Args:
        labelled: what is labelled already, with `y`.
        candidates: what can be picked.
        size: how many to pick, or all there are.
        options: weights.
    Returns:
        `row` (into the candidates), `score` and its three parts in [0, 1], `probability`; in the order of
        picking. Ties go to the earlier row.
    """
    size = min(size, len(candidates.x))
    assert labelled.y is not None
    p = probabilities(labelled.x, labelled.y, candidates.x)
    uncertainty = 1 - np.abs(2 * p - 1)
    all_cells = np.concatenate([labelled.cells, candidates.cells]).astype(str)
    names, cells = np.unique(all_cells, return_inverse=True)
    n_in_cell = np.bincount(cells[: len(labelled.x)], minlength=len(names)).astype(float)
    cell = cells[len(labelled.x) :]
    nearest = _nearest_square(candidates.x, labelled.x)
    scale = max(float(np.sqrt(nearest.max(initial=0.0))), 1e-12) if np.isfinite(nearest).all() else 1.0
    free = np.ones(len(candidates.x), dtype=bool)
    picked = []
    for _ in range(size):
        diversity = np.minimum(np.sqrt(nearest) / scale, 1.0)
        rarity = 1 / (1 + n_in_cell[cell])
        score = options.uncertainty * uncertainty + options.diversity * diversity + options.rarity * rarity
        best = int(np.where(free, score, -np.inf).argmax())
        picked.append((best, score[best], uncertainty[best], diversity[best], rarity[best], p[best]))
        free[best] = False
        n_in_cell[cell[best]] += 1
        nearest = np.minimum(nearest, ((candidates.x - candidates.x[best]) ** 2).sum(axis=1))
    columns = ["row", "score", "uncertainty", "diversity", "rarity", "probability"]
    table = pd.DataFrame(picked, columns=columns).astype({"row": "int64"})
    return table.assign(score=table.score / (options.uncertainty + options.diversity + options.rarity))


def _nearest_square(x: NDArray, others: NDArray) -> NDArray[np.float64]:
    """Squared distance to the nearest of the others, in blocks; infinite when there are none."""
    nearest = np.full(len(x), np.inf)
    square = (x**2).sum(axis=1)
    for start in range(0, len(others), 1024):
        block = others[start : start + 1024]
        distances = square[:, None] + (block**2).sum(axis=1)[None, :] - 2 * x @ block.T
        nearest = np.minimum(nearest, np.maximum(distances, 0).min(axis=1))
    return nearest


def simulate(pool: Pool, groups: NDArray, options: QueueOptions) -> pd.DataFrame:
    """Label the labelled clips once more, by the queue and at random, and see which learns faster.

    Args:
        pool: labelled clips.
        groups: (n,) nights; whole ones are held out to test on.
        options: batch, rounds, replicates, weights.
    Returns:
        `SIMULATION_COLUMNS`: after each round, for both strategies from the same start.
    """
    assert pool.y is not None
    names, code = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    n_test = max(1, round(0.3 * len(names)))
    rows: list[tuple] = []
    for replicate in range(options.n_replicates if len(names) > n_test + 1 else 0):
        rng = rng_for(options.seed, "label next", replicate)
        held_out = np.isin(code, rng.permutation(len(names))[:n_test])
        order = rng.permutation(np.flatnonzero(~held_out))
        test = pool.part(np.flatnonzero(held_out))
        if len(order) < _N_START + options.batch * options.n_rounds:
            continue
        for strategy in ("queue", "random"):
            rows += [(replicate, strategy, *row) for row in _label(pool, order, test, strategy, options)]
    return pd.DataFrame(rows, columns=list(SIMULATION_COLUMNS))


def _label(
    pool: Pool, order: NDArray, test: Pool, strategy: str, options: QueueOptions
) -> list[tuple[int, int, float]]:
    assert pool.y is not None and test.y is not None
    labelled, rest = order[:_N_START], order[_N_START:]
    rows = []
    for number in range(options.n_rounds + 1):
        p = probabilities(pool.x[labelled], pool.y[labelled], test.x)
        rows.append((len(labelled), int(pool.y[labelled].sum()), METRICS[options.metric](p, test.y)))
        if number == options.n_rounds:
            break
        if strategy == "queue":
            chosen = pick_next(pool.part(labelled), pool.part(rest), options.batch, options).row.to_numpy()
        else:
            chosen = np.arange(options.batch)
        labelled = np.concatenate([labelled, rest[chosen]])
        rest = np.delete(rest, chosen)
    return rows


def compare_strategies(simulation: pd.DataFrame, options: QueueOptions) -> dict:
    """Mean score over the rounds, queue minus random, paired by replicate, with a t interval.

    Returns:
        `difference`, `low`, `high`, `n_replicates`, `verdict` (`better`, `worse`, `no difference shown`, `not
        tried`).
    """
    from scipy.stats import t

    later = simulation[simulation.n_labelled > simulation.n_labelled.min()] if len(simulation) else simulation
    scores = later.pivot_table(index="replicate", columns="strategy", values="score", aggfunc="mean")
    if len(scores) < 2 or scores.isna().any(axis=None):
        missing = dict.fromkeys(("difference", "low", "high"), np.nan)
        return {**missing, "n_replicates": len(scores), "verdict": "not tried"}
    gain = (scores["queue"] - scores["random"]).to_numpy()
    half = float(t.ppf((1 + options.level) / 2, len(gain) - 1)) * gain.std(ddof=1) / len(gain) ** 0.5
    difference = {
        "difference": float(gain.mean()), "low": float(gain.mean() - half), "high": float(gain.mean() + half)
    }  # fmt: skip
    verdict = (
        "better" if difference["low"] > 0 else "worse" if difference["high"] < 0 else "no difference shown"
    )
    return {**difference, "n_replicates": len(gain), "verdict": verdict}
