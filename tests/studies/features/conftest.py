"""Made sounds and stores of made features; nothing here needs audio files unless it says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.studies.features.made_features import make_class_clips, make_study
from vernal.studies.features.feature_store import FeaturePart, FeatureStore
from vernal.studies.features.fit_library import FitLibrary
from vernal.studies.features.options import FeatureOptions, Kind

SMALL = FeatureOptions(n_mels=8, n_chroma=12, n_mfcc=4)


@pytest.fixture
def small() -> FeatureOptions:
    return SMALL


@pytest.fixture
def pulses() -> Callable[..., np.ndarray]:
    """Clicks at a tempo: `pulses(seconds=6.0, tempo=120)` at 22,050 Hz."""

    def make(seconds: float = 6.0, tempo: float = 120.0, rate: int = 22_050) -> np.ndarray:
        t = np.arange(int(seconds * rate)) / rate
        beat = t * tempo / 60 % 1
        return (np.exp(-30 * beat) * np.sin(2 * np.pi * 330 * t)).astype(np.float32)

    return make


@pytest.fixture
def made_store(
    tmp_path: Path, small: FeatureOptions
) -> Callable[..., tuple[FeatureStore, list[str], np.ndarray]]:
    """Two or more classes whose mel sequences rise, fall or stay: `made_store(n=24, n_classes=2, longest=12)`."""

    def make(
        n: int = 24, n_classes: int = 2, longest: int = 12
    ) -> tuple[FeatureStore, list[str], np.ndarray]:
        rng = np.random.default_rng(0)
        store = FeatureStore(tmp_path / "a store")
        y = np.arange(n) % n_classes
        keys = [f"{number:032x}" for number in range(n)]
        found = {}
        for key, label in zip(keys, y, strict=True):
            n_rows = int(rng.integers(max(1, longest // 2), longest + 1))
            slope = np.linspace(-1, 1, n_rows)[:, None] * (label - (n_classes - 1) / 2)
            found[key] = (slope + 0.3 * rng.standard_normal((n_rows, small.n_mels))).astype(np.float32)
        store.append(FeaturePart(Kind("mel", "raw"), small, found))
        return store, keys, y

    return make


@pytest.fixture
def class_clips() -> Callable[..., pd.DataFrame]:
    """Clips of several classes: `class_clips(classes=3, sites=3, groups=4, takes=2)`."""
    return make_class_clips


@pytest.fixture(scope="session")
def made_study(tmp_path_factory: pytest.TempPathFactory):
    """See `made_features.make_study`; for reading only."""
    return make_study(tmp_path_factory.mktemp("a study"))


@pytest.fixture
def study(made_study, tmp_path: Path):
    """A study of one's own, to change."""
    clips, plan, fits, library = made_study
    shutil.copytree(library.folder, tmp_path / "fits")
    return clips.copy(), plan.copy(), list(fits), FitLibrary(tmp_path / "fits")
