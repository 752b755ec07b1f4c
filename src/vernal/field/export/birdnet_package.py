"""The package `birdnet`, on which the next BirdNET-Analyzer stands: its scores, and what it has to be told.

Only its door for classifiers of one's own is used, which takes files and downloads nothing. It starts processes and
writes to the terminal, so it runs in a process of its own.
"""

import math
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.common.problems import InputError
from vernal.common.workers import explaining_deaths, quiet_file_descriptors, worker_pool

# It holds logits between -15 and 15 before the sigmoid.
MOST_LOGIT = 15.0
# A threshold beyond this flags what one here does: everything, or nothing.
_FURTHEST = 20.0
_DIGITS = 6


def birdnet_version() -> str | None:
    """Version of the package; None where it is not installed."""
    try:
        return version("birdnet")
    except PackageNotFoundError:
        return None


def predict_settings(
    audio: EmbeddingOptions, sensitivity: float, thresholds: Mapping[str, float | None]
) -> dict[str, Any]:
    """What `predict` of the package has to be given, beside the recordings.

    Its own `top_k` of 5 is refused for a classifier of fewer labels; its own threshold of 0.1 drops what lies below.

    Args:
        thresholds: logit from which each label is flagged, `sensitivity` in it; None where none could be chosen, and
            where every score is wanted.
    """
    said = {label: None if logit is None else said_threshold(logit) for label, logit in thresholds.items()}
    known = [one for one in said.values() if one is not None]
    settings: dict[str, Any] = {
        "top_k": len(thresholds),
        "overlap_duration_s": float(audio.overlap),
        "bandpass_fmin": int(audio.fmin),
        "bandpass_fmax": int(audio.fmax),
        "apply_sigmoid": True,
        "sigmoid_sensitivity": float(sensitivity),
        "default_confidence_threshold": min(known) if known else None,
    }
    if len(said) > 1 and known:
        settings["custom_confidence_thresholds"] = {
            label: one for label, one in said.items() if one is not None
        }
    return settings


def said_threshold(logit: float) -> float:
    """A threshold as the package takes it, rounded down, so that nothing at the threshold is lost.

    Six digits, counted from 0 or from 1, whichever is nearer.

    >>> said_threshold(-1.0), said_threshold(9.0)
    (0.268941, 0.999876605)
    """
    from scipy.special import expit

    confidence = float(expit(min(max(logit, -_FURTHEST), _FURTHEST)))
    decimals = _DIGITS - 1 - math.floor(math.log10(min(confidence, 1.0 - confidence)))
    return min(math.floor(confidence * 10**decimals) / 10**decimals, confidence)


def score_folders(
    classifier: Path, folders: Mapping[Path, EmbeddingOptions], labels: Sequence[str], sensitivity: float
) -> list[pd.DataFrame]:
    """Score every window of every file with a stand-alone classifier, through the package.

    Args:
        classifier: `X.tflite` with `X_Labels.txt` beside it.
        folders: of audio files, directly in them; overlap and band of each are given to the package as they are.
    Returns:
        For each folder one row a file, window and label: `file`, `start_s`, `window`, `label`, `confidence` (not
        rounded).
    Raises:
        InputError: it could not read a file, or ended early.
    """
    died = "The process that ran birdnet ended early; memory may have run out."
    tables = []
    with explaining_deaths(died), worker_pool(1) as pool:
        for folder, audio in folders.items():
            settings = predict_settings(audio, sensitivity, dict.fromkeys(labels))
            tables.append(pool.submit(_predict, classifier, folder, settings).result())
            missing = sorted({path.name for path in folder.iterdir()} - set(tables[-1].file))
            if missing:
                raise InputError(f"birdnet gave no score for {', '.join(missing[:5])}.")
    return tables


def _predict(classifier: Path, folder: Path, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Every score of every window; only in a process of its own."""
    names = classifier.with_name(f"{classifier.stem}_Labels.txt")
    with quiet_file_descriptors(also_stdout=True):
        import birdnet

        model = birdnet.load_custom("acoustic", "2.4", "tf", classifier, names, library="litert")
        # One worker: its own choice is one a core, each of which loads the network.
        found = model.predict(folder, n_workers=1, **settings).to_dataframe()
    table = pd.DataFrame(
        {
            "file": [Path(path).name for path in found.input.astype(str)],
            "start_s": found.start_time.astype(float).round(3),
            "label": found.species_name.astype(str),
            "confidence": found.confidence.astype(float),
        }
    )
    return table.assign(window=table.groupby("file").start_s.rank("dense").astype(int) - 1)
