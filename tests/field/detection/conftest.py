"""Short recordings with names like a season's, a classifier with drawn weights, and a run over them in a few lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.embedding.store import EmbeddingStore
from vernal.field.detection.classifier import Classifier
from vernal.field.detection.detections import Detections, find_detections
from vernal.field.detection.file_journal import KnownFiles
from vernal.field.detection.listing import list_for_detection
from vernal.field.detection.options import DetectionOptions
from vernal.field.detection.scan import Piece, score_missing
from vernal.field.detection.score_store import ScoreStore
from vernal.training.heads import Head


def make_head(seed: int = 0, n_classes: int = 1) -> Head:
    rng = np.random.default_rng(seed)
    return Head(((rng.normal(0, 0.08, (1_024, n_classes)), rng.normal(0, 0.3, n_classes)),))


def make_classifier(
    seed: int = 0, threshold: float = 0.0, labels: tuple[str, ...] = ("rooster",), **audio
) -> Classifier:
    return Classifier(
        name="stage5/stage5_001",
        head=make_head(seed, len(labels)),
        labels=labels,
        audio=EmbeddingOptions(**audio),
        sensitivity=1.0,
        threshold_logit=threshold,
        threshold_from="chosen on the validation split",
        has_own_threshold=True,
        notes=(),
        results={
            "val_precision": 0.9,
            "val_recall": 0.8,
            "val_fpr": 0.02,
            "val_fp": 2,
            "val_n_negative": 100,
        },
    )


def write_noise(
    path: Path, seconds: float, seed: int = 0, rate: int = 48_000, level: float = 0.1, **how
) -> Path:
    """Noise whose loudness and pitch wander, so that its windows differ."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate)
    steps = np.repeat(rng.uniform(0.1, 1, round(seconds) + 1), rate)[:n]
    tone = np.sin(np.cumsum(np.repeat(rng.uniform(0.01, 0.5, round(seconds) + 1), rate)[:n]))
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = (level * steps * (0.5 * tone + 0.5 * rng.standard_normal(n))).astype("float32")
    soundfile.write(path, np.clip(sound, -1, 1), rate, **how)
    return path


def make_season(folder: Path, seconds: float = 7.0) -> Path:
    """Two recorders, one of which names its files by date alone, over two nights."""
    for number in range(3):
        write_noise(folder / "east" / f"SMA01_20250403_2{number}0000.wav", seconds, number)
        write_noise(folder / "Moth08" / "2025-04-04" / f"20250404_0{number}0000.WAV", seconds, 10 + number)
    return folder


class Season:
    """A data folder, and runs in it as the pipeline does them."""

    def __init__(self, root: Path) -> None:
        self.files = KnownFiles(root / "known files.jsonl")
        self.scores = ScoreStore(root / "scores")
        self.store = EmbeddingStore(root / "embeddings")

    def pieces(
        self, folder: Path, classifier: Classifier, keep: bool = False, workers: int = 0
    ) -> Iterator[Piece]:
        """Score what is missing, each piece kept before the next is asked for."""
        listed = list_for_detection(folder)
        args = (listed, classifier, self.files, self.scores, self.store, keep, workers)
        for part, scores, facts in score_missing(*args):
            self.store.append(part)
            self.scores.append(scores)
            self.files.append(facts)
            yield part, scores, facts

    def scan(self, folder: Path, classifier: Classifier, keep: bool = False, workers: int = 0) -> int:
        """Score what is missing; returns how many blocks that were."""
        return sum(len(scores.blocks) for _, scores, _ in self.pieces(folder, classifier, keep, workers))

    def find(self, folder: Path, classifier: Classifier, start_hour: int = 12, **options) -> Detections:
        listed = list_for_detection(folder)
        settings = DetectionOptions(**options)
        return find_detections(listed, self.files.load(), self.scores, classifier, settings, start_hour)

    def content(self) -> dict[str, bytes]:
        """Every score file by name, with its bytes."""
        found = (file for file in self.scores.folder.rglob("*") if file.is_file())
        return {file.relative_to(self.scores.folder).as_posix(): file.read_bytes() for file in found}


@pytest.fixture
def season(tmp_path: Path) -> Season:
    return Season(tmp_path / "data ü")


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small season's recordings; nobody changes them."""
    return make_season(tmp_path_factory.mktemp("recordings ü"))


@pytest.fixture
def as_listed() -> Callable[..., pd.DataFrame]:
    """Recordings as listed: `as_listed(("a.wav", "R1", "2025-04-03", "21:00:00"), ...)`."""

    def listed(*rows: tuple) -> pd.DataFrame:
        table = pd.DataFrame(rows, columns=["file_path", "recorder_id", "date", "time"])
        return table.assign(audio_root="/x").astype("str")

    return listed
