"""Workers use one core and do not outlive their parent."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import psutil
import pytest

from vernal.common.problems import InputError
from vernal.common.workers import (
    BoundedWorker,
    Crash,
    as_they_finish,
    cores,
    explaining_deaths,
    keeping_workers,
    n_workers,
    on_cluster,
    quiet_file_descriptors,
    run_tasks,
    scratch_folder,
    worker_pool,
    working_on,
)

SOURCE = Path(__file__).resolve().parents[2] / "src"

PARENT = """
import os, time
from pathlib import Path
from vernal.common.workers import worker_pool

if __name__ == "__main__":
    pool = worker_pool(1, scratch=Path({scratch!r}))
    print(pool.submit(os.getpid).result(), flush=True)
    pool.submit(time.sleep, 600)
    time.sleep(600)
"""


def test_a_worker_ends_and_tidies_up_when_its_parent_is_killed(tmp_path: Path) -> None:
    scratch, script = tmp_path / "with space", tmp_path / "parent.py"
    scratch.mkdir()
    (scratch / "large.npy").write_bytes(b"0")
    script.write_text(PARENT.format(scratch=str(scratch)), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, env=environment, text=True
    ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert psutil.pid_exists(worker) and worker != parent.pid
        parent.kill()
    ends = time.monotonic() + 30
    while psutil.pid_exists(worker) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not psutil.pid_exists(worker)
    assert not scratch.exists()


@pytest.mark.parametrize(("one_thread", "threads"), [(True, "1"), (False, None)])
def test_workers_are_told_how_many_cores_to_use(
    monkeypatch: pytest.MonkeyPatch, one_thread: bool, threads: str | None
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with worker_pool(1, one_thread=one_thread) as pool:
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == threads
        assert pool.submit(os.getenv, "CUDA_VISIBLE_DEVICES").result() == ""
    assert "OMP_NUM_THREADS" not in os.environ


def test_what_is_printed_can_be_dropped_even_from_below_python(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_file_descriptors(also_stdout=True):
        os.write(1, b"noise")
        os.write(2, b"noise")
    os.write(1, b"said")
    os.write(2, b"heard")
    assert capfd.readouterr() == ("said", "heard")


def test_an_error_passes_through_and_output_comes_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="out"), quiet_file_descriptors():
        os.write(2, b"noise")
        raise ValueError("out")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


class FewThreads:
    """A cluster of three threads of this process."""

    n_workers = 3

    def __init__(self, folder: Path) -> None:
        self.folder, self.prepared = folder, []

    def pool(self, prepare):
        self.prepared.append(prepare)
        return ThreadPoolExecutor(self.n_workers)

    @contextlib.contextmanager
    def scratch_folder(self):
        yield self.folder


def test_within_a_run_on_a_cluster_its_workers_are_used(tmp_path: Path) -> None:
    assert not on_cluster() and n_workers(5) == 5 and n_workers() == cores()
    cluster = FewThreads(tmp_path)
    with working_on(cluster):
        assert on_cluster() and n_workers(5) == n_workers() == 3
        with worker_pool(2, prepare=os.getpid) as pool:
            assert pool.submit(os.getpid).result() == os.getpid()
        with scratch_folder() as folder:
            assert folder == tmp_path
    assert cluster.prepared == [os.getpid]
    assert not on_cluster()
    with scratch_folder("made-") as folder:
        assert folder.name.startswith("made-") and folder.is_dir()
    assert not folder.exists()


def test_tasks_are_made_as_they_are_needed_and_all_results_come() -> None:
    made, came = [], []

    def tasks():
        for number in range(20):
            made.append(number)
            yield number

    with ThreadPoolExecutor(2) as pool:
        for result in as_they_finish(pool, lambda n: n * n, tasks(), 2):
            came.append(result)
            assert len(made) - len(came) <= 3  # two at work, one more on its way
    assert sorted(came) == [n * n for n in range(20)]


def test_an_error_in_a_task_is_raised_and_the_rest_is_not_begun() -> None:
    begun = []

    def task(number: int) -> int:
        begun.append(number)
        time.sleep(0.01)
        if number == 1:
            raise ValueError("task 1")
        return number

    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError, match="task 1"):
        list(as_they_finish(pool, task, range(50), 1))
    assert len(begun) < 10


def test_a_consumer_that_stops_leaves_no_tasks_behind() -> None:
    with ThreadPoolExecutor(1) as pool:
        results = as_they_finish(pool, time.sleep, [0.01] * 50, 1)
        next(results)
        started = time.monotonic()
        results.close()
    assert time.monotonic() - started < 0.3


# Workers that die ------------------------------------------------------------------------------------


def square(number: int) -> int:
    """What workers of these tests do; 7 ends the process."""
    if number == 7:
        os._exit(11)
    time.sleep(0.02)
    return number * number


def killed(task: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_once(marker: Path) -> str:
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return marker.name


def given(tasks) -> Callable:
    waiting = iter(tasks)
    return lambda: next(waiting, None)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_task_that_kills_its_worker_comes_out_as_a_crash_and_all_others_are_done(workers: int) -> None:
    results = dict(run_tasks(square, given(range(10)), workers))
    assert results == {number: number * number for number in range(10) if number != 7} | {7: Crash(11)}


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_worker_that_is_killed_once_costs_nothing(tmp_path: Path) -> None:
    markers = [tmp_path / name for name in "abcdef"]
    for marker in markers[1:]:
        marker.touch()
    found = list(run_tasks(killed_once, given(markers), 2))
    assert sorted(name for _, name in found) == list("abcdef")


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_crash_tells_how_a_worker_ended_that_was_alone() -> None:
    assert list(run_tasks(killed, given([1]), 2)) == [(1, Crash(-signal.SIGKILL))]


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_task_that_was_alone_by_chance_is_tried_again(tmp_path: Path) -> None:
    assert list(run_tasks(killed_once, given([tmp_path / "a"]), 2)) == [(tmp_path / "a", "a")]


def test_a_result_may_bring_more_tasks() -> None:
    ready, found = [1], []
    next_task = iter(lambda: ready.pop() if ready else None, "never")
    for task, result in run_tasks(square, next_task.__next__, 2):
        found.append(result)
        ready += [task + 1] if task < 5 else []
    assert found == [1, 4, 9, 16, 25]


def test_workers_end_at_once_when_their_results_are_no_longer_wanted() -> None:
    before = set(psutil.Process().children())
    results = run_tasks(time.sleep, given([0.01, 600, 600, 600]), 2)
    next(results)
    started = time.monotonic()
    results.close()
    assert time.monotonic() - started < 10
    assert not [
        one for one in set(psutil.Process().children()) - before if "spawn_main" in " ".join(one.cmdline())
    ]


def test_workers_that_are_left_serve_the_next_who_wants_the_like_and_end_with_their_context() -> None:
    with keeping_workers():
        with worker_pool(1, keep=True) as pool:
            first = pool.submit(os.getpid).result()
        with worker_pool(1, prepare=os.getpid, keep=True) as pool:
            prepared = pool.submit(os.getpid).result()
        with worker_pool(1) as pool:
            assert pool.submit(os.getpid).result() == first
        assert not psutil.pid_exists(first)
        assert psutil.pid_exists(prepared)
    assert prepared != first
    assert not psutil.pid_exists(prepared)


def test_workers_that_are_left_and_die_are_replaced_and_those_of_an_error_are_not_left() -> None:
    with keeping_workers():
        with worker_pool(1, keep=True) as pool:
            first = pool.submit(os.getpid).result()
        psutil.Process(first).kill()
        with contextlib.suppress(psutil.NoSuchProcess):
            while psutil.Process(first).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.01)
        with pytest.raises(ZeroDivisionError), worker_pool(1, keep=True) as pool:
            second = pool.submit(os.getpid).result()
            pool.submit(divmod, 1, 0).result()
        assert second != first
        assert not psutil.pid_exists(second)


def test_without_a_run_to_keep_them_for_no_workers_are_left() -> None:
    with worker_pool(1, keep=True) as pool:
        worker = pool.submit(os.getpid).result()
    assert not psutil.pid_exists(worker)


def test_what_lies_in_a_folder_for_the_time_being_goes_with_the_run_at_the_latest() -> None:
    with keeping_workers(), scratch_folder("rows-") as folder:
        run = folder.parent
        assert folder.name.startswith("rows-")
        assert run.name.startswith("vernal-")
    assert not run.exists()


def test_elsewhere_a_death_ends_the_work_with_the_callers_message() -> None:
    explained = explaining_deaths("Died; use one worker.")
    with pytest.raises(InputError, match="use one worker"), explained, worker_pool(1) as pool:
        list(as_they_finish(pool, square, range(10), 1))


def test_an_error_of_a_task_is_no_death() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        list(run_tasks(time.sleep, given([-1, 600]), 1))


EARLY_NUMPY = """
import numpy as np
from threadpoolctl import threadpool_info
from vernal.common.workers import worker_pool


