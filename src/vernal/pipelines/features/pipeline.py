"""A manifest or the companion set in; features, networks, their comparison and its report out."""

from kedro.pipeline import Node, Pipeline

from vernal.pipelines.features import nodes

SHARED = {"known_embeddings", "problem_card", "source_manifest"}
_CLIPS = ["labelled", "folds", "plan"]
_AUDIO = ["params:features.audio", "params:embedding"]


def create_pipeline() -> Pipeline:
    """From clips to the report of the study, under the name of the study."""
    plain = Pipeline(
        [
            Node(
                nodes.plan_companion,
                inputs=["params:features.companion", "params:source"],
                outputs="companion_clips",
                name="plan_companion",
                tags=["raw"],
            ),
            Node(
                nodes.render_companion,
                inputs=["params:features.companion", "companion_clips"],
                outputs="companion_audio",
                name="render_companion",
                tags=["raw"],
            ),
            Node(
                nodes.take_in,
                inputs=[
                    "params:source",
                    "source_manifest",
                    "companion_clips",
                    "companion_audio",
                    "params:ingest",
                    "params:nights",
                    "params:features.classes",
                ],
                outputs=["clips", "rejects", "audio_roots"],
                name="take_in",
                tags=["raw"],
            ),
            Node(
                nodes.deal,
                inputs=["clips", "params:features.classes", "params:features.splits"],
                outputs=["labelled", "folds", "label_counts", "labels_plot"],
                name="deal",
                tags=["split"],
            ),
            Node(
                nodes.plan_study,
                inputs=["params:features.study", "params:points"],
                outputs="plan",
                name="plan_study",
                tags=["split"],
            ),
            Node(
                nodes.compute_features,
                inputs=[
                    "labelled",
                    "audio_roots",
                    "plan",
                    "params:features.audio",
                    "known_store",
                    "params:workers",
                ],
                outputs="store",
                name="compute",
                tags=["features"],
            ),
            Node(
                nodes.embed,
                inputs=[
                    "labelled",
                    "audio_roots",
                    "plan",
                    "params:embedding",
                    "known_embeddings",
                    "params:workers",
                ],
                outputs="embeddings",
                name="embed",
                tags=["features"],
            ),
            Node(
                nodes.train,
                inputs=[
                    *_CLIPS,
                    "store",
                    "embeddings",
                    "known_networks",
                    *_AUDIO,
                    "params:features.study",
                    "params:workers",
                ],
                outputs="networks",
                name="train",
                tags=["models"],
            ),
            Node(
                nodes.evaluate,
                inputs=[*_CLIPS, "networks", "store", *_AUDIO, "params:features.evaluation"],
                outputs=[
                    "points_table",
                    "leaderboard",
                    "classification",
                    "confusions",
                    "comparisons",
                    "scores",
                    "failures",
                    "histories",
                ],
                name="evaluate",
                tags=["scores"],
            ),
            Node(
                nodes.measure_time,
                inputs=["labelled", "audio_roots", "folds", "plan", "networks", *_AUDIO],
                outputs="runtime",
                name="measure_time",
                tags=["reporting"],
            ),
            Node(
                nodes.draw,
                inputs=[
                    "labelled",
                    "plan",
                    "store",
                    "params:features.audio",
                    "leaderboard",
                    "confusions",
                    "histories",
                ],
                outputs=["gallery", "learning_plot", "standings_plot", "confusion_plot"],
                name="draw",
                tags=["reporting"],
            ),
            Node(
                nodes.report,
                inputs={
                    "source": "params:source",
                    "options": "params:features.evaluation",
                    "study_options": "params:features.study",
                    "audio": "params:features.audio",
                    "labelled": "labelled",
                    "rejects": "rejects",
                    "label_counts": "label_counts",
                    "dealt": "folds",
                    "points": "points_table",
                    "leaderboard": "leaderboard",
                    "confusions": "confusions",
                    "comparisons": "comparisons",
                    "failures": "failures",
                    "times": "runtime",
                    "gallery": "gallery",
                    "card": "problem_card",
                    "labels": "labels_plot",
                    "learning": "learning_plot",
                    "standings": "standings_plot",
                    "confusion": "confusion_plot",
                },
                outputs="report",
                name="report",
                tags=["reporting"],
            ),
        ]
    )
    parameters = {name for name in plain.inputs() if name.startswith("params:")}
    return Pipeline(plain, namespace="features", inputs=SHARED, parameters=parameters)
