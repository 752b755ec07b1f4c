"""One node on a worker of a Dask cluster: what is sent there, and what it does there."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import SequentialRunner

from vernal.common.workers import working_on
from vernal.framework.kedro_compat import hook_manager_of
from vernal.runners.pool import DaskCluster


@dataclass(frozen=True)
class NodeTask:
    """A node with all it needs.

    `stored`: datasets that are read and written where the node runs. `values`: inputs that travel with it.
    `kept`: outputs that travel back. `scratch`: a folder that all workers reach.
    """

    node: Node
    stored: dict[str, Any]
    values: dict[str, Any]
    kept: tuple[str, ...]
    scratch: Path
    package: str | None
    run_id: str | None = None


@dataclass(frozen=True)
class NodeDone:
    """What came of it: outputs that no dataset stores, and the seconds it took."""

    seconds: float
    kept: dict[str, Any] = field(default_factory=dict)


class RunIsGone(RuntimeError):
    """The run that asked for this node has ended, so that it must write no more."""


class _StopWhenNobodyAsks:
    """Before anything is written: is the task still wanted? The next run may have the data folder by now."""

    @hook_impl
    def before_dataset_saved(self) -> None:
        from distributed import get_worker

        worker = get_worker()
        key = worker.get_current_task()
        task = worker.state.tasks.get(key)
        if task is None or task.state not in ("executing", "long-running"):
            raise RunIsGone(f"{key}: the run that asked for it has ended")


def run_node(task: NodeTask) -> NodeDone:
    """Load a node's inputs, run it, save its outputs; the project's hooks are called here, once."""
    started = time.perf_counter()
    catalog = DataCatalog(
        {
            **task.stored,
            **{name: MemoryDataset(value) for name, value in task.values.items()},
            **{name: MemoryDataset() for name in task.kept},
        }
    )
    hooks = hook_manager_of(task.package, _StopWhenNobodyAsks())
    with working_on(DaskCluster(task.scratch)):
        SequentialRunner().run(Pipeline([task.node]), catalog, hooks, task.run_id)
    kept = {name: catalog.load(name) for name in task.kept}
    return NodeDone(time.perf_counter() - started, kept)
