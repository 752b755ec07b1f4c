"""Signal-to-noise ratios against planted ones, and the tiers that they suggest."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.signal import butter, sosfilt

from vernal.collection.levels import frame_powers
from vernal.collection.quality import (
    QualityOptions,
    choose_quality,
    propose_quality,
    ratios_of_clips,
    snr_db,
)

RATE = 16_000


@pytest.mark.parametrize("planted_db", [-3.0, 3.0, 10.0, 20.0])
def test_a_planted_ratio_is_measured(tmp_path, planted_db):
    rng = np.random.default_rng(1)
    band = butter(4, [300, 1_200], btype="band", fs=RATE, output="sos")
    noise = rng.standard_normal(RATE * 12)
    in_band = sosfilt(band, noise).std()
    call = np.zeros(RATE * 12)
    call[RATE * 5 : RATE * 7] = sosfilt(band, rng.standard_normal(RATE * 2))
    call *= in_band / call[RATE * 5 : RATE * 7].std() * 10 ** (planted_db / 20)
    soundfile.write(tmp_path / "a.wav", 0.01 * (noise + call), RATE, subtype="FLOAT")
    powers = frame_powers(tmp_path / "a.wav", [(300, 1_200)])[:, 0]
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


@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_a_call_late_in_a_long_recording_is_found_where_it_is(tmp_path, rate):
    """A frame is whole samples, so at 22,050 Hz it is a little shorter than elsewhere."""
    rng = np.random.default_rng(0)
    sound = 0.001 * rng.standard_normal(rate * 1_800)
    sound[rate * 1_790 : rate * 1_790 + rate // 2] *= 100
    soundfile.write(tmp_path / "a.wav", sound, rate, subtype="FLOAT")
    clip = {"clip_id": "c", "content_hash": "h", "sample_rate_hz": rate, "start_s": 1_788.0, "end_s": 1_791.0}
    mark = pd.DataFrame([{"content_hash": "h", "start_s": 1_790.0, "end_s": 1_790.5}])
    target = mark.assign(low_hz=np.nan, high_hz=np.nan)
    pairs = pd.DataFrame({"clip_id": ["c"], "annotation": [0], "is_enough": [True]})
    found = ratios_of_clips(lambda _: tmp_path / "a.wav", pd.DataFrame([clip]), mark, target, pairs, None)
    assert found.snr_db[0] == pytest.approx(40, abs=1.5)


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
