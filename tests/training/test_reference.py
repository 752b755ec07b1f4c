"""The reference is scikit-learn's optimum on the rows that train, with a penalty that the stopping rows chose."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.training_data import make_embeddings
from vernal.training import reference
from vernal.training.reference import STRENGTHS, solve_reference


def parts(n_dims: int = 48, n_fit: int = 600, seed: int = 0) -> tuple[np.ndarray, ...]:
    x, y = make_embeddings(900, n_dims, seed=seed)
    return x[:n_fit], y[:n_fit, 0], x[n_fit:], y[n_fit:, 0]


def textbook_optimum(x: np.ndarray, y: np.ndarray, strength: float) -> np.ndarray:
    """Newton's method in float64 on vectors scaled to a variance of 1: slope of each and the intercept, the last."""
    scaled = np.column_stack([(x - x.mean(0)) / x.std(0), np.ones(len(x))]).astype(float)
    penalty = np.append(np.full(x.shape[1], 1 / strength), 0)
    w = np.zeros(scaled.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-scaled @ w))
        gradient = scaled.T @ (p - y) + penalty * w
        w -= np.linalg.solve(scaled.T * (p * (1 - p)) @ scaled + np.diag(penalty), gradient)
    return w


@pytest.mark.parametrize("n_fit", [80, 600])
def test_it_is_the_optimum_of_its_penalty(n_fit: int) -> None:
    x, y, stop_x, stop_y = parts(n_fit=n_fit)
    found = solve_reference("key", x, y, stop_x, stop_y)
    strength = found.history["C"][found.best_epoch - 1]
    w = textbook_optimum(x.astype(float), y, strength)
    logits = ((stop_x - x.mean(0)) / x.std(0)) @ w[:-1] + w[-1]
    assert found.head.logits(stop_x)[:, 0] == pytest.approx(logits, abs=0.02)
    assert found.key == "key" and found.n_steps > 0


def test_the_penalty_is_the_one_that_the_stopping_rows_are_best_told_with() -> None:
    x, y, stop_x, stop_y = parts()
    history = solve_reference("key", x, y, stop_x, stop_y).history
    losses = [
        np.mean(np.logaddexp(0, z) - stop_y * z)
        for strength in STRENGTHS
        for w in [textbook_optimum(x.astype(float), y, strength)]
        for z in [((stop_x - x.mean(0)) / x.std(0)) @ w[:-1] + w[-1]]
    ]
    assert history["val_loss"].tolist() == pytest.approx(losses[: len(history)], abs=1e-3)
    best = int(np.argmin(losses))
    assert solve_reference("key", x, y, stop_x, stop_y).best_epoch == best + 1
    # What comes after the first that is worse is not tried.
    assert len(history) == min(best + 2, len(STRENGTHS))


def test_the_test_plays_no_part_and_two_solutions_are_the_same_to_the_bit() -> None:
    x, y, stop_x, stop_y = parts()
    first, second = (solve_reference("key", x, y, stop_x, stop_y) for _ in range(2))
    assert first.head.same_as(second.head)
    pd.testing.assert_frame_equal(first.history, second.history)


def test_many_rows_are_searched_by_a_part_of_each_class_at_its_weight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, y, stop_x, stop_y = parts()
    whole = solve_reference("key", x, y, stop_x, stop_y)
    monkeypatch.setattr(reference, "_SEARCHED", 120)
    rows, weights = reference._searched(y)
    assert len(rows) == 240 and len(set(rows)) == 240
    assert np.average(y[rows], weights=weights) == pytest.approx(y.mean())
    assert weights.sum() == pytest.approx(240)
    part = solve_reference("key", x, y, stop_x, stop_y)
    if part.best_epoch == whole.best_epoch:
        assert part.head.logits(stop_x) == pytest.approx(whole.head.logits(stop_x), abs=0.02)
    assert part.best_epoch == whole.best_epoch


def test_a_dimension_that_never_changes_and_a_single_clip_of_a_class_are_no_trouble() -> None:
    x, y, stop_x, stop_y = parts(n_fit=40)
    x[:, 3] = 1.5
    y[:] = 0
    y[7] = 1
    found = solve_reference("key", x, y, stop_x, stop_y)
    assert np.isfinite(found.head.logits(stop_x)).all()
