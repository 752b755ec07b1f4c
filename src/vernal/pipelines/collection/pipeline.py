"""An inbox in; a lake, a manifest that can be trusted, and a report out."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.collection import judging, nodes, showing
from vernal.pipelines.embedding.nodes import embed_missing

# Tables of the page that have another name in the catalog.
_DATASETS = {
    "strong": "strong_annotations",
    "weak": "weak_annotations",
    "rates": "annotator_rates",
    "shifts": "level_shifts",
}


def create_pipeline() -> Pipeline:
    """Collect, judge, show."""
    return Pipeline(
        [*_collect(), *_label(), *_judge(), *_show()],
        namespace="collection",
        inputs={"known_embeddings", "problem_card", "review_log"},
        parameters={"params:embedding", "params:workers", "params:data_root"},
    )


def _collect() -> list[Node]:
    return [
        Node(
            nodes.make_demo_group,
            inputs=["params:inbox", "params:demo_group"],
            outputs=["demo_files", "planted"],
            name="make_demo_group",
            tags=["raw"],
        ),
        Node(
            nodes.list_files,
            inputs=["params:inbox", "params:demo_group", "demo_files"],
            outputs=["lake", "left_out"],
            name="add_to_lake",
            tags=["raw"],
        ),
        Node(
            nodes.take_stock,
            inputs=["lake", "params:lake"],
            outputs=["statements", "recordings", "inventory", "doubles", "differences"],
            name="take_stock",
            tags=["raw"],
        ),
        Node(
            nodes.cut_recordings,
            inputs=["lake", "recordings", "params:clips"],
            outputs=["clips", "uncut", "audio_roots"],
            name="cut_clips",
            tags=["raw"],
        ),
    ]


def _label() -> list[Node]:
    return [
        Node(
            nodes.read_labels,
            inputs=["lake", "statements", "recordings", "problem_card"],
            outputs=[
                "strong_annotations",
                "weak_annotations",
                "detections",
                "reviews",
                "label_problems",
                "label_files",
            ],
            name="read_labels",
            tags=["curated"],
        ),
        Node(
            nodes.count_votes,
            inputs=[
                "clips",
                "strong_annotations",
                "weak_annotations",
                "reviews",
                "problem_card",
                "params:clips",
                "review_log",
            ],
            outputs=["votes", "edges"],
            name="count_votes",
            tags=["curated"],
        ),
        Node(
            nodes.compare_annotators,
            inputs=["votes", "clips", "problem_card", "params:agreement"],
            outputs=["agreement", "disagreements"],
            name="compare_annotators",
            tags=["curated"],
        ),
        Node(
            nodes.settle_labels,
            inputs=["votes", "clips", "problem_card", "params:consensus"],
            outputs=["consensus", "annotator_rates"],
            name="settle_labels",
            tags=["curated"],
        ),
        Node(
            nodes.grade_quality,
            inputs=["lake", "clips", "strong_annotations", "problem_card", "params:clips", "params:quality"],
            outputs="qualities",
            name="grade_quality",
            tags=["curated"],
        ),
        Node(
            nodes.write_manifest,
            inputs=["clips", "consensus", "edges", "qualities", "problem_card"],
            outputs=["manifest", "adversarial", "held_back"],
            name="write_manifest",
            tags=["curated"],
        ),
        Node(
            nodes.cut_clip_files,
            inputs=["lake", "clips", "manifest", "params:write_clips"],
            outputs=["clip_files", "clip_manifest"],
            name="cut_clip_files",
            tags=["curated"],
        ),
    ]


def _judge() -> list[Node]:
    return [
        Node(
            embed_missing,
            inputs=["clips", "audio_roots", "params:embedding", "known_embeddings", "params:workers"],
            outputs="embeddings",
            name="embed_collection",
            tags=["features"],
        ),
        Node(
            judging.reduce_vectors,
            inputs=["clips", "embeddings", "params:embedding"],
            outputs="vectors",
            name="reduce_vectors",
            tags=["features"],
        ),
        Node(
            judging.learn_curves,
            inputs=["vectors", "clips", "consensus", "problem_card", "params:learning_curve"],
            outputs=["curves", "curve_lines", "gains"],
            name="learn_curves",
            tags=["scores"],
        ),
        Node(
            judging.suspect_labels,
            inputs=["vectors", "clips", "consensus", "problem_card", "params:seed"],
            outputs="suspects",
            name="suspect_labels",
            tags=["scores"],
        ),
        Node(
            judging.check_sample,
            inputs=["clips", "manifest", "recordings"],
            outputs=["coverage", "choosers"],
            name="check_sample",
            tags=["scores"],
        ),
        Node(
            judging.seek_drift,
            inputs=["lake", "vectors", "clips", "recordings", "params:drift"],
            outputs=["drift", "level_shifts"],
            name="seek_drift",
            tags=["scores"],
        ),
        Node(
            judging.label_next,
            inputs=["vectors", "clips", "consensus", "edges", "problem_card", "params:label_next"],
            outputs=["queue", "simulation", "strategy"],
            name="label_next",
            tags=["scores"],
        ),
        Node(
            judging.check_target,
            inputs=["vectors", "clips", "consensus", "problem_card", "params:seed"],
            outputs="first_check",
            name="check_target",
            tags=["scores"],
        ),
        Node(
            judging.compare_with_planted,
            inputs=["planted", "annotator_rates", "level_shifts", "inventory", "choosers"],
            outputs="recovery",
            name="compare_with_planted",
            tags=["scores"],
        ),
    ]


def _show() -> list[Node]:
    return [
        Node(
            showing.draw_stock,
            inputs=["inventory", "planted"],
            outputs="inventory_plot",
            name="draw_stock",
            tags=["reporting"],
        ),
        Node(
            showing.draw_agreement,
            inputs=["agreement", "annotator_rates", "problem_card", "planted"],
            outputs=["agreement_plot", "annotators_plot"],
            name="draw_agreement",
            tags=["reporting"],
        ),
        Node(
            showing.draw_quality,
            inputs=["qualities", "planted"],
            outputs="quality_plot",
            name="draw_quality",
            tags=["reporting"],
        ),
        Node(
            showing.draw_learning,
            inputs=[
                "curves",
                "curve_lines",
                "simulation",
                "params:learning_curve",
                "params:label_next",
                "planted",
            ],
            outputs=["learning_curve_plot", "strategies_plot"],
            name="draw_learning",
            tags=["reporting"],
        ),
        Node(
            showing.draw_sample,
            inputs=["coverage", "level_shifts", "vectors", "clips", "params:drift", "planted"],
            outputs=["coverage_plot", "drift_plot", "embedding_map_plot"],
            name="draw_sample",
            tags=["reporting"],
        ),
        Node(
            showing.write_report,
            inputs=[
                "problem_card",
                "params:inbox",
                "params:data_root",
                "audio_roots",
                "strategy",
                *(_DATASETS.get(name, name) for name in showing.TABLES),
                *(f"{name}_plot" for name in showing.DRAWINGS),
            ],
            outputs="report",
            name="write_report",
            tags=["reporting"],
        ),
    ]
