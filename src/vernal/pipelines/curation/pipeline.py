"""Rankings and reviews in, curated subsets out."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.curation.nodes import choose_package, curate, find_near_duplicates, gather_reviews
from vernal.pipelines.stages import STANDS


def create_pipeline() -> Pipeline:
    """Gather decisions, curate the subsets, find copies across splits, write the package if one is asked for."""
    return Pipeline(
        [
            Node(
                gather_reviews,
                inputs=["reviews", "review_log", "all_clips", "params:target"],
                outputs=["gathered_reviews", "review_annotations"],
                name="gather_reviews",
                tags=["curated"],
            ),
            Node(
                curate,
                inputs=[
                    "best_low_quality",
                    "hard_negatives",
                    "all_clips",
                    "splits",
                    "gathered_reviews",
                    "params:target",
                ],
                outputs=["curated_subsets", "curation_dropped", "curation_record"],
                name="curate_subsets",
                tags=["curated", STANDS],
            ),
            Node(
                find_near_duplicates,
                inputs=[
                    "splits",
                    "audio_roots",
                    "embeddings",
                    "params:embedding",
                    "params:proof",
                    "known_near_duplicates",
                    "params:workers",
                ],
                outputs="near_duplicates",
                name="find_near_duplicates",
                tags=["curated"],
            ),
            Node(
                choose_package,
                inputs=["splits", "curated_subsets", "audio_roots", "params:target", "params:curation"],
                outputs="training_package",
                name="write_training_package",
                tags=["curated"],
            ),
        ]
    )
