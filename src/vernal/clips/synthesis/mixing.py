"""Rendering: a row of a season becomes its sound.

All layers meet as spectra and are turned into samples once, so that a clip costs a few milliseconds. Levels
are set there too: a call's signal-to-noise ratio is its power while it sounds over the power of the
background, both in 80-1,200 Hz, as measured on this very clip. Confusers come on top.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vernal.clips.manifest import QUALITIES
from vernal.clips.synthesis import sounds
from vernal.clips.synthesis.options import CALL_TYPES, CONFUSERS, SeasonOptions
from vernal.clips.synthesis.season import CLIP_S
from vernal.common.files import writing
from vernal.common.hashing import rng_for
from vernal.common.storage import as_path

SAMPLE_RATE_HZ = 48_000
CALL_BAND_HZ = (80.0, 1_200.0)
FRAME_S = 0.025
ACTIVE_SHARE = 0.01
PEAK = 0.9
# A site's `rain` is its share of wet nights; on those, three seconds hold drips with this probability.
DRIP_CHANCE = 0.5

_GRID_HZ = np.geomspace(10, SAMPLE_RATE_HZ / 2, 400)


@dataclass(frozen=True)
class Components:
    """The parts of one sound at its final level, each (n,) float32 at 48 kHz; they add up to the whole."""

    background: np.ndarray
    confusers: np.ndarray
    calls: np.ndarray


def render(row: Mapping[str, Any], options: SeasonOptions) -> np.ndarray:
    """Samples of one row of a season table: (n,) float32 at 48 kHz in [-1, 1].

    `row` is a mapping by column (`table.to_dict("records")`, `table.iloc[0]`). The result depends on the
    row and the options alone.
    """
    layers = _layers(row, options)
    mixed = layers.mixed()
    return mixed * _gain(mixed, layers.scene)


def components(row: Mapping[str, Any], options: SeasonOptions) -> Components:
    """The background, confusers and calls of `render(row, options)` apart."""
    layers = _layers(row, options)
    gain = _gain(layers.mixed(), layers.scene)
    background, confusers, calls = (
        _to_samples(part, layers.scene.n) * gain
        for part in (layers.scene.background, layers.confusers, layers.calls)
    )
    return Components(background, confusers, calls)


def write_wav(row: Mapping[str, Any], options: SeasonOptions, root: Path | str) -> Path:
    """Render one row to `root / file_path` as a mono 16-bit WAV, whole or not at all.

    Twice the same row gives the same bytes.
    """
    import soundfile

    path = as_path(root) / row["file_path"]
    samples = np.round(render(row, options) * 32_767).astype(np.int16)
    with writing(path) as temporary:
        soundfile.write(temporary, samples, SAMPLE_RATE_HZ, subtype="PCM_16", format="WAV")
    return path


def call_starts_s(row: Mapping[str, Any], options: SeasonOptions) -> list[int]:
    """Starts in seconds of the three-second stretches of a sound that hold a call bout, rising; its only truth."""
    return _call_starts_s(row, _rng(row, options, "demo calls"))


def _call_starts_s(row: Mapping[str, Any], rng: np.random.Generator) -> list[int]:
    return sorted(rng.permuted(_stretches_s(row))[: int(row["n_calls"])].tolist())


def _stretches_s(row: Mapping[str, Any]) -> range:
    """Starts of the three-second stretches of a sound."""
    return range(0, round(row["duration_s"] * SAMPLE_RATE_HZ) // SAMPLE_RATE_HZ, CLIP_S)


def _rng(row: Mapping[str, Any], options: SeasonOptions, purpose: str) -> np.random.Generator:
    return rng_for(options.seed, purpose, row["source"], row["file_path"])


@dataclass(frozen=True)
class _Scene:
    """What the layers of one sound share; `background` is its spectrum (rfft of `n` samples at 48 kHz)."""

    row: Mapping[str, Any]
    options: SeasonOptions
    n: int
    site: dict[str, float]
    night: sounds.Weather
    microphone: np.ndarray
    background: np.ndarray

    def rng(self, purpose: str) -> np.random.Generator:
        """The generator of one layer of this sound."""
        return _rng(self.row, self.options, purpose)


@dataclass(frozen=True)
class _Layers:
    """Spectra before the final level."""

    scene: _Scene
    confusers: np.ndarray
    calls: np.ndarray

    def mixed(self) -> np.ndarray:
        return _to_samples(self.scene.background + self.confusers + self.calls, self.scene.n)


def _layers(row: Mapping[str, Any], options: SeasonOptions) -> _Layers:
    scene = _scene(row, options)
    return _Layers(scene=scene, confusers=_confusers(scene), calls=_calls(scene))


def _scene(row: Mapping[str, Any], options: SeasonOptions) -> _Scene:
    n = round(row["duration_s"] * SAMPLE_RATE_HZ)
    site = options.site(row["site"])
    night = sounds.weather(site, rng_for(options.seed, "demo night", row["recorder_id"], row["date"]))
    microphone = sounds.microphone_gain(
        _GRID_HZ, rng_for(options.seed, "demo microphone", row["recorder_id"])
    )
    level = np.sqrt(sounds.background_power(_GRID_HZ, night)) * microphone
    noise = _noise(n, level, rng_for(options.seed, "demo background", row["source"], row["file_path"]))
    return _Scene(row, options, n, site, night, microphone, noise)


def _noise(n: int, level: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Spectrum of Gaussian noise whose amplitude follows `level` on the grid."""
    bins = n // 2 + 1
    spectrum = rng.standard_normal(2 * bins, dtype=np.float32).view(np.complex64)
    spectrum *= _on_bins(level, bins)
    spectrum[0] = 0
    return spectrum


