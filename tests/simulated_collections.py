"""How often the intervals of a learning curve hold the truth: the expected gain of more clips, and the expected score.

Nights differ in prevalence, in how they sound and in how loud the calls are. The truth is the mean of models trained on
many collections of the same size and tested on thousands of nights. `python -m tests.simulated_collections` prints the
table of docs/simulated.md; it writes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vernal.collection.learning_curve import LearningCurveOptions, extrapolate, measure_curve
from vernal.collection.linear_model import METRICS, probabilities

FRACTIONS = [0.1, 0.2, 0.35, 0.5, 0.75, 1.0]
MORE = 100


class Design(NamedTuple):
    """Nights of a collection, clips a night, dimensions of the embeddings."""

    n_nights: int
    n_clips: int
    n_dims: int


DESIGNS = (Design(14, 10, 12), Design(20, 10, 20), Design(40, 8, 12), Design(40, 20, 20))


def collection(design: Design, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings, labels and nights of one collection."""
    night = np.repeat(np.arange(design.n_nights), design.n_clips)
    logit = rng.normal(-0.6, 0.7, design.n_nights)[night]
    y = rng.random(night.size) < 1 / (1 + np.exp(-logit))
    x = rng.normal(size=(night.size, design.n_dims))
    x += 0.4 * rng.normal(size=(design.n_nights, design.n_dims))[night]
    x[:, 0] += y * rng.normal(1.6, 0.5, design.n_nights)[night]
    return x, y, np.array([f"night {number:04d}" for number in night])


def true_scores(design: Design, metric: str, n_models: int) -> tuple[float, float]:
    """Mean score of models trained on all clips of such a collection, and on `MORE` clips more."""
    rng = np.random.default_rng(design)
    x_test, y_test, _ = collection(design._replace(n_nights=30_000 // design.n_clips), rng)
    n_now = design.n_nights * design.n_clips
    scores = np.empty((n_models, 2))
    for row in scores:
        x, y, _ = collection(design._replace(n_nights=2 * design.n_nights + MORE // design.n_clips + 1), rng)
        for at, n in enumerate((n_now, n_now + MORE)):
            row[at] = METRICS[metric](probabilities(x[:n], y[:n], x_test), y_test)
    now, then = scores.mean(axis=0)
    return float(now), float(then)


def coverage(
    design: Design, n_studies: int, n_models: int = 400, metric: str = "average_precision"
) -> dict[str, float]:
    """Share of studies whose 90 % interval holds the gain and the score; the true gain, and its median interval."""
    now, then = true_scores(design, metric, n_models)
    n_now = design.n_nights * design.n_clips
    gains, scores, widths = [], [], []
    for seed in range(n_studies):
        x, y, night = collection(design, np.random.default_rng([*design, seed]))
        options = LearningCurveOptions(FRACTIONS, metric=metric, more=MORE, seed=seed)
        row, sizes, band = extrapolate(measure_curve(x, y, night, "a", options), n_now, options)
        at = int(np.abs(sizes - n_now).argmin())
        gains.append(row["gain_low"] <= then - now <= row["gain_high"])
        scores.append(band[1, at] <= now <= band[2, at])
        widths.append(row["gain_high"] - row["gain_low"])
    return {
        "gain": float(np.mean(gains)), "score": float(np.mean(scores)), "true gain": then - now,
        "width": float(np.median(widths)),
    }  # fmt: skip


def main() -> None:
    """Print the table, for 300 studies each."""
    for design in DESIGNS:
        found = coverage(design, 300)
        size = f"{design.n_nights} x {design.n_clips} | {design.n_dims}"
        print(
            f"| {size} | {found['gain']:.2f} | {found['score']:.2f} | {found['true gain']:.3f} | {found['width']:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
