"""Nodes and their parts on a Dask cluster: the sequential runner's results, whatever is lost on the way."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections import Counter
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import psutil
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner

from tests.fresh_python import loaded_by
from tests.runners import made_nodes
from tests.runners.clusters import cluster
from vernal.common.problems import InputError
from vernal.common.workers import worker_pool
from vernal.datasets.table_dataset import TableDataset
from vernal.runners import DaskRunner
from vernal.runners.connection import ADDRESS_VARIABLES
from vernal.runners.pool import call_in_child, kill_children
from vernal.runners.versions import refuse_differences, versions_here

pytestmark = pytest.mark.processes

PIPELINE = Pipeline(
    [
        Node(made_nodes.numbers, "params:made", "numbers", name="numbers"),
        Node(made_nodes.squares, ["numbers", "params:made"], "squares", name="squares"),
        Node(made_nodes.doubled, "squares", "facts", name="facts"),
        Node(made_nodes.shown, ["squares", "facts"], "shown", name="shown"),
    ]
)
needs_kill = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")


@pytest.fixture(autouse=True)
def no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ADDRESS_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory):
    with cluster(tmp_path_factory.mktemp("machines"), workers=2) as processes:
        yield processes


def catalog(folder: Path, **options: Any) -> DataCatalog:
    tables = {
        name: TableDataset(filepath=str(folder / f"{name}.csv")) for name in ("numbers", "squares", "shown")
    }
    parameters = {"data_root": str(folder), "made": {"count": 12, **options}}
    values = {"parameters": MemoryDataset(parameters), "params:made": MemoryDataset(parameters["made"])}
    return DataCatalog({**tables, **values})


def contents(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()
    }


def sequential(folder: Path) -> dict[str, bytes]:
    SequentialRunner().run(PIPELINE, catalog(folder))
    return contents(folder)


def test_results_are_those_of_the_sequential_runner_to_the_byte(machines, tmp_path: Path):
    expected = sequential(tmp_path / "one after the other")
    there = tmp_path / "on Dask, ä"
    outputs = DaskRunner(machines.address).run(PIPELINE, catalog(there))
    assert contents(there) == expected
    assert list(outputs) == ["shown"]


def test_what_no_dataset_keeps_travels_with_the_run(machines, tmp_path: Path):
    entries = catalog(tmp_path)
    DaskRunner(machines.address).run(PIPELINE.filter(to_nodes=["facts"]), entries)
    assert entries.load("facts") == {"sum": 506 + 12, "on_cluster": True}


def test_one_worker_is_enough_for_nodes_that_wait_for_tasks(tmp_path: Path):
    expected = sequential(tmp_path / "a")
    started = time.monotonic()
    DaskRunner(workers="1").run(PIPELINE, catalog(tmp_path / "b"))
    assert contents(tmp_path / "b") == expected
    assert time.monotonic() - started < 60


def test_each_worker_is_prepared_once_and_has_one_thread(machines, tmp_path: Path):
    nodes = [
        Node(made_nodes.numbers, "params:made", "numbers"),
        Node(made_nodes.environment, "numbers", "squares"),
    ]
    entries = catalog(tmp_path)
    DaskRunner(machines.address).run(Pipeline(nodes), entries)
    DaskRunner(machines.address).run(Pipeline(nodes), entries)
    found = entries.load("squares")
    assert set(found.prepared) == {1}
    assert set(found.threads) == {"1:0:1"}


def test_a_node_may_save_piece_by_piece(machines, tmp_path: Path):
    nodes = [
        Node(made_nodes.numbers, "params:made", "numbers"),
        Node(made_nodes.pieces, "numbers", "squares"),
    ]
    entries = catalog(tmp_path)
    DaskRunner(machines.address).run(Pipeline(nodes), entries)
    assert entries.load("squares").n.tolist() == [11]


def test_the_run_is_told_of_every_node_where_it_was_started(machines, tmp_path: Path):
    told: list[str] = []
    hooks = SimpleNamespace(
        hook=SimpleNamespace(
            after_node_run_elsewhere=lambda node, seconds: told.append((node.name, seconds > 0))
        )
    )
    DaskRunner(machines.address).run(PIPELINE, catalog(tmp_path), hooks)
    assert told == [("numbers", True), ("squares", True), ("facts", True), ("shown", True)]


def test_an_error_keeps_its_words_and_stops_the_run(machines, tmp_path: Path):
    nodes = [
        Node(made_nodes.numbers, "params:made", "numbers"),
        Node(made_nodes.refused, "numbers", "squares"),
        Node(made_nodes.doubled, "squares", "facts"),
    ]
    with pytest.raises(InputError, match=r"^row 3 is wrong; mend it$"):
        DaskRunner(machines.address).run(Pipeline(nodes), catalog(tmp_path))
    assert sorted(contents(tmp_path)) == ["numbers.csv"]  # and no scratch is left


@needs_kill
@pytest.mark.parametrize("who", ["of a part", "of a node"])
def test_a_lost_workers_tasks_are_done_by_another(tmp_path: Path, who: str):
    expected = sequential(tmp_path / "a")
    marker = tmp_path / "marker"
    marker.write_text("1", encoding="utf-8")
    nodes = PIPELINE
    if who == "of a node":
        lost = Node(made_nodes.lose_worker, "params:marker", None, name="lost")
        nodes = PIPELINE + Pipeline([lost])
    with cluster(tmp_path / "machines", workers=3) as processes:
        entries = catalog(tmp_path / "b", **({"marker": str(marker)} if who == "of a part" else {}))
        entries["params:marker"] = MemoryDataset(marker)
        DaskRunner(processes.address).run(nodes, entries)
        lost_ones = Counter(worker.poll() for worker in processes.workers)
    assert lost_ones[-9] == 1 and lost_ones[None] == 2
    assert contents(tmp_path / "b") == expected


@needs_kill
@pytest.mark.parametrize("times", [1, 99])
def test_a_part_that_ends_its_process_is_done_once_more(machines, tmp_path: Path, times: int):
    """As where memory runs out: the worker itself goes on."""
    expected = sequential(tmp_path / "a")
    marker = tmp_path / "child"
    marker.write_text(str(times), encoding="utf-8")
    if times > 1:
        with pytest.raises(BrokenProcessPool):
            DaskRunner(machines.address).run(PIPELINE, catalog(tmp_path / "b", marker=str(marker)))
    else:
        DaskRunner(machines.address).run(PIPELINE, catalog(tmp_path / "b", marker=str(marker)))
        assert contents(tmp_path / "b") == expected
    assert all(worker.poll() is None for worker in machines.workers)


@needs_kill
def test_a_task_that_takes_every_worker_with_it_ends_the_run_in_words(tmp_path: Path):
    marker = tmp_path / "marker"
    marker.write_text("99", encoding="utf-8")
    entries = catalog(tmp_path / "b")
    entries["params:marker"] = MemoryDataset(marker)
    lost = Pipeline([Node(made_nodes.lose_worker, "params:marker", None, name="lost")])
    with (
        cluster(tmp_path / "machines", workers=5) as processes,
        pytest.raises(InputError, match=r"lost: its worker was lost 4 times.*memory ran out"),
    ):
        DaskRunner(processes.address).run(lost, entries)


@needs_kill
def test_a_cluster_whose_workers_are_all_gone_is_waited_for_only_so_long(tmp_path: Path):
    marker = tmp_path / "marker"
    marker.write_text("99", encoding="utf-8")
    entries = catalog(tmp_path / "b")
    entries["params:marker"] = MemoryDataset(marker)
    lost = Pipeline([Node(made_nodes.lose_worker, "params:marker", None, name="lost")])
    with (
        cluster(tmp_path / "machines", workers=1) as processes,
        pytest.raises(InputError, match=r"no worker for 1 s. Start workers and run again"),
    ):
        DaskRunner(processes.address, patience_s=1).run(lost, entries)


def test_no_scheduler_is_one_message_within_seconds(tmp_path: Path):
    started = time.monotonic()
    with pytest.raises(
        InputError, match=r"No Dask scheduler answers at tcp://127.0.0.1:9 within 2 s. Start one"
    ):
        DaskRunner("tcp://127.0.0.1:9", timeout_s=2).run(PIPELINE, catalog(tmp_path))
    assert time.monotonic() - started < 20


def test_a_scheduler_without_workers_is_one_message(tmp_path: Path):
    with (
        cluster(tmp_path / "machines", workers=0) as processes,
        pytest.raises(InputError, match=r"has no workers. Start some with `dask worker tcp://"),
    ):
        DaskRunner(processes.address, timeout_s=2).run(PIPELINE, catalog(tmp_path))


def test_the_address_may_come_from_the_environment(machines, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("VERNAL_DASK_ADDRESS", "tcp://127.0.0.1:9")
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", machines.address)
    with pytest.raises(InputError, match=r"tcp://127.0.0.1:9 within 1 s"):
        DaskRunner(timeout_s=1).run(PIPELINE, catalog(tmp_path))
    monkeypatch.delenv("VERNAL_DASK_ADDRESS")
    DaskRunner().run(PIPELINE, catalog(tmp_path))
    assert (tmp_path / "shown.csv").is_file()


def test_workers_of_several_threads_are_refused(tmp_path: Path):
    with cluster(tmp_path / "machines", workers=0) as processes:
        processes.add_worker(threads=2)
        with pytest.raises(
            InputError, match=r"worker of several threads \(1\): tcp://.*: 2. Start workers with --nthr"
        ):
            DaskRunner(processes.address).run(PIPELINE, catalog(tmp_path))


def test_other_versions_on_the_workers_are_listed_once():
    here = {"python": "3.11", "numpy": "2.4.6", "vernal's code": "aa"}
    theirs = {f"w{i}": {**here, "numpy": "2.0.0"} for i in range(5)} | {
        "w9": {**here, "vernal's code": "bb"},
        "w8": here,
    }
    with pytest.raises(InputError) as caught:
        refuse_differences(here, theirs)
    text = str(caught.value)
    assert "numpy 2.0.0, here 2.4.6 (w0, w1, w2 and 2 more); vernal's code bb, here aa (w9)" in text
    assert "w8" not in text
    with pytest.raises(
        InputError, match=r"does not have this package \(1\): w0 \(ModuleNotFoundError: No module"
    ):
        refuse_differences(here, {"w0": ModuleNotFoundError("No module named 'vernal'")})
    refuse_differences(here, {"w8": here})


def test_versions_name_what_results_depend_on():
    assert {
        "python",
        "vernal",
        "numpy",
        "tensorflow",
        "distributed",
        "vernal's code",
    } <= versions_here().keys()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"workers": 0}, "workers is 0; give a whole number from 1"),
        ({"workers": "two"}, "workers is 'two'; give a whole number"),
        (
            {"address": "tcp://a:1", "workers": 2},
            "either an address .tcp://a:1, by .* or a number of workers",
        ),
        ({"timeout_s": "soon"}, "timeout_s is 'soon'; give seconds"),
        ({"patience_s": 0}, "patience_s is 0; give seconds, more than 0"),
        ({"is_async": True}, "leave is_async out"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_once(settings: dict, words: str):
    with pytest.raises(InputError, match=words):
        DaskRunner(**settings)


def test_workers_beside_an_address_in_the_environment_are_not_passed_over(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "tcp://a:1")
    with pytest.raises(
        InputError, match=r"tcp://a:1, by .*DASK_SCHEDULER_ADDRESS.* or a number of workers .*2."
    ):
        DaskRunner(workers=2)


def test_naming_the_runner_loads_no_dask():
    assert loaded_by("import vernal.runners", {"dask", "distributed"}) == []


def test_a_folder_that_workers_do_not_have_is_named(
    machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from vernal.runners import connection

    seen = connection.missing_paths
    monkeypatch.setattr(connection, "missing_paths", made_nodes.missing_first)
    with pytest.raises(
        InputError, match=r"path that workers do not have \(1\): .* \(not on 2 of 2, first tcp"
    ):
        DaskRunner(machines.address).run(PIPELINE, catalog(tmp_path))
    assert seen([str(tmp_path), str(tmp_path / "not there")]) == [str(tmp_path / "not there")]
    assert not list(tmp_path.glob(".probe*"))


def test_tables_are_read_where_they_lie(machines, tmp_path: Path):
    """A dataset that is stored is loaded by the worker, not sent there."""
    entries = catalog(tmp_path)
    DaskRunner(machines.address).run(PIPELINE, entries)
    pd.DataFrame({"n": [7]}).to_csv(tmp_path / "numbers.csv", index=False)
    DaskRunner(machines.address).run(PIPELINE.filter(from_nodes=["squares"]), entries)
    assert entries.load("shown").square.tolist() == [50]


def test_a_worker_has_few_children_and_keeps_those_that_are_used():
    """What a worker does with parts of nodes, here in this process."""
    kinds = (os.getpid, os.getppid, os.cpu_count)
    first, second = (call_in_child(kind, os.getpid, (), {}) for kind in kinds[:2])
    assert call_in_child(kinds[0], os.getpid, (), {}) == first != os.getpid()
    third = call_in_child(kinds[2], os.getpid, (), {})
    assert {child.pid for child in multiprocessing.active_children()} >= {first, third}
    assert not psutil.pid_exists(second)
    kill_children()
    assert call_in_child(kinds[0], os.getpid, (), {}) not in (first, third)
    kill_children()


def test_only_children_of_tasks_end_with_their_worker():
    with worker_pool(1) as other:
        elsewhere = other.submit(os.getpid).result()
        own = call_in_child(os.getpid, os.getpid, (), {})
        kill_children()
        assert other.submit(os.getpid).result() == elsewhere != own
