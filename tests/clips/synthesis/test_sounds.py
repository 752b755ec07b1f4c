"""The voices of the demo season, heard alone."""

from __future__ import annotations

import numpy as np
import pytest

from vernal.clips.synthesis import sounds
from vernal.clips.synthesis.season import CLIP_S
from vernal.common.hashing import rng_for


def _bursts(sound: np.ndarray) -> list[float]:
    """Lengths in seconds of the stretches above a twentieth of the peak, gaps under 30 ms closed."""
    step = sounds.LOW_RATE_HZ // 100
    loud = (
        np.abs(sound[: len(sound) // step * step]).reshape(-1, step).max(axis=1) > 0.05 * np.abs(sound).max()
    )
    lengths, gap, length = [], 99, 0
    for is_loud in [*loud, False, False, False, False]:
        gap = 0 if is_loud else gap + 1
        if is_loud or (gap <= 3 and length):
            length += 1
        elif length:
            lengths.append((length - 3) / 100)
            length = 0
    return lengths


@pytest.mark.parametrize("seed", range(12))
def test_grunts_are_several_short_notes_and_a_growl_is_one_long_one(seed):
    frog = sounds.individual(rng_for(seed, "frog"), 1.0, 1.0)
    grunts = _bursts(sounds.call_bout(frog, "grunt", rng_for(seed, "bout")))
    growl = _bursts(sounds.call_bout(frog, "growl", rng_for(seed, "bout")))
    assert len(grunts) >= 3 and max(grunts) < 0.3
    assert max(growl) > 0.3 and sum(growl) > 0.45


@pytest.mark.parametrize("call_type", ["grunt", "growl", "both"])
def test_every_bout_fits_a_clip(call_type):
    for seed in range(60):
        rng = rng_for(seed, "bout", call_type)
        frog = sounds.individual(rng, 0.5, 0.5)
        bout = sounds.call_bout(frog, call_type, rng)
        assert 0.1 < len(bout) / sounds.LOW_RATE_HZ <= 2.7 + 1e-9
        assert np.isfinite(bout).all() and np.abs(bout).max() > 0


@pytest.mark.parametrize("kind", sorted(sounds.CONFUSER_VOICES))
def test_every_confuser_is_finite_never_silent_and_mostly_in_its_band(kind):
    voice = sounds.CONFUSER_VOICES[kind]
    shares = []
    for seed in range(60):
        sound = voice.make(rng_for(seed, kind))
        assert np.isfinite(sound).all() and np.abs(sound).max() > 0
        assert len(sound) / voice.rate_hz < 2 * CLIP_S
        power = np.square(np.abs(np.fft.rfft(sound)))
        frequencies = np.fft.rfftfreq(len(sound), 1 / voice.rate_hz)
        low, high = voice.band_hz
        shares.append(power[(frequencies >= low) & (frequencies <= high)].sum() / power.sum())
    assert np.median(shares) > 0.7


def test_no_echo_leaves_a_sound_as_it_was():
    sound = np.sin(np.arange(800.0))
    assert sounds.reverberate(sound, 0.0, 0.5, rng_for(1, "echo")) is sound
    echoed = sounds.reverberate(sound, 0.05, 0.5, rng_for(1, "echo"))
    assert echoed.shape == sound.shape and not np.allclose(echoed, sound)


def test_background_of_a_windy_night_is_louder_below_and_of_a_wet_one_above():
    f = np.array([100.0, 300.0, 5_000.0])
    calm = sounds.Weather(1.2, -20.0, -20.0, False, 0.0, 4_500.0, -40.0, -30.0)
    windy = sounds.Weather(1.2, -20.0, 15.0, False, 0.0, 4_500.0, -40.0, -30.0)
    wet = sounds.Weather(1.2, -20.0, -20.0, True, 0.0, 4_500.0, -40.0, -30.0)
    base = sounds.background_power(f, calm)
    assert (sounds.background_power(f, windy) / base)[0] > 3
    assert (sounds.background_power(f, wet) / base)[2] > 3
    assert base[1] == pytest.approx(1, rel=0.1)
