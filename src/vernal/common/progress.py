"""What a person sees while they wait: from two seconds on, what is at work, how far it is, and how long it will take.

On a terminal it is one line that is written over. Elsewhere (a file, a pipe, a notebook) a line is added ever more
rarely, so that logs stay short.
"""

import contextlib
import logging
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator

from vernal.common.formatting import duration

logger = logging.getLogger(__name__)
SHOWN_AFTER_S = 2.0
_REDRAWN_AFTER_S = 0.5
_LONGEST_SILENCE_S = 600.0


class Step:
    """A step that is at work from now until `end`; what is counted within it is shown with it."""

    def __init__(self, name: str) -> None:
        self._name, self._started = name, time.monotonic()
        _steps.append(self)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Take the line away."""
        self._ended.set()
        self._thread.join()
        if self in _steps:
            _steps.remove(self)

    def words(self) -> str:
        """What is at work and how far it is."""
        if counts := _counts[-1:]:
            return "  ".join(filter(None, [self._name, counts[0].words()]))
        return f"{self._name}  {duration(time.monotonic() - self._started)} ..."

    def _show(self) -> None:
        if self._ended.wait(SHOWN_AFTER_S):
            return
        if sys.stderr.isatty():
            with _Line() as line:
                while True:
                    line.draw(self.words())
                    if self._ended.wait(_REDRAWN_AFTER_S):
                        return
        while True:
            logger.info("%s", self.words())
            elapsed = time.monotonic() - self._started
            if self._ended.wait(min(max(elapsed, 5 * SHOWN_AFTER_S), _LONGEST_SILENCE_S)):
                return


class _Line(logging.Filter):
    """The last line of a terminal; it makes way for what is logged."""

    def __enter__(self) -> "_Line":
        self._width = 0
        self._handlers = logging.getLogger().handlers[:]
        for handler in self._handlers:
            handler.addFilter(self)
        return self

    def __exit__(self, *_: object) -> None:
        for handler in self._handlers:
            handler.removeFilter(self)
        self.draw("")

    def draw(self, text: str) -> None:
        text = text[: shutil.get_terminal_size().columns - 1]
        sys.stderr.write("\r" + text.ljust(self._width) + ("" if text else "\r"))
        sys.stderr.flush()
        self._width = len(text)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged; the line is taken away before."""
        self.draw("")
        return True


class _Count:
    """How many of some are done."""

    def __init__(self, total: int, what: str, unit: str) -> None:
        self._total, self._what, self._unit = total, what, unit
        self._done, self._started = 0, time.monotonic()

    def add(self, count: int) -> None:
        self._done += count

    def words(self) -> str:
        if not self._total:
            return self._what
        done = min(self._done, self._total)
        units = self._unit if self._unit.isupper() else f"{self._unit}s"
        words = f"{self._what}: {done:,} of {self._total:,} {units}"
        elapsed_s = time.monotonic() - self._started
        if not done:
            return f"{words}, {duration(elapsed_s)} so far"
        left_s = elapsed_s * (self._total / done - 1)
        return f"{words}, {done / self._total:.0%}, about {duration(left_s)} left"


_counts: list[_Count] = []  # the innermost is the last
_steps: list[Step] = []


@contextlib.contextmanager
def progress_bar(total: int, what: str, unit: str) -> Iterator[Callable[[int], None]]:
    """Yield a function that counts finished `unit`s, which are shown with the step that is at work."""
    count = _Count(total, what, unit)
    _counts.append(count)
    step = None if _steps else Step("")
    try:
        yield count.add
    finally:
        _counts.remove(count)
        if step is not None:
            step.end()
