"""A bar where a person waits; nothing where a machine reads."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

_BAR_AFTER_S = 1.0


@contextlib.contextmanager
def progress_bar(total: int, what: str, unit: str) -> Iterator[Callable[[int], None]]:
    """Yield a function that counts finished `unit`s; a bar appears on a terminal when it takes longer.

    Where the output is not a terminal nothing is drawn: logs stay readable for machines.
    """
    from tqdm import tqdm

    quiet = not sys.stderr.isatty()
    with tqdm(
        total=total, desc=what, unit=unit, delay=_BAR_AFTER_S, leave=False, disable=quiet, file=sys.stderr
    ) as bar:
        yield lambda count: bar.update(count) and None
