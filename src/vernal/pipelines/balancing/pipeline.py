"""A plan and the curated data in, the training set of every point out."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.balancing.nodes import draw_fold_sets, draw_training_sets
from vernal.pipelines.stages import BASELINE, STANDS, in_stage


def create_pipeline(stage: str = BASELINE) -> Pipeline:
    """Draw the training sets of a stage."""
    return in_stage(
        stage,
        [
            Node(
                draw_training_sets,
                inputs=["plan", "splits", "curated_subsets", "near_duplicates", "params:proof"],
                outputs=["training_sets", "training_counts", "undrawn_points"],
                name="balance",
                tags=["split", STANDS],
            ),
            Node(
                draw_fold_sets,
                inputs=[
                    "plan",
                    "splits",
                    "curated_subsets",
                    "near_duplicates",
                    "params:proof",
                    "params:evaluation",
                ],
                outputs="fold_sets",
                name="fold",
                tags=["split", STANDS],
            ),
        ],
    )
