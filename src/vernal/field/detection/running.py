"""Doing the work of a schedule, in worker processes; a worker that dies costs what it was doing, not the run.

A worker reads, resamples, embeds and scores, so that sound never travels between processes. Its results are given
out at once, for the caller to keep; they do not depend on how many workers there are.
"""

from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

from vernal.common.problems import InputError
from vernal.common.workers import Crash, n_workers, on_cluster, run_tasks
from vernal.field.detection.file_facts import FileFacts, identify
from vernal.field.detection.schedule import Schedule, Task
from vernal.field.detection.scoring import BlockScores, BlockTask, Scorer, score_block

Result = FileFacts | BlockScores
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
    scorer.audio.facts.prepare()
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
    """In worker processes; a file that a worker dies at is noted, and the others go on."""
    crashes = 0
    for task, result in run_tasks(partial(do_task, scorer=scorer), schedule.next_task, n_workers(workers)):
        if not isinstance(result, Crash):
            crashes = 0
            yield task, result
            continue
        crashes += 1
        schedule.failed(task, _CRASHED)
        if crashes == _CRASHES_IN_A_ROW:
            raise InputError(
                f"Worker processes ended {crashes} times in a row, at different files. Memory may have run out: "
                "use fewer (--params=workers=1). What was finished before is kept; run again to continue."
            )
