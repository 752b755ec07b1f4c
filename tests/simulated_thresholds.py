"""What a threshold half way to the next lower score gains over the lowest flagged score, with few validation clips.

`python -m tests.simulated_thresholds DATA_FOLDER` prints the tables of docs/simulated.md: of normal scores, whose F1 at a
threshold is known exactly, and of the demo season's stage 5 in that folder, with validation drawn smaller.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from vernal.common.table_files import read_table
from vernal.evaluation import metrics
from vernal.evaluation.operating_points import Goal, choose

SIZES = (2, 3, 5, 10, 20, 100)
DISTANCES = (2.0, 4.0, 6.0)  # of the means of two normal distributions: AUROC 0.92, 0.998 and 0.99999
SPLITS = ("test_iid", "test_ood")


def lowest_flagged(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """The highest of the thresholds with the best F1."""
    counts = metrics.counts_at_all(scores, truth)
    return float(counts.threshold[int(np.argmax(metrics.f1(counts)))])


def half_way(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """The threshold that an evaluation chooses."""
    return choose(scores, truth, Goal()).logit


WAYS = (lowest_flagged, half_way)


def of_normal_scores(size: int, distance: float, n_draws: int) -> NDArray[np.float64]:
    """Mean F1 on endless clips, half of them positive, by way; validation holds `size` clips of each class."""
    rng, truth = np.random.default_rng([size, int(distance)]), np.arange(2 * size) < size
    found = np.array([
        [way(scores, truth) for way in WAYS]
        for scores in rng.normal(size=(n_draws, 2 * size)) + distance * truth
    ])  # fmt: skip
    return _f1_at(found, distance).mean(axis=0)


def highest_f1(distance: float) -> float:
    """The F1 of the best threshold for such clips."""
    return float(_f1_at(np.linspace(-4, distance + 4, 10_001), distance).max())


def _f1_at(thresholds: NDArray[np.float64], distance: float) -> NDArray[np.float64]:
    recall, fpr = norm.sf(thresholds - distance), norm.sf(thresholds)
    return 2 * recall / (1 + recall + fpr)


def of_scores(scores: pd.DataFrame, size: int, n_draws: int) -> NDArray[np.float64]:
    """Mean F1 of points, (n_splits, n_ways): validation has at most `size` clips of each class, drawn from it."""
    rng, found = np.random.default_rng(size), []
    for _, of_point in scores.groupby("point", observed=True, sort=True):
        arrays = {
            name: (part.logit.to_numpy(), part.is_positive.to_numpy())
            for name, part in of_point.groupby("split", observed=True)
        }
        for at in _draws(arrays["val"][1], size, n_draws, rng):
            chosen = [way(*(part[at] for part in arrays["val"])) for way in WAYS]
            found.append([
                [metrics.metrics_at(*arrays[split], threshold)["f1"] for threshold in chosen]
                for split in SPLITS
            ])  # fmt: skip
    return np.mean(found, axis=0)


def _draws(
    truth: NDArray[np.bool_], size: int, n_draws: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    classes = [np.flatnonzero(truth == is_positive) for is_positive in (True, False)]
    for _ in range(n_draws):
        yield np.concatenate([rng.choice(of, min(size, len(of)), replace=False) for of in classes])


def main() -> None:
    """Print both tables."""
    for size in SIZES:
        cells = [f"{value:.3f}" for d in DISTANCES for value in of_normal_scores(size, d, 4000)]
        print("|", " | ".join([f"{size} + {size}", *cells]), "|", flush=True)
    print("| best threshold |", " | | ".join(f"{highest_f1(d):.3f}" for d in DISTANCES), "| |")
    scores = read_table(Path(sys.argv[1]) / "07_model_output" / "stage5" / "scores.parquet")
    for size in (*SIZES[:-1], len(scores)):
        cells = [f"{value:.3f}" for value in of_scores(scores, size, 20).ravel()]
        print("|", " | ".join([f"{size} + {size}" if size < len(scores) else "all", *cells]), "|", flush=True)


if __name__ == "__main__":
    main()
