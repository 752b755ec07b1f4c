"""Worker processes for heavy work: single-threaded, started clean, and never left behind.

Each worker is a new interpreter ("spawn"), the same on every system, and uses one core, so that as many
workers as cores fill the machine and results do not depend on how threads divide the work.

Within a run on a cluster (`working_on`) the same calls give the cluster's workers: whoever divides work into
tasks need not know where they are done.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextvars import ContextVar
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

_QUIET_CPU = {"TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}


class Cluster(Protocol):
    """Workers elsewhere that a run may use instead of processes of its own."""

    @property
    def n_workers(self) -> int:
        """Tasks that it works on at once."""

    def pool(self, prepare: Callable[[], Any] | None) -> Executor:
        """Its workers; `prepare` is called in each before the first task."""

    def scratch_folder(self) -> contextlib.AbstractContextManager[Path]:
        """A folder for the time being that every worker reaches under the same name."""


_cluster: ContextVar[Cluster | None] = ContextVar("cluster", default=None)


@contextlib.contextmanager
def working_on(cluster: Cluster | None) -> Iterator[None]:
    """Within this context, tasks go to a cluster's workers; None means processes of this machine."""
    token = _cluster.set(cluster)
    try:
        yield
    finally:
        _cluster.reset(token)


def on_cluster() -> bool:
    """Whether tasks go to a cluster's workers."""
    return _cluster.get() is not None


def n_workers(wanted: int | None = None) -> int:
    """How many tasks are worth having at once: all of a cluster's, else what is wanted, else one a core."""
    cluster = _cluster.get()
    return cluster.n_workers if cluster is not None else wanted or cores()


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_environment(one_thread: bool = True) -> dict[str, str]:
    """Environment variables of a worker: quiet, no accelerator, one thread; to be set before libraries load."""
    return _QUIET_CPU | (_ONE_THREAD if one_thread else {})


@contextlib.contextmanager
def scratch_folder(prefix: str = "vernal-") -> Iterator[Path]:
    """A folder for the time being that this process and all workers reach."""
    cluster = _cluster.get()
    if cluster is None:
        with tempfile.TemporaryDirectory(prefix=prefix) as folder:
            yield Path(folder)
    else:
        with cluster.scratch_folder() as shared:
            yield shared


def worker_pool(
    workers: int,
    prepare: Callable[[], Any] | None = None,
    one_thread: bool = True,
    scratch: Path | None = None,
) -> Executor:
    """A pool of worker processes that end with their parent, however that ends; on a cluster, its workers.

    Args:
        workers: number of processes, at least 1; a cluster uses all it has.
        prepare: importable function that each worker calls once before its first task.
        one_thread: keep each worker to one core; False leaves libraries their own choice.
        scratch: folder of the parent's that workers remove should it be killed.
    """
    cluster = _cluster.get()
    if cluster is not None:
        return cluster.pool(prepare)
    return ProcessPoolExecutor(
        max_workers=workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(prepare, worker_environment(one_thread), scratch),
    )


def as_they_finish(
    pool: Executor, function: Callable[[Task], Result], tasks: Iterable[Task], workers: int
) -> Iterator[Result]:
    """Results of `function` on every task, in no fixed order; tasks are made as they are needed.

    One more is on its way than there are workers, so that none waits and memory stays bounded.
    """
    waiting = iter(tasks)
    pending: set[Future[Result]] = {pool.submit(function, task) for task in islice(waiting, workers + 1)}
    try:
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                pending |= {pool.submit(function, task) for task in islice(waiting, 1)}
                yield future.result()
    finally:
        for future in pending:
            future.cancel()


def _start_worker(
    prepare: Callable[[], Any] | None, environment: dict[str, str], scratch: Path | None
) -> None:
    os.environ.update(environment)
    threading.Thread(target=_end_with_parent, args=(scratch,), daemon=True).start()
    if prepare is not None:
        prepare()
    if environment.get("OMP_NUM_THREADS") == "1" and "numpy" in sys.modules:
        # What the main module or that of `prepare` loaded read its environment before it was set here.
        from threadpoolctl import threadpool_limits

        threadpool_limits(limits=1)


def _end_with_parent(scratch: Path | None) -> None:
    """A worker waiting for tasks would otherwise outlive a parent that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        os._exit(1)


@contextlib.contextmanager
def quiet_file_descriptors(also_stdout: bool = False) -> Iterator[None]:
    """Drop what is written to standard error, by libraries in other languages too; for worker processes only.

    Exceptions pass through as always.
    """
    numbers = [2, 1] if also_stdout else [2]
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(number) for number in numbers]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in numbers:
            os.dup2(nowhere, number)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in zip(numbers, kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)
