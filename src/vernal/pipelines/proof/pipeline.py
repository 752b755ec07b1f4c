"""A stage's results in; its certificate, its cards and an entry in the test ledger out."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.proof.nodes import prove
from vernal.pipelines.stages import BASELINE, STANDS, in_stage


def create_pipeline(stage: str = BASELINE) -> Pipeline:
    """Prove what can be shown about a stage's results."""
    return in_stage(
        stage,
        [
            Node(
                prove,
                inputs=[
                    "results",
                    "scores",
                    "models",
                    "training_sets",
                    "embeddings",
                    "all_clips",
                    "splits",
                    "rejects",
                    "curated_subsets",
                    "miner_clips",
                    "near_duplicates",
                    "params:embedding",
                    "params:proof",
                ],
                outputs=["certificate", "test_ledger", "model_card", "data_card"],
                name="prove",
                tags=["reporting", STANDS],
            )
        ],
    )
