"""Embed what is missing for the stage's audio settings, then train every point that is not trained yet."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions, EmbeddingPart
from vernal.common.progress import progress_bar
from vernal.common.workers import n_workers
from vernal.pipelines.embedding.nodes import embed_missing
from vernal.training import fitting
from vernal.training.chunk import FailedHead, FittedHead
from vernal.training.fitting import TrainingOptions
from vernal.training.head_library import HeadLibrary
from vernal.training.scoring import EVALUATED_SPLITS


def embed_for_stage(
    plan: pd.DataFrame,
    training_sets: pd.DataFrame,
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    audio_roots: dict[str, str],
    options: EmbeddingOptions,
    known: EmbeddingStore,
    workers: int | None,
) -> Iterator[EmbeddingPart]:
    """Embed the stage's clips with every band and overlap that a point asks for; mostly there is nothing to do."""
    evaluated = splits.clip_id[splits.split.isin(EVALUATED_SPLITS)]
    used = clips[clips.clip_id.isin(set(training_sets.clip_id) | set(evaluated))]
    for audio in fitting.audio_settings_of(plan, options):
        yield from embed_missing(used, audio_roots, audio, known, workers)


def train_points(
    plan: pd.DataFrame,
    training_sets: pd.DataFrame,
    clips: pd.DataFrame,
    store: EmbeddingStore,
    known: HeadLibrary,
    audio: EmbeddingOptions,
    options: TrainingOptions,
    workers: int | None,
) -> Iterator[list[FittedHead | FailedHead]]:
    """Train the selected points that the library does not have; each is kept as soon as it is finished."""
    fits = fitting.list_fits(plan[plan.is_selected], training_sets, clips, audio, options.backend)
    finished = known.keys()
    missing = sum(fit.key not in finished for fit in fits)
    with progress_bar(missing, "training", "point") as progress:
        for result in fitting.train_missing(fits, known, clips, store, options, n_workers(workers), progress):
            yield [result]
    if not missing:
        yield []
