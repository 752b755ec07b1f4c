"""The rules of training, held against hand-made numbers."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernal.common.problems import InputError
from vernal.training import rules
from vernal.training.rules import EarlyStopping, HeadOptions, row_losses


def test_the_defaults_are_allowed() -> None:
    assert HeadOptions() == HeadOptions(0, 0.25, 5e-4, 32, 50, False, 2.0, 0.25)


def test_every_wrong_setting_is_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        HeadOptions(hidden_units=-1, dropout=1.0, learning_rate=0, batch_size=0, epochs=2.5, focal_loss="no")  # type: ignore[arg-type]
    message = str(caught.value)
    assert len(message.splitlines()) == 6
    for name in (
        "hidden_units is -1",
        "dropout is 1.0",
        "learning_rate is 0",
        "batch_size is 0",
        "epochs is 2.5",
        "focal_loss is 'no'",
    ):
        assert name in message


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": True}, {"dropout": float("nan")}, {"focal_loss_alpha": 1.1}, {"focal_loss_gamma": -1}],
)
def test_odd_values_are_refused(wrong: dict) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        HeadOptions(**wrong)


def test_options_are_taken_from_a_points_settings() -> None:
    settings = SimpleNamespace(**{**HeadOptions().__dict__, "epochs": 7, "seed": 1, "quality": ["high"]})
    assert HeadOptions.of(settings) == HeadOptions(epochs=7)


# Schedule


def test_the_schedule_rises_over_a_tenth_of_the_epochs_and_falls_to_a_tenth_of_the_rate() -> None:
    options = HeadOptions(epochs=50, learning_rate=5e-4)
    rates = [rules.learning_rate(options, epoch) for epoch in range(50)]
    assert rates[:6] == pytest.approx([1e-4, 2e-4, 3e-4, 4e-4, 5e-4, 5e-4])
    assert rates[49] == pytest.approx(5e-4 * (0.1 + 0.9 * (1 + np.cos(np.pi * 44 / 45)) / 2))
    assert all(a >= b for a, b in itertools.pairwise(rates[5:]))


@pytest.mark.parametrize(
    ("epochs", "warm_up", "patience"),
    [(1, 0, 5), (9, 0, 5), (10, 1, 5), (50, 5, 5), (75, 5, 7), (500, 5, 10)],
)
def test_warm_up_and_patience_follow_the_number_of_epochs(epochs: int, warm_up: int, patience: int) -> None:
    assert (rules.warm_up_epochs(epochs), rules.patience(epochs)) == (warm_up, patience)


def test_a_single_epoch_has_the_full_rate() -> None:
    assert rules.learning_rate(HeadOptions(epochs=1, learning_rate=0.1), 0) == pytest.approx(0.1)


def test_adam_step_sizes_continue_where_they_stopped() -> None:
    whole = rules.adam_step_sizes(1e-3, 0, 10)
    assert np.array_equal(whole[4:], rules.adam_step_sizes(1e-3, 4, 6))
    assert whole[0] == pytest.approx(1e-3 * np.sqrt(0.001) / 0.1, rel=1e-6)


# Early stopping


def test_early_stopping_on_a_planted_sequence_of_losses() -> None:
    losses = [1.0, 0.9, 0.8995, 0.8991, 0.91, 0.8985, 0.95, 0.95, 0.95, 0.95, 0.95, 0.5]
    rule = EarlyStopping(patience=5)
    best = [losses[0]]
    for loss in losses:
        if rule.is_best(loss):
            best.append(loss)
        if rule.is_over:
            break
    # 0.8995 and 0.8991 are less than 0.001 better than 0.9; 0.8985 is more than that.
    assert best[1:] == [1.0, 0.9, 0.8985]
    assert (rule.best_epoch, rule.n_epochs, rule.best_loss) == (6, 11, 0.8985)


def test_a_loss_that_is_no_number_is_never_better() -> None:
    rule = EarlyStopping(patience=2)
    assert [rule.is_best(loss) for loss in (1.0, float("nan"), float("nan"))] == [True, False, False]
    assert rule.is_over and rule.best_epoch == 1


# Loss


@given(
    st.lists(st.tuples(st.floats(-30, 30), st.floats(0, 1)), min_size=1, max_size=20),
)
def test_focal_loss_without_focus_and_with_even_weights_is_half_of_cross_entropy(pairs) -> None:
    z, y = np.array(pairs).T[:, :, None]
    focal = row_losses(z, y, HeadOptions(focal_loss=True, focal_loss_gamma=0.0, focal_loss_alpha=0.5))
    assert focal == pytest.approx(row_losses(z, y, HeadOptions()) / 2, rel=1e-12)


@given(st.floats(-20, 20), st.sampled_from([0.0, 1.0]), st.floats(0, 5), st.floats(0.0, 1.0))
def test_focal_loss_of_a_hard_target_is_the_published_formula(z, y, gamma, alpha) -> None:
    options = HeadOptions(focal_loss=True, focal_loss_gamma=gamma, focal_loss_alpha=alpha)
    p = 1 / (1 + np.exp(-z))
    right, weight = (p, alpha) if y else (1 / (1 + np.exp(z)), 1 - alpha)
    expected = weight * (1 - right) ** gamma * -np.log(right)
    assert row_losses(np.array([[z]]), np.array([[y]]), options)[0] == pytest.approx(
        expected, rel=1e-6, abs=1e-12
    )


def test_loss_is_summed_over_classes_and_finite_far_out() -> None:
    z = np.array([[800.0, -800.0]])
    assert row_losses(z, np.array([[0.0, 1.0]]), HeadOptions())[0] == 1600
    assert row_losses(z, np.array([[1.0, 0.0]]), HeadOptions())[0] == 0


def test_regularisation_counts_weights_only() -> None:
    assert rules.weight_penalty([np.full((2, 3), 2.0), np.ones((3, 1))]) == pytest.approx(1e-5 * (24 + 3))


# Draws


def test_first_weights_have_the_spread_that_keras_gives_them() -> None:
    hidden, output = rules.initial_weights(1, [1024, 512, 1])
    assert hidden.std() == pytest.approx(np.sqrt(2 / 1024), rel=0.01)
    assert np.abs(hidden).max() <= 2.001 * np.sqrt(2 / 1024) / 0.8796
    assert np.abs(output).max() <= np.sqrt(6 / 513)
    (linear,) = rules.initial_weights(1, [1024, 1])
    assert 0.95 * np.sqrt(6 / 1025) < np.abs(linear).max() <= np.sqrt(6 / 1025)
    assert not np.array_equal(linear, rules.initial_weights(2, [1024, 1])[0])


def test_fewer_steps_get_the_first_of_the_same_dropout_numbers() -> None:
    long, short = (rules.dropout_numbers(3, 4, 0, (steps, 5, 7)) for steps in (9, 4))
    assert np.array_equal(long[:4], short)
    assert not np.array_equal(long, rules.dropout_numbers(3, 5, 0, (9, 5, 7)))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.25, 0.9])
def test_dropout_drops_its_share(rate: float) -> None:
    numbers = rules.dropout_numbers(1, 0, 0, (64, 32, 256))
    assert (numbers < rules.dropout_limit(rate)).mean() == pytest.approx(rate, abs=0.002)


def test_an_epochs_order_is_a_shuffle_of_every_row() -> None:
    order = rules.epoch_order(1, 0, 100)
    assert sorted(order) == list(range(100))
    assert not np.array_equal(order, rules.epoch_order(1, 1, 100))


def test_draws_leave_the_global_generator_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    rules.initial_weights(1, [8, 4, 1])
    rules.epoch_order(1, 0, 10)
    rules.dropout_numbers(1, 0, 0, (1, 2, 3))
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
