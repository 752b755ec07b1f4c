"""Open the sealed split once, for one declared model."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions, EmbeddingPart
from vernal.clips.demo_season import is_demo_root
from vernal.evaluation.options import EvaluationOptions
from vernal.pipelines.embedding.nodes import embed_missing
from vernal.proof import sealed
from vernal.proof.ledger import SEALED, split_digest
from vernal.proof.sealed import DeclaredModel, FinalOptions
from vernal.training.fitting import TrainingOptions


def prepare_sealed(
    options: FinalOptions,
    declared: DeclaredModel,
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    audio_roots: dict[str, str],
    entries: list[dict[str, Any]],
    base: EmbeddingOptions,
    training: TrainingOptions,
    known: EmbeddingStore,
    workers: int | None,
) -> Iterator[EmbeddingPart]:
    """Refuse what may not be opened, then embed the sealed clips as the model hears; nothing is scored yet.

    Args:
        options: named for Kedro, which checks parameters by their types before the first node runs.
    """
    own = sealed.sealed_clips(splits)
    sealed.refuse_second(entries, declared, splits)
    sealed.refuse_seen(declared, clips, own, base, training.backend)
    yield from embed_missing(own, audio_roots, declared.audio.with_files_of(base), known, workers)


def open_sealed(
    declared: DeclaredModel,
    splits: pd.DataFrame,
    store: EmbeddingStore,
    entries: list[dict[str, Any]],
    known: pd.DataFrame | None,
    evaluation: EvaluationOptions,
    audio_roots: dict[str, str],
) -> tuple[list[dict[str, Any]], pd.DataFrame, str]:
    """Score the sealed clips at the threshold that was fixed before; the opening is written down first of all."""
    sealed.refuse_second(entries, declared, splits)
    own = sealed.sealed_clips(splits)
    logits = sealed.score_sealed(declared, own, store)
    row = sealed.result_row(declared, own, logits, split_digest(splits, SEALED), evaluation)
    entry = sealed.entry_of(declared, splits)
    results = sealed.with_row(known, row)
    return (
        [entry],
        results,
        sealed.final_page(results, [*entries, entry], is_demo_root(audio_roots["labelled"])),
    )
