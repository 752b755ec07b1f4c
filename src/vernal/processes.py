"""Worker processes for heavy work: single-threaded, started clean, and never left behind.

Each worker is a new interpreter ("spawn"), the same on every system, and uses one core, so that as many
workers as cores fill the machine and results do not depend on how threads divide the work.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

_QUIET_CPU = {"TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}


def worker_pool(
    workers: int,
    prepare: Callable[[], Any] | None = None,
    one_thread: bool = True,
    scratch: Path | None = None,
) -> ProcessPoolExecutor:
    """A pool of worker processes that end with their parent, however that ends.

    Args:
        workers: number of processes, at least 1.
        prepare: importable function that each worker calls once before its first task.
        one_thread: keep each worker to one core; False leaves libraries their own choice.
        scratch: folder of the parent's that workers remove should it be killed.
    """
    return ProcessPoolExecutor(
        max_workers=workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(prepare, _QUIET_CPU | (_ONE_THREAD if one_thread else {}), scratch),
    )


def _start_worker(
    prepare: Callable[[], Any] | None, environment: dict[str, str], scratch: Path | None
) -> None:
    os.environ.update(environment)
    threading.Thread(target=_end_with_parent, args=(scratch,), daemon=True).start()
    if prepare is not None:
        prepare()


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


@contextlib.contextmanager
def compiling_alone() -> Iterator[None]:
    """Hold the right to compile with Numba; other processes of this user wait.

    Numba keeps what it compiled on disk. Two processes that fill that cache at once leave an index of one and code
    of the other, and whoever reads them next crashes (seen with Numba 0.68 and librosa 0.11). Once everything is
    compiled, holding the lock costs nothing.
    """
    from filelock import FileLock

    from vernal.birdnet.model import cache_folder

    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "compiling.lock")
        lock.acquire()
    except OSError:  # a cache folder that cannot be written
        lock = FileLock(Path(tempfile.gettempdir()) / "vernal-compiling.lock")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
