"""A stage's nodes under the stage's name.

What belongs to one stage is prefixed (`stage5.plan`); what every stage reads is shared, as all parameters are.
"""

from collections.abc import Iterable

from kedro.pipeline import Node, Pipeline

BASELINE = "baseline"
# A node's tag: all that it reads is in its inputs, or sound that they name by its content, so that what it gave stands
# while they do (see `vernal.runners.standing`).
STANDS = "stands"
SHARED = frozenset(
    {
        "all_clips",
        "audio_roots",
        "curated_subsets",
        "known_embeddings",
        "known_heads",
        "miner_clips",
        "near_duplicates",
        "problem_card",
        "rejects",
        "splits",
        "split_counts",
    }
)


def in_stage(stage: str, nodes: Iterable[Node]) -> Pipeline:
    """The nodes as a pipeline of the stage."""
    plain = Pipeline(nodes)
    inputs = plain.inputs()
    parameters = {name for name in inputs if name.startswith("params:")}
    return Pipeline(plain, namespace=stage, inputs=inputs & SHARED, parameters=parameters)
