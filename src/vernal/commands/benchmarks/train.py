"""How fast heads are trained: beside BirdNET-Analyzer on the same arrays, and a stage at published scale.

Embeddings are made up, with the structure of the original study: recorders that shift every embedding a
little, calls that shift it along a few directions, the weaker the lower their quality.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vernal.common.hashing import rng_for
from vernal.evaluation.metrics import average_precision
from vernal.training.train import FailedHead, FitJob, FittedHead, HeadOptions, fit_chunks

Array = NDArray[Any]

N_DIMS = 1_024
# Clips of the original study: split, positives by quality (high, medium, low), negatives.
PUBLISHED_SPLITS = (
    ("train", (245, 1_772, 1_568), 8_525),
    ("val", (2, 101, 544), 2_602),
    ("test_iid", (270, 473, 1_221), 979),
    ("test_ood", (109, 625, 957), 1_894),
)
PUBLISHED_HARD_NEGATIVES = (0, 1_401, 475, 981)
PUBLISHED_LOW_QUALITY = (0, 309, 154, 51, 515)
_STRENGTH = {"high": 1.0, "medium": 0.7, "low": 0.35, "negative": 0.0}
_N_RECORDERS = 12


# Against BirdNET-Analyzer ---------------------------------------------------------------------------


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


def make_embeddings(kinds: Array, rng: np.random.Generator) -> Array:
    """Made embeddings, (n, 1024) float32 and not negative, of clips of a kind: a quality or `negative`."""
    strength = np.array([_STRENGTH[kind] for kind in kinds])
    calls, recorders = rng.normal(0, 0.16, (3, N_DIMS)), rng.normal(0, 0.25, (_N_RECORDERS, N_DIMS))
    x = rng.standard_normal((len(kinds), N_DIMS), dtype=np.float32) * np.float32(0.5)
    x += recorders[rng.integers(0, _N_RECORDERS, len(kinds))].astype(np.float32)
    x += (strength * rng.lognormal(0, 0.4, len(kinds)))[:, None].astype(np.float32) * calls[
        rng.integers(0, len(calls), len(kinds))
    ].astype(np.float32)
    return np.maximum(x + np.float32(0.2), 0, out=x)


def make_calls(kinds: Array, rng: np.random.Generator) -> Array:
    """What calls of another class add to embeddings, (n, 1024) float32."""
    calls = rng.normal(0, 0.16, (3, N_DIMS)).astype(np.float32)
    loudness = np.array([_STRENGTH[kind] for kind in kinds]) * rng.lognormal(0, 0.4, len(kinds))
    return loudness[:, None].astype(np.float32) * calls[rng.integers(0, len(calls), len(kinds))]


# A stage at published scale -------------------------------------------------------------------------


@dataclass(frozen=True)
class PublishedStage:
    """Made embeddings of the study's 24,744 clips; rows by split, and curated rows by subset.

    `splits`: rows of each split. `kinds`: quality or `negative`, a row each. `low_quality`, `hard_negatives`:
    rows that each subset of stage 5 adds, in the order of its axis.
    """

    x: Array
    kinds: Array
    splits: dict[str, Array]
    low_quality: tuple[Array, ...]
    hard_negatives: tuple[Array, ...]


def published_stage(scale: float = 1.0) -> PublishedStage:
    """Clips with the published counts, times `scale`."""
    rng = rng_for(5, "bench", "stage")
    kinds: list[str] = []
    splits: dict[str, Array] = {}
    for split, positives, negatives in PUBLISHED_SPLITS:
        start = len(kinds)
        for kind, count in zip(("high", "medium", "low", "negative"), (*positives, negatives), strict=True):
            kinds += [kind] * max(1, int(count * scale))
        splits[split] = np.arange(start, len(kinds))
    hard = []
    for count in PUBLISHED_HARD_NEGATIVES:
        start = len(kinds)
        kinds += ["negative"] * int(count * scale)
        hard.append(np.arange(start, len(kinds)))
    names = np.array(kinds)
    pool = splits["train"][names[splits["train"]] == "low"]
    low = tuple(pool[: int(count * scale)] for count in PUBLISHED_LOW_QUALITY)
    return PublishedStage(make_embeddings(names, rng), names, splits, low, tuple(hard))
