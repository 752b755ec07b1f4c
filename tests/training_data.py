"""Made embeddings with labels that can be learnt in part, jobs on them, and a worker to train in."""

from __future__ import annotations

from concurrent.futures import Executor
from functools import lru_cache
from typing import Any

import numpy as np

from vernal.training.train import FitJob, HeadOptions, training_pool


def make_embeddings(
    n: int = 900, n_dims: int = 48, n_classes: int = 1, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """`(x (n, n_dims) float32, y (n, n_classes) float32)`; classes overlap."""
    rng = np.random.default_rng(seed)
    y = (rng.random((n, n_classes)) < 0.35).astype(np.float32)
    directions = rng.normal(0, 0.25, (n_classes, n_dims))
    return np.maximum(0, rng.normal(0.4, 0.5, (n, n_dims)) + y @ directions).astype(np.float32), y


def make_job(
    key: str,
    y: np.ndarray,
    seed: int = 1,
    n_train: int = 500,
    n_val: int = 150,
    draw: int = 0,
    **options: Any,
) -> FitJob:
    """A job on drawn rows; `draw` chooses which."""
    order = np.random.default_rng(draw).permutation(len(y))
    train, val = np.sort(order[:n_train]), np.sort(order[n_train : n_train + n_val])
    return FitJob(key, seed, HeadOptions(**({"epochs": 6} | options)), train, y[train], val, y[val])


def mixed_jobs(y: np.ndarray, n_dims: int, count: int = 40, **options: Any) -> list[FitJob]:
    """Jobs that differ in everything that may differ within one program: rows, seeds, settings, made rows."""
    rng = np.random.default_rng(7)
    jobs = []
    for i in range(count):
        n_made = 11 * (i % 3)
        made_y = np.ones((n_made, y.shape[1]), np.float32)
        made_x = rng.random((n_made, n_dims)).astype(np.float32)
        job = make_job(
            f"point_{i:03d}",
            y,
            seed=(123, 456)[i % 2],
            n_train=int(rng.integers(90, 600)),
            n_val=int(rng.integers(20, 200)),
            draw=i,
            epochs=4 + i % 3,
            dropout=(0.0, 0.25, 0.5)[i % 3],
            learning_rate=(1e-3, 5e-3)[i % 2],
            focal_loss=i % 4 == 0,
            **options,
        )
        extra = {"extra_x": made_x, "extra_y": made_y} if n_made else {}
        jobs.append(FitJob(**{**job.__dict__, **extra}))
    return jobs


@lru_cache(maxsize=1)
def shared_pool() -> Executor:
    """One worker with TensorFlow loaded, for all tests of a run; the interpreter closes it at its end."""
    return training_pool(1)