def threads():
    np.ones((2, 2)) @ np.ones((2, 2))
    return [library["num_threads"] for library in threadpool_info()]


def nothing():
    pass


if __name__ == "__main__":
    for prepare in (None, nothing):
        with worker_pool(1, prepare) as pool:
            print(pool.submit(threads).result())
"""


def test_libraries_that_the_main_module_loads_first_have_one_thread_too(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(EARLY_NUMPY, encoding="utf-8")
    more = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "PYTHONPATH": str(SOURCE)}
    run = subprocess.run(
        [sys.executable, str(script)], env=os.environ | more, capture_output=True, text=True, check=True
    )
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(found) == 2 and all(found)
    assert {threads for listed in found for threads in listed} == {1}


def take_memory(n_bytes: int) -> None:
    held = bytearray(n_bytes)
    held[::4_096] = b"x" * len(held[::4_096])
    time.sleep(60)


def take_time(seconds: float) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        pass


@pytest.mark.processes
def test_a_task_that_takes_too_much_or_dies_costs_its_worker_alone() -> None:
    worker = BoundedWorker(memory_mb=400, seconds=1.0)
    try:
        assert worker.run(abs, -3) == 3
        assert worker.run(take_memory, 600 * 2**20) == Crash(None, "memory")
        assert worker.run(take_time, 60.0) == Crash(None, "time")
        assert worker.run(os._exit, 7) == Crash(7)
        assert worker.run(abs, -1) == 1
        with pytest.raises(InputError, match="in words"):
            worker.run(refuse, "in words")
    finally:
        worker.end()


@pytest.mark.processes
def test_a_worker_that_dies_between_tasks_costs_the_next_one_nothing() -> None:
    worker = BoundedWorker(memory_mb=400, seconds=10.0)
    try:
        assert worker.run(die_in, 0.5) == "soon"
        assert worker.run(wait_for, 1.0) == "over"
        assert worker.run(os._exit, 7) == Crash(7)
    finally:
        worker.end()


def test_a_worker_that_is_gone_before_it_is_watched_is_no_error() -> None:
    done: Future[int] = Future()
    done.set_result(3)
    gone = Mock()
    gone.process.side_effect = psutil.NoSuchProcess(1)
    assert BoundedWorker(1, 1)._watched(done, gone) == ""


def die_in(seconds: float) -> str:
    threading.Timer(seconds, os._exit, [7]).start()
    return "soon"


def wait_for(seconds: float) -> str:
    time.sleep(seconds)
    return "over"


def refuse(words: str) -> None:
    raise InputError(words)
