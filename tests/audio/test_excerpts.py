"""Excerpts with context, their sound and their spectrogram."""

import io

import numpy as np
import pytest
import soundfile

from vernal.audio.excerpts import FLOOR_DB, HOP, WINDOW, Sounds, place_excerpt, spectrogram
from vernal.common.problems import InputError


def test_context_ends_where_the_recording_ends(tmp_path, write_tone):
    path = write_tone(tmp_path / "a.wav", seconds=10)
    middle, first, whole = (
        place_excerpt(path, start, end, 3.0) for start, end in ((4.0, 7.0), (0.0, 3.0), (None, None))
    )
    assert (middle.from_s, middle.to_s) == (1.0, 10.0)
    assert (first.from_s, first.to_s) == (0.0, 6.0)
    assert (whole.start_s, whole.end_s, whole.from_s, whole.to_s) == (0.0, 10.0, 0.0, 10.0)
    assert len(Sounds().samples(middle)) == 9 * 48_000


@pytest.mark.parametrize(
    ("start", "end", "words"), [(11.0, 14.0, "has nothing from"), (5.0, 5.0, "has nothing from")]
)
def test_a_clip_outside_its_recording_is_refused(tmp_path, write_tone, start, end, words):
    with pytest.raises(InputError, match=words):
        place_excerpt(write_tone(tmp_path / "a.wav", seconds=10), start, end, 3.0)


def test_what_is_no_audio_or_too_long_is_refused(tmp_path, write_tone):
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(InputError, match="not readable as audio"):
        place_excerpt(tmp_path / "text.wav", 0.0, 3.0, 0.0)
    with pytest.raises(InputError, match="too long to review"):
        place_excerpt(write_tone(tmp_path / "long.wav", seconds=130, rate=2_000), None, None, 0.0)


def test_a_tone_is_where_it_belongs_in_the_spectrogram():
    time_s = np.arange(3 * 48_000) / 48_000
    levels = spectrogram((0.1 * np.sin(2 * np.pi * 3000 * time_s)).astype(np.float32))
    assert levels.shape == (3 * 48_000 // HOP + 1, WINDOW // 2 + 1)
    middle = levels[150]
    assert abs(middle.argmax() * 48_000 / WINDOW - 3000) < 24
    level_db = FLOOR_DB + middle.max() / 255 * -FLOOR_DB
    assert level_db == pytest.approx(-20, abs=0.5)
    assert levels[:, 800].max() < 60  # 18.75 kHz: silence


def test_a_click_is_in_the_frame_of_its_time():
    samples = np.zeros(48_000, dtype=np.float32)
    samples[24_000] = 1.0
    frames = spectrogram(samples).astype(int).sum(axis=1)
    assert frames.argmax() == 24_000 // HOP
    assert spectrogram(np.zeros(10, dtype=np.float32)).max() == 0


def test_the_band_pass_leaves_the_band(tmp_path):
    time_s = np.arange(3 * 48_000) / 48_000
    both = sum(0.2 * np.sin(2 * np.pi * hz * time_s) for hz in (150, 600, 6000))
    soundfile.write(tmp_path / "a.wav", both.astype("float32"), 48_000)
    sounds, excerpt = Sounds(), place_excerpt(tmp_path / "a.wav", None, None, 0.0)
    heard, rate = soundfile.read(io.BytesIO(sounds.wav(excerpt, 200, 1200)))
    assert rate == 48_000 and len(heard) == len(both)
    power = np.abs(np.fft.rfft(heard[48_000:96_000])) / 24_000
    assert power[600] > 0.15 and power[150] < 0.04 and power[6000] < 0.002
    booming, _ = soundfile.read(io.BytesIO(sounds.wav(excerpt, 100, 250)))
    power = np.abs(np.fft.rfft(booming[48_000:96_000])) / 24_000
    assert power[150] > 0.15 and max(power[600], power[6000]) < 0.002
    untouched, _ = soundfile.read(io.BytesIO(sounds.wav(excerpt, 0, 15_000)))
    np.testing.assert_allclose(untouched, both, atol=2e-4)
    with pytest.raises(InputError, match="cannot be heard alone"):
        sounds.wav(excerpt, 1200, 200)
