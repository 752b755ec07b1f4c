"""Turn every clip into vectors, once ever."""

from collections.abc import Iterator

import pandas as pd

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions, EmbeddingPart, embed_windows, plan_windows
from vernal.common.progress import progress_bar


def embed_clips(
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    audio_roots: dict[str, str],
    options: EmbeddingOptions,
    known: EmbeddingStore,
    workers: int | None,
) -> Iterator[EmbeddingPart]:
    """Embed every clip that the store does not have.

    `splits` is asked for so that a split that cannot be used ends the run before this takes its time.
    """
    yield from embed_missing(clips, audio_roots, options, known, workers)


def embed_missing(
    clips: pd.DataFrame,
    audio_roots: dict[str, str],
    options: EmbeddingOptions,
    known: EmbeddingStore,
    workers: int | None,
) -> Iterator[EmbeddingPart]:
    """Embed the windows of clips that the store does not have, part by part."""
    windows = plan_windows(clips, options)
    finished = known.known_keys(options)
    missing = int((~windows.key.isin(finished)).sum())
    with progress_bar(missing, "embedding", "window") as progress:
        yield from embed_windows(windows, audio_roots, options, finished, workers, progress=progress)
