"""The band-pass is the peer's, and what people hear is the band."""

import numpy as np
import pytest

from vernal.audio import bandpass
from vernal.audio.reading import SAMPLE_RATE_HZ


def noise(seconds: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal(seconds * SAMPLE_RATE_HZ)).astype(np.float32)


@pytest.mark.parametrize(("fmin", "fmax"), [(0, 15_000), (300, 15_000), (0, 4_000), (200, 8_000)])
def test_the_band_pass_is_the_peers(peer_audio, fmin, fmax):
    samples = noise(1)
    expected = peer_audio.bandpass(samples, SAMPLE_RATE_HZ, fmin, fmax)
    assert np.array_equal(bandpass.bandpass(samples, fmin, fmax), expected)
    # Fed in pieces it is the same filter.
    pieces = bandpass.Bandpass(fmin, fmax)
    assert np.array_equal(np.concatenate([pieces(samples[:7_000]), pieces(samples[7_000:])]), expected)


@pytest.mark.parametrize(("fmin", "fmax"), [(300, 15_000), (0, 4_000), (200, 8_000)])
def test_a_band_to_hear_is_the_same_filter_where_that_is_exact(fmin, fmax):
    samples = noise(1)
    np.testing.assert_allclose(
        bandpass.band_of(samples, fmin, fmax), bandpass.bandpass(samples, fmin, fmax), atol=1e-4
    )


@pytest.mark.parametrize(("fmin", "fmax"), [(100, 300), (20, 100), (1_000, 1_050), (0, 5), (5, 15_000)])
def test_a_narrow_and_low_band_grows_without_end_and_can_be_heard_all_the_same(fmin, fmax):
    assert bandpass.grows_without_end(fmin, fmax, SAMPLE_RATE_HZ)
    samples = noise(3)
    heard = bandpass.band_of(samples, fmin, fmax)
    assert np.isfinite(heard).all() and 0 < np.abs(heard).max() < 2 * np.abs(samples).max()


@pytest.mark.parametrize(
    ("fmin", "fmax"),
    [(0, 15_000), (300, 800), (300, 1_000), (100, 15_000), (0, 100), (0, 300), (5_000, 5_100)],
)
def test_other_bands_come_to_rest(fmin, fmax):
    assert not bandpass.grows_without_end(fmin, fmax, SAMPLE_RATE_HZ)
    assert np.abs(bandpass.bandpass(noise(3), fmin, fmax)).max() < 2


def test_an_impossible_band_is_refused():
    with pytest.raises(ValueError, match="0 <= fmin < fmax <= 15000"):
        bandpass.bandpass(np.zeros(10, dtype=np.float32), 5_000, 4_000)
