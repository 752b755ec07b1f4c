"""Which copies the search for near-duplicates misses: real recordings, changed in ways that are known."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from vernal.audio.embedding.windows import EmbeddingOptions, embed_windows, plan_windows
from vernal.clips.recordings import IngestOptions, inspect_files
from vernal.proof.near_duplicates import find_pairs
from vernal.proof.options import ProofOptions

CLIP_S = 3.0
_PER_CLASS = 6
Change = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]


def _cut(sound: np.ndarray, rate: int, late_s: float = 0.0) -> np.ndarray:
    first = round(late_s * rate)
    return sound[first : first + round(CLIP_S * rate)]


def _later(late_s: float) -> Change:
    return lambda sound, rate, rng: _cut(sound, rate, late_s)


def _with_noise(sound: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    cut = _cut(sound, rate)
    return cut + rng.normal(0, max(float(cut.std()), 1e-4), len(cut))


def _resampled(up: int, down: int) -> Change:
    from scipy.signal import resample_poly

    return lambda sound, rate, rng: _cut(resample_poly(sound, up, down), rate)


def _above_2_khz(sound: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    from scipy.signal import butter, sosfilt

    return sosfilt(butter(4, 2_000, "highpass", fs=rate, output="sos"), _cut(sound, rate))


CHANGES: Mapping[str, Change] = {
    "cut 0.2 s later": _later(0.2),
    "cut 0.6 s later": _later(0.6),
    "cut 1.2 s later": _later(1.2),
    "cut 1.8 s later": _later(1.8),
    "a third as loud": lambda sound, rate, rng: 0.33 * _cut(sound, rate),
    "upside down": lambda sound, rate, rng: -_cut(sound, rate),
    "coded as Ogg Vorbis": lambda sound, rate, rng: _cut(sound, rate),
    "with noise as loud as the sound": _with_noise,
    "without anything below 2 kHz": _above_2_khz,
    "3 % faster": _resampled(97, 100),
    "reversed": lambda sound, rate, rng: _cut(sound, rate)[::-1],
}


def measure(folder: Path, workers: int = 1) -> pd.DataFrame:
    """How many changed copies the shipped search finds among their originals.

    Args:
        folder: with `field/*.flac` (one recorder's night) and `esc10` (`metadata.csv` and a folder of each class).
    Returns:
        One row a change: `change`, `copies` that ingest takes, `found`. Originals and copies are three seconds
        long, in two splits.
    """
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        places = {name: Path(scratch) / f"{at}" for at, name in enumerate(["original", *CHANGES])}
        _write_all(recordings(folder), places)
        originals = _embedded(places["original"], workers)
        for name in CHANGES:
            found, n_copies = _found(originals, _embedded(places[name], workers), Path(scratch), workers)
            rows.append((name, n_copies, found))
    return pd.DataFrame(rows, columns=["change", "copies", "found"])


def recordings(folder: Path) -> list[Path]:
    """The night of one recorder, and of each class of ESC-10 the first few recordings; those filled with sound."""
    names = pd.read_csv(folder / "esc10" / "metadata.csv", dtype="str").filename.sort_values()
    chosen = names.groupby(names.str.partition("/")[0]).head(_PER_CLASS)
    listed = [*sorted((folder / "field").glob("*.flac")), *(folder / "esc10" / name for name in chosen)]
    return [path for path in listed if _is_filled(path)]


def _is_filled(path: Path) -> bool:
    """Whether there is sound in every half second: some recordings of ESC-10 end in digital silence."""
    import soundfile

    sound, rate = soundfile.read(path)
    half = round(0.5 * rate)
    return all(sound[at : at + half].std() > 1e-4 for at in range(0, len(sound) - half + 1, half))


def _write_all(paths: list[Path], places: Mapping[str, Path]) -> None:
    import soundfile

    for place in places.values():
        place.mkdir()
    for number, path in enumerate(paths):
        sound, rate = soundfile.read(path)
        for name, place in places.items():
            rng = np.random.default_rng([number, len(name)])
            changed = CHANGES[name](sound, rate, rng) if name in CHANGES else _cut(sound, rate)
            form = "ogg" if name == "coded as Ogg Vorbis" else "wav"
            soundfile.write(place / f"{number:03d}.{form}", np.clip(changed, -1, 1), rate)


def _embedded(place: Path, workers: int) -> tuple[pd.DataFrame, np.ndarray]:
    facts = inspect_files(sorted(place.iterdir()), IngestOptions())
    # What ingest rejects, as too quiet, is in no split.
    files = [path for path, fact in facts.items() if "duration_s" in fact]
    names = [f"{place.name}/{path.name}" for path in files]
    clips = pd.DataFrame([facts[path] for path in files]).assign(
        clip_id=names, file_path=names, source="labelled", start_s=np.nan, end_s=np.nan
    )
    windows = plan_windows(clips, EmbeddingOptions())
    roots = {"labelled": str(place.parent)}
    parts = list(embed_windows(windows, roots, EmbeddingOptions(), workers=workers))
    keys = pd.Index(pd.concat([part.rows for part in parts], ignore_index=True).key)
    vectors = np.concatenate([part.vectors for part in parts])
    return windows, vectors[keys.get_indexer(windows.key)]


def _found(
    originals: tuple[pd.DataFrame, np.ndarray],
    copies: tuple[pd.DataFrame, np.ndarray],
    root: Path,
    workers: int,
) -> tuple[int, int]:
    """Copies that are found as their own original, and how many there are."""
    windows = pd.concat([originals[0], copies[0]], ignore_index=True)
    split_of = dict.fromkeys(originals[0].clip_id, "train") | dict.fromkeys(copies[0].clip_id, "val")
    x = np.concatenate([originals[1], copies[1]])
    options = ProofOptions()
    pairs, _ = find_pairs(windows, x, split_of, {"labelled": str(root)}, options, workers)
    same = pairs[pairs.correlation >= options.near_duplicate_correlation]
    names = [
        {Path(one).stem, Path(other).stem}
        for one, other in zip(same.clip_id, same.other_clip_id, strict=True)
    ]
    return len(set.union(set(), *(pair for pair in names if len(pair) == 1))), copies[0].clip_id.nunique()
