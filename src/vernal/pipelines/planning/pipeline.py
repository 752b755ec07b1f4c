"""A stage's spec and point files in, its plan out."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.planning.nodes import plan_stage
from vernal.pipelines.stages import BASELINE, STANDS, in_stage


def create_pipeline(stage: str = BASELINE) -> Pipeline:
    """Settle the points of a stage."""
    return in_stage(
        stage,
        [
            Node(
                plan_stage,
                inputs=["spec", "points", "params:points", "params:mining", "params:embedding"],
                outputs="plan",
                name="plan",
                tags=["split", STANDS],
            )
        ],
    )
