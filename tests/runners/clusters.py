"""A Dask scheduler and workers as processes of their own, as on several machines."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


@dataclass
class Processes:
    """A scheduler's address and its workers; `prefix` goes before each command (a network namespace, say)."""

    folder: Path
    address: str = ""
    workers: list[subprocess.Popen] = field(default_factory=list)
    started: list[subprocess.Popen] = field(default_factory=list)

    def start(self, module: str, *args: str, prefix: Sequence[str] = ()) -> subprocess.Popen:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT / "src"), str(PROJECT)])}
        log = (self.folder / f"{len(self.started)}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [*prefix, sys.executable, "-m", module, *args],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.started.append(process)
        return process

    def add_worker(self, prefix: Sequence[str] = (), threads: int = 1) -> subprocess.Popen:
        # Without a nanny a killed worker stays dead, as a machine without power does.
        process = self.start(
            "distributed.cli.dask_worker",
            self.address,
            "--no-nanny",
            f"--nthreads={threads}",
            "--no-dashboard",
            f"--local-directory={self.folder}",
            prefix=prefix,
        )
        self.workers.append(process)
        return process

    def stop(self) -> None:
        for process in reversed(self.started):
            process.kill()
            process.wait()


@contextlib.contextmanager
def cluster(
    folder: Path, workers: int, host: str = "127.0.0.1", prefixes: Sequence[Sequence[str]] = ((),)
) -> Iterator[Processes]:
    """A scheduler and its workers; the scheduler has the first prefix, workers take theirs in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    processes = Processes(folder)
    told = folder / "scheduler.json"
    told.unlink(missing_ok=True)
    try:
        processes.start(
            "distributed.cli.dask_scheduler",
            f"--host={host}",
            "--port=0",
            "--no-dashboard",
            f"--scheduler-file={told}",
            prefix=prefixes[0],
        )
        processes.address = _address(told)
        for number in range(workers):
            processes.add_worker(prefixes[number % len(prefixes)])
        yield processes
    finally:
        processes.stop()


def _address(told: Path, seconds: float = 60.0) -> str:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with contextlib.suppress(OSError, ValueError):
            return json.loads(told.read_text(encoding="utf-8"))["address"]
        time.sleep(0.1)
    raise TimeoutError("the scheduler did not start")
