"""Clips in, the store of their embeddings out."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.embedding.nodes import embed_clips


def create_pipeline() -> Pipeline:
    """Embed what is not in the store yet."""
    return Pipeline(
        [
            Node(
                embed_clips,
                inputs=[
                    "clips",
                    "splits",
                    "audio_roots",
                    "params:embedding",
                    "known_embeddings",
                    "params:workers",
                ],
                outputs="embeddings",
                name="embed_clips",
                tags=["features"],
            )
        ]
    )
