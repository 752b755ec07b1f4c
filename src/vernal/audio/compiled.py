"""Compiling with Numba, apart because importing it costs a third of a second."""

from collections.abc import Callable

import numba


def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """Compile a function that lets other threads run; what is compiled is kept for the next process."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder that the compiled form could be kept in
        return numba.njit(nogil=True)(function)
