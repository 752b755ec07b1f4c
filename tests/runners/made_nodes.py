"""Nodes of a small made pipeline; in a module of its own, so that workers can import them."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path

import pandas as pd
from threadpoolctl import threadpool_info

from vernal.common.problems import InputError
from vernal.common.workers import as_they_finish, n_workers, on_cluster, scratch_folder, worker_pool


def numbers(options: dict) -> pd.DataFrame:
    return pd.DataFrame({"n": range(options["count"])})


def squares(table: pd.DataFrame, options: dict) -> pd.DataFrame:
    """Divides its work; every task reads a file that this node wrote."""
    with scratch_folder() as folder, worker_pool(2) as pool:
        (folder / "plus.txt").write_text("1", encoding="utf-8")
        task = partial(square, plus=folder / "plus.txt", marker=options.get("marker"))
        found = sorted(as_they_finish(pool, task, table.n.tolist(), n_workers(2)))
    return pd.DataFrame(found, columns=["n", "square"])


def square(n: int, plus: Path, marker: str | None) -> tuple[int, int]:
    if marker and n == 3:
        lose_worker(Path(marker), "child" not in marker)
    time.sleep(0.05)
    return n, n * n + int(plus.read_text(encoding="utf-8"))


def lose_worker(marker: Path, in_child: bool = False) -> None:
    """End the worker as a machine without power does, as often as the marker says.

    `in_child`: this is a part of a node, which runs in a child of the worker.
    """
    left = int(marker.read_text(encoding="utf-8"))
    if left:
        marker.write_text(str(left - 1), encoding="utf-8")
        os.kill(os.getppid() if in_child else os.getpid(), signal.SIGKILL)
        time.sleep(30 if in_child else 0)


def doubled(table: pd.DataFrame) -> dict:
    """Kept by no dataset: it travels with the run."""
    return {"sum": int(table.square.sum()), "on_cluster": on_cluster()}


def shown(table: pd.DataFrame, facts: dict) -> pd.DataFrame:
    return table.assign(share=table.square / facts["sum"])


def pieces(table: pd.DataFrame):
    """Saved piece by piece."""
    for n in table.n:
        yield pd.DataFrame({"n": [n]})


def refused(table: pd.DataFrame) -> pd.DataFrame:
    raise InputError("row 3 is wrong; mend it")


def prepare() -> None:
    os.environ["MADE_PREPARED"] = str(int(os.environ.get("MADE_PREPARED", "0")) + 1)


def prepared_times(_: int) -> tuple[int, str]:
    return os.getpid(), os.environ.get("MADE_PREPARED", "0")


def environment(_: pd.DataFrame) -> pd.DataFrame:
    with worker_pool(1, prepare=prepare) as pool:
        found = list(as_they_finish(pool, prepared_times, range(6), n_workers()))
    threads = [os.environ.get(name) for name in ("OMP_NUM_THREADS", "TF_ENABLE_ONEDNN_OPTS")]
    threads += sorted({library["num_threads"] for library in threadpool_info()})
    return pd.DataFrame({"prepared": [times for _, times in found], "threads": ":".join(map(str, threads))})


def missing_first(paths: list[str]) -> list[str]:
    return paths[:1]
