"""A declared model and the sealed clips in, one row of results out; once a model."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.final.nodes import open_sealed, prepare_sealed


def create_pipeline() -> Pipeline:
    """Prepare, then open. It stands on a finished stage, so data preparation is not part of it."""
    return Pipeline(
        [
            Node(
                prepare_sealed,
                inputs=[
                    "params:final",
                    "declared",
                    "all_clips",
                    "splits",
                    "audio_roots",
                    "known_ledger",
                    "params:embedding",
                    "params:training",
                    "known_embeddings",
                    "params:workers",
                ],
                outputs="embeddings",
                name="prepare_sealed",
                tags=["features"],
            ),
            Node(
                open_sealed,
                inputs=[
                    "declared",
                    "splits",
                    "embeddings",
                    "known_ledger",
                    "known_results",
                    "params:evaluation",
                    "audio_roots",
                ],
                outputs=["test_ledger", "results", "page"],
                name="open_sealed",
                tags=["reporting"],
            ),
        ],
        namespace="final",
        inputs={"all_clips", "splits", "audio_roots", "known_embeddings"},
        parameters={f"params:{name}" for name in ("final", "embedding", "training", "workers", "evaluation")},
    )
