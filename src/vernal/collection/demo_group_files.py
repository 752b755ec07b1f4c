"""The demo group's files: recordings as each device writes them, labels as each program does.

Every file is named with a function that makes its bytes, so that files which exist already cost nothing.
"""

import io
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vernal.clips.annotation_formats import FORMATS
from vernal.clips.annotations import annotation_table
from vernal.collection.demo_group import (  # fmt: skip
    CLIP_S,
    DRIFT_BAND_HZ,
    MARKED,
    SAMPLE_RATE_HZ,
    DemoGroup,
    DemoGroupOptions,
)
from vernal.common.hashing import digest, rng_for

_BAND_HZ = {"grunt": (200, 1_200), "growl": (200, 1_200), "PSCR": (1_800, 3_200), "owl": (200, 800)}
# Who marks recording by recording, with which program; the others keep one table.
_PROGRAMS = {"Ana": ("audacity", "txt"), "Ben": ("raven", "Table.1.selections.txt")}
_LEVEL = 0.012
_ZONE = "-07:00"
_GUANO = """GUANO|Version: 1.0
Make: Wildlife Acoustics
Model: Song Meter Mini
Serial: {serial}
Timestamp: {start}
"""


def group_files(group: DemoGroup) -> dict[str, Callable[[], bytes]]:
    """All files of the group: path in its inbox -> function that gives the bytes."""
    files: dict[str, Callable[[], bytes]] = {}
    for row in group.recordings.itertuples():
        sounds = group.sounds[group.sounds.file_path == row.file_path].to_dict("records")
        files[str(row.file_path)] = partial(recording_bytes, row, sounds, group.options)
    files |= _oddities(files)
    files |= {path: partial(str.encode, text) for path, text in _statements().items()}
    return files | _labels(group)


def _statements() -> dict[str, str]:
    """The `source.yml` files that people put into their folders."""
    licence = "licence: CC BY 4.0\n"
    texts = {
        "": "source: Frog workshop, spring 2025 (demo group)\n",
        "recorders": f'collector: Ana\n{licence}utc_offset: "{_ZONE}"\n',
        "recorders/pond": "site: pond\n",
        "recorders/creek": "site: creek\n",
        "recorders/reservoir": "site: reservoir\ndevice: Song Meter Mini\n",
        "phones": f'site: schoolyard\nutc_offset: "{_ZONE}"\n',
        "phones/ben": "collector: Ben\ndevice: phone\n",
        "phones/cho": "collector: Cho\ndevice: phone\nlicence: CC0\n",
        "outsiders": f"collector: Dora\n{licence}site: visitors' garden\nrole: adversarial\n",
        "deployment": f"collector: Ana\n{licence}role: deployment\n",
        "deployment/pond": "site: pond\n",
        "deployment/marsh": "site: marsh\n",
        "not yet labelled": f"collector: Ana\n{licence}site: creek\n",
        "mined": f"collector: Ana\n{licence}site: reservoir\nmined_by: baseline_001\n",
        "copies": f"collector: Ben\n{licence}",
        "labels/ana": "annotator: Ana\ncomplete: yes\n",
        "labels/ana again": 'annotator: Ana\nsession: "2"\ncomplete: yes\n',
        "labels/ben": "annotator: Ben\ncomplete: yes\n",
        "labels/cho": "annotator: Cho\ncomplete: yes\n",
        "labels/dora": "annotator: Dora\ncomplete: yes\n",
    }
    return {f"{folder}/source.yml".lstrip("/"): text for folder, text in texts.items()}


def _oddities(files: dict[str, Callable[[], bytes]]) -> dict[str, Callable[[], bytes]]:
    """Copies, silence, a phone's format that cannot be read, and a letter among the labels."""
    pond = next(path for path in files if path.startswith("recorders/pond"))
    creek = next(path for path in files if path.startswith("recorders/creek"))
    silence = partial(_sound_bytes, np.zeros(SAMPLE_RATE_HZ, dtype=np.float32), "WAV")
    return {
        "copies/backup of pond.WAV": files[pond],
        "copies/creek, first night.flac": partial(_as_flac, files[creek]),
        "phones/cho/pocket 20250501_200000.wav": silence,
        "phones/cho/New Recording 7.m4a": lambda: b"\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00",
        "labels/readme.txt": lambda: b"These are our labels.\nThe blue folder is Ben's.\n",
        "labels/ana/20230101_000000.txt": lambda: b"0.5\t1.5\tgrunt\n",
    }


