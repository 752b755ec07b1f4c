"""From sound to rows of numbers: librosa's features, a row a frame or a row a beat.

Conventions: sound is (n,) float32, one channel, at `FeatureOptions.sample_rate_hz`; a sequence is (n_rows,
n_dims) float32, time first. Frames are centred on every `hop` samples, from 0 to the first that lies at or after
the end, so that 30 s at 22,050 Hz have 1,293 rows; librosa leaves out the last where the hop is only started.
"""

import warnings
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np

from vernal.common.compiling import compiling_alone
from vernal.studies.features.options import FeatureOptions, Kind

# librosa's advice for PCEN: its defaults are meant for samples of 32-bit integers.
_PCEN_SCALE = 2**31


def sequences(samples: np.ndarray, kinds: Iterable[Kind], options: FeatureOptions) -> dict[Kind, np.ndarray]:
    """Compute the wanted sequences of one clip; the transform, and the search for beats, are done once.

    Returns:
        For each kind (n_rows, n_dims) float32, finite.
    Raises:
        ValueError: no samples, or samples that are not finite.
    """
    _compile_once()
    wanted = list(dict.fromkeys(kinds))
    samples = whole_hops(samples, options)
    raw = _raw(samples, {kind.feature for kind in wanted}, options)
    needs_beats = any(kind.sync == "beat_synced" for kind in wanted)
    beats = beat_frames(samples, options) if needs_beats else np.empty(0, dtype=np.int64)
    return {
        kind: raw[kind.feature]
        if kind.sync == "raw"
        else beat_synced(raw[kind.feature], beats, options.beat_statistic)
        for kind in wanted
    }


@cache
def _compile_once() -> None:
    """Let librosa compile all that is used here, in one process at a time (see `compiling.compiling_alone`)."""
    options = FeatureOptions()
    noise = np.random.Generator(np.random.Philox(0)).standard_normal(3 * options.sample_rate_hz)
    with compiling_alone():
        samples = whole_hops(noise.astype(np.float32), options)
        _raw(samples, {"mel", "mfcc", "chroma", "pcen"}, options)
        beat_frames(samples, options)


def whole_hops(samples: np.ndarray, options: FeatureOptions) -> np.ndarray:
    """The sound followed by silence up to a whole number of hops, and at least one frame long.

    >>> len(whole_hops(np.zeros(661_500, np.float32), FeatureOptions())) // 512 + 1
    1293
    """
    samples = np.asarray(samples, dtype=np.float32)
    if samples.ndim != 1 or not len(samples) or not np.isfinite(samples).all():
        raise ValueError(
            f"samples have the shape {samples.shape} or are not finite; give (n,) finite numbers"
        )
    n_hops = max(-(-len(samples) // options.hop), -(-options.n_fft // options.hop))
    return np.pad(samples, (0, n_hops * options.hop - len(samples)))


def _raw(samples: np.ndarray, features: set[str], options: FeatureOptions) -> dict[str, np.ndarray]:
    import librosa

    rate = options.sample_rate_hz
    mels: dict[str, Any] = {"sr": rate, "n_fft": options.n_fft, "n_mels": options.n_mels}
    magnitude = np.abs(librosa.stft(samples, n_fft=options.n_fft, hop_length=options.hop))
    power = magnitude**2
    found = {}
    if features & {"mel", "mfcc"}:
        found["mel"] = librosa.power_to_db(librosa.feature.melspectrogram(S=power, **mels))
    if "mfcc" in features:
        found["mfcc"] = librosa.feature.mfcc(S=found["mel"], n_mfcc=options.n_mfcc)
    if "chroma" in features:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="Trying to estimate tuning from empty"
            )  # silence has none
            chroma = librosa.feature.chroma_stft(
                S=power, sr=rate, n_fft=options.n_fft, n_chroma=options.n_chroma
            )
        found["chroma"] = chroma
    if "pcen" in features:
        bands = librosa.feature.melspectrogram(S=magnitude, **mels)
        found["pcen"] = librosa.pcen(bands * _PCEN_SCALE, sr=rate, hop_length=options.hop)
    return {name: np.ascontiguousarray(found[name].T, dtype=np.float32) for name in features}


def beat_frames(samples: np.ndarray, options: FeatureOptions) -> np.ndarray:
    """Frames at which librosa hears a beat, ascending; none where nothing begins, as in silence."""
    from librosa.beat import beat_track

    _, beats = beat_track(y=samples, sr=options.sample_rate_hz, hop_length=options.hop)
    return np.asarray(beats, dtype=np.int64)


def beat_synced(sequence: np.ndarray, beats: np.ndarray, statistic: str = "median") -> np.ndarray:
    """One row a beat: the median or mean of the frames up to the next.

    What sounds before the first beat is a row as well; a clip without beats is a single row.

    >>> beat_synced(np.arange(6.0)[:, None], np.array([2, 4]), "mean").ravel().tolist()
    [0.5, 2.5, 4.5]
    """
    from librosa.util import sync

    aggregate: Any = {"median": np.median, "mean": np.mean}[statistic]
    # Told of no beats at all, librosa gives no row at all.
    edges = beats.tolist() or [0]
    return np.ascontiguousarray(sync(sequence.T, edges, aggregate=aggregate).T, dtype=np.float32)
