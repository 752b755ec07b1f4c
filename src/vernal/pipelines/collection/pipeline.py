"""An inbox in; a lake, a manifest that can be trusted, and a report out."""

from kedro.pipeline import Node, Pipeline

from vernal.collection import recovery
from vernal.pipelines.collection import judging, nodes, showing
from vernal.pipelines.embedding.nodes import embed_missing


def create_pipeline() -> Pipeline:
    """Collect, judge, show."""
    return Pipeline(
        [_collect(), _label(), _embed(), _judge(), _show()],
        namespace="collection",
        inputs={"known_embeddings", "problem_card", "review_log"},
        parameters={
            "params:embedding",
            "params:workers",
            "params:data_root",
            "params:recorders",
            "params:nights",
            "params:targets",
        },
    )


def _collect() -> Pipeline:
    return Pipeline(
        [
            Node(
                nodes.make_demo_group,
                inputs=["params:inbox", "params:demo_group"],
                outputs=["demo_files", "planted"],
                name="make_demo_group",
            ),
            Node(
                nodes.list_files,
                inputs=["params:inbox", "params:demo_group", "demo_files"],
                outputs=["lake", "left_out"],
                name="add_to_lake",
            ),
            Node(
                nodes.take_stock,
                inputs=["lake", "params:lake", "params:recorders"],
                outputs=["statements", "recordings", "inventory", "doubles", "differences"],
                name="take_stock",
            ),
            Node(
                nodes.cut_recordings,
                inputs=["lake", "recordings", "params:clips", "params:nights"],
                outputs=["clips", "uncut", "audio_roots"],
                name="cut_clips",
            ),
        ],
        tags="raw",
    )


def _label() -> Pipeline:
    annotations = ["strong_annotations", "weak_annotations"]
    return Pipeline(
        [
            Node(
                nodes.read_labels,
                inputs=["lake", "statements", "recordings", "problem_card"],
                outputs=[*annotations, "detections", "reviews", "label_problems", "label_files"],
                name="read_labels",
            ),
            Node(
                nodes.count_votes,
                inputs=["clips", *annotations, "reviews", "problem_card", "params:clips", "review_log"],
                outputs=["votes", "edges"],
                name="count_votes",
            ),
            Node(
                nodes.compare_annotators,
                inputs=["votes", "clips", "problem_card", "params:agreement"],
                outputs=["agreement", "disagreements"],
                name="compare_annotators",
            ),
            Node(
                nodes.settle_labels,
                inputs=["votes", "clips", "problem_card", "params:consensus"],
                outputs=["consensus", "annotator_rates"],
                name="settle_labels",
            ),
            Node(
                nodes.grade_quality,
                inputs=[
                    "lake",
                    "clips",
                    "strong_annotations",
                    "weak_annotations",
                    "problem_card",
                    "params:clips",
                    "params:quality",
                ],
                outputs="qualities",
                name="grade_quality",
            ),
            Node(
                nodes.write_manifest,
                inputs=[
                    "clips",
                    "consensus",
                    "edges",
                    "qualities",
                    "problem_card",
                    "params:quality",
                    "params:targets",
                ],
                outputs=["manifest", "adversarial", "held_back"],
                name="write_manifest",
            ),
            Node(
                nodes.cut_clip_files,
                inputs=["lake", "clips", "manifest", "params:write_clips"],
                outputs=["clip_files", "clip_manifest"],
                name="cut_clip_files",
            ),
        ],
        tags="curated",
    )


def _embed() -> Pipeline:
    return Pipeline(
        [
            Node(
                embed_missing,
                inputs=["clips", "audio_roots", "params:embedding", "known_embeddings", "params:workers"],
                outputs="embeddings",
                name="embed_collection",
            ),
            Node(
                judging.reduce_vectors,
                inputs=["clips", "embeddings", "params:embedding"],
                outputs="vectors",
                name="reduce_vectors",
            ),
        ],
        tags="features",
    )


def _judge() -> Pipeline:
    labelled = ["vectors", "clips", "consensus", "problem_card"]
    return Pipeline(
        [
            Node(
                judging.learn_curves,
                inputs=[*labelled, "params:learning_curve"],
                outputs=["curves", "curve_lines", "gains"],
                name="learn_curves",
            ),
            Node(
                judging.suspect_labels,
                inputs=[*labelled, "params:seed"],
                outputs="suspects",
                name="suspect_labels",
            ),
            Node(
                judging.check_sample,
                inputs=["clips", "manifest", "recordings"],
                outputs=["coverage", "choosers"],
                name="check_sample",
            ),
            Node(
                judging.seek_drift,
                inputs=["lake", "vectors", "clips", "recordings", "params:drift", "params:nights"],
                outputs=["drift", "level_shifts"],
                name="seek_drift",
            ),
            Node(
                judging.label_next,
                inputs=[*labelled, "edges", "params:label_next"],
                outputs=["queue", "simulation", "strategy"],
                name="label_next",
            ),
            Node(
                judging.ask_birdnet,
                inputs=[
                    "clips",
                    "embeddings",
                    "consensus",
                    "edges",
                    "problem_card",
                    "params:embedding",
                    "params:label_next",
                ],
                outputs="birdnet",
                name="ask_birdnet",
            ),
            Node(
                judging.check_target,
                inputs=[*labelled, "params:seed"],
                outputs="first_check",
                name="check_target",
            ),
            Node(
                recovery.compare_with_planted,
                inputs=["planted", "annotator_rates", "level_shifts", "inventory", "choosers"],
                outputs="recovery",
                name="compare_with_planted",
            ),
        ],
        tags="scores",
    )


def _show() -> Pipeline:
    options = {"curve": "params:learning_curve", "queue": "params:label_next", "drift": "params:drift"}
    facts = {
        "inbox": "params:inbox",
        "problem": "params:problem",
        "data_root": "params:data_root",
        "nights": "params:nights",
        "targets": "params:targets",
    }
    return Pipeline(
        [
            Node(
                showing.draw_figures,
                inputs=options | _named("planted", *showing.DRAWN) | {"card": "problem_card"},
                outputs=_named(*showing.PLOTS),
                name="draw_figures",
            ),
            Node(
                showing.write_report,
                inputs=facts
                | _named("audio_roots", "strategy", *showing.TABLES, *showing.PLOTS)
                | {"card": "problem_card"},
                outputs=["report", "answer"],
                name="write_report",
            ),
        ],
        tags="reporting",
    )


def _named(*names: str) -> dict[str, str]:
    """Datasets that go under their own names."""
    return {name: name for name in names}
