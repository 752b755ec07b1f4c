"""The voices of a demo season: the frog, the sounds taken for it, and the noise behind both.

Calls and confusers are short arrays at 8 or 16 kHz, which is all they need; `mixing` places them.
Backgrounds are power by frequency, from which `mixing` draws noise. Nothing here knows of levels: every
sound has an arbitrary one.

The frog follows the advertisement of the California red-legged frog as described: a series of low grunts of
some 100 ms ("uh-uh-uh-uh"), a longer rasp ("grr"), or the one running into the other; most energy between
200 and 1,000 Hz.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LOW_RATE_HZ = 8_000
MID_RATE_HZ = 16_000


@dataclass(frozen=True)
class Individual:
    """One frog's voice: rate of its pulses, two resonances, and the time of its notes."""

    pulse_hz: float
    formant_hz: tuple[float, float]
    note_s: float
    gap_s: float
    roughness: float


def individual(rng: np.random.Generator, pitch: float, rate: float) -> Individual:
    """Draw a frog; `pitch` and `rate` are factors of its population."""
    size = pitch * rng.uniform(0.88, 1.14)
    return Individual(
        pulse_hz=rng.uniform(72, 112) * size,
        formant_hz=(rng.uniform(240, 380) * size, rng.uniform(560, 880) * size),
        note_s=rng.uniform(0.06, 0.13) / rate,
        gap_s=rng.uniform(0.13, 0.27) / rate,
        roughness=rng.uniform(0.04, 0.16),
    )


def call_bout(frog: Individual, call_type: str, rng: np.random.Generator) -> np.ndarray:
    """One bout of calls at 8 kHz, at most 2.7 s: grunts, a growl, or grunts that end in a growl."""
    # (start, length, pulse rate, strength) of each note
    notes: list[tuple[float, float, float, float]] = []
    at = 0.0
    if call_type in ("grunt", "both"):
        n_notes = int(rng.integers(3, 8)) if call_type == "grunt" else int(rng.integers(2, 6))
        for note in range(n_notes):
            length = frog.note_s * rng.uniform(0.85, 1.2)
            notes.append(
                (at, length, frog.pulse_hz * rng.uniform(0.94, 1.06), 0.6 + 0.4 * (note + 1) / n_notes)
            )
            at += length + frog.gap_s * rng.uniform(0.85, 1.2)
            if at > 1.7:
                break
    if call_type in ("growl", "both"):
        length = rng.uniform(0.45, 0.95) if call_type == "both" else rng.uniform(0.6, 1.4)
        notes.append((at, length, 0.55 * frog.pulse_hz, 0.9))
        at += length
    n = int((min(at, 2.6) + 0.1) * LOW_RATE_HZ)
    pulses = np.zeros(n)
    for start, length, rate, strength in notes:
        _add_pulses(pulses, start, length, rate, strength, frog.roughness, rng)
    return _resonate(pulses, [(f, 0.18 * f, a) for f, a in zip(frog.formant_hz, (1.0, 0.45), strict=True)])


def _add_pulses(
    pulses: np.ndarray,
    start_s: float,
    length_s: float,
    rate_hz: float,
    strength: float,
    roughness: float,
    rng: np.random.Generator,
) -> None:
    """Add a note's pulses: rate falling a little, strength rising fast and fading, both with some jitter."""
    n = max(2, int(length_s * rate_hz))
    part = (np.arange(n) + 0.5) / n
    steps = (1 + 0.15 * part) * (1 + roughness * rng.standard_normal(n)).clip(0.5, 1.5)
    times = start_s + length_s * np.cumsum(steps) / steps.sum()
    sizes = strength * np.sin(np.pi * part**0.7) * (1 + 2 * roughness * rng.standard_normal(n))
    places = (times * LOW_RATE_HZ).astype(int)
    inside = places < len(pulses)
    np.add.at(pulses, places[inside], sizes[inside])


def _resonate(pulses: np.ndarray, resonances: list[tuple[float, float, float]]) -> np.ndarray:
    """Ring resonances of (frequency, bandwidth, strength) at each pulse; 8 kHz."""
    from scipy.signal import oaconvolve

    t = np.arange(int(0.04 * LOW_RATE_HZ)) / LOW_RATE_HZ
    ring = sum(a * np.exp(-np.pi * w * t) * np.sin(2 * np.pi * f * t) for f, w, a in resonances)
    return oaconvolve(pulses, ring)[: len(pulses)]


def reverberate(sound: np.ndarray, seconds: float, wetness: float, rng: np.random.Generator) -> np.ndarray:
    """Add the decaying echo of a valley or a bank of reeds; 8 kHz, same length."""
    from scipy.signal import oaconvolve

    n = int(seconds * LOW_RATE_HZ)
    if n == 0:
        return sound
    t = np.arange(1, n + 1) / LOW_RATE_HZ
    tail = rng.standard_normal(len(t)) * np.exp(-6.9 * t / seconds)
    tail *= wetness / np.sqrt(np.sum(tail**2))
    return sound + oaconvolve(sound, tail)[: len(sound)]


