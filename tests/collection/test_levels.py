"""Levels in decibels against sounds of known power."""

import numpy as np
import pytest
import soundfile

from vernal.collection.levels import FRAME_S, OCTAVES_HZ, band_name, frame_powers, median_levels_db

RATE = 16_000


def write(path, samples, rate=RATE):
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def test_a_tone_has_its_power_in_its_band_only(tmp_path):
    t = np.arange(RATE * 2) / RATE
    powers = frame_powers(
        write(tmp_path / "a.wav", 0.2 * np.sin(2 * np.pi * 1_000 * t)), [(700, 1_400), (3_000, 5_000)]
    )
    assert powers.shape == (2 / FRAME_S, 2)
    assert powers[:, 0] == pytest.approx(0.02, rel=0.02) and powers[:, 1].max() < 1e-6


def test_noise_has_its_power_spread_over_the_bands(tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal((RATE * 20, 2))
    powers = frame_powers(write(tmp_path / "a.wav", noise), [(0, 2_000), (2_000, 8_000)]).mean(axis=0)
    assert powers == pytest.approx([0.0025, 0.0075], rel=0.03)


def test_levels_above_a_recordings_range_are_missing(tmp_path):
    levels = median_levels_db(
        write(tmp_path / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(8_000 * 2), 8_000)
    )
    assert np.isfinite(levels[:5]).all() and np.isnan(levels[-1])
    assert [band_name(band) for band in OCTAVES_HZ][:4] == ["125 Hz", "250 Hz", "500 Hz", "1 kHz"]
