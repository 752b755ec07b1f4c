"""What a measurement used: processor time and memory of this process and of all below it.

The kernel's own account of finished workers (`ru_maxrss`) also counts what their parent held when it started
them, so processes are watched while they live instead.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SAMPLE_S = 0.1


@dataclass(frozen=True)
class Usage:
    """What was used until now.

    `cpu_s`: processor seconds of this process and of those it started that have ended; None where the system does
    not tell. Megabytes of 2**20 bytes: `main_memory_mb`, the most that this process held; `worker_memory_mb`, the
    most that any single process below it held, 0 without any; `all_memory_mb`, the most that all held together at one
    moment, pages that they share counted in each.
    """

    cpu_s: float | None
    main_memory_mb: float
    worker_memory_mb: float
    all_memory_mb: float


@contextlib.contextmanager
def watched() -> Iterator[Callable[[], Usage]]:
    """Watch this process and all below it, ten times a second; yields a function that tells what they used."""
    watch, over = _Watch(), threading.Event()

    def go_on() -> None:
        while not over.wait(_SAMPLE_S):
            watch.look()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield watch.usage
    finally:
        over.set()
        thread.join()


class _Watch:
    def __init__(self) -> None:
        import psutil

        self._here = psutil.Process()
        self._main = self._worker = self._all = 0

    def look(self) -> None:
        import psutil

        together = 0
        for process in (self._here, *self._here.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                memory = process.memory_info()
                together += memory.rss
                most = _most_so_far(process.pid, memory)
                if process == self._here:
                    self._main = max(self._main, most)
                else:
                    self._worker = max(self._worker, most)
        self._all = max(self._all, together)

    def usage(self) -> Usage:
        self.look()
        return Usage(_cpu_s(), _mb(self._main), _mb(self._worker), _mb(self._all))


def _most_so_far(pid: int, memory: Any) -> int:
    """Bytes that a process held at most since it began, where the system tells; else what it holds now."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        return int(status.split("VmHWM:", 1)[1].split(maxsplit=1)[0]) << 10
    return int(getattr(memory, "peak_wset", memory.rss))


def _mb(n_bytes: int) -> float:
    return round(n_bytes / (1 << 20), 1)


def _cpu_s() -> float | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return round(sum(usage.ru_utime + usage.ru_stime for usage in usages), 3)
