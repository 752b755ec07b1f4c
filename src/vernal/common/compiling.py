"""Compiling with Numba, one process at a time."""

import contextlib
import os
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

    with contextlib.ExitStack() as held:
        # A home may be missing or not ours, and so may what another user left in the folder for temporary files.
        for place in (
            lambda: cache_folder() / "compiling.lock",
            lambda: _temporary_folder() / "compiling.lock",
        ):
            with contextlib.suppress(OSError, RuntimeError):
                place().parent.mkdir(parents=True, exist_ok=True)
                held.enter_context(FileLock(place()))
                break
        yield


def _temporary_folder() -> Path:
    """This user's own folder for temporary files."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    return Path(tempfile.gettempdir()) / f"vernal-{user}"
