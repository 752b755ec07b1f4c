"""References for the compiled program: BirdNET-Analyzer's model and losses stepped by Keras, and plain NumPy.

The Keras one is called in a worker process, where TensorFlow may be loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vernal.training import rules
from vernal.training.train import FitJob, HeadOptions

Layers = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Reference:
    """Weights after each epoch, and mean training and validation loss of each."""

    layers: list[Layers]
    losses: list[float]
    val_losses: list[float]


def keras_reference(x: np.ndarray, job: FitJob) -> Reference:
    """Train without dropout through Keras' own steps, in our order of batches, with the package's losses."""
    import keras
    from birdnet_analyzer import model as package

    options = job.options
    model = package.build_linear_classifier(
        job.n_classes, x.shape[1], hidden_units=options.hidden_units, dropout=0.0
    )
    widths = [x.shape[1], *([options.hidden_units] if options.hidden_units else []), job.n_classes]
    first = rules.initial_weights(job.seed, widths)
    model.set_weights(
        [part for weights in first for part in (weights, np.zeros(weights.shape[1], np.float32))]
    )

    def focal(y_true: Any, y_pred: Any) -> Any:
        return package.focal_loss(
            y_true, y_pred, gamma=options.focal_loss_gamma, alpha=options.focal_loss_alpha
        )

    model.compile(
        keras.optimizers.Adam(options.learning_rate),
        loss=focal if options.focal_loss else package.custom_loss,
    )
    found = Reference([], [], [])
    for epoch in range(options.epochs):
        model.optimizer.learning_rate = rules.learning_rate(options, epoch)
        order = rules.epoch_order(job.seed, epoch, len(job.rows))
        total = 0.0
        for start in range(0, len(order), options.batch_size):
            batch = order[start : start + options.batch_size]
            total += float(model.train_on_batch(x[job.rows[batch]], job.y[batch])) * len(batch)
        found.losses.append(total / len(order))
        found.val_losses.append(float(model.evaluate(x[job.val_rows], job.val_y, batch_size=32, verbose=0)))
        weights = model.get_weights()
        found.layers.append(list(zip(weights[::2], weights[1::2], strict=True)))
    return found


def numpy_reference(x: np.ndarray, job: FitJob, n_epochs: int) -> Layers:
    """Train in float64 as a textbook writes it, dropout and made rows included; weights after some epochs."""
    options = job.options
    inputs = np.concatenate(
        [x[job.rows], job.extra_x if job.extra_x is not None else np.empty((0, x.shape[1]))]
    )
    y = np.concatenate([job.y, job.extra_y]) if job.extra_y is not None else job.y
    widths = [x.shape[1], *([options.hidden_units] if options.hidden_units else []), job.n_classes]
    parts: list[np.ndarray] = []
    for weights in rules.initial_weights(job.seed, widths):
        parts += [weights.astype(float), np.zeros(weights.shape[1])]
    first, second = [np.zeros_like(part) for part in parts], [np.zeros_like(part) for part in parts]
    n_steps, step = -(-len(inputs) // options.batch_size), 0
    for epoch in range(n_epochs):
        order = rules.epoch_order(job.seed, epoch, len(inputs))
        numbers = rules.dropout_numbers(job.seed, epoch, 0, (n_steps, options.batch_size, sum(widths[:-1])))
        keeps = numbers >= rules.dropout_limit(options.dropout)
        for i in range(n_steps):
            batch = order[i * options.batch_size : (i + 1) * options.batch_size]
            gradients = _gradients(parts, inputs[batch], y[batch], keeps[i][: len(batch)], options)
            step += 1
            size = rules.learning_rate(options, epoch) * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            for k, gradient in enumerate(gradients):
                first[k] = 0.9 * first[k] + 0.1 * gradient
                second[k] = 0.999 * second[k] + 0.001 * gradient**2
                parts[k] = parts[k] - size * first[k] / (np.sqrt(second[k]) + 1e-7)
    return list(zip(parts[::2], parts[1::2], strict=True))


def _gradients(
    parts: list[np.ndarray], inputs: np.ndarray, y: np.ndarray, keep: np.ndarray, options: HeadOptions
) -> list[np.ndarray]:
    kept = inputs * keep[:, : inputs.shape[1]] / (1 - options.dropout)
    penalties = [2e-5 * part if part.ndim == 2 else 0.0 for part in parts]
    if not options.hidden_units:
        slope = (1 / (1 + np.exp(-(kept @ parts[0] + parts[1]))) - y) / len(y)
        return [kept.T @ slope + penalties[0], slope.sum(axis=0)]
    before = kept @ parts[0] + parts[1]
    hidden_keep = keep[:, inputs.shape[1] :] / (1 - options.dropout)
    hidden = np.maximum(before, 0) * hidden_keep
    slope = (1 / (1 + np.exp(-(hidden @ parts[2] + parts[3]))) - y) / len(y)
    back = (slope @ parts[2].T) * hidden_keep * (before > 0)
    return [
        kept.T @ back + penalties[0],
        back.sum(axis=0),
        hidden.T @ slope + penalties[2],
        slope.sum(axis=0),
    ]
