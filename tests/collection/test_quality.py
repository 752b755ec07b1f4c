"""Signal-to-noise ratios against planted ones, and the tiers that they suggest."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.signal import butter, sosfilt

from tools import boobook
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


def ratio_in_box(sound: np.ndarray, box: tuple[float, float, float, float], folder) -> float:
    """The ratio of one clip of 0 to 12 s with one box: begin, end, low and high."""
    soundfile.write(folder / "a.wav", sound, RATE, subtype="FLOAT")
    clip = {"clip_id": "c", "content_hash": "h", "sample_rate_hz": RATE, "start_s": 0.0, "end_s": 12.0}
    mark = pd.DataFrame([dict(zip(("start_s", "end_s", "low_hz", "high_hz"), box, strict=True))])
    mark = mark.assign(content_hash="h")
    pairs = pd.DataFrame({"clip_id": ["c"], "annotation": [0], "is_enough": [True]})
    found = ratios_of_clips(
        lambda _: folder / "a.wav", pd.DataFrame([clip]), mark, mark, pairs, (2_000, 4_000)
    )
    return float(found.snr_db[0])


def test_a_whistle_in_a_wide_box_is_measured_in_its_own_band_and_time(tmp_path):
    rng = np.random.default_rng(1)
    time = np.arange(RATE * 12) / RATE
    whistle = 0.02 * np.sin(2 * np.pi * 650 * time) * ((time > 5.2) & (time < 5.6))
    noise = 0.03 * rng.standard_normal(RATE * 12)
    in_third = 10 * np.log10((0.02**2 / 2) / (0.03**2 * 147 / (RATE / 2)))
    assert in_third > 10
    # The whole box holds ten times the noise, and half of the time no whistle: the ratio would be below 3 dB.
    for box in ((5.2, 5.6, 560, 740), (5.0, 5.8, 300, 2_000), (5.1, 5.8, 100, 5_000)):
        assert ratio_in_box(noise + whistle, box, tmp_path) == pytest.approx(in_third, abs=2.0)
    for box in ((5.2, 5.6, 560, 740), (5.0, 5.8, 300, 2_000)):
        assert ratio_in_box(noise, box, tmp_path) < 3


def test_a_stray_box_of_another_band_moves_no_other_ratio(tmp_path):
    rng = np.random.default_rng(2)
    sound = 0.03 * rng.standard_normal(RATE * 12)
    time = np.arange(RATE * 12) / RATE
    sound += 0.02 * np.sin(2 * np.pi * 650 * time) * ((time > 5) & (time < 6))
    soundfile.write(tmp_path / "a.wav", sound, RATE, subtype="FLOAT")
    clip = {"content_hash": "h", "sample_rate_hz": RATE}
    clips = pd.DataFrame(
        [clip | {"clip_id": f"c{at}", "start_s": 3.0 * at, "end_s": 3.0 * at + 3} for at in range(4)]
    )
    marks = pd.DataFrame(
        {"start_s": [5.0, 9.5], "end_s": [6.0, 9.6], "low_hz": [500.0, 4_300.0], "high_hz": [850.0, 4_330.0]}
    ).assign(content_hash="h")
    pairs = pd.DataFrame({"clip_id": ["c1", "c3"], "annotation": [0, 1], "is_enough": True})
    measure = partial(ratios_of_clips, lambda _: tmp_path / "a.wav", clips, marks)
    both = measure(marks, pairs, None).set_index("clip_id").snr_db
    alone = measure(marks.head(1), pairs.head(1), None).set_index("clip_id").snr_db
    assert both["c1"] == alone["c1"] > 10


def test_the_boobooks_boxed_calls_are_not_of_low_quality(shared_data):
    recordings = shared_data / "boobook" / "positive"
    if not recordings.is_dir():
        pytest.skip("the boobook's recordings are not beside this checkout")
    tiers = []
    for path in sorted(recordings.glob("*.wav")):
        mark = pd.DataFrame(boobook.calls(path), columns=["start_s", "end_s", "low_hz", "high_hz"])
        mark = mark.assign(content_hash="h")
        clip = {"content_hash": "h", "sample_rate_hz": 24_000, "start_s": 0.0, "end_s": 30.0}
        clips = pd.DataFrame([clip | {"clip_id": str(at)} for at in mark.index])
        pairs = pd.DataFrame({"clip_id": clips.clip_id, "annotation": mark.index, "is_enough": True})
        found = ratios_of_clips(lambda _, path=path: path, clips, mark, mark, pairs, None)
        tiers += propose_quality(found.snr_db, QualityOptions()).tolist()
    assert len(tiers) == 49 and tiers.count("low") <= 10 and tiers.count("high") >= 12


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
