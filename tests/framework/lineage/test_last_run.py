"""What the Workflow view is told of a run, from the run's record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline
from kedro_viz.api.rest.responses.run_events import transform_events_to_structured_format
from kedro_viz.models.flowchart.nodes import GraphNode
from kedro_viz.utils import _hash, _hash_input_output

from vernal.datasets.record_dataset import RecordDataset
from vernal.framework.lineage.last_run import last_run_events
from vernal.proof.run_record import RunRecord


def same(value: dict) -> dict:
    return value


READ = Node(same, "raw", "clips", name="read", namespace="ingest")
SPLIT = Node(same, "clips", "splits", name="split", namespace="quality_splitting")
SHOWN = [Pipeline([READ, SPLIT])]


@pytest.fixture
def catalog(tmp_path: Path) -> DataCatalog:
    names = ("raw", "clips", "splits")
    found = DataCatalog({name: RecordDataset(filepath=str(tmp_path / f"{name}.json")) for name in names})
    found.save("clips", {"n": 1})
    return found


def record(root: Path, run: str = "2026-05-01T10.00.00.000Z", **fields: object) -> RunRecord:
    return RunRecord(run, root, root, (), {}, **fields)


def status(root: Path, catalog: DataCatalog):
    return transform_events_to_structured_format(last_run_events(root, SHOWN, catalog))


def test_no_run_is_no_status(tmp_path: Path, catalog: DataCatalog):
    assert last_run_events(tmp_path, SHOWN, catalog) == []
    record(tmp_path).begin()
    assert last_run_events(tmp_path, SHOWN, catalog) == [], "one that is at work has told of nothing yet"


def test_a_finished_run_has_its_nodes_with_seconds_and_its_files_with_bytes(
    tmp_path: Path, catalog: DataCatalog
):
    run = record(tmp_path)
    run.add_node("ingest.read", 1.5)
    run.add_node("of a pipeline that is not shown", 2.0)
    run.end()
    found = status(tmp_path, catalog)
    assert {name: node.duration for name, node in found.nodes.items()} == {_hash(str(READ)): 1.5}
    sizes = {data.name: data.size for data in found.datasets.values()}
    assert sizes == {"raw": 0, "clips": (tmp_path / "clips.json").stat().st_size}
    assert found.pipeline.status == "success"


def test_a_failed_run_names_the_node_and_why(tmp_path: Path, catalog: DataCatalog):
    run = record(tmp_path)
    run.add_node("ingest.read", 1.5)
    run.failed_node = "quality_splitting.split"
    run.end(ValueError("no nights"))
    found = status(tmp_path, catalog)
    assert found.pipeline.status == "failed" and found.pipeline.error.message == "ValueError: no nights"
    assert {name: node.status.value for name, node in found.nodes.items()} == {
        _hash(str(READ)): "success",
        _hash(str(SPLIT)): "failed",
    }


def test_the_run_that_started_last_counts(tmp_path: Path, catalog: DataCatalog):
    for run, node in (
        ("2026-05-02T10.00.00.000Z", "ingest.read"),
        ("2026-05-01T10.00.00.000Z", "quality_splitting.split"),
    ):
        one = record(tmp_path, run)
        one.add_node(node, 1.0)
        one.end()
    files = sorted((tmp_path / "08_reporting" / "runs").glob("*.json"))
    for day, file in enumerate(files, start=1):
        content = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps(content | {"started": f"2026-05-0{day}T10:00:00+00:00"}), encoding="utf-8")
    assert set(status(tmp_path, catalog).nodes) == {_hash(str(READ))}


def test_ids_are_those_of_the_picture():
    """Kedro-Viz ties a status to a box by its id alone."""
    task = GraphNode.create_task_node(READ, _hash(str(READ)), None)
    assert task.id == _hash(str(READ))
    assert _hash_input_output("clips") == _hash_input_output("clips@pandas")
