import io
from base64 import b64decode

import numpy as np
import pytest
import soundfile

from vernal.reports.clip_sounds import LONGEST_S, Clip, SoundPage, compressed, spectrogram_png

RATE = 48_000


@pytest.fixture
def tone(tmp_path):
    """A quiet tone of 1 kHz in a recording of 20 s, alone from 5 s to 8 s."""
    t = np.arange(20 * RATE) / RATE
    inside = (t >= 5) & (t < 8)
    sound = 0.01 * np.sin(2 * np.pi * 1_000 * t) * inside
    soundfile.write(tmp_path / "night.wav", sound + 1e-4 * np.random.default_rng(1).normal(size=len(t)), RATE)
    return tmp_path / "night.wav"


def content(address: str) -> bytes:
    return b64decode(address.partition("base64,")[2])


def test_a_clip_is_cut_out_and_can_be_heard(tone):
    (shown,) = SoundPage(4_800).block([Clip(tone, 5.0, 8.0, "confidence 0.9", "Moth01")]).clips
    assert shown.sound.startswith("data:audio/mpeg;base64,") and not shown.without
    heard, rate = soundfile.read(io.BytesIO(content(shown.sound)))
    assert rate == 24_000 and len(heard) / rate == pytest.approx(3.0, abs=0.1)
    # A quiet clip is made as loud as others.
    assert 0.5 < np.abs(heard).max() < 1
    spectrum = np.abs(np.fft.rfft(heard))
    assert np.argmax(spectrum) * rate / len(heard) == pytest.approx(1_000, abs=5)


def test_the_picture_has_the_call_where_it_is(tone):
    from PIL import Image

    sound, _ = soundfile.read(tone, dtype="float32")
    picture = np.asarray(Image.open(io.BytesIO(spectrogram_png(sound[: 10 * RATE], 4_000))))
    row, column = np.unravel_index(np.argmax(picture), picture.shape)
    assert 1 - (row + 0.5) / len(picture) == pytest.approx(0.25, abs=0.03)
    assert 0.49 < column / picture.shape[1] < 0.81
    assert np.median(picture[:, : picture.shape[1] // 3]) < picture.max() / 2


def test_high_sounds_keep_their_high_frequencies():
    t = np.arange(RATE) / RATE
    heard, rate = soundfile.read(io.BytesIO(compressed(np.sin(2 * np.pi * 15_000 * t).astype("f4"), 24_000)))
    assert rate == RATE
    assert np.argmax(np.abs(np.fft.rfft(heard))) * rate / len(heard) == pytest.approx(15_000, abs=20)


def test_the_same_clip_gives_the_same_bytes_and_a_long_one_is_cut(tone):
    first, second = (SoundPage(4_800).block([Clip(tone, 0.0, np.nan, "", "")]).clips[0] for _ in range(2))
    assert first == second
    assert first.length_s == LONGEST_S


def test_a_recording_that_is_gone_is_said_to_be(tmp_path):
    (shown,) = SoundPage(4_800).block([Clip(tmp_path / "gone.wav", 0.0, 3.0, "t", "n")]).clips
    assert not shown.sound and "cannot be played here" in shown.without


def test_a_page_takes_no_more_than_its_room(tone):
    page = SoundPage(4_800, most_bytes=60_000)
    clips = page.block([Clip(tone, 0.0, 3.0, "", "")] * 9).clips
    held = [clip for clip in clips if clip.sound]
    assert 1 <= len(held) < 9
    assert sum(len(clip.sound) + len(clip.picture) for clip in held[:-1]) <= 60_000
    assert "keep the page small" in clips[-1].without


def test_axes_are_marked_in_seconds_and_kilohertz(tone):
    (shown,) = SoundPage(4_800).block([Clip(tone, 5.0, 8.0, "", "")]).clips
    assert [text for _, text in shown.seconds] == ["0", "0.5", "1", "1.5", "2", "2.5", "3"]
    assert shown.kilohertz[-1] == (pytest.approx(4_000 / 4_800), "4")
