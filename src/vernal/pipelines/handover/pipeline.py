"""A finished detection run in, a data package to publish out."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.handover.nodes import write_package


def create_pipeline() -> Pipeline:
    """It stands on what detection left, and hears nothing."""
    return Pipeline(
        [
            Node(
                write_package,
                inputs=[
                    "recordings",
                    "files",
                    "detections",
                    "sites",
                    "classifier",
                    "review_log",
                    "params:handover",
                ],
                outputs="camtrap_dp",
                name="write_package",
                tags=["reporting"],
            )
        ],
        namespace="detection",
        inputs={"review_log"},
        parameters={"params:handover"},
    )
