"""Clips nobody trained on in, ranked subsets and review candidates out."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.mining import nodes, season_nodes
from vernal.pipelines.stages import STANDS

_MINER = ["params:miner", "params:embedding", "params:training"]


def create_pipeline() -> Pipeline:
    """Pools, miner, scores, the season, rankings."""
    return Pipeline([*_score(), *_listen(), *_take()])


def _score() -> list[Node]:
    """What can be listed clip by clip."""
    return [
        Node(
            nodes.choose_pools,
            inputs=["clips", "splits"],
            outputs=["miner_clips", "mining_pools", "mining_excluded"],
            name="choose_pools",
            tags=["curated"],
        ),
        Node(
            nodes.train_miner,
            inputs=["miner_clips", "embeddings", "known_heads", *_MINER, "params:workers"],
            outputs="miner_heads",
            name="train_miner",
            tags=["curated", "models"],
        ),
        Node(
            nodes.score_pools,
            inputs=["mining_pools", "miner_clips", "miner_heads", "embeddings", *_MINER],
            outputs="pool_scores",
            name="score_pools",
            tags=["curated", "scores", STANDS],
        ),
    ]


def _listen() -> list[Node]:
    """A season, which is too large for that."""
    return [
        Node(
            season_nodes.list_season,
            inputs=["params:source", "params:recorders", "params:data_root"],
            outputs="season_recordings",
            name="list_season",
            tags=["raw"],
        ),
        Node(
            season_nodes.choose_miner,
            inputs=["miner_clips", "miner_heads", *_MINER, "params:mining", "params:target"],
            outputs="miner",
            name="choose_miner",
            tags=["curated", "models"],
        ),
        Node(
            season_nodes.scan_season,
            inputs=[
                "season_recordings",
                "miner",
                "known_season_files",
                "known_season_scores",
                "embeddings",
                "params:mining",
                "params:workers",
            ],
            outputs=["scanned_embeddings", "season_scores", "season_files_seen"],
            name="scan_season",
            tags=["curated", "scores"],
        ),
    ]


def _take() -> list[Node]:
    """What becomes of it all."""
    return [
        Node(
            season_nodes.take_season_clips,
            inputs=[
                "season_recordings",
                "miner",
                "season_files_seen",
                "season_scores",
                "clips",
                "splits",
                "params:nights",
            ],
            outputs=["season_clips", "season_excluded", "season_files"],
            name="take_season_clips",
            tags=["curated"],
        ),
        Node(
            season_nodes.embed_season_clips,
            inputs=[
                "season_clips",
                "audio_roots",
                "params:embedding",
                "scanned_embeddings",
                "params:workers",
            ],
            outputs="season_embeddings",
            name="embed_season_clips",
            tags=["curated", "features"],
        ),
        Node(
            season_nodes.join_clips,
            inputs=["clips", "season_clips"],
            outputs="all_clips",
            name="join_clips",
            tags=["curated"],
        ),
        Node(
            nodes.rank_pools,
            inputs=[
                "pool_scores",
                "season_clips",
                "all_clips",
                "season_embeddings",
                "params:embedding",
                "params:mining",
            ],
            outputs=["best_low_quality", "hard_negatives", "hard_negatives_aside", "review_candidates"],
            name="rank_pools",
            tags=["curated", STANDS],
        ),
    ]
