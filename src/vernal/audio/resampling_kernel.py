"""The inner loops of the resampler, compiled when they are first needed and kept for the next process.

Every output is a sum of its own, taken in one order, so any number of them can be computed together and no bit changes.
They stand alone because importing the compiler costs a third of a second, and most recordings are at 48 kHz.
"""

import numpy as np

from vernal.audio.compiled import compiled

_AT_ONCE = 256


@compiled
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


@compiled
def add_taps_by_phase(
    samples, first, start, increment, window, slopes, steps, scale, index_step, up, down, outputs
):
    """The same sums as `add_taps`, many times faster where the two rates have a large common divisor.

    `up` outputs further on lies `down` inputs further on and at the same place between two inputs, so those outputs
    read the same entries of the table, and inputs that are neighbours once the input stands in `down` rows. As times
    are rounded, some fall on the other side of an entry or of an input: outputs that agree in both go together.

    Args:
        up, down: the two rates, without their common divisor. Others as for `add_taps`.
    """
    columns = np.zeros((down, len(samples) // down + 3), np.float32)
    for number in range(len(samples)):
        columns[number % down, number // down + 1] = samples[number]
    place, is_done = np.empty(_AT_ONCE, np.int64), np.empty(_AT_ONCE, np.bool_)
    offset, rest = np.empty((2, _AT_ONCE), np.int64), np.empty((2, _AT_ONCE), np.float64)
    total = np.empty(_AT_ONCE, np.float32)
    for phase in range(min(up, len(outputs))):
        n_alike = (len(outputs) - phase + up - 1) // up
        for begin in range(0, n_alike, _AT_ONCE):
            count = min(_AT_ONCE, n_alike - begin)
            for j in range(count):
                time = (start + phase + (begin + j) * up) * increment
                whole = int(time)
                place[j] = whole - first - down * j
                fraction = scale * (time - whole)
                for wing in range(2):
                    index = (scale - fraction if wing else fraction) * steps
                    offset[wing, j] = int(index)
                    rest[wing, j] = index - offset[wing, j]
                is_done[j] = False
            for lead in range(count):
                if is_done[lead]:
                    continue
                total[:count] = 0
                for wing in range(2):
                    taps = (len(window) - offset[wing, lead]) // index_step
                    own = rest[wing, :count]
                    for i in range(taps):
                        k = offset[wing, lead] + i * index_step
                        weight, slope = window[k], slopes[k]
                        number = place[lead] + 1 + i if wing else place[lead] - i
                        row, column = number % down, number // down + 1
                        heard = columns[row, column : column + count]
                        for j in range(count):
                            total[j] += (weight + own[j] * slope) * heard[j]
                for j in range(lead, count):
                    # Compared one by one: a comparison of arrays would cost as much as the sums.
                    is_left = place[j] == place[lead] and offset[0, j] == offset[0, lead]
                    if is_left and offset[1, j] == offset[1, lead]:
                        outputs[phase + (begin + j) * up] = total[j]
                        is_done[j] = True
