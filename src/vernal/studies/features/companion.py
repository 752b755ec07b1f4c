"""The companion set: small made-up pieces of music, told apart by the order of their beats or by their chords.

Five classes. March, stroll and waltz are made of the same two strokes, a low and a high one, in another order; a
lament has the march's order and other chords; a drone has no beat at all. Tempo, key and instrument vary from tune to
tune, and every ensemble (a site) has tempi of its own - so an order learnt in seconds does not carry over to the
next ensemble, and one learnt in beats does. The same options give the same sounds; nothing is downloaded.
"""

from dataclasses import asdict
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from vernal.common.hashing import digest, rng_for
from vernal.common.settings import Number, settings

SAMPLE_RATE_HZ = 22_050
LICENCE = "CC0-1.0, synthetic (companion set)"
CLASSES = ("drone", "lament", "march", "stroll", "waltz")
ENSEMBLES = {"hall": (84, 92), "street": (102, 110), "studio": (120, 128)}  # beats a minute
# Raised whenever the same options would give another sound.
SOUND_REVISION = 1

_ORDER = {"march": "LH", "lament": "LH", "stroll": "LLHH", "waltz": "LHH"}
# Semitones over the key's note, a chord every four beats.
_MAJOR = ((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7))
_MINOR = ((0, 3, 7), (-2, 2, 5), (-4, 0, 3), (-5, -1, 2))
_KEYS = (0, 2, 5)
_CHORD_BEATS = 4


@settings("features.companion")
class CompanionOptions:
    """How large the set is, and its seed.

    `tunes`: tunes of each class at each of three ensembles. `takes`: clips of each tune, which share its tempo, key
    and instrument. `clip_s`: length of a clip, seconds. `noise_db`: level of the room's noise under the music.
    """

    seed: int = 20250301
    tunes: Annotated[int, Field(ge=2, le=500)] = 6
    takes: Annotated[int, Field(ge=1, le=50)] = 2
    clip_s: Annotated[Number, Field(ge=2, le=120, description="seconds")] = 8.0
    noise_db: Number = -22.0


def plan_companion(options: CompanionOptions) -> pd.DataFrame:
    """The clips of the set, a manifest row each, sorted by path; a pure function of the options.

    Returns:
        `file_path`, `label`, `site` (the ensemble), `group` (the tune), `licence`. Paths start with the hash of all
        that the sounds depend on, so that a finished file is known by its name.

    >>> plan_companion(CompanionOptions()).label.value_counts().to_dict()["waltz"]
    36
    """
    recipe = digest("companion set", asdict(options), SOUND_REVISION, np.__version__)
    rows = [
        {
            "file_path": f"{recipe}/{label}/{ensemble}_{tune + 1:02d}{chr(97 + take) if take < 26 else f'_{take}'}.wav",
            "label": label,
            "site": ensemble,
            "group": f"{ensemble} {label} {tune + 1:02d}",
            "licence": LICENCE,
            "tune": tune,
            "take": take,
        }
        for label in CLASSES
        for ensemble in ENSEMBLES
        for tune in range(options.tunes)
        for take in range(options.takes)
    ]
    return pd.DataFrame(rows).sort_values("file_path", ignore_index=True)


def render(label: str, ensemble: str, tune: int, take: int, options: CompanionOptions) -> np.ndarray:
    """The sound of one clip: (n,) float32 at 22,050 Hz."""
    of_tune = rng_for(options.seed, "companion tune", label, ensemble, tune)
    tempo = of_tune.uniform(*ENSEMBLES[ensemble])
    key_hz = 110.0 * 2 ** (int(of_tune.choice(_KEYS)) / 12)
    brightness, decay_s = of_tune.uniform(0.25, 0.6), of_tune.uniform(0.2, 0.35)
    of_take = rng_for(options.seed, "companion take", label, ensemble, tune, take)
    n = round(options.clip_s * SAMPLE_RATE_HZ)
    music = np.zeros(n + SAMPLE_RATE_HZ)
    start_s = -of_take.uniform(0.0, 12.0) * 60 / tempo  # takes begin anywhere in a tune
    if label == "drone":
        _add_drone(music, key_hz, brightness, of_take)
    else:
        _add_piece(music, label, start_s, 60 / tempo, key_hz, brightness, decay_s, of_take)
    music = music[:n]
    music /= np.sqrt(np.mean(music**2)) + 1e-9
    noise = np.cumsum(of_take.standard_normal(n))
    noise = np.diff(noise - np.linspace(noise[0], noise[-1], n), prepend=0.0) + 0.3 * of_take.standard_normal(
        n
    )
    noise *= 10 ** (options.noise_db / 20) / np.sqrt(np.mean(noise**2))
    return (0.11 * of_take.uniform(0.6, 1.2) * (music + noise)).clip(-1, 1).astype(np.float32)


def _add_piece(
    music: np.ndarray,
    label: str,
    start_s: float,
    beat_s: float,
    key_hz: float,
    brightness: float,
    decay_s: float,
    rng: np.random.Generator,
) -> None:
    """Strokes of bass and chord, beat by beat, from before the clip begins to its end."""
    order, chords = _ORDER[label], _MINOR if label == "lament" else _MAJOR
    strokes = {
        "L": [1.1 * _stroke((key_hz * 2 ** (notes[0] / 12),), brightness, 1.4 * decay_s) for notes in chords],
        "H": [
            0.5 * _stroke(tuple(2 * key_hz * 2 ** (note / 12) for note in notes), brightness, decay_s)
            for notes in chords
        ],
    }
    beat = 0
    while (at := start_s + beat * beat_s) < len(music) / SAMPLE_RATE_HZ:
        sound = strokes[order[beat % len(order)]][beat // _CHORD_BEATS % len(chords)]
        _add(music, at + rng.normal(0.0, 0.012 * beat_s), rng.uniform(0.85, 1.1) * sound)
        beat += 1


def _stroke(pitches: tuple[float, ...], brightness: float, decay_s: float) -> np.ndarray:
    """A plucked sound: harmonics that fade, the higher the faster."""
    t = np.arange(int(5 * decay_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    sound = np.zeros(len(t))
    for pitch in pitches:
        for harmonic in range(1, 7):
            fade = np.exp(-t / decay_s * (1 + 0.35 * (harmonic - 1)))
            sound += brightness ** (harmonic - 1) * fade * np.sin(2 * np.pi * harmonic * pitch * t)
    return np.minimum(t / 0.004, 1.0) * sound


def _add(music: np.ndarray, at_s: float, sound: np.ndarray) -> None:
    """Mix a sound in; what lies before the clip's start is not heard."""
    start = int(at_s * SAMPLE_RATE_HZ)
    first = max(0, -start)
    part = sound[first : max(first, len(music) - start)]
    music[start + first : start + first + len(part)] += part


def _add_drone(music: np.ndarray, key_hz: float, brightness: float, rng: np.random.Generator) -> None:
    """A held fifth that swells slowly: nothing in it begins."""
    t = np.arange(len(music)) / SAMPLE_RATE_HZ
    for pitch in (key_hz, 1.5 * key_hz, 2 * key_hz):
        for harmonic in range(1, 6):
            swell = 1 + 0.3 * np.sin(2 * np.pi * (rng.uniform(0.05, 0.2) * t + rng.random()))
            phase = 2 * np.pi * (harmonic * pitch * (1 + 0.0008 * rng.standard_normal()) * t + rng.random())
            music += brightness ** (harmonic - 1) * swell * np.sin(phase)
