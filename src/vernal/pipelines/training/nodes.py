"""Embed what is missing for the stage's audio settings, then train what is not trained yet: points, and folds."""

from collections.abc import Iterator

import pandas as pd

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions, EmbeddingPart
from vernal.clips.folds import folds_of
from vernal.common.progress import progress_bar
from vernal.common.workers import n_workers
from vernal.evaluation.options import EvaluationOptions
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
    evaluation: EvaluationOptions,
    known: EmbeddingStore,
    workers: int | None,
) -> Iterator[EmbeddingPart]:
    """Embed the stage's clips with every band and overlap that a point asks for; mostly there is nothing to do."""
    scored = {
        *splits.clip_id[splits.split.isin(EVALUATED_SPLITS)],
        *folds_of(splits, evaluation.choose_by).clips.clip_id,
    }
    used = clips[clips.clip_id.isin(scored | set(training_sets.clip_id))]
    for audio in fitting.audio_settings_of(plan, options):
        yield from embed_missing(used, audio_roots, audio, known, workers)


def train_points(
    plan: pd.DataFrame,
    training_sets: pd.DataFrame,
    fold_sets: pd.DataFrame,
    clips: pd.DataFrame,
    store: EmbeddingStore,
    known: HeadLibrary,
    audio: EmbeddingOptions,
    options: TrainingOptions,
    workers: int | None,
) -> Iterator[list[FittedHead | FailedHead]]:
    """Train what the library does not have, each head kept as soon as it is finished.

    That is the selected points, once for every fold that is held out each configuration that has a point, and the
    reference on the clips of each point.
    """
    finished = known.keys()
    fits, compared = fitting.fits_of_stage(
        plan, training_sets, fold_sets, clips, audio, options.backend, finished
    )
    missing = sum(fit.key not in finished for fit in fits)
    with progress_bar(missing, "training", "head") as progress:
        for result in fitting.train_missing(fits, known, clips, store, options, n_workers(workers), progress):
            yield [result]
    references = fitting.missing_references(compared, known)
    with progress_bar(len(references), "references", "reference") as progress:
        for solved in fitting.solve_references(references, clips, store, n_workers(workers), progress):
            yield [solved]
    if not missing and not references:
        yield []