def recording_bytes(row: Any, sounds: list[dict], options: DemoGroupOptions) -> bytes:
    """One recording as its device writes it."""
    samples = render(row, sounds, options)
    suffix = row.file_path.rsplit(".", 1)[-1].lower()
    if suffix in ("flac", "mp3"):
        return _sound_bytes(samples, suffix.upper())
    started = f"{row.date} {row.time}"
    if row.device == "AudioMoth":
        name, body = b"LIST", b"INFO" + _chunk(b"ICMT", _audiomoth_comment(row).encode() + b"\x00")
    elif row.recorder_id.startswith("S4A"):
        fields = {0: b"\x01\x00", 1: b"SM4", 2: row.recorder_id.encode(), 5: f"{started}.000{_ZONE}".encode()}
        name = b"wamd"
        body = b"".join(struct.pack("<HI", key, len(text)) + text for key, text in fields.items())
    else:
        name, body = (
            b"guan",
            _GUANO.format(serial=row.recorder_id, start=f"{row.date}T{row.time}{_ZONE}").encode(),
        )
    whole = _sound_bytes(samples, "WAV") + _chunk(name, body)
    return whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:]


def _audiomoth_comment(row: Any) -> str:
    day = "/".join(reversed(row.date.split("-")))
    is_serial = len(row.recorder_id) == 16
    serial = row.recorder_id if is_serial else f"24E1{digest(row.recorder_id, length=12).upper()}"
    return (
        f"Recorded at {row.time} {day} (UTC-7) by AudioMoth {serial} at medium gain "
        "while battery was 4.1V and temperature was 11.5C."
    )


def render(row: Any, sounds: list[dict], options: DemoGroupOptions) -> NDArray[np.float32]:
    """The sound of one recording, in [-1, 1]: the night's noise and what calls in it."""
    n = round(options.n_clips * CLIP_S * SAMPLE_RATE_HZ)
    rng = rng_for(options.seed, "demo group", "noise", row.file_path)
    background = _background(n, row, options, rng)
    mixed = background.copy()
    for sound in sounds:
        label, start_s = sound["label"], sound["start_s"]
        voice_rng = rng_for(options.seed, "demo group", "voice", row.file_path, sound["clip_number"], label)
        voice = _voice(label, sound["end_s"] - start_s, voice_rng)
        noise = _band_rms(background, _BAND_HZ[label])
        start = round(start_s * SAMPLE_RATE_HZ)
        piece = mixed[start : start + len(voice)]
        gain = noise * 10 ** (sound["snr_db"] / 20) / max(_band_rms(voice, _BAND_HZ[label]), 1e-12)
        piece += gain * voice[: len(piece)]
    return np.clip(mixed, -0.99, 0.99).astype(np.float32)


def _background(n: int, row: Any, options: DemoGroupOptions, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise that falls with frequency, a little different at each site and night, with the second season's hiss."""
    site = rng_for(options.seed, "demo group", "site", row.site)
    night_db = 1.2 * rng_for(options.seed, "demo group", "night", row.recorder_id, row.date).standard_normal()
    tilt, level_db = site.uniform(0.4, 0.8), 3 * site.standard_normal()
    hz = np.fft.rfftfreq(n, 1 / SAMPLE_RATE_HZ)
    shape = 1 / np.maximum(hz / 500, 0.2) ** tilt
    if row.season == "2025":
        hiss = (hz >= DRIFT_BAND_HZ[0]) & (hz < DRIFT_BAND_HZ[1])
        shape = np.where(hiss, shape * 10 ** (options.drift_db / 20), shape)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * shape, n)
    return noise * _LEVEL * 10 ** ((night_db + level_db) / 20)


def _voice(label: str, seconds: float, rng: np.random.Generator) -> NDArray[np.float64]:
    from scipy.signal import resample_poly

    from vernal.clips.synthesis.sounds import CONFUSER_VOICES, LOW_RATE_HZ, call_bout, individual

    if label in ("grunt", "growl"):
        voice, rate = call_bout(individual(rng, 1.0, 1.0), label, rng), LOW_RATE_HZ
    else:
        confuser = CONFUSER_VOICES["owls" if label == "owl" else "chorus_frogs"]
        voice, rate = confuser.make(rng), confuser.rate_hz
    voice = resample_poly(voice, SAMPLE_RATE_HZ // rate, 1)
    n = round(seconds * SAMPLE_RATE_HZ)
    # Long enough to fill its span, so that what is marked is what sounds.
    voice = np.tile(voice, -(-n // len(voice)))[:n]
    fade = np.minimum(1, np.minimum(np.arange(n), np.arange(n)[::-1]) / (0.02 * SAMPLE_RATE_HZ))
    return voice * fade


def _band_rms(samples: NDArray, band_hz: tuple[float, float]) -> float:
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ)
    inside = (hz >= band_hz[0]) & (hz < band_hz[1])
    return float(np.sqrt(2 * (np.abs(spectrum[inside]) ** 2).sum()) / len(samples))


def _sound_bytes(samples: NDArray, form: str) -> bytes:
    import soundfile

    out = io.BytesIO()
    subtype = None if form == "MP3" else "PCM_16"
    soundfile.write(out, samples, SAMPLE_RATE_HZ, format=form, subtype=subtype)
    return out.getvalue()


def _as_flac(wav: Callable[[], bytes]) -> bytes:
    import soundfile

    return _sound_bytes(soundfile.read(io.BytesIO(wav()), dtype="int16")[0], "FLAC")


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) % 2)


