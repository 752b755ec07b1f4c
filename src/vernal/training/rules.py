"""The rules by which a head is trained, as BirdNET-Analyzer 2.4.0 has them: schedule, loss, early stopping.

Plain functions of numbers; the compiled program follows them and a test holds both together.
"""

import itertools
import math
from dataclasses import dataclass, fields
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vernal.common.hashing import rng_for
from vernal.common.settings import Count, CountFromZero, Number, Share, ShareBelowOne, settings

L2 = 1e-5
MIN_DELTA = 0.001
MOST_EPOCHS = 200  # of a training that goes on until it has converged
ADAM_BETA_1, ADAM_BETA_2, ADAM_EPSILON = 0.9, 0.999, 1e-7
# Keras cuts its normal distribution at two standard deviations and widens it to keep the variance.
_CUT_NORMAL_STD = 0.87962566103423978

Array = NDArray[Any]


@settings()
class HeadOptions:
    """How one head is built and trained; the defaults are this project's, the meanings BirdNET-Analyzer's.

    `hidden_units`: width of the hidden layer, 0 for a linear head. `dropout`: share of inputs dropped,
    [0, 1). `learning_rate`: highest of the schedule. `batch_size`: rows a step. `epochs`: most passes over the rows.
    `focal_loss_alpha`: weight of positives in the focal loss, [0, 1]; negatives weigh the rest.

    Raises:
        InputError: values out of range, all of them named.
    """

    hidden_units: CountFromZero = 0
    dropout: ShareBelowOne = 0.25
    learning_rate: Annotated[Number, Field(gt=0, le=1)] = 5e-4
    batch_size: Count = 32
    epochs: Count = 50
    focal_loss: bool = False
    focal_loss_gamma: Annotated[Number, Field(ge=0, le=20)] = 2.0
    focal_loss_alpha: Share = 0.25

    @classmethod
    def of(cls, settings: Any) -> "HeadOptions":
        """Take the training settings of a point from anything that has them as attributes."""
        return cls(**{one.name: getattr(settings, one.name) for one in fields(cls)})


# Schedule -------------------------------------------------------------------------------------------


def warm_up_epochs(epochs: int) -> int:
    """Epochs of rising learning rate: a tenth of all, five at most."""
    return min(5, int(epochs * 0.1))


def learning_rate(options: HeadOptions, epoch: int) -> float:
    """Learning rate of an epoch, counted from 0: linear warm-up, then a cosine down to a tenth.

    >>> options = HeadOptions(epochs=20, learning_rate=1.0)
    >>> [round(learning_rate(options, epoch), 3) for epoch in (0, 1, 2, 11, 19)]
    [0.5, 1.0, 1.0, 0.55, 0.107]
    """
    warm_up = warm_up_epochs(options.epochs)
    if epoch < warm_up:
        return options.learning_rate * (epoch + 1) / warm_up
    progress = (epoch - warm_up) / (options.epochs - warm_up)
    return options.learning_rate * (0.1 + 0.9 * (1 + math.cos(math.pi * progress)) / 2)


def adam_step_sizes(rate: float, n_before: int, n_steps: int) -> NDArray[np.float32]:
    """Adam's step size, bias corrections included, for `n_steps` steps after the first `n_before`."""
    step = np.arange(n_before + 1, n_before + n_steps + 1, dtype=np.float64)
    return (rate * np.sqrt(1 - ADAM_BETA_2**step) / (1 - ADAM_BETA_1**step)).astype(np.float32)


# Loss -----------------------------------------------------------------------------------------------


def focal_factors(options: HeadOptions) -> tuple[float, float, float]:
    """`(gamma, weight of positives, weight of negatives)`; without focal loss `(0, 1, 1)`: cross-entropy."""
    if not options.focal_loss:
        return 0.0, 1.0, 1.0
    return (
        float(options.focal_loss_gamma),
        float(options.focal_loss_alpha),
        1.0 - float(options.focal_loss_alpha),
    )


