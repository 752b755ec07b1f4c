"""A stage of a few points on the tiny season, run as a person runs it, and the files that it leaves."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.runners.clusters import Processes
from vernal.common.storage import FOLDER_MARK, as_path

POINTS = "points=stage5_001-stage5_012"
# What holds times or paths, and the store, whose parts are divided as work was.
DIFFERENT = ("04_feature/", "02_intermediate/audio_roots.json", "08_reporting/proof/", ".vernal.lock")


def command(data_root: Path | str, *args: str) -> list[str]:
    run = [sys.executable, "-m", "kedro", "run", "--env=test", "--pipeline=stage5"]
    return [*run, f"--params=data_root={data_root},{POINTS}", *args]


def on_dask(data_root: Path | str, processes: Processes) -> list[str]:
    return command(
        data_root, "--runner=vernal.runners.DaskRunner", f"--runner-params=address={processes.address}"
    )


def finish(run: subprocess.Popen | list[str], project: Path) -> str:
    """Wait for a run, or make one, and give what it said."""
    process = started(run, project) if isinstance(run, list) else run
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    return said


def started(words: Sequence[str], project: Path) -> subprocess.Popen:
    return subprocess.Popen(words, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_until(is_so: Callable[[], bool], run: subprocess.Popen, seconds: float = 300.0) -> None:
    ends = time.monotonic() + seconds
    while not is_so():
        assert run.poll() is None, run.communicate()[1]
        assert time.monotonic() < ends
        time.sleep(0.2)


def n_heads(data_root: Path) -> int:
    return len(list((data_root / "06_models" / "heads").glob("[!.]*.npz")))


def results(data_root: Path | str) -> dict[str, str]:
    found, data_root = {}, as_path(data_root)
    for file in sorted(data_root.rglob("*")):
        name = file.relative_to(data_root).as_posix()
        if file.name == FOLDER_MARK:
            continue
        if (
            file.is_file()
            and not name.startswith(DIFFERENT)
            and "/runs/" not in name
            and "ledger" not in name
            and file.suffix != ".stands"
        ):
            found[name] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found
