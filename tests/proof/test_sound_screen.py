"""The screen of close pairs: no copy is lost in it, and what is unlike does not pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from vernal.common.problems import InputError
from vernal.proof import near_duplicates as search
from vernal.proof import sound_screen
from vernal.proof.options import ProofOptions
from vernal.proof.sound_screen import Stretch, likeness

RATE = 32_000
LIMIT = ProofOptions().near_duplicate_correlation


def noise(seed: int, seconds: float = 5.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE))


def cut(sound: np.ndarray, late_s: float = 0.0, seconds: float = 3.0) -> np.ndarray:
    first = round(late_s * RATE)
    return sound[first : first + round(seconds * RATE)]


def written(path: Path, sound: np.ndarray, rate: int = RATE) -> Stretch:
    soundfile.write(path, sound, rate)
    return Stretch(path, 0.0, len(sound) / rate)


def without(sound: np.ndarray, kind: str, hz: float) -> np.ndarray:
    from scipy.signal import butter, sosfilt

    return sosfilt(butter(4, hz, kind, fs=RATE, output="sos"), sound)


def decimated(sound: np.ndarray) -> np.ndarray:
    from scipy.signal import resample_poly

    return resample_poly(sound, 1, 4)


COPIES = {
    "later": lambda sound: cut(sound, 0.717),
    "much later": lambda sound: cut(sound, 1.2),
    "quiet and upside down": lambda sound: -0.02 * cut(sound),
    "noisy": lambda sound: cut(sound) + cut(noise(9)),
    "later and noisy": lambda sound: cut(sound, 0.3) + 0.5 * cut(noise(9)),
    "above 2 kHz": lambda sound: without(cut(sound), "highpass", 2_000),
    "below 2.5 kHz": lambda sound: without(cut(sound), "lowpass", 2_500),
    "half as long": lambda sound: cut(sound, 0.5, 1.5),
    "clipped": lambda sound: np.clip(cut(sound), -0.02, 0.02),
}


@pytest.mark.parametrize("change", COPIES)
def test_a_changed_copy_passes(change, tmp_path):
    sound = noise(1)
    one = written(tmp_path / "one.wav", cut(sound))
    copy = written(tmp_path / "copy.wav", COPIES[change](sound))
    full = search._correlations([one, copy], np.array([0]), np.array([1]), 1)[0]
    found = likeness([one, copy], np.array([0]), np.array([1]))[0]
    assert full > 0.45
    # Far from being dropped; a filter's delays, which a full comparison counts, are none within a band.
    assert found > 0.85 * full


@pytest.mark.parametrize("form", ["ogg", "mp3", "flac"])
def test_a_copy_in_another_form_or_at_another_rate_passes(form, tmp_path):
    sound = noise(2)
    rows = [
        written(tmp_path / "one.wav", cut(sound)),
        written(tmp_path / f"copy.{form}", cut(sound, 0.2)),
        written(tmp_path / "slow.wav", decimated(cut(sound)), RATE // 4),
    ]
    found = likeness(rows, np.array([0, 0]), np.array([1, 2]))
    assert found.min() > LIMIT


def test_other_sound_does_not_pass_whatever_hum_it_shares(tmp_path):
    hum = 0.2 * np.sin(2 * np.pi * 1_000 * np.arange(5 * RATE) / RATE)
    quiet = [written(tmp_path / f"{seed}.wav", cut(noise(seed) + hum)) for seed in range(8)]
    found = likeness(quiet, *np.triu_indices(8, 1), workers=2)
    assert found.shape == (28,) and found.max() < 0.15


def test_it_is_the_sum_of_what_the_bands_have_at_one_shift(tmp_path):
    sounds = [0.3 * cut(noise(3)) + cut(noise(seed), 0.1 * seed) for seed in range(4, 7)]
    rows = [written(tmp_path / f"{at}.wav", sound) for at, sound in enumerate(sounds)]
    left, right = np.triu_indices(3, 1)
    expected = [plain(sounds[one], sounds[other]) for one, other in zip(left, right, strict=True)]
    assert np.allclose(likeness(rows, left, right), expected, atol=0.01)


def plain(one: np.ndarray, other: np.ndarray) -> float:
    """The same number by sums over shifts and bins."""
    bins = sound_screen._bins(3.0).reshape(sound_screen._BANDS, -1)
    n = bins.shape[1]
    phases = np.exp(2j * np.pi * np.outer(np.arange(2 * n), np.arange(n)) / (2 * n))
    by_bands = []
    for sound in (one, other):
        spectrum = np.fft.rfft(sound - sound.mean())[: round(8_000 * 3.0) + 1]
        power = np.pad(np.abs(spectrum) ** 2, (150, 149), mode="edge")
        flat = spectrum / np.sqrt(np.convolve(power, np.full(300, 1 / 300), mode="valid"))
        by_bands.append(flat[bins] / np.linalg.norm(flat[bins]))
    product = by_bands[0] * by_bands[1].conj()
    return float(np.abs(product @ phases.T).sum(axis=0).max())


def test_silence_is_like_nothing(tmp_path):
    rows = [
        written(tmp_path / "silence.wav", np.zeros(3 * RATE)),
        written(tmp_path / "constant.wav", np.full(3 * RATE, 0.5)),
        written(tmp_path / "sound.wav", cut(noise(1))),
    ]
    assert likeness(rows, np.array([0, 0]), np.array([1, 2])).tolist() == [0.0, 0.0]
    assert likeness(rows, np.array([1]), np.array([2]))[0] < 0.15
    nothing = np.empty(0, dtype=np.int64)
    assert likeness(rows, nothing, nothing).shape == (0,)


def test_each_stretch_is_read_once_and_a_file_in_one_go(tmp_path, monkeypatch):
    from vernal.audio import reading

    opened: list[Path] = []
    open_audio = reading.open_audio
    monkeypatch.setattr(reading, "open_audio", lambda path: (opened.append(path), open_audio(path))[1])
    long = written(tmp_path / "long.wav", noise(5, 24.0)).path
    rows = [Stretch(long, 3.0 * at, 3.0 * at + 3.0) for at in range(8)]
    likeness(rows, *np.triu_indices(8, 1))
    assert opened == [long]


def test_audio_that_is_gone_is_named(tmp_path):
    gone = Stretch(tmp_path / "gone.wav", 0.0, 3.0)
    with pytest.raises(InputError, match=r"gone.wav passed ingest and cannot be read now"):
        likeness([gone, gone], np.array([0]), np.array([1]))
