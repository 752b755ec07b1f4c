"""Compiling with Numba, one process at a time."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from vernal.common.cache_folder import cache_folder


@contextlib.contextmanager
def compiling_alone() -> Iterator[None]:
    """Hold the right to compile with Numba; other processes of this user wait.

    Numba keeps what it compiled on disk. Two processes that fill that cache at once leave an index of one and code
    of the other, and whoever reads them next crashes (seen with Numba 0.68 and librosa 0.11). Once everything is
    compiled, holding the lock costs nothing.
    """
    from filelock import FileLock

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
