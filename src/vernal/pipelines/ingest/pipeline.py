"""Recordings and labels in, clips and rejects out."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.ingest.nodes import check_audio, list_sources


def create_pipeline() -> Pipeline:
    """List the sources, then open every file."""
    return Pipeline(
        [
            Node(
                list_sources,
                inputs=[
                    "params:source",
                    "params:target",
                    "params:labels",
                    "params:nights",
                    "source_manifest",
                    "field_recordings",
                    "unlabelled_recordings",
                    "demo_clips",
                    "demo_field",
                    "demo_unlabelled",
                    "demo_audio",
                ],
                outputs=["listed_clips", "audio_roots"],
                name="list_sources",
                tags=["raw"],
            ),
            Node(
                check_audio,
                inputs=["listed_clips", "audio_roots", "params:ingest", "params:nights", "params:embedding"],
                outputs=["clips", "rejects"],
                name="check_audio",
                tags=["raw"],
            ),
        ]
    )
