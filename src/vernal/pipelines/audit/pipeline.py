"""Somebody else's results in, findings out."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.audit.nodes import audit_results


def create_pipeline() -> Pipeline:
    """One node: every check, in one pass over the files."""
    return Pipeline(
        [
            Node(
                audit_results,
                inputs=["params:audit", "params:target"],
                outputs=["findings", "report"],
                name="audit_results",
                tags=["reporting"],
            )
        ],
        namespace="audit",
        parameters={"params:audit", "params:target"},
    )