def _on_bins(curve: np.ndarray, bins: int, top_hz: float = SAMPLE_RATE_HZ / 2) -> np.ndarray:
    """A curve on the grid read at `bins` evenly spaced frequencies from 0 to `top_hz`."""
    return np.interp(np.linspace(0, top_hz, bins), _GRID_HZ, curve).astype(np.float32)


def _confusers(scene: _Scene) -> np.ndarray:
    """Spectrum of all confusers, each at its level over the background in its own band."""
    rates = (sounds.LOW_RATE_HZ, sounds.MID_RATE_HZ)
    tracks = {rate: np.zeros(scene.n * rate // SAMPLE_RATE_HZ) for rate in rates}
    for kind, start_s, snr_db, rng in _drawn_confusers(scene):
        voice = sounds.CONFUSER_VOICES[kind]
        sound = voice.make(rng)
        power = _band_power(scene.background, scene.n, voice.band_hz) * 10 ** (snr_db / 10)
        _place(
            tracks[voice.rate_hz],
            sound * np.sqrt(power / _active_power(sound, voice.rate_hz)),
            start_s,
            voice.rate_hz,
            rng,
        )
    return _combine(tracks, scene.microphone, scene.n)


def _drawn_confusers(scene: _Scene) -> Iterator[tuple[str, int, float, np.random.Generator]]:
    """Kind, start, level and generator of each confuser; a kind sounds once in three seconds at most."""
    options, rng = scene.options, scene.rng("demo confusers")
    scale = options.confuser_scale
    if scene.row["source"] == "field":
        scale *= options.field_confuser_scale
    elif scene.row["n_calls"]:
        scale *= options.positive_confuser_scale
    for start_s in _stretches_s(scene.row):
        for kind in CONFUSERS:
            # Drawn for every kind at every start, so that one probability leaves the others' draws alone.
            draw, loudness, sound_seed = rng.random(), rng.uniform(-1, 1), int(rng.integers(2**62))
            chance = DRIP_CHANCE * scene.night.is_wet if kind == "rain" else scene.site[kind]
            if draw < scale * chance:
                snr_db = options.confuser_snr_db + options.confuser_spread_db * loudness
                yield kind, start_s, snr_db, rng_for(sound_seed, "demo confuser", kind)


def _calls(scene: _Scene) -> np.ndarray:
    """Spectrum of the call bouts at the signal-to-noise ratio of the row's quality."""
    row, options, rng = scene.row, scene.options, scene.rng("demo calls")
    spectrum = np.zeros(scene.n // 2 + 1, dtype=np.complex64)
    for start_s in _call_starts_s(row, rng):
        quality, call_type = row["quality"], row["call_type"]
        if row["source"] != "labelled":  # nobody has said what is in it
            quality, call_type = str(rng.choice(QUALITIES)), str(rng.choice(CALL_TYPES))
        voice_rng = rng_for(
            options.seed, "demo frog", row["recorder_id"], int(rng.integers(options.individuals))
        )
        frog = sounds.individual(voice_rng, scene.site["call_pitch"], scene.site["call_rate"])
        track = np.zeros(scene.n * sounds.LOW_RATE_HZ // SAMPLE_RATE_HZ)
        _place(track, sounds.call_bout(frog, call_type, rng), int(start_s), sounds.LOW_RATE_HZ, rng)
        snr_db = options.snr_db(quality) + options.snr_spread_db * rng.uniform(-1, 1)
        spectrum += _at_distance(scene, track, snr_db, rng)
    return spectrum


def _at_distance(scene: _Scene, track: np.ndarray, snr_db: float, rng: np.random.Generator) -> np.ndarray:
    """Spectrum of a call track heard from where it reaches `snr_db`: fainter is duller and more echoing."""
    nearness = float(np.clip((snr_db + 6) / 24, 0, 1))
    track = sounds.reverberate(track, scene.site["reverb_s"], 0.9 - 0.7 * nearness, rng)
    cut_hz = 550 + 1_500 * nearness
    response = scene.microphone / np.sqrt(1 + (_GRID_HZ / cut_hz) ** 4)
    spectrum = _combine({sounds.LOW_RATE_HZ: track}, response, scene.n)
    power = _band_power(spectrum, scene.n, CALL_BAND_HZ) / _active_frames(track, sounds.LOW_RATE_HZ).mean()
    wanted = _band_power(scene.background, scene.n, CALL_BAND_HZ) * 10 ** (snr_db / 10)
    return spectrum * np.float32(np.sqrt(wanted / power))


def _place(
    track: np.ndarray, sound: np.ndarray, start_s: int, rate_hz: int, rng: np.random.Generator
) -> None:
    """Add a sound to a track somewhere in the three seconds from `start_s`, whole where it fits."""
    room = max(1, CLIP_S * rate_hz - len(sound))
    start = start_s * rate_hz + int(rng.integers(room))
    piece = track[start : start + len(sound)]
    piece += sound[: len(piece)]


def _combine(tracks: dict[int, np.ndarray], response: np.ndarray, n: int) -> np.ndarray:
    """Spectrum at 48 kHz of tracks at lower rates, seen through a response on the grid."""
    from scipy import fft

    out = np.zeros(n // 2 + 1, dtype=np.complex64)
    for rate, track in tracks.items():
        if track.any():
            spectrum = fft.rfft(track.astype(np.float32)) * np.float32(SAMPLE_RATE_HZ / rate)
            out[: len(spectrum)] += spectrum * _on_bins(response, len(spectrum), rate / 2)
    return out


def _band_power(spectrum: np.ndarray, n: int, band_hz: tuple[float, float]) -> float:
    """Mean square of a sound's part between two frequencies."""
    low, high = (int(np.ceil(f * n / SAMPLE_RATE_HZ)) for f in band_hz)
    part = spectrum[low : high + 1]
    return 2.0 * float(np.vdot(part, part).real) / n**2


def _active_frames(track: np.ndarray, rate_hz: int) -> np.ndarray:
    """Which 25-ms frames of a track hold more than a hundredth of the loudest one's power."""
    frame = int(FRAME_S * rate_hz)
    power = np.square(track[: len(track) // frame * frame]).reshape(-1, frame).mean(axis=1)
    return power > ACTIVE_SHARE * power.max()


def _active_power(sound: np.ndarray, rate_hz: int) -> float:
    """Mean square of a sound while it sounds."""
    return float(np.square(sound).mean() / _active_frames(sound, rate_hz).mean())


def _to_samples(spectrum: np.ndarray, n: int) -> np.ndarray:
    from scipy import fft

    return fft.irfft(spectrum, n)


def _gain(mixed: np.ndarray, scene: _Scene) -> np.float32:
    """Brings a sound to a level drawn for it, or lower where its peak would pass 0.9 of full scale."""
    wanted = 10 ** (scene.rng("demo level").uniform(-36, -24) / 20)
    return np.float32(min(wanted / np.sqrt(np.mean(np.square(mixed))), PEAK / np.abs(mixed).max()))
