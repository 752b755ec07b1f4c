"""A Kedro runner on a Dask cluster: nodes are tasks, and so are the parts that they divide their work into.

Kedro's own runners start one task a node and know nothing of what goes on inside. Here the node runs on a worker
with its own small catalog; where it would start processes it gets the cluster's workers (`vernal.common.workers`).
"""

import logging
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from kedro.io import CatalogProtocol, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import AbstractRunner

from vernal.common.problems import InputError
from vernal.common.storage import as_path, remove_tree
from vernal.framework.config import PATHS
from vernal.runners.connection import (
    ADDRESS_VARIABLES,
    address_from_environment,
    check_data_in_sight,
    connected,
)
from vernal.runners.node_task import NodeDone, NodeTask, run_node
from vernal.runners.standing import Standing, tell

SCRATCH = ".scratch"
_LOOK_EVERY_S = 5.0


class DaskRunner(AbstractRunner):
    """Runs a pipeline on a Dask cluster.

    Args:
        address: the scheduler's, such as `tcp://10.0.0.1:8786`; None takes VERNAL_DASK_ADDRESS or
            DASK_SCHEDULER_ADDRESS, and without those workers on this machine.
        workers: how many workers to start on this machine; None is one a core. Not with an address.
        timeout_s: how long to wait for the scheduler and its first worker, seconds.
        patience_s: how long a run waits when all workers are gone, seconds.
        is_async: Kedro's; nodes that save piece by piece cannot be run so, so only False is taken.
    Raises:
        InputError: settings that cannot be.
    """

    def __init__(
        self,
        address: str | None = None,
        workers: int | None = None,
        timeout_s: float = 10.0,
        patience_s: float = 120.0,
        is_async: bool = False,
    ) -> None:
        if is_async:
            raise InputError("The Dask runner saves piece by piece; leave is_async out.")
        super().__init__(is_async=False)
        self._address = address or address_from_environment()
        self._workers = _whole_number("workers", workers)
        if self._address and self._workers:
            raise InputError(
                f"Give the Dask runner either an address ({self._address}, by --runner-params or by the variable "
                f"{' or '.join(ADDRESS_VARIABLES)}) or a number of workers on this machine ({self._workers}); a "
                "scheduler elsewhere has its workers already."
            )
        self._timeout_s = _seconds("timeout_s", timeout_s)
        self._patience_s = _seconds("patience_s", patience_s)

    @property
    def _logger(self) -> logging.Logger:
        return logging.getLogger("kedro.runner")

    def _get_executor(self, max_workers: int) -> None:
        return None

    def _run(
        self,
        pipeline: Pipeline,
        catalog: CatalogProtocol,
        hook_manager: Any = None,
        run_id: str | None = None,
    ) -> None:
        from kedro.framework.project import PACKAGE_NAME

        with (
            connected(self._address, self._workers, self._timeout_s, PACKAGE_NAME) as client,
            _scratch(client, catalog) as scratch,
        ):
            self._run_nodes(
                client, pipeline, catalog, hook_manager, _Sender(catalog, scratch, PACKAGE_NAME, run_id)
            )

    def _run_nodes(
        self, client: Any, pipeline: Pipeline, catalog: CatalogProtocol, hook_manager: Any, sender: "_Sender"
    ) -> None:
        waits_for = {node: set(needed) for node, needed in pipeline.node_dependencies.items()}
        todo, done, running = list(pipeline.nodes), set[Node](), dict[Any, Node]()
        standing, keys = Standing(catalog), dict[Node, str | None]()
        try:
            while todo or running:
                for node in [node for node in todo if waits_for[node] <= done]:
                    todo.remove(node)
                    keys[node] = standing.key(node)
                    if standing.stands(node, keys[node]):
                        done.add(node)
                        tell(hook_manager, "node_stands", node=node)
                        continue
                    running[client.submit(run_node, sender.task(node), key=sender.key(node), pure=False)] = (
                        node
                    )
                for future in self._finished(client, running) if running else ():
                    node = running.pop(future)
                    result = _result(future, node)
                    for name, value in result.kept.items():
                        catalog.save(name, value)
                    standing.note(node, keys[node])
                    done.add(node)
                    # Its hooks were called where it ran; those here learn that it has ended.
                    tell(hook_manager, "after_node_run_elsewhere", node=node, seconds=result.seconds)
        except BaseException:
            client.cancel(list(running), force=True)
            self._suggest_resume_scenario(pipeline, done, catalog)
            raise

    def _finished(self, client: Any, running: dict[Any, Node]) -> list[Any]:
        """Wait until a node is done.

        Raises:
            InputError: all workers are gone and none comes back.
        """
        from distributed import wait

        seen = time.monotonic()
        while True:
            try:
                return list(wait(list(running), timeout=_LOOK_EVERY_S, return_when="FIRST_COMPLETED").done)
            except TimeoutError:
                if client.nthreads():
                    seen = time.monotonic()
                elif time.monotonic() - seen > self._patience_s:
                    raise InputError(
                        f"The Dask cluster has had no worker for {self._patience_s:g} s. Start workers and run "
                        "again: what was finished is kept."
                    ) from None