def _labels(group: DemoGroup) -> dict[str, Callable[[], bytes]]:
    """The label files: Ana's in Audacity, Ben's in Raven, the others' in tables, and a model's."""
    keys = ["file_path", "annotator", "session"]
    by_review = dict(list(group.marks.sort_values("start_s").groupby(keys)))
    files: dict[str, Callable[[], bytes]] = {}
    tables: dict[str, list[dict]] = {}
    is_misspelt = False
    for path, annotator, session in group.reviews.itertuples(index=False):
        key = (path, annotator, session)
        marks = by_review[key].to_dict("records") if key in by_review else []
        name = path.rsplit("/", 1)[-1]
        rows = [_annotation(mark, name, annotator) for mark in marks]
        if annotator not in _PROGRAMS:
            tables.setdefault(annotator, []).extend(rows + _absences(marks, name))
            continue
        if not is_misspelt and rows and rows[0]["label"] == "PSCR":
            # One label with a class that nobody knows.
            is_misspelt, rows[0]["label"] = True, "PSRC"
        folder = "ana again" if session == "2" else annotator.lower()
        program, suffix = _PROGRAMS[annotator]
        files[f"labels/{folder}/{name.rsplit('.', 1)[0]}.{suffix}"] = partial(_label_bytes, rows, program)
    for annotator, rows in tables.items():
        files |= _tables(annotator, rows)
    return files | _detections(group)


def _label_bytes(rows: list[dict], program: str) -> bytes:
    return FORMATS[program].render(annotation_table(rows)).encode()


def _tables(annotator: str, rows: list[dict]) -> dict[str, Callable[[], bytes]]:
    """One table of everything; Dora, who has Kaleidoscope, keeps what is absent in a second one."""
    folder = f"labels/{annotator.lower()}"
    if annotator != "Dora":
        return {f"{folder}/{annotator.lower()}.csv": partial(_label_bytes, rows, "csv")}
    strong = [row for row in rows if "start_s" in row]
    weak = [row for row in rows if "start_s" not in row]
    return {
        f"{folder}/absent.csv": partial(_label_bytes, weak, "csv"),
        f"{folder}/cluster.csv": partial(_label_bytes, strong, "kaleidoscope"),
    }


def _annotation(mark: dict, name: str, annotator: str) -> dict:
    """One mark as its annotator would write it down."""
    snr_db = mark["snr_db"]
    values = {"recording": name, "start_s": mark["start_s"], "end_s": mark["end_s"], "label": mark["label"]}
    # Ana names a tier for three calls of five.
    if annotator == "Ana" and np.isfinite(snr_db) and round(mark["start_s"] * 1000) % 5 < 3:
        tier = "high" if snr_db >= 10 else "medium" if snr_db >= 3 else "low"
        values |= {"quality": tier, "prominence": "foreground" if snr_db >= 6 else "background"}
    if annotator == "Cho":
        values |= {"annotator": "Cho", "confidence": 0.9 if snr_db > 6 else 0.6}
    return values


def _absences(marks: list[dict], name: str) -> list[dict]:
    """What a table cannot show by saying nothing: the classes that a whole recording lacks."""
    heard = {"RADR" if mark["label"] in ("grunt", "growl") else mark["label"] for mark in marks}
    return [
        {"recording": name, "label": label, "is_present": False} for label in MARKED if label not in heard
    ]


def _detections(group: DemoGroup) -> dict[str, Callable[[], bytes]]:
    """What a model found in the mined recordings; no person's statement."""
    rows = [
        {
            "recording": sound["file_path"].rsplit("/", 1)[-1],
            "start_s": sound["clip_number"] * CLIP_S,
            "end_s": (sound["clip_number"] + 1) * CLIP_S,
            "label": "RADR",
            "confidence": round(float(1 / (1 + np.exp(-sound["snr_db"] / 4))), 4),
            "model": "baseline_001",
        }
        for sound in group.sounds.to_dict("records")
        if sound["file_path"].startswith("mined/") and sound["label"] in ("grunt", "growl")
    ]
    return {"mined/baseline.BirdNET.results.csv": partial(_label_bytes, rows, "birdnet")}
