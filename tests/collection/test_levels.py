"""Levels in decibels against sounds of known power."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.signal import butter, sosfilt

from vernal.collection.levels import (
    FRAME_S,
    OCTAVES_HZ,
    QualityOptions,
    band_name,
    choose_quality,
    frame_powers,
    median_levels_db,
    propose_quality,
    snr_db,
)

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


@pytest.mark.parametrize("planted_db", [-3.0, 3.0, 10.0, 20.0])
def test_a_planted_ratio_is_measured(tmp_path, planted_db):
    rng = np.random.default_rng(1)
    band = butter(4, [300, 1_200], btype="band", fs=RATE, output="sos")
    noise = rng.standard_normal(RATE * 12)
    in_band = sosfilt(band, noise).std()
    call = np.zeros(RATE * 12)
    call[RATE * 5 : RATE * 7] = sosfilt(band, rng.standard_normal(RATE * 2))
    call *= in_band / call[RATE * 5 : RATE * 7].std() * 10 ** (planted_db / 20)
    powers = frame_powers(write(tmp_path / "a.wav", 0.01 * (noise + call)), [(300, 1_200)])[:, 0]
    assert snr_db(powers, [(5, 7)], [(5, 7)]) == pytest.approx(planted_db, abs=1.0)


def test_what_anybody_marked_is_not_taken_for_noise():
    powers = np.full(400, 100.0)
    powers[300:] = 1.0
    assert snr_db(powers, [(0, 5)], [(0, 15)]) == pytest.approx(10 * np.log10(99), abs=0.1)
    assert snr_db(powers, [(0, 5)], [(0, 5)]) < 0


def test_ratios_without_frames_or_without_quiet():
    powers = np.ones(40)
    assert np.isnan(snr_db(powers, [], []))
    assert np.isnan(snr_db(powers, [(100, 101)], []))
    assert snr_db(powers, [(0, 2)], [(0, 2)]) == pytest.approx(-10.0)
    assert np.isfinite(snr_db(np.zeros(40), [(0, 1)], [(0, 1)]))


def test_levels_above_a_recordings_range_are_missing(tmp_path):
    levels = median_levels_db(
        write(tmp_path / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(8_000 * 2), 8_000)
    )
    assert np.isfinite(levels[:5]).all() and np.isnan(levels[-1])
    assert [band_name(band) for band in OCTAVES_HZ][:4] == ["125 Hz", "250 Hz", "500 Hz", "1 kHz"]


def test_tiers_of_people_and_of_ratios_are_never_mixed_unseen():
    ratios = pd.Series([12.0, 5.0, 1.0, np.nan])
    assigned = pd.Series(["low", np.nan, np.nan, np.nan], dtype="str")
    proposed = propose_quality(ratios, QualityOptions())
    assert proposed.tolist()[:3] == ["high", "medium", "low"] and pd.isna(proposed[3])
    mixed = choose_quality(assigned, proposed, QualityOptions())
    assert mixed.quality.tolist()[:3] == ["low", "medium", "low"]
    assert mixed.quality_from.tolist()[:3] == ["a person", "signal-to-noise ratio", "signal-to-noise ratio"]
    only = choose_quality(assigned, proposed, QualityOptions(take="assigned"))
    assert only.quality.notna().tolist() == [True, False, False, False]
    ratio = choose_quality(assigned, proposed, QualityOptions(take="proposed"))
    assert ratio.quality[0] == "high" and ratio.quality_from[0] == "signal-to-noise ratio"


@pytest.mark.parametrize("settings", [{"high_from_db": 1.0}, {"take": "both"}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match=r"collection\.quality"):
        QualityOptions(**settings)
