"""Clips nobody trained on in, ranked subsets and review candidates out."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.mining.nodes import choose_pools, rank_pools, score_pools, train_miner


def create_pipeline() -> Pipeline:
    """Pools, miner, scores, rankings."""
    return Pipeline(
        [
            Node(
                choose_pools,
                inputs=["clips", "splits"],
                outputs=["miner_clips", "mining_pools", "mining_excluded"],
                name="choose_pools",
                tags=["curated"],
            ),
            Node(
                train_miner,
                inputs=[
                    "miner_clips",
                    "embeddings",
                    "known_heads",
                    "params:miner",
                    "params:embedding",
                    "params:training",
                    "params:workers",
                ],
                outputs="miner_heads",
                name="train_miner",
                tags=["curated", "models"],
            ),
            Node(
                score_pools,
                inputs=[
                    "mining_pools",
                    "miner_clips",
                    "miner_heads",
                    "embeddings",
                    "params:miner",
                    "params:embedding",
                    "params:training",
                ],
                outputs="pool_scores",
                name="score_pools",
                tags=["curated", "scores"],
            ),
            Node(
                rank_pools,
                inputs=["pool_scores", "mining_pools", "embeddings", "params:embedding", "params:mining"],
                outputs=["best_low_quality", "hard_negatives", "hard_negatives_aside", "review_candidates"],
                name="rank_pools",
                tags=["curated"],
            ),
        ]
    )
