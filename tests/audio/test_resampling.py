"""The resampler gives what BirdNET-Analyzer's gives, and a stretch equals the same stretch of the whole."""

import numpy as np
import pytest

from vernal.audio.resampling import Resampler
from vernal.audio.resampling_kernel import add_taps, add_taps_by_phase

RATES = [8_000, 22_000, 32_000, 44_100, 44_101, 96_000]


def whole(signal: np.ndarray, resampler: Resampler) -> np.ndarray:
    n = resampler.n_outputs(len(signal))
    blocks = range(-(-n // resampler.block_outputs))
    return np.concatenate([one_block(signal, resampler, block) for block in blocks])[:n]


def one_block(signal: np.ndarray, resampler: Resampler, block: int) -> np.ndarray:
    first, last = resampler.input_span(block)
    span = np.zeros(last - first, dtype=np.float32)
    low, high = max(first, 0), min(last, len(signal))
    span[low - first : high - first] = signal[low:high]
    return resampler.block(span, block)


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_stays_the_same_tone(rate):
    seconds, hz = 0.5, 1_000
    tone = np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate).astype(np.float32)
    expected = np.sin(2 * np.pi * hz * np.arange(int(seconds * 48_000)) / 48_000)
    resampled = whole(tone, Resampler(rate, 48_000))[: len(expected)]
    assert np.abs(resampled[1_000:-1_000] - expected[1_000:-1_000]).max() < 2e-4


def test_what_lies_above_the_new_band_is_removed():
    tone = np.sin(2 * np.pi * 30_000 * np.arange(48_000) / 96_000).astype(np.float32)
    assert np.abs(whole(tone, Resampler(96_000, 48_000))[1_000:-1_000]).max() < 1e-3


@pytest.mark.parametrize("rate", [22_050, 44_100, 44_101, 96_000])
def test_the_reference_gives_the_same_bits(rate):
    resampy = pytest.importorskip("resampy")
    signal = (0.1 * np.random.default_rng(0).standard_normal(2 * rate + 7)).astype(np.float32)
    expected = resampy.resample(signal, rate, 48_000, filter="kaiser_fast")
    resampled = whole(signal, Resampler(rate, 48_000))
    assert 0 <= len(resampled) - len(expected) <= 1
    assert resampled[: len(expected)].tobytes() == expected.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("rate", [8_000, 11_025, 22_000, 32_000, 192_000, 250_000, 384_000])
def test_the_reference_gives_the_same_bits_at_every_rate_of_recorders(rate):
    test_the_reference_gives_the_same_bits(rate)


@pytest.mark.parametrize(
    ("from_hz", "to_hz"),
    [(44_100, 48_000), (24_000, 48_000), (32_000, 48_000), (11_025, 48_000), (250_000, 48_000), (44_100, 16_000), (47_999, 48_000)],
)  # fmt: skip
@pytest.mark.parametrize("block", [0, 1, 1_799])
def test_outputs_of_one_phase_taken_together_are_the_sums_of_each(from_hz, to_hz, block):
    # The last block of a piece has the largest times, whose rounding divides a phase.
    made = Resampler(from_hz, to_hz)
    first, last = made.input_span(block)
    signal = (0.1 * np.random.default_rng(block).standard_normal(last - first)).astype(np.float32)
    told = (signal, first, block * made.block_outputs, made._increment, made._window, made._slopes, 512)
    alone, together = np.full((2, made.block_outputs), np.nan, np.float32)
    add_taps(*told, made.scale, made.index_step, alone)
    add_taps_by_phase(*told, made.scale, made.index_step, made.up, made.down, together)
    assert np.isfinite(alone).all() and together.tobytes() == alone.tobytes()


@pytest.mark.parametrize("rate", [22_050, 44_100, 96_000])
def test_times_count_from_the_start_of_the_piece_of_ten_minutes(rate):
    resampler, signal = (
        Resampler(rate, 48_000),
        np.random.default_rng(1).standard_normal(rate).astype(np.float32),
    )
    blocks_a_piece = 600 * 48_000 // resampler.block_outputs
    assert blocks_a_piece * resampler.block_outputs == 600 * 48_000
    first, last = resampler.input_span(1)
    later_first, later_last = resampler.input_span(blocks_a_piece + 1)
    assert (later_first - first, later_last - last) == (600 * rate, 600 * rate)
    here = resampler.block(signal[first:last], 1)
    later = resampler.block(signal[first:last], blocks_a_piece + 1)
    assert here.tobytes() == later.tobytes()


def test_blocks_divide_a_piece_at_rates_that_three_does_not_divide():
    assert Resampler(48_000, 32_000).block_outputs == 32_000


def test_a_span_of_the_wrong_length_is_refused():
    resampler = Resampler(44_100, 48_000)
    with pytest.raises(ValueError, match="block 0 needs"):
        resampler.block(np.zeros(10, np.float32), 0)


@pytest.mark.parametrize("rate", [11_025, 22_050, 32_000, 44_100, 96_000])
def test_lengths_are_librosas(rate):
    import librosa

    resampler = Resampler(rate, 48_000)
    for n in (rate - 1, rate, 2 * rate, 3 * rate, round(0.4 * rate)):
        expected = len(
            librosa.resample(np.zeros(n, np.float32), orig_sr=rate, target_sr=48_000, res_type="kaiser_fast")
        )
        assert resampler.n_outputs(n) + resampler.n_silent_more(n) == expected
        assert resampler.n_outputs(n) == -(-n * 48_000 // rate)
