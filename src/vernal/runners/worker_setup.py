"""What every worker does before its first task; imported only where Dask is used."""

import os
from typing import Any

from distributed import Status, WorkerPlugin

from vernal.common.workers import worker_environment
from vernal.runners.pool import kill_children


class WorkerSetup(WorkerPlugin):
    """Sets quiet libraries of one thread before they load, and makes the project known; later workers, too."""

    name = "vernal-setup"

    def __init__(self, package: str | None) -> None:
        self.package = package

    def setup(self, worker: Any) -> None:
        """Prepare a worker."""
        from threadpoolctl import threadpool_limits

        os.environ.update(worker_environment())
        # Dask has loaded NumPy before; with two threads it adds in another order than with one.
        threadpool_limits(limits=1)
        if self.package is not None:
            from vernal.framework.kedro_compat import configure_once

            configure_once(self.package)

    def teardown(self, worker: Any) -> None:
        """End the worker's children with it. The plugin goes at the start of the next run, too: then they stay."""
        if worker.status is not Status.running:
            kill_children()
