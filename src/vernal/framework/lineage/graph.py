"""What Kedro-Viz draws: the registered pipelines, each node with its description."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from kedro.pipeline import Node, Pipeline

from vernal.common.problems import InputError, suggest

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
) -> None:
    """Hand the project's pipelines and catalog to Kedro-Viz, which keeps them for the process.

    Args:
        project: the folder of `pyproject.toml`.
        env: environment of the configuration; None is `local`.
        params: parameters, nested, as `kedro run --params` gives them.
        pipeline: show this one alone; None shows all.
    Raises:
        InputError: no such pipeline.
    """
    from kedro_viz.data_access import data_access_manager
    from kedro_viz.integrations.kedro.data_loader import load_data
    from kedro_viz.server import populate_data

    catalog, pipelines, extras = load_data(project, env, extra_params=dict(params or {}))
    if pipeline is not None and pipeline not in pipelines:
        raise InputError(f"There is no pipeline {pipeline!r}; {suggest(pipeline, pipelines)}")
    names = [pipeline] if pipeline is not None else in_reading_order(pipelines)
    descriptions = dataset_descriptions(catalog, (pipelines[name] for name in names))
    shown = {name: described(pipelines[name], descriptions) for name in names}
    _keep_reading_order()
    _name_pipelines()
    populate_data(data_access_manager, catalog, shown, extras)


def _keep_reading_order() -> None:
    """Let layers that no dataset ties to each other stand in the order of `LAYERS` instead of the alphabet's."""
    from kedro_viz.services import layers

    if not isinstance(layers.sort_layers, partial):
        layers.sort_layers = partial(sorted_layers, layers.sort_layers)


def sorted_layers(sort_layers: Callable[..., list[str]], *graph: Any) -> list[str]:
    """Layers of a graph in reading order; none where they depend on each other in a circle."""
    layers = sort_layers(*graph)
    return sorted(layers, key=lambda layer: LAYERS.index(layer) if layer in LAYERS else len(LAYERS))


def _name_pipelines() -> None:
    """Let the command beside a node or dataset name a pipeline that has it; Kedro-Viz means the default one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Kedro-Viz' use of FastAPI is its own affair
        from kedro_viz.api.rest import router
        from kedro_viz.api.rest.responses import nodes, save_responses

    answer = partial(with_pipeline, nodes.get_node_metadata_response)
    router.get_node_metadata_response = save_responses.get_node_metadata_response = answer


def with_pipeline(answer: Callable[[str], Any], node_id: str) -> Any:
    """What Kedro-Viz answers about a node, with a command that runs as it stands."""
    from kedro_viz.data_access import data_access_manager

    found = answer(node_id)
    command = getattr(found, "run_command", None)
    if command:
        names = data_access_manager.nodes.get_node_by_id(node_id).pipelines
        if "__default__" not in names:
            found.run_command = command.replace(
                "kedro run", f"kedro run --pipeline={in_reading_order(names)[0]}", 1
            )
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
    return ShownNode(
        node.func,
        node._inputs,
        node._outputs,
        name=node._name,
        tags=node.tags,
        namespace=node.namespace,
        preview_fn=partial(_text_preview, node_text(node, descriptions)),
    )


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


def _text_preview(text: str) -> Any:
    from kedro.pipeline.preview_contract import TextPreview

    return TextPreview(content=text)
