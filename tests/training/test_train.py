"""Heads come out the same to the last bit however they are trained, and what cannot be trained is said."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.fresh_python import loaded_by
from tests.training_data import make_embeddings, make_job, mixed_jobs, shared_pool
from vernal.common.problems import InputError
from vernal.evaluation.metrics import average_precision
from vernal.training import train as training
from vernal.training.chunk import ChunkResult
from vernal.training.rules import MOST_EPOCHS
from vernal.training.train import (
    FailedHead,
    FitJob,
    FittedHead,
    HeadOptions,
    check_can_overfit,
    fit_heads,
    until_converged,
)

SOURCE = Path(__file__).resolve().parents[2] / "src"


@pytest.fixture
def pool() -> Executor:
    """A worker that has TensorFlow loaded."""
    return shared_pool()


def fitted(
    x: np.ndarray, jobs: list[FitJob], pool: Executor | None = None, workers: int = 1
) -> dict[str, FittedHead]:
    results = {}
    for one in fit_heads(x, jobs, workers=workers, pool=pool):
        assert isinstance(one, FittedHead), one
        results[one.key] = one
    return results


def assert_same(first: FittedHead, second: FittedHead) -> None:
    assert first.head.same_as(second.head)
    assert first.history.equals(second.history)
    assert (first.best_epoch, first.n_steps) == (second.best_epoch, second.n_steps)


# The same bits


@pytest.mark.parametrize(("hidden_units", "n_classes", "n_dims"), [(0, 1, 48), (19, 3, 37)])
def test_a_point_is_the_same_to_the_bit_alone_in_a_batch_and_in_any_order(
    pool: Executor, hidden_units: int, n_classes: int, n_dims: int
) -> None:
    x, y = make_embeddings(n_dims=n_dims, n_classes=n_classes)
    jobs = mixed_jobs(y, n_dims, hidden_units=hidden_units)
    batch = fitted(x, jobs, pool)
    assert len(batch) == len(jobs)
    shuffled = [jobs[i] for i in np.random.default_rng(1).permutation(len(jobs))]
    for key, one in fitted(x, shuffled, pool).items():
        assert_same(one, batch[key])
    for i in (0, 7, 39):
        assert_same(fitted(x, [jobs[i]], pool)[jobs[i].key], batch[jobs[i].key])
    # Seen to be sharp: another seed, or one row less, is another head.
    for changed in (replace(jobs[0], seed=9), replace(jobs[0], rows=jobs[0].rows[1:], y=jobs[0].y[1:])):
        assert not fitted(x, [changed], pool)[changed.key].head.same_as(batch[changed.key].head)


@pytest.mark.processes
def test_one_and_two_workers_give_the_same_bits(pool: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = make_embeddings()
    hidden = [replace(job, key=f"hidden_{job.key}") for job in mixed_jobs(y, x.shape[1], 5, hidden_units=19)]
    jobs = mixed_jobs(y, x.shape[1], count=7) + hidden
    monkeypatch.setattr(training, "_WORTH_A_WORKER_S", 1e-9)
    seen: list[int] = []
    two = {one.key: one for one in fit_heads(x, jobs, workers=2, progress=seen.append)}
    assert sum(seen) == len(jobs) and len(seen) > 1
    for key, one in fitted(x, jobs, pool).items():
        other = two[key]
        assert isinstance(other, FittedHead)
        assert_same(one, other)


def test_a_point_is_the_same_to_the_bit_in_another_matrix(pool: Executor) -> None:
    x, y = make_embeddings()
    job = mixed_jobs(y, x.shape[1], count=3)[2]
    more = np.concatenate([np.full((77, x.shape[1]), 9, np.float32), x])
    moved = replace(job, rows=job.rows + 77, val_rows=job.val_rows + 77)
    assert_same(fitted(x, [job], pool)[job.key], fitted(more, [moved], pool)[job.key])


def test_made_rows_can_be_a_function_that_is_called_when_their_turn_comes(pool: Executor) -> None:
    x, y = make_embeddings()
    job = mixed_jobs(y, x.shape[1], count=3)[2]
    assert job.n_extra
    made = job.extra_x
    lazy = replace(job, extra_x=lambda: made)
    assert_same(fitted(x, [job], pool)[job.key], fitted(x, [lazy], pool)[job.key])
    assert not fitted(x, [replace(job, extra_x=None, extra_y=None)], pool)[job.key].head.same_as(
        fitted(x, [job], pool)[job.key].head
    )


def test_made_rows_count_as_much_as_rows_of_the_matrix(pool: Executor) -> None:
    x, y = make_embeddings()
    job = make_job("point", y)
    kept, made = job.rows[:300], job.rows[300:]
    split = replace(job, rows=kept, y=job.y[:300], extra_x=x[made], extra_y=job.y[300:])
    assert_same(fitted(x, [job], pool)["point"], fitted(x, [split], pool)["point"])


def test_chunks_hold_few_made_rows_and_one_seed_each(monkeypatch: pytest.MonkeyPatch) -> None:
    _, y = make_embeddings()
    jobs = mixed_jobs(y, 48)
    monkeypatch.setattr(training, "_EXTRA_BYTES", 4 * 48 * 60)
    plans = training._plan(jobs, 48, workers=2)
    assert sorted(job.key for plan in plans for job in plan.jobs) == sorted(job.key for job in jobs)
    for plan in plans:
        assert len({job.seed for job in plan.jobs}) == 1
        assert sum(job.n_extra for job in plan.jobs) <= 60 < plan.n_extra_shape == 1024
        assert len(plan.jobs) <= plan.architecture.n_lanes


def test_nothing_is_compiled_again_when_a_lane_stops(pool: Executor) -> None:
    x, y = make_embeddings()
    jobs = [make_job(f"point_{i}", y, epochs=1 + i, draw=i) for i in range(12)]
    list(fit_heads(x, jobs[:1], pool=pool))
    # Compiling takes a second or more, and there are eleven occasions.
    assert sum(result.seconds for result in training.fit_chunks(x, jobs, pool=pool)) < 5


# What comes out


def test_heads_learn_and_the_history_tells_it(pool: Executor) -> None:
    x, y = make_embeddings()
    job = make_job("point", y, n_train=600, n_val=300, epochs=30, learning_rate=5e-3)
    one = fitted(x, [job], pool)["point"]
    logits = one.head.logits(x[job.val_rows])[:, 0]
    history = one.history
    assert list(history.columns) == ["epoch", "loss", "val_loss", "val_auprc", "learning_rate"]
    assert list(history["epoch"]) == list(range(1, len(history) + 1))
    assert average_precision(logits, job.val_y[:, 0] > 0.5) > 0.8
    best = history.loc[one.best_epoch - 1]
    # The history's numbers are of the weights that are kept, exactly computed.
    assert best["val_auprc"] == pytest.approx(average_precision(logits, job.val_y[:, 0] > 0.5), abs=1e-4)
    assert one.n_steps == len(history) * 19
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]


def test_training_stops_early_and_keeps_the_best_weights(pool: Executor) -> None:
    x, y = make_embeddings()
    job = make_job("point", y, n_train=60, epochs=60, learning_rate=1e-1, dropout=0.0)
    one = fitted(x, [job], pool)["point"]
    assert len(one.history) == one.best_epoch + 6 < 60
    losses = one.history["val_loss"]
    assert losses[one.best_epoch - 1] <= losses.min() + 0.001
    again = training.weight_penalty([weights for weights, _ in one.head.layers])
    from vernal.training.rules import row_losses

    assert row_losses(
        one.head.logits(x[job.val_rows]), job.val_y, job.options
    ).mean() + again == pytest.approx(losses[one.best_epoch - 1], abs=1e-5)


def test_a_batch_larger_than_the_rows_and_a_single_row_are_trained(pool: Executor) -> None:
    x, y = make_embeddings()
    for n_train in (1, 20):
        one = fitted(x, [make_job("point", y, n_train=n_train, n_val=1, batch_size=64)], pool)["point"]
        assert one.n_steps == len(one.history)


def test_more_validation_rows_than_one_call_takes(pool: Executor) -> None:
    x, y = make_embeddings(9000, n_dims=8)
    job = make_job("point", y, n_train=200, n_val=8700)
    one = fitted(x, [job], pool)["point"]
    logits = one.head.logits(x[job.val_rows])[:, 0]
    assert one.history["val_auprc"][one.best_epoch - 1] == pytest.approx(
        average_precision(logits, job.val_y[:, 0] > 0.5), abs=1e-4
    )


# Until it has converged


def test_a_small_collection_is_trained_until_early_stopping_ends_it(pool: Executor) -> None:
    x, y = make_embeddings()
    job = make_job("point", y, n_train=100, epochs=50)
    fixed, ours = (fitted(x, [one], pool)["point"] for one in (job, until_converged(job)))
    assert fixed.n_steps == 50 * 4
    assert len(ours.history) == ours.best_epoch + 10 < MOST_EPOCHS
    # 21 times 100 rows are an epoch: 66 batches of 32.
    assert ours.n_steps == 66 * len(ours.history)
    assert ours.history["val_loss"].min() < fixed.history["val_loss"].min() - 0.02


def test_made_rows_are_repeated_with_the_others(pool: Executor) -> None:
    x, y = make_embeddings()
    job = make_job("point", y, n_train=100)
    held = replace(
        job, rows=job.rows[:60], y=job.y[:60], extra_x=lambda: x[job.rows[60:]], extra_y=job.y[60:]
    )
    given = replace(held, extra_x=x[job.rows[60:]])
    one, other = (fitted(x, [until_converged(made)], pool)["point"] for made in (held, given))
    assert_same(one, other)
    assert until_converged(held).n_extra == 21 * 40 and len(until_converged(held).rows) == 21 * 60


def test_the_epochs_of_a_large_collection_stay_what_they_are() -> None:
    _, y = make_embeddings(4000, n_dims=2)
    job = make_job("point", y, n_train=64 * 32, n_val=10)
    assert until_converged(job).rows is job.rows
    assert until_converged(job).options == replace(job.options, epochs=200)


# What cannot be


def test_a_point_that_cannot_be_trained_is_told_and_the_others_go_on(pool: Executor) -> None:
    x, y = make_embeddings()
    good = make_job("good", y)
    nothing = np.array([], int)
    jobs = [
        good,
        replace(good, key="empty", rows=nothing, y=y[nothing]),
        replace(good, key="no validation", val_rows=nothing, val_y=y[nothing]),
        replace(good, key="outside", rows=good.rows + 900),
        replace(good, key="lengths", y=good.y[1:]),
        replace(good, key="not finite", y=np.full_like(good.y, np.nan)),
        replace(good, key="half", extra_x=x[:3]),
    ]
    results = {one.key: one for one in fit_heads(x, jobs, pool=pool)}
    assert isinstance(results["good"], FittedHead)
    reasons = {key: one.problem for key, one in results.items() if isinstance(one, FailedHead)}
    assert len(reasons) == 6
    assert "no training clips left" in reasons["empty"]
    assert "no validation clips" in reasons["no validation"]
    assert "but there are 900 embeddings" in reasons["outside"]
    assert "500 training rows, but targets of the shape (499, 1)" in reasons["lengths"]
    assert "500 of its training targets are not finite" in reasons["not finite"]
    assert "give both or none" in reasons["half"]


def test_training_that_diverges_is_a_failure_with_a_remedy(pool: Executor) -> None:
    x, y = make_embeddings()
    (one,) = fit_heads(x * np.float32(1e30), [make_job("wild", y, learning_rate=1.0)], pool=pool)
    assert isinstance(one, FailedHead)
    assert "lower learning_rate" in one.problem


def test_a_matrix_that_is_not_finite_and_points_named_twice_are_refused() -> None:
    x, y = make_embeddings()
    job = make_job("point", y)
    with pytest.raises(InputError, match="1 points are to be trained twice: point"):
        list(fit_heads(x, [job, job]))
    x[3, 0] = np.nan
    with pytest.raises(InputError, match=r"1 of 900 embeddings are not finite \(first: row 3\)"):
        list(fit_heads(x, [job]))
    with pytest.raises(InputError, match=r"shape \(4,\)"):
        list(fit_heads(np.ones(4), [job]))


def test_no_jobs_start_no_process() -> None:
    assert list(fit_heads(np.ones((2, 2)), [])) == []


# Overfitting a small batch


def test_a_small_batch_is_learnt_by_heart(pool: Executor) -> None:
    x, y = make_embeddings(32, n_dims=200, n_classes=2)
    check_can_overfit(HeadOptions(hidden_units=16), x, y, pool=pool)


def test_contradicting_labels_cannot_be_learnt_by_heart(pool: Executor) -> None:
    x, y = make_embeddings(450)
    with pytest.raises(
        InputError, match=r"a linear head could not learn 900 clips by heart\. Its loss is 0\.69"
    ):
        check_can_overfit(HeadOptions(), np.tile(x, (2, 1)), np.concatenate([y, 1 - y]), pool=pool)


def test_the_check_runs_before_a_sweep_and_stops_one_that_cannot_work(pool: Executor) -> None:
    x, y = make_embeddings()
    jobs = [*mixed_jobs(y, x.shape[1], count=4), replace(make_job("hidden", y, hidden_units=8))]
    checked = {one.key: one for one in fit_heads(x, jobs, overfit_check=True, pool=pool)}
    for key, one in fitted(x, jobs, pool).items():
        assert_same(one, checked[key])
    with pytest.raises(InputError, match="Check before training: a linear head could not learn"):
        list(fit_heads(np.zeros_like(x), jobs[:1], overfit_check=True, pool=pool))


def test_the_checks_batch_has_both_classes_and_no_contradiction() -> None:
    x, y = make_embeddings(400, n_dims=100)
    x[10], y[10], y[11] = x[11], 1, 0
    job = FitJob("point", 1, HeadOptions(), np.arange(400), y, np.arange(400), y)
    rows, labels = training._small_batch(x, job)
    assert len(rows) <= 32 and 0 < labels.sum() < len(rows)
    assert not {10, 11} <= set(rows.tolist())
    few = replace(job, rows=np.array([10, 11]), y=y[[10, 11]])
    assert len(training._small_batch(x, few)[0]) == 2


# The process it runs in


def said_by(code: str) -> list[str]:
    """What a program says, run in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.splitlines()


