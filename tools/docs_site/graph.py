"""A pipeline as boxes and arrows in columns, read from left to right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kedro.pipeline import Node, Pipeline

from vernal.framework.lineage.graph import LAYERS, is_known_before

PLOTS = "plots"  # the figures of a report are one box
_SWEEPS = 6


@dataclass
class Graph:
    """Boxes by name: `kind` is `node`, `group` or `data`; `arrows` lead from box to box."""

    kind: dict[str, str] = field(default_factory=dict)
    label: dict[str, str] = field(default_factory=dict)
    arrows: set[tuple[str, str]] = field(default_factory=set)

    def before(self) -> dict[str, set[str]]:
        """Boxes by the boxes that lead to them."""
        found: dict[str, set[str]] = {name: set() for name in self.kind}
        for source, target in self.arrows:
            found[target].add(source)
        return found

    def after(self) -> dict[str, set[str]]:
        """Boxes by the boxes that they lead to."""
        found: dict[str, set[str]] = {name: set() for name in self.kind}
        for source, target in self.arrows:
            found[source].add(target)
        return found


def graph_of(pipeline: Pipeline, is_folded: bool = False) -> Graph:
    """Nodes and datasets of a pipeline, without parameters.

    Args:
        pipeline: any pipeline.
        is_folded: one box a namespace; datasets that no other namespace touches are inside it.

    What a node knows from an earlier run (`known_...`) is left out: it is one of its own results.
    """
    graph = Graph()
    owners: dict[str, set[str]] = {}
    for node in pipeline.nodes:
        box = f"node {node.namespace if is_folded and node.namespace else node.name}"
        graph.kind[box] = "group" if is_folded and node.namespace else "node"
        graph.label[box] = _folded_label(node) if is_folded else node.name.rpartition(".")[2]
        for names, is_input in ((node.inputs, True), (node.outputs, False)):
            for name in {_dataset(name) for name in names if not _is_left_out(name)}:
                owners.setdefault(name, set()).add(box)
                graph.kind[name], graph.label[name] = "data", _dataset_label(name, pipeline)
                graph.arrows.add((name, box) if is_input else (box, name))
    if is_folded:
        ends = {_dataset(name) for name in pipeline.inputs() | pipeline.outputs()}
        _remove(graph, {name for name, boxes in owners.items() if len(boxes) == 1 and name not in ends})
        # What a box makes and reads again leads out of it alone.
        graph.arrows -= {
            (name, box)
            for box, name in graph.arrows
            if graph.kind[box] != "data" and (name, box) in graph.arrows
        }
    return graph


def main_road(graph: Graph) -> Graph:
    """The boxes of a folded graph with what enters at the start and what comes out at the end.

    Datasets in between become arrows, and an arrow is left out where others lead the same way.
    """
    rank, before, after = _ranks(graph), graph.before(), graph.after()
    last = max(rank.values(), default=0)
    ends = {
        name
        for name, kind in graph.kind.items()
        if kind == "data" and ((not before[name] and rank[name] <= 1) or rank[name] == last)
    }
    kept = Graph(dict(graph.kind), dict(graph.label), set(graph.arrows))
    between = {name for name, kind in graph.kind.items() if kind == "data"} - ends
    kept.arrows |= {(source, target) for name in between for source in before[name] for target in after[name]}
    _remove(kept, between)
    kept.arrows -= {arrow for arrow in kept.arrows if _is_implied(arrow, kept.after())}
    return kept


def _is_implied(arrow: tuple[str, str], after: Mapping[str, set[str]]) -> bool:
    """Whether a longer way leads from the arrow's start to its end."""
    source, target = arrow
    seen, ahead = set(), list(after[source] - {target})
    while ahead:
        name = ahead.pop()
        if target in after[name]:
            return True
        if name not in seen:
            seen.add(name)
            ahead += after[name]
    return False


def columns_of(graph: Graph) -> list[list[str]]:
    """Boxes in columns: each stands right of all that lead to it, and near what it is connected with.

    Returns:
        Columns from left to right, each from top to bottom; the same graph gives the same columns.
    """
    rank = _ranks(graph)
    columns: list[list[str]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for name in sorted(graph.kind):
        columns[rank[name]].append(name)
    before, after = graph.before(), graph.after()
    for sweep in range(_SWEEPS):
        neighbours = before if sweep % 2 == 0 else after
        place = {name: (i + 0.5) / len(column) for column in columns for i, name in enumerate(column)}
        for column in columns:
            column.sort(key=lambda name: (_mean([place[n] for n in neighbours[name]], place[name]), name))
            place |= {name: (i + 0.5) / len(column) for i, name in enumerate(column)}
    return columns


def _ranks(graph: Graph) -> dict[str, int]:
    before, after = graph.before(), graph.after()
    rank: dict[str, int] = {}

    def place(name: str) -> int:
        if name not in rank:
            rank[name] = max((place(source) + 1 for source in before[name]), default=0)
        return rank[name]

    for name in graph.kind:
        place(name)
    for name in graph.kind:
        # What nothing leads to stands just before its first reader.
        if not before[name] and after[name]:
            rank[name] = min(rank[target] for target in after[name]) - 1
    return rank


def _remove(graph: Graph, names: Iterable[str]) -> None:
    gone = set(names)
    for name in gone:
        del graph.kind[name], graph.label[name]
    graph.arrows = {arrow for arrow in graph.arrows if not gone.intersection(arrow)}


def _mean(values: list[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _is_left_out(name: str) -> bool:
    return name == "parameters" or name.startswith("params:") or is_known_before(name)


def _dataset(name: str) -> str:
    """A dataset's box: figures share one."""
    namespace, dot, last = name.rpartition(".")
    return f"{namespace}{dot}{PLOTS}" if last.endswith("_plot") else name


def _dataset_label(name: str, pipeline: Pipeline) -> str:
    namespaces = {node.namespace for node in pipeline.nodes}
    namespace, _, last = name.rpartition(".")
    return last if namespaces == {namespace} else name


def _folded_label(node: Node) -> str:
    return (node.namespace or node.name).replace("_", " ")


def layers_of(graph: Graph, layer_by_dataset: Mapping[str, str]) -> list[str]:
    """The data layers that occur, in reading order."""
    found = {layer_by_dataset.get(name) for name, kind in graph.kind.items() if kind == "data"}
    return [layer for layer in LAYERS if layer in found]
