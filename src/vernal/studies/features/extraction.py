"""Features of every clip that the store does not have yet, computed in workers, part by part.

A clip is known by its audio's content and its part of the file; what was computed once is never computed again,
whatever the file is called.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vernal.common.problems import Problems
from vernal.common.storage import as_path
from vernal.common.workers import as_they_finish, explaining_deaths, worker_pool
from vernal.studies.features.feature_store import FeaturePart, FeatureStore
from vernal.studies.features.options import FeatureOptions, Kind

_JOB_CLIPS = 8
_PART_CLIPS = 64
_PART_BYTES = 1 << 23


@dataclass(frozen=True)
class ClipSound:
    """Where one clip's sound is: `start_s` and `end_s` None for the whole file."""

    key: str
    path: str
    content_hash: str
    start_s: float | None
    end_s: float | None


@dataclass(frozen=True, eq=False)
class _Computed:
    key: str
    found: dict[Kind, np.ndarray]
    problem: str = ""


def sequence_key(content_hash: str, start_s: float, end_s: float) -> str:
    """A clip's key in the store: its audio's hash and its part of the file (NaN = whole file)."""
    part = ["" if pd.isna(time) else f"{float(time):.6f}" for time in (start_s, end_s)]
    return hashlib.blake2b(
        f"{content_hash}:{part[0] or '0.000000'}:{part[1]}".encode(), digest_size=16
    ).hexdigest()


def sequence_keys(clips: pd.DataFrame) -> pd.Series:
    """The key of every clip, in the order of rows."""
    parts = zip(clips.content_hash, clips.start_s, clips.end_s, strict=True)
    return pd.Series([sequence_key(*part) for part in parts], index=clips.index, dtype="str")


def missing_kinds(
    clips: pd.DataFrame, kinds: Collection[Kind], options: FeatureOptions, store: FeatureStore
) -> dict[str, list[Kind]]:
    """What the store lacks: kinds by key, keys in ascending order."""
    keys = sorted(set(sequence_keys(clips)))
    stored = {kind: store.lengths(options, kind).keys() for kind in sorted(kinds)}
    lacking = {key: [kind for kind, present in stored.items() if key not in present] for key in keys}
    return {key: kinds_of_key for key, kinds_of_key in lacking.items() if kinds_of_key}


def extract(
    clips: pd.DataFrame,
    root: Path | str,
    missing: Mapping[str, Sequence[Kind]],
    options: FeatureOptions,
    workers: int,
    progress: Callable[[int], Any] | None = None,
) -> Iterator[FeaturePart]:
    """Compute missing sequences; values do not depend on the number of workers.

    Args:
        clips: `content_hash`, `file_path`, `start_s`, `end_s`.
        root: folder that `file_path` starts from.
        missing: from `missing_kinds`.
        workers: processes; 0 computes in this one.
        progress: called with the number of clips just finished.
    Raises:
        InputError: clips that could not be read, all of them, after all others were given out.
    """
    sounds = {sound.key: sound for sound in clip_sounds(clips, root)}
    items = [(sounds[key], tuple(kinds)) for key, kinds in missing.items()]
    jobs = [items[at : at + _JOB_CLIPS] for at in range(0, len(items), _JOB_CLIPS)]
    gathered, broken = _Parts(options), []
    for results in _results(jobs, options, workers):
        for computed in results:
            if computed.problem:
                broken.append(
                    f"{as_path(sounds[computed.key].path).relative_to(root).as_posix()} ({computed.problem})"
                )
            else:
                yield from gathered.add(computed)
        if progress is not None:
            progress(len(results))
    yield from gathered.rest()
    problems = Problems("Computing features")
    problems.add(
        "audio that passed the check and cannot be used now",
        sorted(broken),
        "Replace these files or take them out, then run again.",
    )
    problems.raise_if_any()


def clip_sounds(clips: pd.DataFrame, root: Path | str) -> list[ClipSound]:
    """Where every clip's sound is, in the order of rows."""
    columns = (clips[name] for name in ("file_path", "content_hash", "start_s", "end_s"))
    return [
        ClipSound(key, str(as_path(root) / path), content_hash, _known(start_s), _known(end_s))
        for key, path, content_hash, start_s, end_s in zip(sequence_keys(clips), *columns, strict=True)
    ]


def _known(time_s: float) -> float | None:
    return None if pd.isna(time_s) else float(time_s)


def _results(jobs: list, options: FeatureOptions, workers: int) -> Iterator[list[_Computed]]:
    if not jobs:
        return
    if not workers:
        yield from (compute(job, options) for job in jobs)
        return
    died = (
        "A worker process ended while it computed features: a decoder crashed, or memory ran out. What was finished "
        "is kept; run again, with workers set to 1 if it happens again."
    )
    workers = min(workers, len(jobs))
    with explaining_deaths(died), worker_pool(workers) as pool:
        yield from as_they_finish(pool, partial(compute, options=options), jobs, workers)


def compute(job: Sequence[tuple[ClipSound, tuple[Kind, ...]]], options: FeatureOptions) -> list[_Computed]:
    """The sequences of some clips; what a worker does."""
    return [_compute(sound, kinds, options) for sound, kinds in job]


def _compute(sound: ClipSound, kinds: Sequence[Kind], options: FeatureOptions) -> _Computed:
    from vernal.audio.reading import AudioError, load_clip
    from vernal.common.files import sha256_of_file
    from vernal.studies.features.spectral import sequences

    try:
        if sha256_of_file(sound.path) != sound.content_hash:
            return _Computed(sound.key, {}, "it has changed since it was checked")
        samples = load_clip(sound.path, sound.start_s or 0.0, sound.end_s, options.sample_rate_hz)
        return _Computed(sound.key, sequences(samples, kinds, options))
    except AudioError as error:
        return _Computed(sound.key, {}, error.message)
    except (OSError, ValueError) as error:
        return _Computed(sound.key, {}, str(error))


class _Parts:
    """Gathers clips into parts of bounded size, a kind each."""

    def __init__(self, options: FeatureOptions) -> None:
        self._options = options
        self._held: dict[Kind, dict[str, np.ndarray]] = {}

    def add(self, computed: _Computed) -> Iterator[FeaturePart]:
        for kind, sequence in computed.found.items():
            held = self._held.setdefault(kind, {})
            held[computed.key] = sequence
            if len(held) >= _PART_CLIPS or sum(one.nbytes for one in held.values()) >= _PART_BYTES:
                yield FeaturePart(kind, self._options, self._held.pop(kind))

    def rest(self) -> Iterator[FeaturePart]:
        for kind in sorted(self._held):
            yield FeaturePart(kind, self._options, self._held[kind])
        self._held = {}
