"""Worker processes for heavy work: single-threaded, started clean, and never left behind.

Each worker is a new interpreter ("spawn"), the same on every system, and uses one core, so that as many
workers as cores fill the machine and results do not depend on how threads divide the work.

Within a run on a cluster (`working_on`) the same calls give the cluster's workers: whoever divides work into
tasks need not know where they are done.

**When a worker dies**, because memory ran out or a library crashed, one of two things follows. Where each task stands
for itself (`run_tasks`: embedding, detection), the tasks that were at work are tried again one by one, and one whose
worker dies again comes out as a `Crash`. Elsewhere (`as_they_finish`: training, features) the run ends with a message
of the caller's (`explaining_deaths`); what was finished is kept by then.
"""

import contextlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any, Protocol, TypeVar

from vernal.common.problems import InputError

Task = TypeVar("Task")
Result = TypeVar("Result")

_WATCH_S = 0.05
_PER_WORKER = 2  # tasks on their way, so that no worker waits for its next

_QUIET_CPU = {"TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
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


@dataclass(frozen=True)
class _Kept:
    """Workers that were left to whoever wants the like next, by how they were started; the folder that they remove."""

    folder: Path
    pools: dict[tuple[Callable[[], Any] | None, bool], "_Processes"]


_kept: ContextVar[_Kept | None] = ContextVar("kept", default=None)


@contextlib.contextmanager
def keeping_workers() -> Iterator[None]:
    """Within this context, a pool may be left to the next that wants the like (`worker_pool(keep=True)`)."""
    with tempfile.TemporaryDirectory(prefix="vernal-") as folder:
        kept = _Kept(Path(folder), {})
        token = _kept.set(kept)
        try:
            yield
        finally:
            _kept.reset(token)
            for pool in kept.pools.values():
                pool.shutdown()


def on_cluster() -> bool:
    """Whether tasks go to a cluster's workers."""
    return _cluster.get() is not None


def n_workers(wanted: int | None = None) -> int:
    """How many tasks are worth having at once: all of a cluster's, else what is wanted, else one a core."""
    cluster = _cluster.get()
    return cluster.n_workers if cluster is not None else wanted or cores()


def can_start_workers() -> bool:
    """Whether this process may have children of its own."""
    return not multiprocessing.current_process().daemon


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
    cluster, kept = _cluster.get(), _kept.get()
    if cluster is None:
        # Workers that are kept may have a file mapped, which Windows then does not delete before they end.
        place: dict[str, Any] = {"dir": kept.folder, "ignore_cleanup_errors": True} if kept else {}
        with tempfile.TemporaryDirectory(prefix=prefix, **place) as folder:
            yield Path(folder)
    else:
        with cluster.scratch_folder() as shared:
            yield shared


def worker_pool(
    workers: int,
    prepare: Callable[[], Any] | None = None,
    one_thread: bool = True,
    scratch: Path | None = None,
    keep: bool = False,
) -> Executor:
    """A pool of worker processes that end with their parent, however that ends; on a cluster, its workers.

    Left by an error, or because nobody wants more results, it ends its processes at once instead of waiting for them.

    Args:
        workers: number of processes, at least 1; a cluster uses all it has.
        prepare: importable function that each worker calls once before its first task.
        one_thread: keep each worker to one core; False leaves libraries their own choice.
        scratch: folder of the parent's that workers remove should it be killed.
        keep: within `keeping_workers`, leave them in good order to the next who wants the like. Processes start as
            tasks come, so `workers` may count those that the next will want.
    """
    cluster, kept = _cluster.get(), _kept.get()
    if cluster is not None:
        return cluster.pool(prepare)
    start = (prepare, worker_environment(one_thread), kept.folder if kept else scratch)
    if kept is None:
        return _Processes(workers, start)
    left = kept.pools.pop((prepare, one_thread), None)
    pool = left if left is not None and left.is_sound else _Processes(workers, start)
    pool.leave = partial(kept.pools.__setitem__, (prepare, one_thread)) if keep else None
    return pool


class _Processes(ProcessPoolExecutor):
    """Worker processes of this machine, and how they ended."""

    def __init__(self, workers: int, start: tuple[Any, ...]) -> None:
        self._context = _RememberingContext()
        self.leave: Callable[[_Processes], None] | None = None
        super().__init__(workers, self._context, _start_worker, start)

    def __exit__(self, kind: Any, *error: Any) -> None:
        if kind is None and self.leave is not None:
            self.leave(self)
            return
        if kind is not None:
            self.end()
        super().__exit__(kind, *error)

    @property
    def is_sound(self) -> bool:
        """Whether none of its workers has ended."""
        return all(process.is_alive() for process in self._context.started)

    def end(self) -> None:
        """End its processes, whatever they are at."""
        for process in self._context.started:
            if process.is_alive():
                process.terminate()
        self.shutdown()

    def process(self) -> Any:
        """The one worker that there is, to be watched."""
        import psutil

        return psutil.Process(self._context.started[-1].pid)

    @property
    def exit_code(self) -> int | None:
        """How the worker ended that died; where one does, the pool terminates the others."""
        codes = [process.exitcode for process in self._context.started]
        return next(
            (code for code in codes if code not in (None, 0, -signal.SIGTERM)), codes[-1] if codes else None
        )


class _RememberingContext(SpawnContext):
    """Starts processes as "spawn" does; Python's pool forgets them, with their exit codes, when one dies."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[SpawnProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]
        self.started.append(process := SpawnProcess(*args, **kwargs))
        return process


@dataclass(frozen=True)
class Crash:
    """What comes of a task whose worker died while it was alone with it.

    `exit_code`: where it is known. `wanted`: "memory" or "time", where it was ended because it took too much.
    """

    exit_code: int | None
    wanted: str = ""


class BoundedWorker:
    """One worker for tasks that may crash, or take any amount of memory or time; at most one task at a time.

    Memory is watched, not refused, since only Linux could refuse it: a task may have what it takes in the twentieth of
    a second until that is seen.
    """

    def __init__(self, memory_mb: float, seconds: float) -> None:
        """`memory_mb`: of the process. `seconds`: of processor time for a task, or ten times as many by the clock."""
        self._memory, self._seconds = memory_mb * 2**20, seconds
        self._pool: _Processes | None = None

    def run(self, function: Callable[[Task], Result], task: Task) -> Result | Crash:
        """What an importable function makes of a task; the worker that dies of one is replaced for the next."""
        is_fresh = self._pool is None
        self._pool = self._pool or _Processes(1, (None, worker_environment(), None))
        try:
            future = self._pool.submit(function, task)
            wanted = self._watched(future, self._pool)
            if not wanted:
                return future.result()
        except BrokenProcessPool:
            wanted = ""
        pool = self._pool
        self.end()
        if not wanted and not is_fresh:  # it may have died of what an earlier task left behind
            return self.run(function, task)
        return Crash(None if wanted else pool.exit_code, wanted)

    def end(self) -> None:
        """End the worker, whatever it is at."""
        if self._pool is not None:
            self._pool.end()
            self._pool = None

    def _watched(self, future: Future[Any], pool: _Processes) -> str:
        """What it wants too much of; empty when it is done."""
        import psutil

        began = time.monotonic()
        with contextlib.suppress(psutil.Error):  # it died, which the future tells
            process = pool.process()
            used_before = sum(process.cpu_times()[:2])
            while not wait([future], _WATCH_S).done:
                if process.memory_info().rss > self._memory:
                    return "memory"
                used = sum(process.cpu_times()[:2]) - used_before
                if used > self._seconds or time.monotonic() - began > 10 * self._seconds:
                    return "time"
        wait([future])
        return ""


def run_tasks(
    function: Callable[[Task], Result],
    next_task: Callable[[], Task | None],
    workers: int,
    prepare: Callable[[], Any] | None = None,
) -> Iterator[tuple[Task, Result | Crash]]:
    """Every task with its result, in no fixed order; a worker that dies costs what it was doing, not the run.

    Nobody can tell which of the tasks at work was at fault, so all of them are tried again one by one, which also
    leaves more memory to each.

    Args:
        function: importable, what a worker does with a task.
        next_task: gives a task, or None if there is none for now; asked again after every result.
        workers: processes, at least 1; a cluster uses all it has.
        prepare: as in `worker_pool`.
    """
    suspects: deque[Task] = deque()
    while True:
        given: dict[Future[Result], Task] = {}
        alone = bool(suspects)
        pool = worker_pool(1 if alone else workers, prepare)
        try:
            with pool:
                source = partial(_next_of, suspects) if alone else next_task
                yield from _results(pool, function, source, 1 if alone else _PER_WORKER * workers, given)
            if not alone:
                return
        except BrokenProcessPool:
            # Whether a task of the first round was alone when its worker died is chance: the others may have finished.
            if alone and len(given) == 1:
                yield next(iter(given.values())), Crash(getattr(pool, "exit_code", None))
            else:
                suspects += given.values()


def _next_of(tasks: deque[Task]) -> Task | None:
    return tasks.popleft() if tasks else None


def as_they_finish(
    pool: Executor, function: Callable[[Task], Result], tasks: Iterable[Task], workers: int
) -> Iterator[Result]:
    """Results of `function` on every task, in no fixed order; tasks are made as they are needed.

    One more is on its way than there are workers, so that none waits and memory stays bounded.
    """
    yield from (result for _, result in with_results(pool, function, tasks, workers))


def with_results(
    pool: Executor, function: Callable[[Task], Result], tasks: Iterable[Task], workers: int
) -> Iterator[tuple[Task, Result]]:
    """`as_they_finish`, each result with its task."""
    waiting = iter(tasks)
    return _results(pool, function, lambda: next(waiting, None), workers + 1, {})


def _results(
    pool: Executor,
    function: Callable[[Task], Result],
    next_task: Callable[[], Task | None],
    most: int,
    given: dict[Future[Result], Task],
) -> Iterator[tuple[Task, Result]]:
    """Tasks with their results, at most `most` on their way; `given` holds what was given out and not received."""
    try:
        while True:
            while len(given) < most and (task := next_task()) is not None:
                given[_submitted(pool, function, task)] = task
            if not given:
                return
            for future in wait(given, return_when=FIRST_COMPLETED).done:
                result = future.result()
                yield given.pop(future), result
    finally:
        # Python 3.11 trips over cancelled tasks of processes that end; those end with their pool.
        if not isinstance(pool, ProcessPoolExecutor):
            for future in given:
                future.cancel()


def _submitted(pool: Executor, function: Callable[[Task], Result], task: Task) -> Future[Result]:
    """The task's future; in a pool that has died, one that has failed as those before it."""
    try:
        return pool.submit(function, task)
    except BrokenProcessPool as error:
        lost: Future[Result] = Future()
        lost.set_exception(error)
        return lost


@contextlib.contextmanager
def explaining_deaths(message: str) -> Iterator[None]:
    """Within this context, a worker that dies ends the work with an `InputError` of this message."""
    try:
        yield
    except BrokenProcessPool as error:
        raise InputError(message) from error


def _start_worker(
    prepare: Callable[[], Any] | None, environment: dict[str, str], scratch: Path | None
) -> None:
    os.environ.update(environment)
    # Ctrl-C reaches every process of a terminal; the parent ends its workers in good order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
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
