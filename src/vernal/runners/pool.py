"""The workers of a Dask cluster as an executor, for a node that divides its work into tasks.

A node is itself a task on one of the workers. While it waits for the tasks that it gave out it makes room for
them (it secedes from its worker's only thread), so that a cluster of one worker gets through, too.
"""

import contextlib
import multiprocessing
import os
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from vernal.common.storage import remove_tree
from vernal.common.workers import worker_pool

_TASKS_FIRST = 10  # before nodes that have not begun: what was begun is finished first
_CHILDREN = 2
_children: OrderedDict[Callable[[], Any] | None, Executor] = OrderedDict()
_pids: dict[Callable[[], Any] | None, int] = {}


class DaskCluster:
    """The cluster that the calling task runs on (see `vernal.common.workers.Cluster`).

    `scratch`: a folder that all workers reach under this name.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch

    @property
    def n_workers(self) -> int:
        from distributed import get_client

        return max(1, sum(get_client().nthreads().values()))

    def pool(self, prepare: Callable[[], Any] | None) -> Executor:
        return DaskPool(prepare)

    @contextlib.contextmanager
    def scratch_folder(self) -> Iterator[Path]:
        folder = self._scratch / uuid.uuid4().hex
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            remove_tree(folder)


class DaskPool(Executor):
    """Submits to the cluster of the calling task; a lost worker's tasks are done again by another.

    A task whose workers were lost several times fails with `BrokenProcessPool`, as a dead process's does.
    """

    def __init__(self, prepare: Callable[[], Any] | None = None) -> None:
        self._prepare = prepare
        self._away = contextlib.ExitStack()
        self._client: Any = None
        self._pending: dict[Future, Any] = {}

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """Give a task to the cluster; `fn` is importable."""
        if self._client is None:
            from distributed import worker_client

            self._client = self._away.enter_context(worker_client())
        task = self._client.submit(
            call_in_child, self._prepare, fn, args, kwargs, pure=False, priority=_TASKS_FIRST
        )
        result: Future = Future()
        self._pending[result] = task
        result.add_done_callback(self._forget)
        task.add_done_callback(lambda finished: _hand_over(finished, result))
        return result

    def _forget(self, result: Future) -> None:
        task = self._pending.pop(result, None)
        if task is not None and result.cancelled():
            task.cancel()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End: tasks are waited for or cancelled, and the node takes its place on the worker again."""
        from concurrent.futures import wait as wait_for

        if cancel_futures:
            for result in list(self._pending):
                result.cancel()
        if wait:
            wait_for(list(self._pending))
        self._away.close()
        self._client = None


def call_in_child(
    prepare: Callable[[], Any] | None, function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]
) -> Any:
    """Call a function in this worker's own child process that is prepared for it.

    Dask's threads live in the worker and draw from Python's global random numbers, which Keras takes its seeds from;
    in a child a task finds what it finds in the worker processes of one machine, and a crash takes no worker with it.
    A child that ends in a task is replaced, and the task done once more.
    """
    try:
        return _child(prepare).submit(function, *args, **kwargs).result()
    except BrokenProcessPool:
        _drop_child(prepare)
    try:
        return _child(prepare).submit(function, *args, **kwargs).result()
    except BrokenProcessPool:
        _drop_child(prepare)
        raise


def _child(prepare: Callable[[], Any] | None) -> Executor:
    """The process for tasks of this kind, kept for the next; the one not used for longest gives way."""
    if prepare not in _children:
        # A worker under a nanny is "daemonic", which Python would let have no children.
        multiprocessing.current_process().daemon = False
        _children[prepare] = worker_pool(1, prepare)
        _pids[prepare] = _children[prepare].submit(os.getpid).result()
        if len(_children) > _CHILDREN:
            _end(_children.popitem(last=False)[1])
    _children.move_to_end(prepare)
    return _children[prepare]


def _drop_child(prepare: Callable[[], Any] | None) -> None:
    child = _children.pop(prepare, None)
    if child is not None:
        child.shutdown()


def _end(child: Executor) -> None:
    """End an idle child at once, without what its libraries do at a process's end.

    A worker once hung for minutes after it had to replace a child that had read object storage. Waiting for that
    child's orderly end is the likely cause, but it was not shown to be.
    """
    with contextlib.suppress(BrokenProcessPool):
        child.submit(os._exit, 0)
    child.shutdown()


def kill_children() -> None:
    """End the children that tasks ran in; the worker ends itself."""
    own = {_pids.get(prepare) for prepare in _children}
    for process in multiprocessing.active_children():
        if process.pid in own:
            process.kill()
    _children.clear()


def _hand_over(task: Any, result: Future) -> None:
    """Give what became of a Dask task to the future that stands for it."""
    from distributed import KilledWorker

    if result.cancelled() or not result.set_running_or_notify_cancel():
        return
    try:
        result.set_result(task.result())
    except KilledWorker as error:
        result.set_exception(BrokenProcessPool(str(error)))
    except BaseException as error:
        result.set_exception(error)
