"""Getting a cluster ready for a run: reached, complete, the same code everywhere, and the data in sight."""

import contextlib
import logging
import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from vernal.common.files import write_text
from vernal.common.problems import InputError, Problems
from vernal.common.storage import as_path
from vernal.common.workers import cores, worker_environment
from vernal.runners.versions import refuse_differences, versions_here

ADDRESS_VARIABLES = ("VERNAL_DASK_ADDRESS", "DASK_SCHEDULER_ADDRESS")
_HOW_TO_START = (
    "Start one with `dask scheduler` and workers with `dask worker ADDRESS --nworkers N --nthreads 1`, or give no "
    "address for workers on this machine."
)


def address_from_environment() -> str | None:
    """The scheduler's address where a variable names one."""
    return next((value for name in ADDRESS_VARIABLES if (value := os.environ.get(name))), None)


@contextlib.contextmanager
def connected(
    address: str | None, workers: int | None, timeout_s: float, package: str | None
) -> Iterator[Any]:
    """A client of the scheduler at `address`, or of a cluster on this machine that ends with the context.

    Raises:
        InputError: no scheduler there, none of its workers, workers of several threads, or another version.
    """
    import_distributed()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet_distributed())
        if address is None:
            client = stack.enter_context(_local(workers or cores(), timeout_s))
        else:
            client = stack.enter_context(_remote(address, timeout_s))
            _refuse_threads(client)
            refuse_differences(versions_here(), client.run(versions_here, on_error="return"))
        from vernal.runners.worker_setup import WorkerSetup

        client.register_plugin(WorkerSetup(package))
        client.forward_logging("vernal")
        stack.callback(client.unforward_logging, "vernal")
        yield client


@contextlib.contextmanager
def _quiet_distributed() -> Iterator[None]:
    """Dask tells of every stream that it opens; what a person has to know is told by the runner."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def import_distributed() -> Any:
    """Dask's distributed scheduler.

    Raises:
        InputError: it is not installed.
    """
    try:
        import distributed
    except ImportError as error:
        raise InputError(
            'The Dask runner needs a package that is not installed. Install it with: pip install "vernal[cluster]"'
        ) from error
    return distributed


@contextlib.contextmanager
def _local(workers: int, timeout_s: float) -> Iterator[Any]:
    import dask
    from distributed import Client, LocalCluster

    quiet = {
        "distributed.nanny.pre-spawn-environ": worker_environment(),
        "distributed.admin.tick.limit": "60s",
    }
    with (
        dask.config.set(quiet),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,  # one machine's memory is not divided: what runs without Dask runs with it
            dashboard_address=":0",
            worker_dashboard_address=":0",
            silence_logs=logging.ERROR,
        ) as cluster,
        Client(cluster, timeout=timeout_s) as client,
    ):
        client.wait_for_workers(workers, timeout=max(60.0, timeout_s))
        yield client


@contextlib.contextmanager
def _remote(address: str, timeout_s: float) -> Iterator[Any]:
    from distributed import Client

    try:
        client = Client(address, timeout=timeout_s)
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(
            f"No Dask scheduler answers at {address} within {timeout_s:g} s. {_HOW_TO_START}"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=timeout_s)
        except TimeoutError as error:
            raise InputError(
                f"The Dask scheduler at {address} has no workers. Start some with `dask worker {address} "
                "--nworkers N --nthreads 1`."
            ) from error
        yield client


def _refuse_threads(client: Any) -> None:
    """Encoders and TensorFlow's settings belong to a process, and a process must do one thing at a time."""
    problems = Problems("The Dask cluster")
    problems.add(
        "worker of several threads",
        sorted(f"{worker}: {threads}" for worker, threads in client.nthreads().items() if threads != 1),
        "Start workers with --nthreads 1, and as many of them as there are cores (--nworkers).",
    )
    problems.raise_if_any()


def check_data_in_sight(client: Any, data_root: Path, others: Iterable[str]) -> None:
    """Make sure that every worker reads what this machine writes, under the same name.

    Args:
        data_root: the data folder of the run.
        others: files and folders that it reads; those that do not exist here are left to whoever needs them.
    Raises:
        InputError: names the workers and the paths that they do not have.
    """
    token = uuid.uuid4().hex
    probe = data_root / f".probe-{token}"
    write_text(probe, token)
    try:
        there = [str(path) for path in others if as_path(path).exists()]
        found = client.run(missing_paths, [str(probe), *there])
    finally:
        probe.unlink(missing_ok=True)
    lacking: dict[str, list[str]] = {}
    for worker, paths in sorted(found.items()):
        for path in paths:
            lacking.setdefault(str(data_root) if path == str(probe) else path, []).append(worker)
    problems = Problems("The Dask cluster")
    problems.add(
        "path that workers do not have",
        [
            f"{path} (not on {len(workers):,} of {len(found):,}, first {workers[0]})"
            for path, workers in lacking.items()
        ],
        "Put data on storage that all workers mount under the same path, or on object storage (data_root=s3://...).",
    )
    problems.raise_if_any()


def missing_paths(paths: list[str]) -> list[str]:
    """Those of some paths that do not exist here."""
    return [path for path in paths if not as_path(path).exists()]
