"""A run over recordings: what is missing is scored, and given out piece by piece for the caller to keep."""

import dataclasses
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import FAILURE_COLUMNS, EmbeddingPart
from vernal.common.progress import progress_bar
from vernal.common.storage import listed
from vernal.common.workers import can_start_workers
from vernal.field.detection.classifier import Classifier
from vernal.field.detection.file_facts import FileFacts
from vernal.field.detection.file_journal import KnownFiles
from vernal.field.detection.running import run_schedule
from vernal.field.detection.schedule import KnownWork, Schedule
from vernal.field.detection.score_store import ScoreStore, StoredScores
from vernal.field.detection.scoring import BlockScores, BlockTask, Scorer

_MB = 1_000_000
# Less is scored before two workers have started.
_WORTH_WORKERS = 16 * _MB

Piece = tuple[EmbeddingPart, StoredScores, dict[str, FileFacts]]


def score_missing(
    recordings: pd.DataFrame,
    classifier: Classifier,
    files: KnownFiles,
    scores: ScoreStore,
    embeddings: EmbeddingStore,
    keep_embeddings: bool,
    workers: int | None,
) -> Iterator[Piece]:
    """Score every block of every recording that has no scores yet.

    Yields:
        Embeddings (empty unless they are to be kept), scores, and facts of files by absolute path, as soon as a file
        was looked at or a block is finished. What was kept is known to the next run.
    """
    pieces = _Pieces(classifier)
    if recordings.empty:
        yield pieces.empty, pieces.no_scores, {}
        return
    paths = (recordings.audio_root + "/" + recordings.file_path).tolist()
    known_files = files.load()
    scorer = Scorer(classifier.head, classifier.audio, keep_embeddings)
    stored_parts = cache(lambda: embeddings.parts_by_content(classifier.audio))
    known = KnownWork(known_files, scores, classifier.run_key, stored_parts)
    path_of = listed(recordings.audio_root.unique())
    schedule = Schedule(paths, scorer, known, path_of)
    sizes = {path: _size(path_of(path)) for path in paths}
    small = sum(sizes.values()) < _WORTH_WORKERS
    noted = dict(known_files)
    with progress_bar(sum(sizes.values()) // _MB, "listening", "MB") as progress:
        done = _Done(progress)
        for task, result in run_schedule(
            schedule, scorer, 0 if small or not can_start_workers() else workers
        ):
            if isinstance(result, FileFacts):
                noted[str(task)] = result
                yield pieces.of_file(str(task), result)
            elif isinstance(task, BlockTask) and result.is_final:
                yield pieces.of_block(task.path, result)
                done.add(sizes[task.path] / max(result.n_blocks, 1))
    late = {path: schedule.facts[path] for path in paths if schedule.facts.get(path) != noted.get(path)}
    yield pieces.empty, pieces.no_scores, {path: fact for path, fact in late.items() if fact is not None}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


class _Done:
    """Bytes finished, told in whole megabytes."""

    def __init__(self, progress) -> None:
        self._progress, self._rest = progress, 0.0

    def add(self, n_bytes: float) -> None:
        whole, self._rest = divmod(self._rest + n_bytes / _MB, 1.0)
        self._progress(int(whole))


class _Pieces:
    """Makes the three things that a finished task gives."""

    def __init__(self, classifier: Classifier) -> None:
        self._audio, self._run_key = classifier.audio, classifier.run_key
        self._settings = classifier.score_settings
        self.empty = _embedding_part(self._audio, "", [], np.empty((0, self._audio.n_dims), np.float32), [])
        self.no_scores = StoredScores(self._run_key, self._settings, ())

    def of_file(self, path: str, facts: FileFacts) -> Piece:
        return self.empty, self.no_scores, {path: facts}

    def of_block(self, path: str, block: BlockScores) -> Piece:
        part = self.empty
        if block.vectors is not None:
            times = list(zip(block.start_s.tolist(), block.end_s.tolist(), strict=True))
            part = _embedding_part(self._audio, block.content_hash, list(block.keys), block.vectors, times)
        kept = dataclasses.replace(block, keys=(), vectors=None)
        return part, StoredScores(self._run_key, self._settings, (kept,)), {}


def _embedding_part(
    audio: EmbeddingOptions,
    content: str,
    keys: list[str],
    vectors: np.ndarray,
    times: list[tuple[float, float]],
) -> EmbeddingPart:
    rows = pd.DataFrame(
        {
            "key": pd.Series(keys, dtype="str"),
            "content_hash": pd.Series([content] * len(keys), dtype="str"),
            "start_s": pd.Series([start for start, _ in times], dtype="float64"),
            "end_s": pd.Series([end for _, end in times], dtype="float64"),
        }
    )
    return EmbeddingPart(audio, rows, vectors, pd.DataFrame(columns=list(FAILURE_COLUMNS)))
