"""A stage's tables in; its figures and its report out."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.reporting.nodes import draw, report
from vernal.pipelines.stages import BASELINE, STANDS, in_stage
from vernal.reports.figures import FIGURES

PROOF = ("certificate", "test_ledger", "model_card", "data_card")
DATA = ("split_counts", "rejects", "splits", "scores", "audio_roots")
PLOTS = [f"{name}_plot" for name in FIGURES]


def create_pipeline(stage: str = BASELINE) -> Pipeline:
    """Draw, then write the page."""
    return in_stage(
        stage,
        [
            Node(
                draw,
                inputs=["results", "scores", "splits", "models"],
                outputs=PLOTS,
                name="draw",
                tags=["reporting", STANDS],
            ),
            Node(
                report,
                inputs={name: name for name in ("results", *PROOF, *DATA, *PLOTS)}
                | {"data_root": "params:data_root"},
                outputs="report",
                name="report",
                tags=["reporting", STANDS],
            ),
        ],
    )
