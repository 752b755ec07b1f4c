import os
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import psutil
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline

from tests.runners.test_standing import doubled
from vernal.common.workers import worker_pool
from vernal.datasets.table_dataset import TableDataset
from vernal.framework.kedro_compat import hook_manager_of
from vernal.pipelines.stages import STANDS
from vernal.runners import SequentialRunner


class Told:
    """Hooks that note what they are told."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.stood: list[str] = []
        self.hook = SimpleNamespace(**vars(hook_manager_of(None).hook))
        self.hook.node_stands = lambda node: self.stood.append(node.name)
        self.hook.after_node_run = lambda node, **_: self.ran.append(node.name)


def refused(table: pd.DataFrame) -> pd.DataFrame:
    raise ValueError("row 1 is wrong")


def pipeline(last=doubled) -> Pipeline:
    inputs = ["twice", "params:times"] if last is doubled else "twice"
    return Pipeline(
        [
            Node(doubled, ["given", "params:times"], "twice", name="s.twice", tags=[STANDS]),
            Node(last, inputs, "thrice", name="s.thrice", tags=[STANDS]),
        ]
    )


@pytest.fixture
def catalog(tmp_path: Path) -> DataCatalog:
    tables = {name: TableDataset(str(tmp_path / f"{name}.csv")) for name in ("given", "twice", "thrice")}
    catalog = DataCatalog({**tables, "params:times": MemoryDataset(2)})
    catalog.save("given", pd.DataFrame({"n": [1]}))
    return catalog


def test_what_stands_is_told_and_not_run(catalog: DataCatalog):
    told = [Told(), Told()]
    for each in told:
        SequentialRunner().run(pipeline(), catalog, each)
    assert [each.ran for each in told] == [["s.twice", "s.thrice"], []]
    assert [each.stood for each in told] == [[], ["s.twice", "s.thrice"]]


def test_only_what_follows_from_a_change_is_made_again(catalog: DataCatalog, tmp_path: Path):
    SequentialRunner().run(pipeline(), catalog)
    (tmp_path / "thrice.csv").unlink()
    told = Told()
    SequentialRunner().run(pipeline(), catalog, told)
    assert (told.stood, told.ran) == (["s.twice"], ["s.thrice"])
    assert catalog.load("thrice").n.tolist() == [4]


def test_nothing_stands_of_a_node_that_failed(catalog: DataCatalog):
    for _ in range(2):
        with pytest.raises(ValueError, match="row 1"):
            SequentialRunner().run(pipeline(refused), catalog)
    told = Told()
    SequentialRunner().run(pipeline(), catalog, told)
    assert (told.stood, told.ran) == (["s.twice"], ["s.thrice"])


def test_workers_are_left_to_later_nodes_and_end_with_the_run():
    seen: list[int] = []

    def work(given: str) -> str:
        with worker_pool(1, keep=True) as pool:
            seen.append(pool.submit(os.getpid).result())
        return given

    nodes = [Node(work, "given", "first", name="first"), Node(work, "first", "second", name="second")]
    catalog = DataCatalog(
        {"given": MemoryDataset("")} | {name: MemoryDataset() for name in ("first", "second")}
    )
    SequentialRunner().run(Pipeline(nodes), catalog)
    assert len(seen) == 2 and seen[0] == seen[1]
    assert not psutil.pid_exists(seen[0])
