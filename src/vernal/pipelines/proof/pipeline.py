"""A stage's results in; its certificate, its cards and an entry in the test ledger out."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.proof.nodes import prove
from vernal.pipelines.stages import BASELINE, in_stage


def create_pipeline(stage: str = BASELINE) -> Pipeline:
    """Prove what can be shown about a stage's results."""
    return in_stage(
        stage,
        [
            Node(
                prove,
                inputs={
                    "spec": "spec",
                    "plan": "plan",
                    "points": "points_table",
                    "leaderboard": "leaderboard",
                    "effects": "effects",
                    "tables": "evaluation_tables",
                    "failures": "failures",
                    "scores": "scores",
                    "models": "models",
                    "training_sets": "training_sets",
                    "store": "embeddings",
                    "clips": "all_clips",
                    "splits": "splits",
                    "rejects": "rejects",
                    "subsets": "curated_subsets",
                    "miner_clips": "miner_clips",
                    "near_duplicates": "near_duplicates",
                    "problem_card": "problem_card",
                    "audio": "params:embedding",
                    "evaluation": "params:evaluation",
                    "options": "params:proof",
                    "audio_roots": "audio_roots",
                    "target": "params:target",
                },
                outputs=["certificate", "test_ledger", "model_card", "data_card"],
                name="prove",
                tags=["reporting"],
            )
        ],
    )
