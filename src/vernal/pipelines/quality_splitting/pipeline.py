"""Clips in, splits and their counts out."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.quality_splitting.nodes import count_splits, split_clips
from vernal.pipelines.stages import STANDS


def create_pipeline() -> Pipeline:
    """Assign splits, then count them."""
    return Pipeline(
        [
            Node(
                split_clips,
                inputs=[
                    "clips",
                    "params:quality_splitting",
                    "params:target",
                    "params:labels",
                    "params:source",
                ],
                outputs="splits",
                name="split_clips",
                tags=["split", STANDS],
            ),
            Node(
                count_splits,
                inputs="splits",
                outputs="split_counts",
                name="count_splits",
                tags=["split", STANDS],
            ),
        ]
    )