def test_importing_the_module_loads_no_heavy_library() -> None:
    modules = ["training.train", "training.heads", "training.birdnet_analyzer", "commands.benchmarks.train"]
    heavy = {"tensorflow", "keras", "sklearn", "scipy", "birdnet_analyzer"}
    assert loaded_by("import " + ", ".join(f"vernal.{name}" for name in modules), heavy) == []


@pytest.mark.processes
def test_a_worker_loads_tensorflow_without_keras_and_can_have_it_later() -> None:
    code = """
import os, sys
from vernal.training.program import prepare_tensorflow
prepare_tensorflow()
print([name for name in ("keras", "sklearn", "matplotlib") if name in sys.modules], "TF_USE_LEGACY_KERAS" in os.environ)
import keras, tensorflow
print(keras.backend.backend(), tensorflow.keras.layers.Dense is keras.layers.Dense)
"""
    assert said_by(code) == ["[] False", "tensorflow True"]


def test_training_loads_tensorflow_in_workers_only_and_leaves_global_seeds_alone(pool: Executor) -> None:
    loaded_before = "tensorflow" in sys.modules
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    x, y = make_embeddings()
    fitted(x, [make_job("point", y)], pool)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert ("tensorflow" in sys.modules) == loaded_before


def test_workers_are_left_to_the_next_training_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, bool]] = []

    def threads(workers: int, *, keep: bool, **_: object) -> Executor:
        asked.append((workers, keep))
        return ThreadPoolExecutor(1)

    monkeypatch.setattr(training, "worker_pool", threads)
    monkeypatch.setattr(training, "train_chunk", lambda chunk: ChunkResult((), 0.0, 0.0))
    x, y = make_embeddings(60)
    job = make_job("one", y, n_train=40, n_val=20)
    for keep in (False, True):
        assert not list(fit_heads(x, [job], workers=4, keep_workers=keep))
    # The next training may want more of them than one head does.
    assert asked == [(1, False), (4, True)]
