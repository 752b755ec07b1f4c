"""The inner loop of the resampler, compiled when it is first needed and kept for the next process.

It stands alone because importing the compiler costs a third of a second, and most recordings are at 48 kHz.
"""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np

_AT_ONCE = 256


def _compiled(function: Callable[..., None]) -> Callable[..., None]:
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder that the compiled form could be kept in
        return numba.njit(nogil=True)(function)


@_compiled
def add_taps(samples, first, start, increment, window, slopes, steps, scale, index_step, outputs):
    """Fill `outputs` with the samples `start`, `start + 1`, ... at the new rate.

    Taps of one output are added left wing first, from the middle outwards, each sum rounded to float32;
    several outputs go through the same tap together, which changes no sum.

    Args:
        samples: float32 input, of which the first has the number `first`.
        increment: input samples an output sample.
        window, slopes: the filter's table, of `steps` entries a zero crossing, and its differences.
        scale, index_step: how the table is stretched for lower rates.
    Source: `resampy.interpn._resample_loop`, the same arithmetic in the same order.
    """
    offset, at = np.empty(_AT_ONCE, np.int64), np.empty(_AT_ONCE, np.int64)
    taps, rest = np.empty(_AT_ONCE, np.int64), np.empty(_AT_ONCE, np.float64)
    total = np.empty(_AT_ONCE, np.float32)
    for begin in range(0, len(outputs), _AT_ONCE):
        count = min(_AT_ONCE, len(outputs) - begin)
        total[:] = 0
        for direction in (-1, 1):
            most = 0
            for j in range(count):
                time = (start + begin + j) * increment
                whole = int(time)
                fraction = scale * (time - whole)
                if direction > 0:
                    fraction = scale - fraction
                index = fraction * steps
                offset[j] = int(index)
                rest[j] = index - offset[j]
                taps[j] = (len(window) - offset[j]) // index_step
                at[j] = whole - first + (1 if direction > 0 else 0)
                most = max(most, taps[j])
            for i in range(most):
                for j in range(count):
                    if i < taps[j]:
                        k = offset[j] + i * index_step
                        total[j] += (window[k] + rest[j] * slopes[k]) * samples[at[j] + direction * i]
        outputs[begin : begin + count] = total[:count]
