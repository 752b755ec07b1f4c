"""Each pipeline with its picture, from the registered pipelines themselves."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

from kedro.pipeline import Pipeline

from tools.docs_site.catalog import Entry, find_entry, read_catalog
from tools.docs_site.graph import Graph, graph_of, main_road
from tools.docs_site.markdown import code, first_sentence, table
from tools.docs_site.picture import draw_pipeline
from vernal.pipeline_registry import BASELINE, DATA_PREPARATION, STAGE_PARTS, package, package_names, stage


def whole_chain(project: Path) -> str:
    """The folded picture of the stage `baseline`, which is what `kedro run` runs."""
    return _picture(
        graph_of(stage(BASELINE), is_folded=True), read_catalog(project), "From recordings to a report"
    )


def overview(project: Path) -> str:
    """The same picture without side roads, as wide as a page without a table of contents."""
    graph = main_road(graph_of(stage(BASELINE), is_folded=True))
    picture = _picture(graph, read_catalog(project), "From recordings to a report", widest=980)
    return picture.replace('class="lineage"', 'class="lineage fits"')


def stage_alone(project: Path) -> str:
    """The picture of a stage's own nodes, and what each does."""
    own = stage(BASELINE).only_nodes_with_namespaces([BASELINE])
    return _section(own, read_catalog(project), "The nodes of a stage")


def preparation(project: Path) -> str:
    """A section each for the pipelines that every stage stands on."""
    return _sections(project, DATA_PREPARATION)


def others(project: Path) -> str:
    """A section each for the pipelines that run alone."""
    return _sections(
        project, [name for name in package_names() if name not in {*DATA_PREPARATION, *STAGE_PARTS}]
    )


def _sections(project: Path, names: tuple[str, ...] | list[str]) -> str:
    entries = read_catalog(project)
    blocks = []
    for name in names:
        about = inspect.getdoc(importlib.import_module(f"vernal.pipelines.{name}.pipeline")) or ""
        blocks += [
            f"### {name} {{: #{name} }}",
            first_sentence(about),
            f"`kedro run --pipeline={name}`",
            _section(package(name), entries, f"The pipeline {name}"),
        ]
    return "\n\n".join(blocks)


def _section(pipeline: Pipeline, entries: list[Entry], title: str) -> str:
    rows = [
        (code(node.name.rpartition(".")[2]), first_sentence(inspect.getdoc(node.func) or ""))
        for node in pipeline.nodes
    ]
    return f"{_picture(graph_of(pipeline), entries, title)}\n\n{table(['node', 'what it does'], rows)}"


def _picture(graph: Graph, entries: list[Entry], title: str, **size: float) -> str:
    layers = {}
    for name, kind in graph.kind.items():
        entry = find_entry(entries, name) if kind == "data" else None
        if entry is not None and entry.layer:
            layers[name] = entry.layer
        elif kind == "data" and name.endswith("plots"):
            layers[name] = "reporting"
    return draw_pipeline(graph, layers, title, **size)
