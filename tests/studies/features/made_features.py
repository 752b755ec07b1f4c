"""Made tables of clips and finished studies, for the tests of features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from vernal.audio.embedding.windows import EmbeddingOptions
from vernal.studies.features.fit_library import FitLibrary
from vernal.studies.features.fits import list_fits
from vernal.studies.features.fitting import TrainedNetwork
from vernal.studies.features.folds import FoldOptions, deal_folds
from vernal.studies.features.options import FeatureOptions
from vernal.studies.features.study import StudyOptions, expand_study

SPEC = StudyOptions(
    axes={"sync": ["raw", "beat_synced"], "seed": [1, 2, 3]},
    base_params={"feature": "mel"},
    also=[
        {"feature": ["birdnet"], "model": ["linear"], "seed": [1, 2, 3]},
        {"feature": ["mel"], "split": ["leaky_index_shuffle"], "seed": [1]},
    ],
)
BYTES = {("mel", "raw"): 1000.0, ("mel", "beat_synced"): 50.0, ("birdnet", ""): 4096.0}


def make_class_clips(classes: int = 3, sites: int = 3, groups: int = 4, takes: int = 2) -> pd.DataFrame:
    """Clips of several classes, `groups` of each class at each site, `takes` clips each."""
    rows = [
        {"class": f"c{label}", "site": f"s{site}", "group": f"{label} {site} {group}"}
        for label in range(classes)
        for site in range(sites)
        for group in range(groups)
        for _ in range(takes)
    ]
    clips = pd.DataFrame(rows)
    names = [f"{number:016x}" for number in range(len(clips))]
    absent = pd.Series([np.nan] * len(clips), dtype="str")
    return clips.assign(
        clip_id=names,
        content_hash=[name * 4 for name in names],
        file_path=[f"{name}.wav" for name in names],
        label=clips["class"],
        recorder_id=absent,
        date=absent,
        night=absent,
        start_s=np.nan,
        end_s=np.nan,
        duration_s=3.0,
        sample_rate_hz=44_100,
    )


def make_study(
    folder: Path, spec: StudyOptions = SPEC
) -> tuple[pd.DataFrame, pd.DataFrame, list, FitLibrary]:
    """A finished study: raw is right two times of three, beat-synced half as often, BirdNET nearly always."""
    clips = make_class_clips(3, 3, 6, 2)
    plan = expand_study(spec)
    fits = list_fits(plan, deal_folds(clips, FoldOptions()), clips, FeatureOptions(), EmbeddingOptions())
    library = FitLibrary(folder / "fits")
    rng = np.random.default_rng(0)
    right = {"raw": 0.66, "beat_synced": 0.33}
    for fit in fits:
        share = 0.97 if fit.options.is_birdnet else right[fit.options.sync]
        y = fit.clips["class"].str[1:].astype(int).to_numpy()
        called = np.where(rng.random(len(y)) < share, y, (y + 1) % 3)
        logits = np.where((fit.clips.role == "train").to_numpy()[:, None], np.nan, np.eye(3)[called])
        history = pd.DataFrame({"epoch": [1, 2], "loss": [1.0, 0.5], "val_loss": [1.0, 0.9]})
        library.add([TrainedNetwork(fit.key, logits, history, 2, [np.zeros(4)], None, 4, 1.5, 0.001)])
    return clips, plan, fits, library
