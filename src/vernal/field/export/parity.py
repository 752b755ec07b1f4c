"""Whether the programs that run an exported classifier score it as Vernal does: tried on real clips, window by window.

BirdNET-Analyzer starts from the same files and does everything itself: decoding, resampling, cutting, encoding. What
the other programs are given is said in `programs`.
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vernal.audio.headers import open_sound, true_length
from vernal.audio.reading import MIN_TAIL_S, AudioError, probe_audio
from vernal.common.hashing import rng_for, unit_hash
from vernal.common.problems import InputError
from vernal.common.storage import as_path, local_copy
from vernal.field.export.programs import (
    ANALYZER,
    Sounds,
    Trained,
    in_birdnet,
    in_birdnet_analyzer,
    in_onnxruntime,
    on_vectors,
    our_scores,
)
from vernal.training.birdnet_analysis import READABLE

# Half of the last digit that BirdNET-Analyzer writes ...
ROUNDING = 5e-5
# ... and what arithmetic in single precision may add to it: both sides agree to about 1e-6 before rounding.
ARITHMETIC = 5e-6
PARITY_COLUMNS = (
    "program",
    "is_required",
    "classifier",
    "clip",
    "is_real",
    "window",
    "start_s",
    "label",
    "ours",
    "theirs",
    "difference",
)
N_CLIPS = 24
MAX_CLIP_S = 30.0

# Made sounds: sample rate, seconds, channels. Rates and lengths that a season's clips may not have.
_MADE = (
    (44_100, 7.4, 1),
    (22_050, 4.2, 2),
    (96_000, 3.0, 1),
    (48_000, 5.5, 1),
    (32_000, 3.0, 1),
    (48_000, 2.0, 1),
)
_ALWAYS_MADE = 3


@dataclass(frozen=True)
class ParityClip:
    """A sound to compare on: a name for people, the file or part of one (seconds), and whether it was recorded."""

    name: str
    path: Path
    start_s: float | None = None
    end_s: float | None = None
    is_real: bool = True


def choose_clips(splits: pd.DataFrame, roots: Mapping[str, str], n: int = N_CLIPS) -> list[ParityClip]:
    """Some clips whose audio is there: of the test splits first, classes in turn, in an order no draw changes.

    Args:
        splits: labelled clips with `split`, `label`, `is_positive`, `clip_id`, and their part of the file.
        roots: folder of each source.
    """
    order = splits.assign(
        is_other=~splits.split.isin(("test_iid", "test_ood")),
        draw=[unit_hash("parity", clip_id) for clip_id in splits.clip_id],
    ).sort_values(["is_other", "draw"])
    order["turn"] = order.groupby(["is_other", "label"], dropna=False).cumcount()
    chosen: list[ParityClip] = []
    for row in order.sort_values(["is_other", "turn", "label"]).itertuples():
        if len(chosen) == n:
            break
        path = as_path(roots.get(str(row.source), "")) / str(row.file_path)
        clip = ParityClip(str(row.file_path), path, _number(row.start_s), _number(row.end_s))
        if str(row.source) in roots and _length(clip) >= MIN_TAIL_S:
            chosen.append(clip)
    return chosen


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def _length(clip: ParityClip) -> float:
    """Seconds of a clip; 0 where its audio is gone or cannot be read."""
    try:
        end = probe_audio(clip.path).duration_s
    except AudioError:
        return 0.0
    return min(end, clip.end_s or end) - (clip.start_s or 0.0)


def made_clips(folder: Path, n: int = _ALWAYS_MADE) -> list[ParityClip]:
    """Write sounds of several rates and lengths: coloured noise with calls in it."""
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    clips = []
    for number in range(n):
        rate, seconds, channels = _MADE[number % len(_MADE)]
        rng = rng_for(0, "parity sound", number)
        times = np.arange(round(rate * seconds)) / rate
        sound = np.cumsum(rng.standard_normal((len(times), channels)), axis=0)
        sound = 0.05 * (sound - np.linspace(sound[0], sound[-1], len(times))) / np.abs(sound).max()
        sound += 10 ** rng.uniform(-5, -2) * rng.standard_normal(sound.shape)
        for _ in range(4):
            start, pitch = rng.uniform(0, seconds), rng.uniform(300, 6_000)
            call = np.sin(2 * np.pi * pitch * times) * np.exp(-(((times - start) / 0.1) ** 2))
            sound += rng.uniform(0.02, 0.2) * call[:, None]
        path = folder / f"made_{number:02d}_{rate}.wav"
        soundfile.write(path, sound, rate, subtype="PCM_16")
        clips.append(ParityClip(path.name, path, is_real=False))
    return clips


def compare(files: Sequence[Path], trained: Trained, clips: Sequence[ParityClip]) -> pd.DataFrame:
    """Score clips with Vernal and with exported files, in each program that runs them and is installed.

    Args:
        files: exported files, with their labels beside them.
        trained: what they were made from; its audio settings and sensitivity are given to both sides.
        clips: sounds of at least one second.
    Returns:
        One row a program, file, window and label: `PARITY_COLUMNS`; `ours` unrounded, `theirs` as it is given.
        Windows that a program adds at the end of a recording stand in the table without `ours`. `is_required` is
        False where a program prepares sound in a way of its own, so that scores cannot be equal.
    Raises:
        InputError: the sides do not cut the same windows, or one of them cannot read a clip.
    """
    with tempfile.TemporaryDirectory(prefix="vernal-parity-") as name:
        folder, scratch = Path(name) / "sounds", Path(name) / "prepared"
        folder.mkdir()
        scratch.mkdir()
        staged = {_stage(clip, folder, number).name: clip for number, clip in enumerate(clips)}
        sounds = Sounds(folder, trained.audio)
        ours = our_scores(trained, sounds)
        tables = [
            *in_birdnet_analyzer(files, trained, sounds, ours),
            *in_birdnet(files, trained, sounds, ours, scratch),
            *in_onnxruntime(files, trained, sounds, ours),
        ]
    table = pd.concat(tables, ignore_index=True)
    table["clip"] = [staged[file].name for file in table.file]
    table["is_real"] = [staged[file].is_real for file in table.file]
    return table[list(PARITY_COLUMNS)]


def compare_heads(
    files: Sequence[Path], trained: Trained, vectors: np.ndarray, is_real: bool
) -> pd.DataFrame:
    """Score vectors with a head and with its exported files, where the encoder is not BirdNET's.

    Args:
        vectors: (n, n_dims) embeddings.
        is_real: whether an encoder gave them.
    Returns:
        One row a file, vector and label: `PARITY_COLUMNS`.
    """
    table = pd.concat(list(on_vectors(files, trained, vectors)), ignore_index=True)
    table = table.rename(columns={"file": "clip"}).assign(is_real=is_real, start_s=np.nan)
    return table[list(PARITY_COLUMNS)]


def _stage(clip: ParityClip, folder: Path, number: int) -> Path:
    """Put a clip into the folder under a plain name: the file itself, or the part as a file of its own."""
    import soundfile

    suffix = clip.path.suffix.lower()
    is_whole = clip.start_s in (None, 0.0) and clip.end_s is None
    facts = probe_audio(clip.path)
    is_honest = true_length(local_copy(clip.path)) is None
    if is_whole and is_honest and suffix in READABLE and facts.duration_s <= MAX_CLIP_S:
        return Path(shutil.copyfile(local_copy(clip.path), folder / f"clip_{number:04d}{suffix}"))
    rate = facts.sample_rate_hz
    start = round((clip.start_s or 0.0) * rate)
    stop = start + round(MAX_CLIP_S * rate)
    if clip.end_s is not None:
        stop = min(stop, round(clip.end_s * rate))
    try:
        with open_sound(clip.path) as file:
            file.seek(start)
            samples = file.read(min(stop, facts.n_frames) - start, dtype="float32")
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise InputError(f"{clip.path} cannot be decoded any more ({error}); run ingest again.") from error
    path = folder / f"clip_{number:04d}.wav"
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def check_parity(table: pd.DataFrame) -> None:
    """Raise if a program's scores differ by more than BirdNET-Analyzer's rounding.

    Raises:
        InputError: with the largest differences of the first such program.
    """
    for program, of_program in table[table.ours.notna() & table.is_required].groupby("program", sort=False):
        _check_program(str(program), of_program)


def _check_program(program: str, table: pd.DataFrame) -> None:
    apart = table[~(table.difference <= ROUNDING + ARITHMETIC)].sort_values("difference", ascending=False)
    if apart.empty:
        return
    shown = "; ".join(
        f"{row.classifier}, {row.clip} window {row.window}: ours {row.ours:.6f}, theirs {row.theirs:.4f}"
        for row in apart.head(5).itertuples()
    )
    rounding = "its rounding" if program == ANALYZER else "what BirdNET-Analyzer rounds"
    raise InputError(
        f"{len(apart):,} of {len(table):,} scores of the exported classifier differ in {program} by more than "
        f"{rounding} ({ROUNDING:g}; largest difference {apart.difference.max():.2g}): {shown}. Nothing was exported. "
        "If the point was trained with another version of the encoder or of birdnet-analyzer, run its stage again."
    )
