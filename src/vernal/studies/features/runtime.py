"""How long a feature takes, measured on a few clips: from the file to the numbers that a network reads."""

import time
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vernal.audio.embedding.windows import EmbeddingOptions
from vernal.studies.features.extraction import ClipSound, compute
from vernal.studies.features.fit_library import FitLibrary
from vernal.studies.features.fits import PlannedFit
from vernal.studies.features.options import FeatureOptions, kinds_of
from vernal.studies.features.point_settings import BIRDNET
from vernal.studies.features.study import NAMED

REPEATS = 3


def time_features(
    sounds: Sequence[ClipSound],
    features: Sequence[tuple[str, str]],
    audio: FeatureOptions,
    embedding: EmbeddingOptions,
    in_worker: bool = True,
) -> dict[tuple[str, str], float]:
    """Milliseconds of one thread's processor time a clip, the least of some repeats, nothing cached.

    Args:
        sounds: a few clips; each is timed, and the mean is given.
        features: `(feature, sync)`; `(birdnet, "")` for embeddings.
        in_worker: measure in a process of its own, as the features themselves are computed.
    """
    if not in_worker:
        return _timed(list(sounds), list(features), audio, embedding)
    from vernal.common.workers import worker_pool

    with worker_pool(1) as pool:
        return pool.submit(_timed, list(sounds), list(features), audio, embedding).result()


def _timed(
    sounds: list[ClipSound],
    features: list[tuple[str, str]],
    audio: FeatureOptions,
    embedding: EmbeddingOptions,
) -> dict[tuple[str, str], float]:
    found = {}
    for feature, sync in features:
        of_clips = [_least(sound, feature, sync, audio, embedding) for sound in sounds]
        found[(feature, sync)] = round(1_000 * float(np.mean(of_clips)), 3)
    return found


def _least(
    sound: ClipSound, feature: str, sync: str, audio: FeatureOptions, embedding: EmbeddingOptions
) -> float:
    times = []
    for _ in range(REPEATS + 1):  # the first loads and compiles
        started = time.process_time()
        if feature == BIRDNET:
            _embed(sound, embedding)
        else:
            problems = [one.problem for one in compute([(sound, tuple(kinds_of(feature, sync)))], audio)]
            assert not any(problems), problems
        times.append(time.process_time() - started)
    return min(times[1:])


def _embed(sound: ClipSound, embedding: EmbeddingOptions) -> None:
    from vernal.audio.bandpass import bandpass
    from vernal.audio.encoders.base import get_encoder
    from vernal.audio.reading import load_clip, window_starts

    encoder = get_encoder(embedding.source)
    rate = encoder.sample_rate_hz
    samples = load_clip(sound.path, sound.start_s or 0.0, sound.end_s, rate)
    samples = bandpass(samples, embedding.fmin, embedding.fmax, rate)
    size = encoder.n_samples
    starts = window_starts(len(samples), rate, embedding.overlap_s, encoder.window_s)
    windows = np.zeros((len(starts), size), dtype=np.float32)
    for row, start in zip(windows, starts, strict=True):
        part = samples[start : start + size]
        row[: len(part)] = part
    encoder.embed(windows)


def typical(sounds: Sequence[ClipSound], n: int) -> list[ClipSound]:
    """Some clips, evenly over their keys, so that the same ones are measured each time."""
    ordered = sorted(sounds, key=lambda sound: sound.key)
    places = np.unique(np.linspace(0, len(ordered) - 1, min(n, len(ordered))).round().astype(int))
    return [ordered[place] for place in places]


def runtime_table(
    plan: pd.DataFrame,
    fits: Sequence[PlannedFit],
    library: FitLibrary,
    feature_ms: Mapping[tuple[str, str], float],
) -> pd.DataFrame:
    """How long things took, apart from all tables that two runs share to the byte.

    Returns:
        One row a configuration: `configuration_hash`, what it is, `feature_ms` (reading the sound and computing the
        feature, a clip), `train_s` (a network, mean over folds and seeds), `score_ms` (a clip).
    """
    finished = library.keys()
    times = [
        (fit.config_hash, one.train_s, one.score_s)
        for fit in fits
        if fit.key in finished
        for one in [library.load(fit.key)]
    ]
    table = pd.DataFrame(times, columns=["config_hash", "train_s", "score_s"])
    named = plan.drop_duplicates("config_hash")[["config_hash", "configuration", *NAMED]]
    merged = (
        named.merge(table, on="config_hash")
        .groupby(["configuration", *NAMED], sort=False, as_index=False)[["train_s", "score_s"]]
        .mean()
    )
    merged["sync"] = merged.sync.where(merged.feature != BIRDNET, "")
    merged["feature_ms"] = [
        feature_ms.get(pair, np.nan) for pair in zip(merged.feature, merged["sync"], strict=True)
    ]
    merged["score_ms"] = 1_000 * merged.score_s
    return merged.rename(columns={"configuration": "configuration_hash"})[
        ["configuration_hash", *NAMED, "feature_ms", "train_s", "score_ms"]
    ]
