"""More rows for the smaller class, made in embedding space.

Two families under separate names. `linear`, `mean`, `smote` and `repeat` do what the study's documents
describe. Those named `birdnet_...`, and `regularisation: birdnet`, do what birdnet-analyzer 2.4.0 does,
its surprises included, so that its results can be reproduced and compared.

Rows come in the order of their clips' `clip_id`, after the validation clips were taken out; then the result
depends on the seed alone.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vernal.clips.sampling import floor_share
from vernal.common.hashing import rng_for
from vernal.common.problems import InputError, suggest
from vernal.training.mixup import (
    MIXUP_ALPHA,
    MIXUP_SHARE,
    Stack,
    checked_rows,
    draw_birdnet_mixes,
    draw_mixes,
    mix,
    no_mixes,
    smooth_labels,
)

Array = NDArray[Any]
Rng = np.random.Generator

NEIGHBOURS = 5
REGULARISATIONS = ("corrected", "birdnet")
# Rows that are looked at again with BirdNET's own formula, beyond the five it takes.
_SPARE_NEIGHBOURS = 11


@dataclass(frozen=True)
class PreparedArrays:
    """Training rows: those of the given matrix that stay as they are, and those that were made.

    `rows`: (n_kept,) int64 positions in the given `x`, ascending. `y`: their targets. `extra_x`, `extra_y`:
    made rows and their targets: synthetic ones first, then mixtures that take the place of given rows.
    `ignored`: names of settings that were on and, by BirdNET's rules, did nothing.
    """

    rows: Array
    y: Array
    extra_x: Array
    extra_y: Array
    ignored: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows) + len(self.extra_x)


def prepare_arrays(x: Array, y: Array, settings: Any, seed: int) -> PreparedArrays:
    """Upsample, mix and smooth the training rows that are left after the validation split, in this order.

    Args:
        x: (n_rows, n_dims) embeddings.
        y: (n_rows,) targets 0 or 1 of one class, or (n_rows, n_classes).
        settings: the point: its `upsampling_mode`, `upsampling_ratio`, `mixup`, `label_smoothing` and, where
            it has one, `regularisation`: `corrected` or `birdnet`.
        seed: the point's seed; the three steps draw from generators of their own.
    Raises:
        InputError: an unknown mode or rule, or too few rows of a class for the mode.
    """
    as_birdnet = _rule(settings) == "birdnet"
    x, labels = checked_rows(x, y)
    ratio = float(settings.upsampling_ratio or 0)
    extra_x, extra_y = upsample(x, labels, ratio, settings.upsampling_mode, rng_for(seed, "upsampling"))
    targets = np.concatenate([labels, extra_y])

    silent = as_birdnet and labels.shape[1] == 1
    wanted = [name for name in ("mixup", "label_smoothing") if getattr(settings, name)]
    mixes = no_mixes()
    if "mixup" in wanted and not silent:
        draw = draw_birdnet_mixes if as_birdnet else draw_mixes
        mixes = draw(targets, rng_for(seed, "mixup"), MIXUP_SHARE, MIXUP_ALPHA)
    mixed_x, mixed_y = mix(Stack(x, extra_x), targets, mixes)
    targets[mixes.rows] = mixed_y
    if "label_smoothing" in wanted and not silent:
        targets = smooth_labels(targets, rule="birdnet" if as_birdnet else "corrected")

    is_given = mixes.rows < len(x)
    extra_x[mixes.rows[~is_given] - len(x)] = mixed_x[~is_given]
    kept = np.setdiff1d(np.arange(len(x)), mixes.rows)
    shape = (-1, *np.shape(y)[1:])
    return PreparedArrays(
        rows=kept,
        y=targets[kept].reshape(shape),
        extra_x=np.concatenate([extra_x, mixed_x[is_given]]),
        extra_y=np.concatenate([targets[len(x) :], targets[mixes.rows[is_given]]]).reshape(shape),
        ignored=tuple(wanted) if silent else (),
    )


def _rule(settings: Any) -> str:
    rule = getattr(settings, "regularisation", None) or "corrected"
    if rule not in REGULARISATIONS:
        raise InputError(f"regularisation is {rule!r}: {suggest(str(rule), REGULARISATIONS)}")
    return rule


# Upsampling


def upsample(x: Array, y: Array, ratio: float, mode: str, rng: Rng) -> tuple[Array, Array]:
    """Make rows until every class has `ratio` times as many as the largest.

    With one class, positive and negative are the two classes that are compared. With several, each column is
    a class and rows without any label are none.

    Args:
        x: (n_rows, n_dims) embeddings.
        y: (n_rows,) or (n_rows, n_classes), 0 or 1.
        ratio: share of the largest class, in [0, 1]; rounded down. 0 makes nothing, whatever the mode.
        mode: one of `MODES`.
        rng: source of every draw.
    Returns:
        (extra_x, extra_y): the made rows, class by class, and their labels, shaped and typed as `x` and `y`.
    Raises:
        InputError: an unknown mode or ratio, a class without rows, rows of several classes in a mode that
            cannot tell which class the mixture has, or labels other than 0 and 1.
    """
    x, labels = checked_rows(x, y)
    shape = (-1, *np.shape(y)[1:])
    if not 0 <= ratio <= 1:
        raise InputError(f"upsampling_ratio is {ratio}; give a share of the largest class from 0 to 1")
    if ratio == 0 or not len(x):
        return x[:0].copy(), labels[:0].reshape(shape).astype(np.asarray(y).dtype)
    if mode not in MODES:
        raise InputError(f"upsampling_mode is {mode!r}: {suggest(str(mode), MODES)}")
    _check_labels(labels, mode)
    if mode in _BIRDNET_MAKERS:
        # Two generators, as there: one chooses rows, one chooses weights.
        extra_x, extra_y = _upsample_as_birdnet(x, labels, ratio, mode, _derived(rng), _derived(rng))
    else:
        extra_x, extra_y = _upsample(x, labels, ratio, mode, rng)
    return extra_x.astype(x.dtype, copy=False), extra_y.reshape(shape).astype(np.asarray(y).dtype, copy=False)


def _derived(rng: Rng) -> Rng:
    # Not `rng.spawn`: generators made from a key, as `identity.rng_for` makes them, cannot spawn.
    return np.random.default_rng(rng.integers(2**32, size=4))


def _check_labels(labels: Array, mode: str) -> None:
    if not np.isin(labels, (0, 1)).all():
        raise InputError("upsampling takes labels 0 and 1; smooth and mix them afterwards")
    n_double = int((labels.sum(axis=1) > 1).sum())
    if n_double and not mode.endswith("repeat"):
        raise InputError(
            f"{n_double:,} of {len(labels):,} rows have several labels; upsampling_mode {mode!r} "
            "cannot mix those. Use repeat."
        )


def _classes(labels: Array) -> list[Array]:
    """Row positions of each class: positives and negatives of one class, or one array a column."""
    if labels.shape[1] == 1:
        return [np.flatnonzero(labels[:, 0] == 1), np.flatnonzero(labels[:, 0] == 0)]
    return [np.flatnonzero(labels[:, column] == 1) for column in range(labels.shape[1])]


def _upsample(x: Array, labels: Array, ratio: float, mode: str, rng: Rng) -> tuple[Array, Array]:
    classes = _classes(labels)
    wanted = floor_share(ratio, max(len(rows) for rows in classes))
    made_x, made_y = [x[:0]], [labels[:0]]
    for column, rows in enumerate(classes):
        # A repeated row with two labels counts for both classes.
        made = int(np.concatenate(made_y)[:, column].sum()) if labels.shape[1] > 1 else 0
        needed = wanted - len(rows) - made
        if needed <= 0:
            continue
        _require_rows(rows, column, mode)
        new_x, sources = _MAKERS[mode](x, rows, needed, rng)
        made_x.append(new_x)
        made_y.append(labels[sources])
    return np.concatenate(made_x), np.concatenate(made_y)


def _require_rows(rows: Array, column: int, mode: str) -> None:
    least = 2 if mode == "smote" else 1
    if len(rows) < least:
        raise InputError(
            f"upsampling_mode {mode!r} needs at least {least} training rows of each class; "
            f"class {column} has {len(rows)}. Widen the point's filters or set upsampling_ratio: 0."
        )


def _interpolate(x: Array, rows: Array, needed: int, rng: Rng) -> tuple[Array, Array]:
    """Points on the lines between random pairs of different rows."""
    first = rng.integers(len(rows), size=needed)
    # The second is any row but the first, which is only itself where a class has one row.
    second = (first + rng.integers(1, max(2, len(rows)), size=needed)) % len(rows)
    weight = rng.random(size=(needed, 1)).astype(x.dtype)
    return weight * x[rows[first]] + (1 - weight) * x[rows[second]], rows[first]


def _around_centroid(x: Array, rows: Array, needed: int, rng: Rng) -> tuple[Array, Array]:
    """The class's mean plus Gaussian noise with the class's standard deviation of each dimension (ddof 0)."""
    members = x[rows].astype(np.float64)
    noise = rng.standard_normal(size=(needed, x.shape[1]))
    made = members.mean(axis=0) + noise * members.std(axis=0)
    return made.astype(x.dtype), np.full(needed, rows[0])


def _smote(x: Array, rows: Array, needed: int, rng: Rng) -> tuple[Array, Array]:
    """Points between a row and one of its nearest rows of the same class, from imbalanced-learn.

    Source: Chawla et al. (2002), doi:10.1613/jair.953.
    """
    from imblearn.over_sampling import SMOTE

    neighbours = min(NEIGHBOURS, len(rows) - 1)
    sampler = SMOTE(
        sampling_strategy={1: len(rows) + needed},
        k_neighbors=neighbours,
        random_state=int(rng.integers(2**31)),
    )
    made, _ = _resampled(sampler, x, len(x), rows)
    return made[len(x) :], np.full(needed, rows[0])


def _repeat(x: Array, rows: Array, needed: int, rng: Rng) -> tuple[Array, Array]:
    """Copies of random rows, drawn with replacement, from imbalanced-learn."""
    from imblearn.over_sampling import RandomOverSampler

    sampler = RandomOverSampler(
        sampling_strategy={1: len(rows) + needed}, random_state=int(rng.integers(2**31))
    )
    _resampled(sampler, np.arange(len(x))[:, np.newaxis], len(x), rows)
    sources = sampler.sample_indices_[len(x) :]
    return x[sources], sources


def _resampled(sampler: Any, x: Array, count: int, rows: Array) -> tuple[Array, Array]:
    is_member = np.zeros(count, dtype=np.int64)
    is_member[rows] = 1
    with warnings.catch_warnings():
        # Where rows have several labels, a class can outgrow the rest of the rows; that is wanted.
        warnings.filterwarnings("ignore", message="After over-sampling", category=UserWarning)
        return sampler.fit_resample(x, is_member)


_MAKERS: dict[str, Callable[[Array, Array, int, Rng], tuple[Array, Array]]] = {
    "linear": _interpolate,
    "mean": _around_centroid,
    "smote": _smote,
    "repeat": _repeat,
}


# Upsampling as birdnet-analyzer 2.4.0 does it (`model.upsampling`, `model.upsample_core`)


def _upsample_as_birdnet(
    x: Array, labels: Array, ratio: float, mode: str, choosing: Rng, weighing: Rng
) -> tuple[Array, Array]:
    """The rows that its upsampling adds, in its order, given its two generators."""
    make, size = _BIRDNET_MAKERS[mode]
    chosen: list[Array] = []
    if labels.shape[1] == 1:
        n_positive = labels.sum()
        n_negative = np.float32(len(labels)) - n_positive
        wanted = int(max(n_positive, n_negative) * ratio)  # in float32, as there
        rows = np.flatnonzero(labels[:, 0] == (1 if n_positive < n_negative else 0))
        chosen += _chosen_rows(rows, wanted - len(rows), size, choosing, 0, mode)
    else:
        counts = labels.sum(axis=0)
        wanted = int(np.max(counts) * ratio)
        for column, count in enumerate(counts):
            rows = np.flatnonzero(labels[:, column] == 1)
            # Rows made for earlier classes count for this one too: later classes get fewer than they should.
            needed = wanted - int(count) - len(chosen)
            chosen += _chosen_rows(rows, needed, size, choosing, column, mode)
    if not chosen:
        return x[:0], labels[:0]
    indices = np.array(chosen).reshape(len(chosen), size)
    return make(x, indices, weighing), labels[indices[:, 0]]


def _chosen_rows(rows: Array, needed: int, size: int, rng: Rng, column: int, mode: str) -> list[Array]:
    if needed <= 0:
        return []
    _require_rows(rows, column, mode)
    return [rng.choice(rows, size=size) for _ in range(needed)]


def _birdnet_repeat(x: Array, indices: Array, rng: Rng) -> Array:
    return x[indices[:, 0]]


def _birdnet_mean(x: Array, indices: Array, rng: Rng) -> Array:
    return np.mean(x[indices], axis=1)


def _birdnet_linear(x: Array, indices: Array, rng: Rng) -> Array:
    weight = np.array([rng.uniform(0, 1) for _ in indices])[:, np.newaxis]
    return weight.astype(x.dtype) * x[indices[:, 0]] + (1 - weight).astype(x.dtype) * x[indices[:, 1]]


def _birdnet_smote(x: Array, indices: Array, rng: Rng) -> Array:
    bases, position = np.unique(indices[:, 0], return_inverse=True)
    neighbours = _neighbours_of_any_class(x, bases)[position]
    made = np.empty((len(indices), x.shape[1]), dtype=x.dtype)
    for row, (base, near) in enumerate(zip(indices[:, 0], neighbours, strict=True)):
        neighbour = rng.choice(near)
        made[row] = x[base] + rng.uniform(0, 1) * (x[neighbour] - x[base])
    return made


def _neighbours_of_any_class(x: Array, bases: Array) -> Array:
    """The five rows after the nearest of each base row, all classes together, by its own distance formula.

    Its search costs a pass over all rows for each made row; here candidates are found at once and only they
    are measured again in its arithmetic. Ties go to the earlier row.
    """
    from sklearn.neighbors import NearestNeighbors

    count = min(len(x), NEIGHBOURS + 1 + _SPARE_NEIGHBOURS)
    search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(x)
    candidates = np.sort(search.kneighbors(x[bases], return_distance=False), axis=1)
    distance = np.empty(candidates.shape, dtype=x.dtype)
    for row, (base, near) in enumerate(zip(bases, candidates, strict=True)):
        distance[row] = np.sqrt(np.sum((x[near] - x[base]) ** 2, axis=1))
    order = np.argsort(distance, axis=1, kind="stable")[:, 1 : NEIGHBOURS + 1]
    return np.take_along_axis(candidates, order, axis=1)


_BIRDNET_MAKERS: dict[str, tuple[Callable[[Array, Array, Rng], Array], int]] = {
    "birdnet_repeat": (_birdnet_repeat, 1),
    "birdnet_mean": (_birdnet_mean, 2),
    "birdnet_linear": (_birdnet_linear, 2),
    "birdnet_smote": (_birdnet_smote, 1),
}

MODES = (*_MAKERS, *_BIRDNET_MAKERS)
