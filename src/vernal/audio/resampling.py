"""Resampling that gives, bit for bit, what BirdNET-Analyzer hears, for any stretch of a file alone.

The filter is the one BirdNET-Analyzer uses (`res_type="kaiser_fast"` of librosa, which is resampy's): a
Kaiser-windowed sinc, read from a table by linear interpolation. The last bits matter more than they seem to:
where a recording is band-limited, all that the upper bands of the spectrogram hold is the rounding of these
sums, and BirdNET's compression lifts it to where it moves a logit by thousandths. So the taps are added here
in the same order and precision. Every sample is computed by itself; a stretch needs no whole file.
"""

from functools import lru_cache
from math import ceil, gcd

import numpy as np

# Parameters of the published filter, in the digits that reproduce its table.
_N_ZEROS = 24
_TABLE_STEPS = 512
_BETA = 9.903224416455275
_ROLLOFF = 0.8682120388377784

# BirdNET-Analyzer loads long recordings in pieces of this length, and times count from the start of a piece:
# the product `time * ratio` loses digits as it grows.
_PIECE_S = 600

# With fewer outputs of one phase in a block than these, taking them together wins nothing.
_LEAST_ALIKE = 16


@lru_cache(maxsize=1)
def _table() -> np.ndarray:
    n = _TABLE_STEPS * _N_ZEROS
    sinc = _ROLLOFF * np.sinc(_ROLLOFF * np.linspace(0, _N_ZEROS, n + 1))
    return np.kaiser(2 * n + 1, _BETA)[n:] * sinc


class Resampler:
    """Turns stretches of a signal at one rate into blocks at another.

    Output sample `t` lies at input time `t * from_hz / to_hz` samples. Blocks start at multiples of
    `block_outputs`; `input_span` says which input samples a block needs.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        divisor = gcd(from_hz, to_hz)
        self.up, self.down = to_hz // divisor, from_hz // divisor
        ratio = self._ratio = to_hz / from_hz
        self.scale = min(1.0, ratio)
        self.index_step = int(self.scale * _TABLE_STEPS)
        self.reach = -(-(_TABLE_STEPS * _N_ZEROS + 1) // self.index_step) + 1
        # A piece is a whole number of blocks.
        self.block_outputs = to_hz // 3 if to_hz % 3 == 0 else to_hz
        self._piece = (_PIECE_S * to_hz, _PIECE_S * from_hz)
        self._increment = 1.0 / ratio
        self._window = ratio * _table() if ratio < 1 else _table()
        self._slopes = np.diff(self._window, append=self._window[-1])

    def n_outputs(self, n_inputs: int) -> int:
        """Length of the resampled signal, rounded up."""
        return -(-n_inputs * self.up // self.down)

    def n_silent_more(self, n_inputs: int) -> int:
        """Samples of silence, 0 or 1, that librosa adds because its rounded ratio is a little too large.

        Only a filter that comes after makes anything of it.
        """
        return max(0, ceil(n_inputs * self._ratio) - self.n_outputs(n_inputs))

    def input_span(self, block: int) -> tuple[int, int]:
        """First and one-past-last input sample that a block needs; may lie outside the signal."""
        first = block * self.block_outputs * self.down // self.up
        last = ((block + 1) * self.block_outputs * self.down - 1) // self.up
        return first - self.reach, last + self.reach + 1

    def block(self, samples: np.ndarray, block: int) -> np.ndarray:
        """Resample one block.

        Args:
            samples: float32, the span that `input_span(block)` names, zeros where the signal is not.
        Returns:
            (block_outputs,) float32.
        Raises:
            ValueError: `samples` has another length.
        """
        from vernal.audio.resampling_kernel import add_taps, add_taps_by_phase

        first, last = self.input_span(block)
        if len(samples) != last - first:
            raise ValueError(f"block {block} needs {last - first} samples, not {len(samples)}")
        piece, start = divmod(block * self.block_outputs, self._piece[0])
        outputs = np.empty(self.block_outputs, dtype=np.float32)
        table = (self._window, self._slopes, _TABLE_STEPS, self.scale, self.index_step)
        at = (first - piece * self._piece[1], start, self._increment)
        held = np.ascontiguousarray(samples, dtype=np.float32)
        if self.block_outputs >= _LEAST_ALIKE * self.up:
            add_taps_by_phase(held, *at, *table, self.up, self.down, outputs)
        else:
            add_taps(held, *at, *table, outputs)
        return outputs


@lru_cache(maxsize=16)
def resampler(from_hz: int, to_hz: int) -> Resampler:
    """The resampler for two rates, made once a process."""
    return Resampler(from_hz, to_hz)
