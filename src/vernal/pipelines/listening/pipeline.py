"""Recordings that nobody has labelled in, clips with their embeddings out: what `kedro review --loop` asks about."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines import ingest
from vernal.pipelines.embedding.nodes import embed_missing


def create_pipeline() -> Pipeline:
    """List the sources, open every file, and embed what is not in the store yet; nothing is split."""
    embedding = Node(
        embed_missing,
        inputs=["clips", "audio_roots", "params:embedding", "known_embeddings", "params:workers"],
        outputs="embeddings",
        name="embed_clips",
        tags=["features"],
    )
    return ingest.create_pipeline() + Pipeline([embedding])
