"""Long recordings and a classifier in; detections, nights, windows to check, what they tell, and a report out."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.detection import nodes


def create_pipeline() -> Pipeline:
    """List, choose, listen, count, validate, show."""
    return Pipeline(
        [*_listen(), *_count(), *_validate(), *_show()],
        namespace="detection",
        inputs={"known_embeddings", "problem_card", "review_log"},
        parameters={
            "params:detection",
            "params:nights",
            "params:recorders",
            "params:source.sites",
            "params:workers",
            "params:data_root",
            "params:embedding",
        },
    )


def _listen() -> list[Node]:
    return [
        Node(
            nodes.list_recordings,
            inputs=[
                "params:detection",
                "params:recorders",
                "params:source.sites",
                "params:nights",
                "demo_field",
                "params:data_root",
            ],
            outputs=["recordings", "sites"],
            name="list_recordings",
            tags=["raw"],
        ),
        Node(
            nodes.choose_classifier,
            inputs=["params:detection", "params:data_root", "params:embedding"],
            outputs="classifier",
            name="choose_classifier",
            tags=["models"],
        ),
        Node(
            nodes.score_recordings,
            inputs=[
                "recordings",
                "classifier",
                "known_files",
                "known_scores",
                "known_embeddings",
                "params:detection",
                "params:workers",
            ],
            outputs=["embeddings", "scores", "files_seen"],
            name="score_recordings",
            tags=["scores"],
        ),
    ]


def _count() -> list[Node]:
    return [
        Node(
            nodes.make_detections,
            inputs=[
                "recordings",
                "classifier",
                "files_seen",
                "scores",
                "review_log",
                "known_strata",
                "params:detection",
                "params:nights",
            ],
            outputs=["flagged", "files", "broken", "effort", "nights", "window_counts"],
            name="make_detections",
            tags=["scores"],
        ),
        Node(
            nodes.embed_detections,
            inputs=[
                "flagged",
                "files",
                "recordings",
                "classifier",
                "embeddings",
                "params:detection",
                "params:workers",
            ],
            outputs="flagged_embeddings",
            name="embed_detections",
            tags=["scores"],
        ),
        Node(
            nodes.name_confusers,
            inputs=["flagged", "files", "classifier", "flagged_embeddings", "params:detection"],
            outputs=["detections", "verified"],
            name="name_confusers",
            tags=["scores"],
        ),
        Node(
            nodes.count_by_hour,
            inputs=["detections", "files", "effort", "recordings", "classifier", "params:nights"],
            outputs="hours",
            name="count_hours",
            tags=["scores"],
        ),
        Node(
            nodes.write_occupancy,
            inputs=["nights", "hours", "sites", "params:detection"],
            outputs="occupancy",
            name="write_occupancy",
            tags=["reporting"],
        ),
        Node(
            nodes.queue_detections,
            inputs=["detections", "nights", "recordings", "files", "classifier", "params:detection"],
            outputs=["top", "night_queue"],
            name="queue_detections",
            tags=["scores"],
        ),
        Node(
            nodes.cut_top_clips,
            inputs=["top", "params:detection"],
            outputs="clips",
            name="cut_top_clips",
            tags=["reporting"],
        ),
        Node(
            nodes.list_species,
            inputs=["detections", "recordings", "classifier", "params:detection"],
            outputs="species",
            name="list_species",
            tags=["reporting"],
        ),
        Node(
            nodes.write_label_tables,
            inputs=["detections", "files", "recordings", "classifier", "params:detection"],
            outputs="label_tables",
            name="write_label_tables",
            tags=["reporting"],
        ),
    ]


def _validate() -> list[Node]:
    return [
        Node(
            nodes.sample_windows,
            inputs=[
                "window_counts",
                "files",
                "recordings",
                "classifier",
                "files_seen",
                "scores",
                "known_sample",
                "known_strata",
                "review_log",
                "params:detection",
                "params:nights",
            ],
            outputs=["sample", "strata"],
            name="sample_windows",
            tags=["scores"],
        ),
        Node(
            nodes.validate_sample,
            inputs=["sample", "window_counts", "strata", "nights", "classifier", "params:detection"],
            outputs=["precision", "call_density", "precision_by_place", "validation"],
            name="validate_sample",
            tags=["reporting"],
        ),
    ]


def _show() -> list[Node]:
    return [
        Node(
            nodes.draw,
            inputs=[
                "nights",
                "detections",
                "effort",
                "precision",
                "call_density",
                "recordings",
                "params:detection",
                "params:nights",
            ],
            outputs=["activity_plot", "hours_plot", "precision_plot", "call_density_plot"],
            name="draw_activity",
            tags=["reporting"],
        ),
        Node(
            nodes.write_report,
            inputs=[
                "recordings",
                "classifier",
                "detections",
                "files",
                "effort",
                "nights",
                "top",
                "precision",
                "call_density",
                "precision_by_place",
                "validation",
                "activity_plot",
                "hours_plot",
                "precision_plot",
                "call_density_plot",
                "problem_card",
                "params:detection",
                "params:data_root",
            ],
            outputs=["report", "answer"],
            name="write_report",
            tags=["reporting"],
        ),
    ]
