"""Softer targets: rows mixed with other rows, and labels moved away from certainty.

Each in two forms, as in `vernal.training.upsampling`: `corrected` does what the method's source describes,
`birdnet` what birdnet-analyzer 2.4.0 does.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vernal.clips.sampling import floor_share

Array = NDArray[Any]
Rng = np.random.Generator

MIXUP_SHARE = 0.25
MIXUP_ALPHA = 0.2
SMOOTHING = 0.1


@dataclass(frozen=True)
class Mixes:
    """Which rows are replaced, by a mixture with which partners; `weight` is the share of the row itself."""

    rows: Array
    partners: Array
    weight: Array


@dataclass(frozen=True)
class Stack:
    """Given and made rows as one matrix, without copying the given ones."""

    given: Array
    made: Array

    def take(self, rows: Array) -> Array:
        taken = np.empty((len(rows), self.given.shape[1]), dtype=self.given.dtype)
        is_given = rows < len(self.given)
        taken[is_given] = self.given[rows[is_given]]
        taken[~is_given] = self.made[rows[~is_given] - len(self.given)]
        return taken


def mixup(
    x: Array,
    y: Array,
    rng: Rng,
    share: float = MIXUP_SHARE,
    alpha: float = MIXUP_ALPHA,
    rule: str = "corrected",
) -> tuple[Array, Array]:
    """Replace some rows, and their targets, by mixtures with other rows.

    `corrected`: a random `share` of all rows is mixed, each with any other row as it was before, whatever
    their classes; targets are mixed by the same weight and stay in [0, 1]. `birdnet`: only positives are
    mixed, and only with positives, so that with one class no target changes.

    Args:
        x, y: (n_rows, n_dims), and (n_rows,) or (n_rows, n_classes) in [0, 1].
        share: of rows that are replaced (`birdnet`: of positives), rounded down.
        alpha: the weight follows Beta(alpha, alpha).
    Returns:
        New arrays of the same shapes.
    Source: Zhang et al. (2018), arXiv:1710.09412.
    """
    x, targets = checked_rows(x, y)
    draw = draw_birdnet_mixes if rule == "birdnet" else draw_mixes
    mixes = draw(targets, rng, share, alpha)
    mixed_x, mixed_y = mix(Stack(x, x[:0]), targets, mixes)
    out_x, out_y = x.copy(), targets.copy()
    out_x[mixes.rows], out_y[mixes.rows] = mixed_x, mixed_y
    return out_x, out_y.reshape(np.shape(y))


def mix(stack: Stack, targets: Array, mixes: Mixes) -> tuple[Array, Array]:
    weight = mixes.weight[:, np.newaxis]

    def mixed(first: Array, second: Array) -> Array:
        return weight.astype(first.dtype) * first + (1 - weight).astype(first.dtype) * second

    return (
        mixed(stack.take(mixes.rows), stack.take(mixes.partners)),
        mixed(targets[mixes.rows], targets[mixes.partners]),
    )


def no_mixes() -> Mixes:
    none = np.empty(0, dtype=np.int64)
    return Mixes(none, none, np.empty(0))


def draw_mixes(targets: Array, rng: Rng, share: float, alpha: float) -> Mixes:
    n_rows = len(targets)
    count = floor_share(share, n_rows) if n_rows > 1 else 0
    rows = rng.choice(n_rows, size=count, replace=False) if count else np.empty(0, dtype=np.int64)
    partners = (rows + rng.integers(1, max(2, n_rows), size=count)) % max(1, n_rows)
    return Mixes(rows, partners, rng.beta(alpha, alpha, size=count))


def draw_birdnet_mixes(targets: Array, rng: Rng, share: float, alpha: float) -> Mixes:
    """The mixtures of `model.mixup` of birdnet-analyzer 2.4.0, number for number.

    Neither row nor partner was mixed before, so every mixture is of rows as they were.
    """
    positives = np.unique(np.where(targets == 1)[0])
    done: dict[int, tuple[int, float]] = {}
    for _ in range(int(len(positives) * share)):
        row = int(rng.choice(positives))
        while row in done:
            row = int(rng.choice(positives))
        partner = int(rng.choice(positives))
        while partner == row or partner in done:
            partner = int(rng.choice(positives))
        done[row] = (partner, float(rng.beta(alpha, alpha)))
    rows = np.fromiter(done, dtype=np.int64, count=len(done))
    partners = np.array([partner for partner, _ in done.values()], dtype=np.int64)
    return Mixes(rows, partners, np.array([weight for _, weight in done.values()], dtype=np.float64))


def smooth_labels(y: Array, smoothing: float = SMOOTHING, rule: str = "corrected") -> Array:
    """Move targets away from certainty.

    `corrected`: `y (1 - smoothing) + smoothing / 2`, for every output by itself; targets in [0, 1] stay
    there, keep their order, and do not depend on how many rows there are. It is Keras's own rule for sigmoid
    outputs. `birdnet`: targets above 0 lose `smoothing`, those that are then 0 become `smoothing / n_rows`; a
    mixed target below `smoothing` becomes negative.

    Args:
        y: (n_rows,) or (n_rows, n_classes).
        smoothing: 0 to 1.
    Returns:
        A new array of the same shape.

    >>> smooth_labels(np.array([1.0, 0.0])).round(3).tolist()
    [0.95, 0.05]
    """
    if not 0 <= smoothing <= 1:
        raise ValueError(f"label smoothing is {smoothing}; give a share from 0 to 1")
    y = np.array(y, copy=True)
    if rule == "birdnet":
        y[y > 0] -= smoothing
        y[y == 0] = smoothing / max(1, len(y))
        return y
    if len(y) and not (y.min() >= 0 and y.max() <= 1):
        raise ValueError(
            f"targets lie from {y.min():g} to {y.max():g}; label smoothing takes targets from 0 to 1"
        )
    return y * (1 - smoothing) + smoothing / 2


def checked_rows(x: Array, y: Array) -> tuple[Array, Array]:
    """Check shapes and values; targets come back as (n_rows, n_classes) float32."""
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim != 2 or y.ndim not in (1, 2) or len(x) != len(y):
        raise ValueError(
            f"x is {x.shape} and y {y.shape}; give (n_rows, n_dims) and (n_rows,) or (n_rows, n_classes)"
        )
    if not np.issubdtype(x.dtype, np.floating):
        raise ValueError(f"x holds {x.dtype}; give embeddings as floats")
    labels = (y if y.ndim == 2 else y[:, np.newaxis]).astype(np.float32)
    return x, labels