def _owl(rng: np.random.Generator) -> np.ndarray:
    """Hoots, a slow series of deep ones or a bouncing ball of short ones; some hoarse, some clear."""
    bounces = rng.random() < 0.5
    pitch = rng.uniform(330, 430) if bounces else rng.uniform(230, 300)
    n_hoots = int(rng.integers(5, 12)) if bounces else int(rng.integers(3, 6))
    gaps = np.linspace(0.3, 0.12, n_hoots) if bounces else rng.uniform(0.2, 0.5, n_hoots)
    length = 0.08 if bounces else 0.2
    flutter_hz, hoarseness = rng.uniform(75, 100), rng.uniform(0.3, 1.0)
    overtones = rng.uniform(0.1, 0.5)
    hoots = []
    for gap in gaps:
        seconds = length * rng.uniform(0.8, 1.3)
        t = np.arange(int(seconds * LOW_RATE_HZ)) / LOW_RATE_HZ
        part = t / seconds
        phase = 2 * np.pi * pitch * (t + 0.02 * seconds * np.sin(np.pi * part))
        tone = np.sin(phase) + overtones * np.sin(2 * phase) + overtones**2 * np.sin(3 * phase)
        # A hoarse throat opens in pulses: what is left of the tone rings down between them.
        throat = np.exp(-4 * hoarseness * ((flutter_hz * t * (1 + 0.02 * rng.standard_normal())) % 1.0))
        hoots += [tone * throat * np.sin(np.pi * part) ** 0.6, np.zeros(int(gap * LOW_RATE_HZ))]
    return np.concatenate(hoots[:-1])


def _aircraft(rng: np.random.Generator) -> np.ndarray:
    """A piston engine passing: beats of the propeller, rung by the air, swelling as two engines do."""
    seconds = rng.uniform(2.5, 3.0)
    t = np.arange(int(seconds * LOW_RATE_HZ)) / LOW_RATE_HZ
    blade_hz = rng.uniform(50, 110)
    turns = blade_hz * (t - rng.uniform(0.0, 0.012) * t**2)
    beats = np.diff(np.floor(turns), prepend=0.0) * (1 + 0.1 * rng.standard_normal(len(t)))
    rung = _resonate(
        beats, [(rng.uniform(180, 420), rng.uniform(60, 160), 1.0), (rng.uniform(450, 900), 200, 0.3)]
    )
    swell = 1 + rng.uniform(0.2, 1.0) * np.sin(2 * np.pi * (rng.uniform(0.5, 5.0) * t + rng.random()))
    return rung * swell * np.sin(np.pi * (t + 0.2) / (seconds + 0.4))


def _wind(rng: np.random.Generator) -> np.ndarray:
    """Buffets: a few short puffs of deep noise on the microphone."""
    from scipy.signal import oaconvolve

    seconds = rng.uniform(1.2, 2.6)
    n = int(seconds * LOW_RATE_HZ)
    envelope = np.zeros(n)
    for at in np.cumsum(rng.uniform(0.14, 0.45, 8)):
        start, length = int(at * LOW_RATE_HZ), int(rng.uniform(0.06, 0.25) * LOW_RATE_HZ)
        piece = envelope[start : start + length]
        piece += rng.uniform(0.3, 1.0) * np.sin(np.pi * np.arange(length) / length)[: len(piece)]
    t = np.arange(int(0.03 * LOW_RATE_HZ)) / LOW_RATE_HZ
    rumble = np.exp(-t * rng.uniform(150, 300)) * np.sin(2 * np.pi * rng.uniform(180, 300) * t)
    return oaconvolve(rng.standard_normal(n), rumble)[:n] * envelope


def _rain(rng: np.random.Generator) -> np.ndarray:
    """Drips on the housing: dull knocks, some in a steady rhythm."""
    seconds = rng.uniform(1.0, 2.6)
    rhythm_s = rng.uniform(0.15, 0.5)
    steady = np.arange(0.02, seconds - 0.1, rhythm_s)
    times = steady + rng.uniform(0, 0.35 * rhythm_s, len(steady)) * rng.integers(0, 2)
    pulses = np.zeros(int((seconds + 0.3) * LOW_RATE_HZ))
    bounces = int(rng.integers(2, 9))
    for time in times:
        # A heavy drop splashes into a few smaller ones, which is what makes it sound like a grunt.
        falls = time + np.cumsum(rng.uniform(0.008, 0.016, bounces))
        np.add.at(
            pulses, (falls * LOW_RATE_HZ).astype(int), rng.uniform(0.4, 1.0) * 0.85 ** np.arange(bounces)
        )
    f = rng.uniform(200, 460)
    width = rng.uniform(0.12, 0.3)
    return _resonate(pulses, [(f, width * f, 1.0), (rng.uniform(2.0, 2.7) * f, 2 * width * f, 0.4)])


