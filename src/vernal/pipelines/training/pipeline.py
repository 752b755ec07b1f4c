"""Training sets in, trained heads out."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.stages import BASELINE, in_stage
from vernal.pipelines.training.nodes import embed_for_stage, train_points


def create_pipeline(stage: str = BASELINE) -> Pipeline:
    """Embed for the stage's audio settings, then train its points."""
    return in_stage(
        stage,
        [
            Node(
                embed_for_stage,
                inputs=[
                    "plan",
                    "training_sets",
                    "all_clips",
                    "splits",
                    "audio_roots",
                    "params:embedding",
                    "params:evaluation",
                    "known_embeddings",
                    "params:workers",
                ],
                outputs="embeddings",
                name="embed",
                tags=["features"],
            ),
            Node(
                train_points,
                inputs=[
                    "plan",
                    "training_sets",
                    "fold_sets",
                    "all_clips",
                    "embeddings",
                    "known_heads",
                    "params:embedding",
                    "params:training",
                    "params:workers",
                ],
                outputs="heads",
                name="train",
                tags=["models"],
            ),
        ],
    )
