"""The last run on the data folder, as the Workflow view of Kedro-Viz shows it: from the run's own record."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kedro.pipeline import Node, Pipeline

from vernal.framework.kedro_compat import dataset_event, failed_node_event, node_event
from vernal.proof.run_record import FAILED, read_records


def last_run_events(
    data_root: Path, pipelines: Iterable[Pipeline], catalog: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What happened in the last run of which nodes are known, in the words of Kedro-Viz; nothing without one.

    Args:
        data_root: where records lie.
        pipelines: those that are shown; nodes of others are left out.
        catalog: for the size of what the nodes wrote.
    """
    record = last_record(data_root)
    if record is None:
        return []
    nodes = {node.name: node for pipeline in pipelines for node in pipeline.nodes}
    finished = [(nodes[row["node"]], row["duration_s"]) for row in record["nodes"] if row["node"] in nodes]
    events = [{"event": "before_pipeline_run", "timestamp": record["started"]}]
    for node, seconds in finished:
        events += [node_event(node, seconds), *_datasets_of(node, catalog)]
    if record["outcome"] != FAILED:
        return [*events, {"event": "after_pipeline_run", "timestamp": record["ended"]}]
    failed = nodes.get(record.get("failed_node", ""))
    if failed is not None:
        events.append(failed_node_event(failed, record["error"]))
    return [*events, {"event": "on_pipeline_error", "timestamp": record["ended"], "error": record["error"]}]


def last_record(data_root: Path) -> dict[str, Any] | None:
    """The record of the run that started last; one that has not ended tells of no node yet and is passed over."""
    known = [record for record in read_records(data_root) if record.get("ended")]
    return max(known, key=lambda record: record["started"], default=None)


def _datasets_of(node: Node, catalog: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        dataset_event(name, _bytes_of(catalog, name)) for name in dict.fromkeys([*node.inputs, *node.outputs])
    ]


def _bytes_of(catalog: Mapping[str, Any], name: str) -> int:
    """Size of a dataset that is one file; 0 for any other."""
    file = getattr(catalog[name], "_filepath", None) if name in catalog else None
    return int(file.stat().st_size) if file is not None and file.is_file() else 0