def _chorus_frogs(rng: np.random.Generator) -> np.ndarray:
    """Chorus frogs at 16 kHz: two-part calls, combs of pulses at 2-3 kHz with a weaker band below."""
    seconds = rng.uniform(1.5, 2.8)
    out = np.zeros(int(seconds * MID_RATE_HZ))
    for _ in range(int(rng.integers(1, 4))):
        carrier, pulse_hz = rng.uniform(2000, 2900), rng.uniform(60, 110)
        period, strength = rng.uniform(0.6, 1.1), rng.uniform(0.3, 1.0)
        for start_s in np.arange(rng.uniform(0, 0.5), seconds - 0.35, period):
            t = np.arange(int(rng.uniform(0.2, 0.32) * MID_RATE_HZ)) / MID_RATE_HZ
            comb = np.maximum(0, np.sin(2 * np.pi * pulse_hz * t)) ** 3
            rising = 1 + 0.06 * t / t[-1]
            tone = np.sin(2 * np.pi * carrier * rising * t) + 0.2 * np.sin(np.pi * carrier * rising * t)
            start = int(start_s * MID_RATE_HZ)
            out[start : start + len(t)] += strength * comb * tone * np.sin(np.pi * t / t[-1])
    return out


def _insects(rng: np.random.Generator) -> np.ndarray:
    """Crickets at 16 kHz: chirps of three to five pulses at 4-6 kHz."""
    seconds = rng.uniform(2.0, 2.9)
    t = np.arange(int(seconds * MID_RATE_HZ)) / MID_RATE_HZ
    chirp_hz, pulse_hz = rng.uniform(1.5, 4.0), rng.uniform(25, 50)
    in_chirp = (t * chirp_hz) % 1.0 < rng.uniform(0.25, 0.5)
    pulse = np.maximum(0, np.sin(2 * np.pi * pulse_hz * t)) * in_chirp
    return pulse * np.sin(2 * np.pi * rng.uniform(4000, 6000) * t)


@dataclass(frozen=True)
class Confuser:
    """A sound taken for the frog: how it is made, at which rate, and the band its level is measured in."""

    make: Callable[[np.random.Generator], np.ndarray]
    rate_hz: int
    band_hz: tuple[float, float]


CONFUSER_VOICES = {
    "chorus_frogs": Confuser(_chorus_frogs, MID_RATE_HZ, (1_800, 3_200)),
    "owls": Confuser(_owl, LOW_RATE_HZ, (200, 800)),
    "aircraft": Confuser(_aircraft, LOW_RATE_HZ, (60, 900)),
    "insects": Confuser(_insects, MID_RATE_HZ, (3_800, 6_500)),
    "wind": Confuser(_wind, LOW_RATE_HZ, (60, 500)),
    "rain": Confuser(_rain, LOW_RATE_HZ, (150, 1_200)),
}


def _hump(f: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """Power that is about 1 between two frequencies and falls off on either side, on a log scale."""
    middle, width = np.sqrt(low_hz * high_hz), np.log(high_hz / low_hz) / 2
    return np.exp(-((np.log(f / middle) / width) ** 2))


@dataclass(frozen=True)
class Weather:
    """What all clips of a recorder's night share."""

    slope: float
    water_db: float
    wind_db: float
    is_wet: bool
    rain_db: float
    trill_hz: float
    trill_db: float
    floor_db: float


def weather(site: dict[str, float], rng: np.random.Generator) -> Weather:
    """Draw a night at a site."""
    return Weather(
        slope=rng.uniform(0.9, 1.7),
        water_db=site["water_db"] + rng.uniform(-4, 4),
        wind_db=site["wind_db"] + rng.uniform(-8, 8),
        is_wet=bool(rng.random() < site["rain"]),
        rain_db=rng.uniform(-12, 4),
        trill_hz=rng.uniform(3_800, 6_800),
        trill_db=rng.uniform(-30, -4) + 20 * site["insects"],
        floor_db=rng.uniform(-32, -24),
    )


def background_power(f: np.ndarray, night: Weather) -> np.ndarray:
    """Power density of the background by frequency in Hz (all above 0), 1 at 300 Hz on a calm night."""
    power = (f / 300) ** -night.slope + 10 ** (night.floor_db / 10)
    power += 10 ** (night.water_db / 10) * _hump(f, 350, 2_400)
    power += 10 ** (night.wind_db / 10) / (1 + (f / 140) ** 4)
    power += 10 ** (night.trill_db / 10) * np.exp(-((np.log(f / night.trill_hz) / 0.05) ** 2))
    if night.is_wet:
        power += 10 ** (night.rain_db / 10) * _hump(f, 1_200, 14_000)
    # Below hearing there is only a cut: a microphone passes little under 40 Hz.
    return power / (1 + (40 / f) ** 4)


def microphone_gain(f: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Amplitude response of one recorder by frequency in Hz: a tilt, a resonance and a low cut of its own."""
    tilt_db = rng.uniform(-1.2, 1.2) * np.log2(f / 1_000)
    bump_db = rng.uniform(-4, 4) * _hump(f, 2_500, 9_000)
    return 10 ** ((tilt_db + bump_db) / 20) / np.sqrt(1 + (rng.uniform(30, 120) / f) ** 4)
