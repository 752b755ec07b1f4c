"""The demo season: nothing in, tables and sounds out."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.demo.nodes import plan_season, render_season


def create_pipeline() -> Pipeline:
    """Plan the season, then render it."""
    return Pipeline(
        [
            Node(
                plan_season,
                inputs=["params:demo", "params:source"],
                outputs=["demo_clips", "demo_field", "demo_unlabelled"],
                name="plan_demo_season",
                tags=["raw"],
            ),
            Node(
                render_season,
                inputs=["params:demo", "demo_clips", "demo_field", "demo_unlabelled"],
                outputs="demo_audio",
                name="render_demo_season",
                tags=["raw"],
            ),
        ]
    )
