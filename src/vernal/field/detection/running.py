"""Doing the work of a schedule, in worker processes; a worker that dies costs what it was doing, not the run.

A worker reads, resamples, embeds and scores, so that sound never travels between processes. Its results are given
out at once, for the caller to keep; they do not depend on how many workers there are.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache, partial
from typing import Any

from vernal.common.problems import InputError
from vernal.common.workers import n_workers, on_cluster, worker_pool
from vernal.field.detection.file_facts import FileFacts, identify
from vernal.field.detection.schedule import Schedule, Task
from vernal.field.detection.scoring import BlockScores, BlockTask, Scorer, score_block

Result = FileFacts | BlockScores
_PER_WORKER = 2  # tasks on their way, so that no worker waits for its next
_CRASHES_IN_A_ROW = 3
_CRASHED = (
    "a worker process ended while it was at this file: a decoder crashed on it, or memory ran out; the next run tries "
    "it again"
)


def do_task(task: Task, scorer: Scorer) -> Result:
    """Look at a file, or score a block; with one thread, so that sums are taken in the same order everywhere."""
    if isinstance(task, str):
        return identify(task)
    with _threads().limit(limits=1):
        return score_block(task, scorer)


@lru_cache(maxsize=1)
def _threads() -> Any:
    # What a worker is told when it starts comes too late for libraries that loaded before.
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def run_schedule(schedule: Schedule, scorer: Scorer, workers: int | None) -> Iterator[tuple[Task, Result]]:
    """Do all tasks; results come as they are ready, and are taken in by the schedule before they are given out.

    Args:
        workers: processes; 0 works in this one; None is one a core.
    Raises:
        InputError: workers die whatever they are given, or the encoder's model is missing.
    """
    from vernal.audio.encoders.base import encoder_class

    encoder_class(scorer.audio.encoder).prepare()
    results = (
        _here(schedule, scorer)
        if workers == 0 and not on_cluster()
        else _in_workers(schedule, scorer, workers)
    )
    for task, result in results:
        if isinstance(result, FileFacts):
            schedule.found(str(task), result)
        elif isinstance(task, BlockTask):
            schedule.scored(task, result)
        yield task, result


def _here(schedule: Schedule, scorer: Scorer) -> Iterator[tuple[Task, Result]]:
    """In this process."""
    while (task := schedule.next_task()) is not None:
        yield task, do_task(task, scorer)


def _in_workers(schedule: Schedule, scorer: Scorer, workers: int | None) -> Iterator[tuple[Task, Result]]:
    """In worker processes. When one dies, all that were at work are tried again one by one, which shows the culprit."""
    crashes = 0
    crew = _Crew(schedule, scorer, n_workers(workers))
    while True:
        try:
            for done in crew.work():
                crashes = 0
                yield done
            return
        except BrokenProcessPool:
            crashes += crew.is_culprit_known
            if crashes >= _CRASHES_IN_A_ROW:
                raise InputError(
                    f"Worker processes ended {crashes} times in a row, at different files. Memory may have run out: "
                    "use fewer (--params=workers=1). What was finished before is kept; run again to continue."
                ) from None


class _Crew:
    """A pool and what it is working on."""

    def __init__(self, schedule: Schedule, scorer: Scorer, workers: int) -> None:
        self._schedule, self._workers = schedule, workers
        self._do = partial(do_task, scorer=scorer)
        self._suspects: list[Task] = []
        self.is_culprit_known = False

    def work(self) -> Iterator[tuple[Task, Result]]:
        """Suspects of an earlier crash one at a time, then all else.

        Raises:
            BrokenProcessPool: a worker died; call again to go on.
        """
        if self._suspects:
            with worker_pool(1, prepare=_leave_interrupts_to_the_parent) as pool:
                while self._suspects:
                    yield from self._collect(pool, self._suspects.pop())
        with worker_pool(self._workers, prepare=_leave_interrupts_to_the_parent) as pool:
            yield from self._collect(pool, None)

    def _collect(self, pool: Executor, alone: Task | None) -> Iterator[tuple[Task, Result]]:
        """Results of one task alone, or of all that the schedule has."""
        given: dict[Future[Result], Task] = {}
        most = 1 if alone else _PER_WORKER * self._workers
        task = alone or self._schedule.next_task()
        try:
            while given or task is not None:
                while task is not None and len(given) < most:
                    given[pool.submit(self._do, task)] = task
                    task = None if alone else self._schedule.next_task()
                done, _ = wait(given, return_when=FIRST_COMPLETED)
                for future in done:
                    result = future.result()
                    yield given.pop(future), result
                if task is None and alone is None:  # results may have brought more
                    task = self._schedule.next_task()
        except BrokenProcessPool:
            self._note_crash([*given.values(), *([task] if task is not None else [])])
            raise
        finally:
            for future in given:
                future.cancel()

    def _note_crash(self, tasks: list[Task]) -> None:
        """One task at work alone is the culprit; of several, each may be."""
        self.is_culprit_known = len(tasks) == 1
        if self.is_culprit_known:
            self._schedule.failed(tasks[0], _CRASHED)
        else:
            self._suspects += tasks


def _leave_interrupts_to_the_parent() -> None:
    """Ctrl-C reaches every process of a terminal; the parent ends its workers in good order."""
    with contextlib.suppress(ValueError):  # not in the main thread, on a cluster's worker
        signal.signal(signal.SIGINT, signal.SIG_IGN)
