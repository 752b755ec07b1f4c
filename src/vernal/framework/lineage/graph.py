"""What Kedro-Viz draws: the registered pipelines, each node with its description."""

import inspect
import warnings
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from kedro.pipeline import Node, Pipeline

from vernal.common.problems import InputError, suggest
from vernal.common.storage import as_path
from vernal.framework import kedro_compat
from vernal.framework.lineage.last_run import last_record, last_run_events

# In the order in which a newcomer would open them; what is not named here follows by name.
FIRST = ("__default__", "stage5", "imbalance")
# The data layers in the order of the work: clips are split before anything is learnt from them, and curated subsets
# stand on embeddings.
LAYERS = ("raw", "split", "features", "curated", "models", "scores", "reporting")


def load_graph(
    project: Path,
    env: str | None = None,
    params: Mapping[str, Any] | None = None,
    pipeline: str | None = None,
) -> str:
    """Hand the project's pipelines, its catalog and its last run to Kedro-Viz, which keeps them for the process.

    Args:
        project: the folder of `pyproject.toml`.
        env: environment of the configuration; None is `local`.
        params: parameters, nested, as `kedro run --params` gives them.
        pipeline: show this one alone; None shows all.
    Returns:
        The query of the address at which the view opens best (see `first_view`).
    Raises:
        InputError: no such pipeline.
    """
    catalog, pipelines, extras = kedro_compat.load_project(project, env, params or {})
    if pipeline is not None and pipeline not in pipelines:
        raise InputError(f"There is no pipeline {pipeline!r}; {suggest(pipeline, pipelines)}")
    names = [pipeline] if pipeline is not None else in_reading_order(pipelines)
    descriptions = dataset_descriptions(catalog, (pipelines[name] for name in names))
    shown = {name: described(pipelines[name], descriptions) for name in names}
    data_root = as_path(catalog["parameters"].load()["data_root"])
    kedro_compat.order_layers(reading_order_of_layer)
    kedro_compat.change_node_answers(with_pipeline)
    kedro_compat.answer_run_status(partial(last_run_events, data_root, tuple(shown.values()), catalog))
    kedro_compat.show_in_viz(catalog, shown, extras)
    last = last_record(data_root) or {}
    return first_view(shown, pipeline or last.get("stage") or FIRST[1])


def first_view(shown: Mapping[str, Pipeline], name: str) -> str:
    """The query that opens the view on one pipeline, its own folded box in the middle and at a size that reads.

    Kedro-Viz opens the whole chain so small that no name can be read. Empty where the pipeline is not shown.
    """
    if name not in shown:
        return ""
    has_box = any((node.namespace or "").split(".")[0] == name for node in shown[name].nodes)
    return f"?pid={name}&fid={name}" if has_box else f"?pid={name}"


def reading_order_of_layer(layer: str) -> int:
    """The place of a layer among `LAYERS`; any other comes last."""
    return LAYERS.index(layer) if layer in LAYERS else len(LAYERS)


def with_pipeline(found: Any, pipelines: list[str]) -> Any:
    """What Kedro-Viz tells of a node, with a command that runs as it stands: it names one of these pipelines."""
    command = getattr(found, "run_command", None)
    if command and "__default__" not in pipelines:
        first = in_reading_order(pipelines)[0]
        found.run_command = command.replace("kedro run", f"kedro run --pipeline={first}", 1)
    return found


def in_reading_order(names: Iterable[str]) -> list[str]:
    """Names of pipelines as a list to choose from: the whole chains, the stages, then the parts.

    >>> in_reading_order(["audit", "stage13", "stage2", "stage5", "__default__"])
    ['__default__', 'stage5', 'stage2', 'stage13', 'audit']
    """

    def key(name: str) -> tuple[int, int, str]:
        if name in FIRST:
            return FIRST.index(name), 0, name
        number = name.removeprefix("stage")
        return (len(FIRST), int(number), name) if number.isdigit() else (len(FIRST) + 1, 0, name)

    return sorted(names, key=key)


class ShownNode(Node):
    """A node as the picture has it: what it knows from an earlier run is one of its own results, and left out."""

    @property
    def inputs(self) -> list[str]:
        """Names of the datasets that lead to it."""
        return [name for name in super().inputs if not is_known_before(name)]


def is_known_before(dataset: str) -> bool:
    """Whether a dataset is what an earlier run left, read before it is written anew under its own name.

    >>> is_known_before("known_embeddings"), is_known_before("stage5.known_evaluation"), is_known_before("clips")
    (True, True, False)
    """
    return dataset.rpartition(".")[2].startswith("known_")


def described(pipeline: Pipeline, descriptions: Mapping[str, str]) -> Pipeline:
    """The same pipeline, each node with a text that Kedro-Viz shows beside it.

    Kedro-Viz has no place for the description of a dataset, so a node tells what it reads and writes.
    """
    with warnings.catch_warnings():
        # Kedro calls previews of nodes experimental at the first one; nothing but the text in the panel hangs on it.
        warnings.simplefilter("ignore")
        return Pipeline([_shown(node, descriptions) for node in pipeline.nodes])


def _shown(node: Node, descriptions: Mapping[str, str]) -> Node:
    text = node_text(node, descriptions)
    return kedro_compat.changed_node(node, ShownNode, partial(kedro_compat.text_preview, text))


def dataset_descriptions(catalog: Any, pipelines: Iterable[Pipeline]) -> dict[str, str]:
    """What the catalog says about each dataset of the pipelines, by name."""
    names = {name for pipeline in pipelines for name in pipeline.datasets()}
    found = {}
    for name in sorted(names):
        if name in catalog:
            metadata = getattr(catalog[name], "metadata", None) or {}
            if metadata.get("description"):
                found[name] = str(metadata["description"])
    return found


def node_text(node: Node, descriptions: Mapping[str, str]) -> str:
    """What a node does, and what it reads and writes."""
    blocks = [inspect.getdoc(node.func) or ""]
    for verb, names in (("Reads", node.inputs), ("Writes", node.outputs)):
        told = [
            f"  {name}: {descriptions[name]}"
            for name in names
            if name in descriptions and not is_known_before(name)
        ]
        if told:
            blocks.append("\n".join([verb, *told]))
    return "\n\n".join(block for block in blocks if block)