class _Sender:
    """Makes what is sent to a worker."""

    def __init__(
        self, catalog: CatalogProtocol, scratch: Path, package: str | None, run_id: str | None
    ) -> None:
        self._catalog, self._scratch, self._package, self._run_id = catalog, scratch, package, run_id

    def key(self, node: Node) -> str:
        """Name of the task; a second run on the same cluster must not be given the first one's result."""
        return f"{node.name}-{self._scratch.name}"

    def task(self, node: Node) -> NodeTask:
        stored, values, kept = {}, {}, []
        for name in dict.fromkeys([*node.inputs, *node.outputs]):
            dataset = self._catalog[name]
            is_memory = isinstance(dataset, MemoryDataset)
            if name in node.inputs and (is_memory or getattr(dataset, "is_read_where_started", False)):
                values[name] = self._catalog.load(name)
            elif is_memory:
                kept.append(name)
            else:
                stored[name] = dataset
        return NodeTask(node, stored, values, tuple(kept), self._scratch, self._package, self._run_id)


@contextmanager
def _scratch(client: Any, catalog: CatalogProtocol) -> Iterator[Path]:
    """A folder for the run that all workers reach: in its data folder, or else on this machine."""
    parameters = catalog.load("parameters") if "parameters" in catalog else {}
    with ExitStack() as stack:
        if "data_root" not in parameters:
            yield Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vernal-dask-")))
            return
        data_root = as_path(parameters["data_root"])
        check_data_in_sight(client, data_root, _paths(parameters))
        # Runs on a data folder come one after the other, so what is there was left by one that was killed.
        remove_tree(data_root / SCRATCH)
        stack.callback(remove_tree, data_root / SCRATCH)
        yield data_root / SCRATCH / f"run-{uuid.uuid4().hex}"


def _paths(parameters: dict[str, Any]) -> Iterator[str]:
    """Every path that the parameters name."""
    for name in PATHS:
        value: Any = parameters
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, str):
            yield value


def _result(future: Any, node: Node) -> NodeDone:
    """What a node gave.

    Raises:
        InputError: its workers were lost again and again, or the scheduler was.
    """
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    try:
        return future.result()
    except KilledWorker as error:
        raise InputError(
            f"{node.name}: its worker was lost {error.allowed_failures + 1} times, each time another one, most often "
            "because memory ran out. Run again with fewer workers a machine: what was finished is kept."
        ) from error
    except FutureCancelledError as error:
        raise InputError(
            f"{node.name}: the connection to the Dask scheduler was lost. Run again: what was finished is kept."
        ) from error


def _whole_number(name: str, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not str(value).isdigit() or int(value) < 1:
        raise InputError(f"The Dask runner's {name} is {value!r}; give a whole number from 1.")
    return int(value)


def _seconds(name: str, value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 < seconds < 1e6:
        raise InputError(f"The Dask runner's {name} is {value!r}; give seconds, more than 0.")
    return seconds
