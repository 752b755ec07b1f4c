"""Published tables in, which of their cells follow out."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.published.nodes import compare_published


def create_pipeline() -> Pipeline:
    """One node: both inputs are read once and every table comes from the same reading."""
    return Pipeline(
        [
            Node(
                compare_published,
                inputs="params:published",
                outputs=["cells", "labels", "summary", "report"],
                name="compare_published",
                tags=["reporting"],
            )
        ],
        namespace="published",
        parameters={"params:published"},
    )
