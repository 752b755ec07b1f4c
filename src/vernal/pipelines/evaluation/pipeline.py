"""Heads in; scores, metrics, leaderboard and effects out."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.evaluation.nodes import evaluate_points, score_folds, score_points
from vernal.pipelines.stages import BASELINE, STANDS, in_stage


def create_pipeline(stage: str = BASELINE) -> Pipeline:
    """Score, then evaluate."""
    return in_stage(
        stage,
        [
            Node(
                score_points,
                inputs=[
                    "plan",
                    "training_sets",
                    "undrawn_points",
                    "all_clips",
                    "splits",
                    "embeddings",
                    "heads",
                    "params:embedding",
                    "params:training",
                    "params:target",
                ],
                outputs=["scores", "models", "failures", "reference_scores"],
                name="score",
                tags=["scores", STANDS],
            ),
            Node(
                score_folds,
                inputs=[
                    "plan",
                    "fold_sets",
                    "all_clips",
                    "splits",
                    "embeddings",
                    "heads",
                    "params:embedding",
                    "params:training",
                    "params:evaluation",
                ],
                outputs="fold_scores",
                name="score_folds",
                tags=["scores", STANDS],
            ),
            Node(
                evaluate_points,
                inputs=[
                    "plan",
                    "scores",
                    "fold_scores",
                    "reference_scores",
                    "splits",
                    "training_counts",
                    "models",
                    "failures",
                    "spec",
                    "params:target",
                    "params:evaluation",
                    "problem_card",
                    "known_evaluation",
                ],
                outputs=["points_table", "leaderboard", "effects", "evaluation_tables", "results"],
                name="evaluate",
                tags=["reporting", STANDS],
            ),
        ],
    )
