"""What can be computed from one recording: its length, its header's word, and a hash of its sound.

The hash of the sound is of the decoded samples, so that a copy with another header, or in another lossless
format, is known as the same sound. Files that cannot be decoded are facts too: the reason is kept.
"""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from vernal.audio.checks import length_in_words
from vernal.audio.decoder_noise import complaints_in_words
from vernal.audio.headers import IS_POINTER, is_pointer, open_sound
from vernal.clips.recording_metadata import read_header

FACTS_VERSION = 3
READABLE_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".w64", ".rf64", ".opus")
# Phones write these and libsndfile does not read them; they are recordings all the same.
UNREADABLE_SUFFIXES = (".m4a", ".aac", ".3gp", ".amr", ".caf", ".wma", ".mp4", ".wac")
_FLOAT_SUBTYPES = ("FLOAT", "DOUBLE", "VORBIS", "OPUS", "MPEG_LAYER_III", "MPEG_LAYER_II", "MPEG_LAYER_I")
_BLOCK_FRAMES = 1 << 18
_MAX_DURATION_S = 90_000


def is_recording(name: str) -> bool:
    """Whether a file's name says that it is sound, readable or not."""
    return Path(name).suffix.lower() in (*READABLE_SUFFIXES, *UNREADABLE_SUFFIXES)


def recording_facts(path: Path) -> dict[str, Any]:
    """Facts of one recording as plain values; `problem` says in words why it cannot be used, or is absent.

    `started_at` and `recorder_id` are the header's; those of the name are added where the recording is
    described, since one content can have many names.
    """
    facts: dict[str, Any] = _sound_facts(path)
    header = read_header(path)
    told = asdict(header) | {
        "started_at": header.started_at and header.started_at.isoformat(),
        "header_origin": header.origin or None,
    }
    unused = ("texts", "origin")
    return facts | {key: value for key, value in told.items() if value is not None and key not in unused}


def _sound_facts(path: Path) -> dict[str, Any]:
    import soundfile

    if path.suffix.lower() in UNREADABLE_SUFFIXES:
        return {"problem": f"{path.suffix.lower()} cannot be read; convert it to WAV or FLAC and add that"}
    if is_pointer(path):
        return {"problem": IS_POINTER}
    try:
        with open_sound(path) as file:
            n_frames, sound_hash, problem = _read_through(file)
            length = length_in_words(path, n_frames, file.frames, file.samplerate) or complaints_in_words(
                file
            )
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError) as error:
        # Where the lake keeps the file is no help, and another machine would say something else.
        return {"problem": f"cannot be read as sound: {getattr(error, 'error_string', error)}"}
    facts = {
        "format": file.format,
        "subtype": file.subtype,
        "sample_rate_hz": file.samplerate,
        "channels": file.channels,
        "n_frames": n_frames,
        "duration_s": n_frames / file.samplerate,
        "sound_hash": sound_hash,
    }
    return facts | {name: words for name, words in (("problem", problem), ("length", length)) if words}


def _read_through(file: Any) -> tuple[int, str, str | None]:
    """Decode to the end, block by block: frames, hash of the samples, and what is wrong with them."""
    running = hashlib.sha256(f"{file.samplerate} {file.channels}".encode())
    n_frames, is_finite, is_silent = 0, True, True
    # A floating-point file keeps its values; all others hold integers, which no decoder rounds differently.
    is_float = file.subtype in _FLOAT_SUBTYPES
    while True:
        block = file.read(_BLOCK_FRAMES, dtype="float32" if is_float else "int32", always_2d=True)
        if len(block) == 0:
            break
        n_frames += len(block)
        if n_frames > _MAX_DURATION_S * file.samplerate:
            return n_frames, "", "longer than a day of sound; cut it"
        running.update(np.ascontiguousarray(block).astype(block.dtype.newbyteorder("<")).tobytes())
        is_finite = is_finite and bool(np.isfinite(block).all())
        is_silent = is_silent and not bool(block.any())
    problem = None
    if n_frames == 0:
        problem = "holds no sound"
    elif not is_finite:
        problem = "holds values that are not numbers"
    elif is_silent:
        problem = "is silent from start to end"
    return n_frames, running.hexdigest(), problem
