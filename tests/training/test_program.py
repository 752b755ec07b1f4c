"""The compiled program makes the steps that Keras makes with BirdNET-Analyzer's model and losses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.keras_reference import keras_reference, numpy_reference
from tests.training_data import make_embeddings, make_job, mixed_jobs, shared_pool
from vernal.training.program import Architecture
from vernal.training.train import FittedHead, fit_heads


def fit_one(x: np.ndarray, job) -> FittedHead:
    (one,) = fit_heads(x, [job], pool=shared_pool())
    assert isinstance(one, FittedHead), one
    return one


@pytest.mark.parametrize(("hidden_units", "n_classes", "focal_loss"), [(0, 1, True), (19, 3, False)])
def test_weights_and_losses_are_those_of_keras_with_the_packages_model(
    hidden_units: int, n_classes: int, focal_loss: bool
) -> None:
    x, y = make_embeddings(n_dims=37 if hidden_units else 48, n_classes=n_classes)
    # 200 rows: the last batch of an epoch holds 8.
    job = make_job(
        "point", y, n_train=200, epochs=3, dropout=0.0, hidden_units=hidden_units,
        focal_loss=focal_loss, focal_loss_gamma=1.5, learning_rate=1e-3,
    )  # fmt: skip
    job = replace(job, y=np.clip(job.y, 0.1, 0.9)) if n_classes > 1 else job  # softened targets too
    ours = fit_one(x, job)
    theirs = shared_pool().submit(keras_reference, x, job).result()
    for (weights, bias), (their_weights, their_bias) in zip(
        ours.head.layers, theirs.layers[ours.best_epoch - 1], strict=True
    ):
        assert np.abs(weights - their_weights).max() < 1e-5
        assert np.abs(bias - their_bias).max() < 1e-5
    assert ours.history["loss"].to_numpy() == pytest.approx(theirs.losses, rel=1e-5)
    assert ours.history["val_loss"].to_numpy() == pytest.approx(theirs.val_losses, rel=1e-5)


@pytest.mark.parametrize(("hidden_units", "n_classes", "n_dims"), [(0, 1, 48), (19, 3, 37)])
def test_dropout_made_rows_and_uneven_batches_follow_the_textbook(
    hidden_units: int, n_classes: int, n_dims: int
) -> None:
    x, y = make_embeddings(n_dims=n_dims, n_classes=n_classes)
    job = mixed_jobs(y, n_dims, count=6, hidden_units=hidden_units)[5]
    job = replace(job, options=replace(job.options, focal_loss=False, epochs=4))
    assert job.n_extra and job.options.dropout and (len(job.rows) + job.n_extra) % 32
    ours = fit_one(x, job)
    assert ours.best_epoch > 2
    for (weights, bias), (expected, expected_bias) in zip(
        ours.head.layers, numpy_reference(x, job, ours.best_epoch), strict=True
    ):
        assert np.abs(weights - expected).max() < 1e-4
        assert np.abs(bias - expected_bias).max() < 1e-4


def test_dropout_rates_of_one_seed_share_their_numbers() -> None:
    """With the same draws, a slightly higher rate gives a slightly different head, not another one."""
    x, y = make_embeddings()
    near, far = (
        fit_one(x, make_job("point", y, dropout=rate, seed=seed)).head.layers[0][0]
        for rate, seed in ((0.2502, 1), (0.25, 2))
    )
    base = fit_one(x, make_job("point", y, dropout=0.25)).head.layers[0][0]
    assert 0 < np.abs(near - base).mean() < np.abs(far - base).mean() / 5


@pytest.mark.parametrize(
    ("architecture", "n_parameters", "n_inputs"),
    [
        (Architecture(1024, 0, 1, 32), 1025, 1024),
        (Architecture(1024, 512, 2, 32), 1024 * 512 + 512 + 512 * 2 + 2, 1536),
    ],
)
def test_an_architecture_counts_its_numbers(
    architecture: Architecture, n_parameters: int, n_inputs: int
) -> None:
    assert (architecture.n_parameters, architecture.n_inputs) == (n_parameters, n_inputs)


def test_large_heads_are_trained_few_at_a_time() -> None:
    assert Architecture(1024, 0, 1, 32).n_lanes == 32
    assert Architecture(1024, 512, 1, 32).n_lanes == 10
    assert Architecture(1024, 8192, 1, 32).n_lanes == 1
    assert Architecture(1024, 0, 1, 65_536).n_steps == 1