def row_losses(logits: Array, targets: Array, options: HeadOptions) -> NDArray[np.float64]:
    """Binary cross-entropy or focal loss of each row, summed over classes.

    Args:
        logits: (n, n_classes).
        targets: (n, n_classes), 0 to 1.
    Source: `custom_loss` and `focal_loss` of birdnet_analyzer.model 2.4.0, without their clipping of
    probabilities to [1e-7, 1 - 1e-7], which leaves a row that is wrong beyond it without a gradient.

    >>> row_losses(np.array([[0.0]]), np.array([[1.0]]), HeadOptions()).round(4).tolist()
    [0.6931]
    """
    z, y = np.asarray(logits, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    gamma, positive, negative = focal_factors(options)
    cross_entropy = np.logaddexp(0.0, z) - z * y
    if not options.focal_loss:
        return cross_entropy.sum(axis=1)
    p, q = _sigmoid(z), _sigmoid(-z)
    missed = np.maximum(y * q + (1 - y) * p, 0.0)
    return ((y * positive + (1 - y) * negative) * missed**gamma * cross_entropy).sum(axis=1)


def _sigmoid(z: Array) -> Array:
    # Not `expit`, whose last bits differ: early stopping compares losses.
    return np.exp(-np.logaddexp(0.0, -z))


def weight_penalty(weights: list[Array]) -> float:
    """What regularisation adds to a loss: 1e-5 times the sum of squared weights, biases excepted."""
    return L2 * sum(float(np.square(w, dtype=np.float64).sum()) for w in weights)


# Early stopping -------------------------------------------------------------------------------------


def patience(epochs: int) -> int:
    """Epochs without improvement after which training stops: a tenth of all, from 5 to 10."""
    return min(10, max(5, epochs // 10))


@dataclass
class EarlyStopping:
    """Keras' rule: an epoch counts as better only if it lowers the validation loss by more than 0.001.

    >>> rule = EarlyStopping(patience=2)
    >>> [rule.is_best(loss) for loss in (1.0, 0.9995, 0.9, 0.95, 0.95)], rule.is_over
    ([True, False, True, False, False], True)
    """

    patience: int
    best_loss: float | None = None
    best_epoch: int = 0
    n_epochs: int = 0
    n_waited: int = 0
    is_over: bool = False

    def is_best(self, loss: float) -> bool:
        """Note the validation loss of one more epoch; whether its weights are the ones to keep."""
        self.n_epochs += 1
        self.n_waited += 1
        if self.best_loss is None or loss + MIN_DELTA < self.best_loss:
            self.best_loss, self.best_epoch, self.n_waited = loss, self.n_epochs, 0
            return True
        self.is_over = self.n_waited >= self.patience
        return False


# Draws ----------------------------------------------------------------------------------------------


def initial_weights(seed: int, widths: list[int]) -> list[NDArray[np.float32]]:
    """First weights of each layer, for `widths` n_dims, (hidden units,) n_classes; biases start at 0.

    He normal (cut at two standard deviations) before a ReLU, Glorot uniform before the output.
    """
    weights = []
    for i, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
        rng = rng_for(seed, "training", "initial weights", i, n_in, n_out)
        if i + 2 < len(widths):
            drawn = _cut_normal(rng, (n_in, n_out)) * (math.sqrt(2 / n_in) / _CUT_NORMAL_STD)
        else:
            limit = math.sqrt(6 / (n_in + n_out))
            drawn = rng.uniform(-limit, limit, (n_in, n_out))
        weights.append(drawn.astype(np.float32))
    return weights


def _cut_normal(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    values = rng.standard_normal(shape)
    while (beyond := np.abs(values) > 2).any():
        values[beyond] = rng.standard_normal(int(beyond.sum()))
    return values


def epoch_order(seed: int, epoch: int, n_rows: int) -> NDArray[np.int64]:
    """Order of a point's rows in an epoch; the same for all points of one seed and size."""
    return rng_for(seed, "training", "order", epoch).permutation(n_rows)


def dropout_numbers(seed: int, epoch: int, block: int, shape: tuple[int, int, int]) -> NDArray[np.uint16]:
    """Uniform numbers 0 to 65,535, (steps, rows a batch, inputs); an input is dropped below a limit.

    All points of a seed share them, whatever their dropout, and fewer steps get the first of them.
    """
    count = math.prod(shape)
    words = rng_for(seed, "training", "dropout", epoch, block).integers(0, 2**63, 4)
    # SFC64 makes plain bits three times as fast as the counter-based generator that seeds it.
    raw = np.random.SFC64(words.tolist()).random_raw(-(-count // 4))
    return raw.astype("<u8", copy=False).view("<u2")[:count].reshape(shape)


def dropout_limit(dropout: float) -> int:
    """Of 65,536 numbers, how many drop an input; the finest dropout rate is thus 1 / 65,536."""
    return min(round(dropout * 65_536), 65_535)
