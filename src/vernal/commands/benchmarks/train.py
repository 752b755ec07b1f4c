"""How fast heads are trained, beside BirdNET-Analyzer on the same made arrays (see `made_stage`)."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vernal.commands.benchmarks.made_stage import make_embeddings
from vernal.common.hashing import rng_for
from vernal.evaluation.metrics import average_precision
from vernal.training.train import FailedHead, FitJob, FittedHead, HeadOptions, fit_chunks

Array = NDArray[Any]


def bench_train(
    n_clips: int = 4_800,
    epochs: int = 10,
    points: int = 120,
    hidden_points: int = 10,
    peer_seeds: int = 5,
    workers: int = 1,
) -> dict[str, Any]:
    """Train the same arrays with BirdNET-Analyzer and as points of one batch, linear and with 512 units.

    Args:
        n_clips: clips, of which a fifth validate.
        epochs: passes over the rest.
        points: linear points in our batch, each of another seed in turn.
        hidden_points: points with 512 hidden units.
        peer_seeds: seeds that BirdNET-Analyzer trains the linear head with; the time is their median.
        workers: our processes of one thread each; BirdNET-Analyzer uses the threads it likes.
    Returns:
        `linear` and `hidden_512`, each with `ours_s` (seconds of our workers for one point, compilation
        included), `peer_s` (building and training one head), `ratio` (peer over ours), the same in processor
        time (`ours_cpu_s`, `peer_cpu_s`; it tells more on a busy machine), `ours_wall_s` (whole call over
        points, the start of processes included), and validation AUPRC: `ours_auprc`, `peer_auprc` (means
        over seeds) and `seed_spread` (largest less smallest, of the peer's seeds or ours).
    """
    task = _one_task(n_clips)
    return {
        "linear": _beside_peer(task, HeadOptions(epochs=epochs), points, peer_seeds, peer_seeds, workers),
        "hidden_512": _beside_peer(
            task,
            HeadOptions(hidden_units=512, epochs=epochs),
            hidden_points,
            max(1, peer_seeds // 2),
            peer_seeds,
            workers,
        ),
        "clips": n_clips,
        "epochs": epochs,
        "workers": workers,
    }


def _beside_peer(
    task: tuple[Array, Array], options: HeadOptions, count: int, n_peer: int, n_seeds: int, workers: int
) -> dict[str, Any]:
    """Train `count` points in one batch of ours and `n_peer` with BirdNET-Analyzer; see `bench_train`."""
    x, y = task
    order = rng_for(1, "bench", "split").permutation(len(x))
    val, train = np.sort(order[: len(x) // 5]), np.sort(order[len(x) // 5 :])
    jobs = [
        FitJob(f"{i:03d}", 1 + i % n_seeds, options, train, y[train], val, y[val])
        for i in range(max(count, n_peer))
    ]
    started = time.perf_counter()
    chunks = list(fit_chunks(x, jobs[:count], workers))
    wall = time.perf_counter() - started
    ours = [_val_auprc(one, x[val], y[val]) for chunk in chunks for one in chunk.heads]
    seconds, theirs = _peer(x, jobs[:n_peer], x[val], y[val])
    ours_s = sum(one.seconds for one in chunks) / count
    peer_s, peer_cpu_s = np.median(seconds, axis=0).tolist()
    return {
        "ours_s": ours_s,
        "peer_s": peer_s,
        "ratio": peer_s / ours_s,
        "ours_cpu_s": sum(one.cpu_seconds for one in chunks) / count,
        "peer_cpu_s": peer_cpu_s,
        "ours_wall_s": wall / count,
        "ours_auprc": float(np.mean(ours)),
        "peer_auprc": float(np.mean(theirs)),
        "seed_spread": max(float(np.ptp(ours)), float(np.ptp(theirs))),
        "points": count,
        "peer_runs": n_peer,
    }


def _peer(x: Array, jobs: Sequence[FitJob], x_val: Array, y_val: Array) -> tuple[Array, list[float]]:
    """Seconds of each run, (n, 2) on the clock and of processor time, and validation AUPRC."""
    from vernal.training.birdnet_analyzer import timed_jobs

    results = list(timed_jobs(x, jobs, one_thread=False))
    return np.array([seconds for _, seconds in results]), [
        _val_auprc(one, x_val, y_val) for one, _ in results
    ]


def _val_auprc(one: FittedHead | FailedHead, x: Array, y: Array) -> float:
    if isinstance(one, FailedHead):
        raise RuntimeError(f"point {one.key} of the benchmark failed: {one.problem}")
    return average_precision(one.head.logits(x)[:, 0], y > 0.5)


def _one_task(n_clips: int) -> tuple[Array, Array]:
    """Embeddings and labels of medium difficulty."""
    rng = rng_for(1, "bench", "task")
    is_positive = rng.random(n_clips) < 0.35
    kinds = np.where(
        is_positive, rng.choice(["high", "medium", "low"], n_clips, p=[0.1, 0.5, 0.4]), "negative"
    )
    return make_embeddings(kinds, rng), is_positive.astype(np.float32)
