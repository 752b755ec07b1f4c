"""The sounds of a demo season: levels, determinism, and the effects that its settings plant."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from vernal.clips.synthesis import SAMPLE_RATE_HZ, SeasonOptions, components, plan_season, render, write_wav
from vernal.clips.synthesis.mixing import CALL_BAND_HZ, call_starts_s
from vernal.clips.synthesis.options import CONFUSERS

OPTIONS = SeasonOptions(field_recordings=3, field_s=6, unlabelled_recordings=2, unlabelled_s=6)
SEASON = plan_season(OPTIONS)
CLIPS = SEASON.clips.to_dict("records")
POSITIVES = [row for row in CLIPS if row["label"] == "positive"]
NEGATIVES = [row for row in CLIPS if row["label"] == "negative"]


def _in_band(samples: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """A brick-wall band-pass, written apart from the one under test."""
    spectrum = np.fft.rfft(samples.astype(np.float64))
    frequencies = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ)
    spectrum[(frequencies < low_hz) | (frequencies > high_hz)] = 0
    return np.fft.irfft(spectrum, len(samples))


def _measured_snr_db(calls: np.ndarray, background: np.ndarray) -> float:
    call, noise = _in_band(calls, *CALL_BAND_HZ), _in_band(background, *CALL_BAND_HZ)
    frames = np.square(call[: len(call) // 1200 * 1200]).reshape(-1, 1200).mean(axis=1)
    return 10 * np.log10(frames[frames > 0.01 * frames.max()].mean() / np.square(noise).mean())


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


@pytest.mark.parametrize("quality", ["high", "medium", "low"])
def test_signal_to_noise_ratio_follows_quality(quality):
    middle = {"high": 17.0, "medium": 9.0, "low": 1.0}[quality]
    rows = [row for row in POSITIVES if row["quality"] == quality][:25]
    measured = []
    for row in rows:
        parts = components(row, OPTIONS)
        measured.append(_measured_snr_db(parts.calls, parts.background))
    # Within the spread of 3 dB, and 1.5 dB for measuring frames after the distance rather than before.
    assert min(measured) > middle - 4.5 and max(measured) < middle + 4.5
    assert abs(np.mean(measured) - middle) < 1.5


def test_a_planted_gap_in_signal_to_noise_is_the_gap_measured():
    row = next(row for row in POSITIVES if row["quality"] == "high")
    measured = []
    for snr_db in (0.0, 20.0):
        parts = components(row, replace(OPTIONS, snr_high_db=snr_db, snr_spread_db=0.0))
        measured.append(_measured_snr_db(parts.calls, parts.background))
    assert measured[1] - measured[0] == pytest.approx(20, abs=1.5)


@given(st.sampled_from(CLIPS))
@settings(max_examples=25, deadline=None)
def test_every_clip_is_three_seconds_of_finite_sound_below_full_scale(row):
    samples = render(row, OPTIONS)
    assert samples.shape == (144_000,) and samples.dtype == np.float32
    assert np.isfinite(samples).all() and np.abs(samples).max() <= 0.9001
    assert _rms(samples) > 10 ** (-45 / 20)


@given(st.sampled_from(POSITIVES), st.integers(0, 2**31))
@settings(max_examples=15, deadline=None)
def test_extreme_settings_give_sound_all_the_same(row, seed):
    extreme = replace(
        OPTIONS,
        seed=seed,
        snr_high_db=60,
        snr_medium_db=0,
        snr_low_db=-60,
        confuser_snr_db=60,
        confuser_scale=10,
        site_shift=10,
        individuals=1,
    )
    samples = render(row, extreme)
    assert np.isfinite(samples).all() and 0 < np.abs(samples).max() <= 0.9001


def test_parts_add_up_to_the_whole():
    for row in [*POSITIVES[:3], *NEGATIVES[:3], *SEASON.unlabelled.to_dict("records")]:
        parts = components(row, OPTIONS)
        np.testing.assert_allclose(
            parts.background + parts.confusers + parts.calls, render(row, OPTIONS), atol=2e-6
        )


def test_negatives_and_field_recordings_hold_no_call():
    for row in [*NEGATIVES[:10], *SEASON.field.to_dict("records")]:
        assert not components(row, OPTIONS).calls.any()


def test_unlabelled_recordings_hold_as_many_bouts_as_planned():
    row = {**SEASON.unlabelled.iloc[0].to_dict(), "n_calls": 2}
    calls = components(row, OPTIONS).calls
    halves = [_rms(calls[:144_000]), _rms(calls[144_000:])]
    assert min(halves) > 0
    assert not components({**row, "n_calls": 0}, OPTIONS).calls.any()


def test_calls_are_where_their_starts_are_told():
    row = {**SEASON.unlabelled.iloc[0].to_dict(), "n_calls": 5, "duration_s": 30.0}
    starts = call_starts_s(row, OPTIONS)
    assert len(starts) == 5 and starts == sorted(starts) and all(start % 3 == 0 for start in starts)
    stretches = components(row, OPTIONS).calls.reshape(10, 144_000)
    by_power = sorted(3 * np.argsort([-_rms(stretch) for stretch in stretches])[:5])
    assert by_power == starts
    assert call_starts_s({**row, "n_calls": 0}, OPTIONS) == []


def test_a_sound_depends_on_its_row_and_the_options_alone():
    rows = [POSITIVES[5], NEGATIVES[7], POSITIVES[1]]
    forward = [render(row, OPTIONS) for row in rows]
    backward = [render(row, SeasonOptions(**vars(OPTIONS))) for row in reversed(rows)]
    for first, second in zip(forward, reversed(backward), strict=True):
        np.testing.assert_array_equal(first, second)


def test_mapping_and_series_rows_give_the_same_sound():
    np.testing.assert_array_equal(render(SEASON.clips.iloc[3], OPTIONS), render(CLIPS[3], OPTIONS))


def test_every_file_has_its_own_sound():
    first, second = (components(row, OPTIONS) for row in NEGATIVES[:2])
    assert abs(np.corrcoef(first.background, second.background)[0, 1]) < 0.2


def test_sounds_do_not_depend_on_the_order_sites_are_listed_in():
    turned = replace(OPTIONS, sites=OPTIONS.sites[::-1], recorders=OPTIONS.recorders[::-1])
    np.testing.assert_array_equal(render(CLIPS[0], turned), render(CLIPS[0], OPTIONS))


def test_a_call_louder_or_fainter_leaves_background_and_confusers_as_they_were():
    row = next(
        row for row in POSITIVES if row["quality"] == "medium" and components(row, OPTIONS).confusers.any()
    )
    before, after = components(row, OPTIONS), components(row, replace(OPTIONS, snr_medium_db=20.0))
    gain = _rms(after.background) / _rms(before.background)
    np.testing.assert_allclose(after.background, gain * before.background, atol=1e-5)
    np.testing.assert_allclose(after.confusers, gain * before.confusers, atol=1e-5)


def test_no_confusers_are_none():
    quiet = replace(OPTIONS, confuser_scale=0.0)
    for row in [*CLIPS[::40], *SEASON.field.to_dict("records")]:
        assert not components(row, quiet).confusers.any()


def test_more_confusers_are_in_more_clips():
    def share(rows, options):
        return np.mean([components(row, options).confusers.any() for row in rows])

    rows = NEGATIVES[::12]
    shares = [share(rows, replace(OPTIONS, confuser_scale=scale)) for scale in (0.3, 1.0, 3.0)]
    assert shares[0] < shares[1] < shares[2]
    # Field recordings are where hard negatives are looked for; positives were chosen for their calls.
    assert share(SEASON.field.to_dict("records"), OPTIONS) > shares[1]
    assert share(POSITIVES[::12], OPTIONS) < shares[1]


@pytest.mark.parametrize("kind", CONFUSERS)
def test_each_confuser_has_the_level_asked_for(kind):
    sites = [{**site, **{other: float(other == kind) for other in CONFUSERS}} for site in OPTIONS.sites]
    row = NEGATIVES[0]
    levels = []
    for snr_db in (0.0, 20.0):
        only = replace(
            OPTIONS, sites=sites, confuser_scale=10.0, confuser_snr_db=snr_db, confuser_spread_db=0.0
        )
        parts = components(row, only)
        levels.append(_rms(parts.confusers) / _rms(parts.background))
    assert levels[1] / levels[0] == pytest.approx(10, rel=0.01)


def test_a_site_shift_lowers_the_call_where_the_site_says_so():
    def centre_hz(options):
        centres = []
        for row in [row for row in POSITIVES if row["recorder_id"] == "Moth11"][:12]:
            power = np.square(np.abs(np.fft.rfft(components(row, options).calls)))
            frequencies = np.fft.rfftfreq(144_000, 1 / SAMPLE_RATE_HZ)
            centres.append((power * frequencies).sum() / power.sum())
        return np.mean(centres)

    def with_pitch(pitch):
        return replace(OPTIONS, sites=[{**site, "call_pitch": pitch} for site in OPTIONS.sites])

    assert centre_hz(with_pitch(0.7)) < 0.85 * centre_hz(with_pitch(1.0))


def test_most_of_a_call_lies_where_the_frog_calls():
    for row in POSITIVES[::30]:
        calls = components(row, OPTIONS).calls
        assert _rms(_in_band(calls, 60, 1_300)) > 0.85 * _rms(calls)


def test_written_files_are_sixteen_bit_mono_and_the_same_each_time(tmp_path):
    root = tmp_path / "demo season"
    first = write_wav(CLIPS[0], OPTIONS, root)
    assert first == root / CLIPS[0]["file_path"]
    facts = soundfile.info(first)
    assert (facts.samplerate, facts.channels, facts.subtype, facts.frames) == (48_000, 1, "PCM_16", 144_000)
    samples, _ = soundfile.read(first, dtype="float32")
    np.testing.assert_allclose(samples, render(CLIPS[0], OPTIONS), atol=1e-4)
    second = write_wav(CLIPS[0], OPTIONS, tmp_path / "again")
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)}
    assert len(digests) == 1
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_written_files_differ_from_each_other(tmp_path):
    paths = [write_wav(row, OPTIONS, tmp_path) for row in CLIPS[::25]]
    contents = pd.Series([hashlib.sha256(path.read_bytes()).hexdigest() for path in paths])
    assert contents.is_unique


def test_a_recording_has_the_length_asked_for():
    for row in SEASON.field.to_dict("records"):
        assert render(row, OPTIONS).shape == (6 * SAMPLE_RATE_HZ,)
    assert render({**SEASON.field.iloc[0].to_dict(), "duration_s": 7.0}, OPTIONS).shape == (
        7 * SAMPLE_RATE_HZ,
    )
