import os
from pathlib import Path

import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node

from vernal.datasets.head_library_dataset import HeadLibraryDataset
from vernal.datasets.table_dataset import TableDataset
from vernal.pipelines.stages import STANDS
from vernal.runners import standing
from vernal.runners.standing import Standing


def doubled(table: pd.DataFrame, times: int, *_: object) -> pd.DataFrame:
    return table * times


def made(inputs: tuple[str, ...] = ("given", "params:times"), tags: tuple[str, ...] = (STANDS,)) -> Node:
    return Node(doubled, list(inputs), "result", name="stage.double", tags=list(tags))


@pytest.fixture
def catalog(tmp_path: Path) -> DataCatalog:
    catalog = DataCatalog(
        {
            "given": TableDataset(str(tmp_path / "in" / "given.csv")),
            "result": TableDataset(str(tmp_path / "out" / "result.csv")),
            "known_result": TableDataset(str(tmp_path / "out" / "result.csv"), optional=True),
            "heads": HeadLibraryDataset(str(tmp_path / "heads")),
            "params:times": MemoryDataset(2),
            "far": TableDataset("memory://bucket/far.csv"),
        }
    )
    catalog.save("given", pd.DataFrame({"n": [1, 2]}))
    return catalog


def run(catalog: DataCatalog, node: Node) -> bool:
    """Whether the node had to run, as a runner asks, runs and notes."""
    now = Standing(catalog)
    key = now.key(node)
    if now.stands(node, key):
        return False
    catalog.save("result", doubled(catalog.load("given"), catalog.load("params:times")))
    now.note(node, key)
    return True


def test_what_nothing_changed_stands(catalog: DataCatalog):
    assert [run(catalog, made()) for _ in range(3)] == [True, False, False]


def test_the_same_input_written_again_changes_nothing(catalog: DataCatalog):
    run(catalog, made())
    catalog.save("given", pd.DataFrame({"n": [1, 2]}))
    assert not run(catalog, made())


@pytest.mark.parametrize("what", ["input", "setting", "code", "edited", "deleted", "note", "edited note"])
def test_it_is_made_again_where_anything_changed(
    catalog: DataCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
):
    run(catalog, made())
    result, note = tmp_path / "out" / "result.csv", tmp_path / "out" / ".stage.double.stands"
    if what == "input":
        catalog.save("given", pd.DataFrame({"n": [1, 3]}))
    elif what == "setting":
        catalog["params:times"] = MemoryDataset(3)
    elif what == "code":
        monkeypatch.setattr(standing, "code", lambda: "another version")
    elif what == "edited":
        state = result.stat()
        result.write_text(result.read_text().replace("4", "5"))
        os.utime(result, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    elif what == "deleted":
        result.unlink()
    elif what == "note":
        note.unlink()
    else:
        note.write_text("{")
    assert run(catalog, made())
    assert not run(catalog, made())
    assert catalog.load("result").n.tolist() == [
        n * catalog.load("params:times") for n in catalog.load("given").n
    ]


def test_what_an_earlier_run_left_in_the_same_place_is_no_input(catalog: DataCatalog):
    node = made(("given", "params:times", "known_result"))
    assert [run(catalog, node), run(catalog, node)] == [True, False]


def test_a_store_that_grew_is_another_input(catalog: DataCatalog, tmp_path: Path):
    node = made(("given", "params:times", "heads"))
    assert [run(catalog, node), run(catalog, node)] == [True, False]
    (tmp_path / "heads").mkdir()
    (tmp_path / "heads" / "0123.npz").write_bytes(b"x")
    assert [run(catalog, node), run(catalog, node)] == [True, False]


@pytest.mark.parametrize(
    "node",
    [made(tags=()), made(("given", "params:times", "far")), made(("given", "params:times", "unsaid"))],
    ids=["not tagged", "in an object store", "in memory"],
)
def test_a_node_runs_every_time_where_what_it_reads_cannot_be_told(catalog: DataCatalog, node: Node):
    catalog["unsaid"] = MemoryDataset(1)
    assert [run(catalog, node), run(catalog, node)] == [True, True]


def test_the_code_is_known_by_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = tmp_path / "vernal"
    for name in ("runners/standing.py", "runners/__pycache__/standing.pyc", "page.html"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("1")
    monkeypatch.setattr(standing, "__file__", str(package / "runners" / "standing.py"))
    monkeypatch.setattr(standing, "code", standing.code.__wrapped__)
    first = standing.code()
    (package / "runners" / "__pycache__" / "standing.pyc").write_text("2")
    assert standing.code() == first
    (package / "page.html").write_text("2")
    assert standing.code() != first
