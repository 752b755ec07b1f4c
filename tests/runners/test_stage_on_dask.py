"""A whole stage on several workers, some of which are lost, gives the sequential runner's files."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runners.clusters import cluster
from tests.runners.stage_runs import command, finish, n_heads, on_dask, results, started, wait_until

needs_kill = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
pytestmark = [pytest.mark.processes, pytest.mark.slow]


@pytest.fixture(scope="module")
def reference(project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The sequential runner's files."""
    data_root = tmp_path_factory.mktemp("one after the other")
    finish(command(data_root), project)
    found = results(data_root)
    assert "08_reporting/stage5/points.csv" in found and "06_models/stage5/stage5_012/head.npz" in found
    return found


@needs_kill
def test_a_worker_killed_in_the_middle_changes_nothing(
    project: Path, tmp_path: Path, reference: dict[str, str]
):
    data_root = tmp_path / "season"
    with cluster(tmp_path / "machines", workers=3) as processes:
        run = started(on_dask(data_root, processes), project)
        wait_until(lambda: n_heads(data_root) > 0, run)
        processes.workers[0].send_signal(signal.SIGKILL)
        said = finish(run, project)
    assert "stage5.report" in said and "leaderboard.csv" in said
    assert results(data_root) == reference


@needs_kill
def test_a_killed_run_is_continued_on_the_same_cluster(
    project: Path, tmp_path: Path, reference: dict[str, str]
):
    data_root = tmp_path / "season"
    with cluster(tmp_path / "machines", workers=2) as processes:
        run = started(on_dask(data_root, processes), project)
        wait_until(lambda: n_heads(data_root) > 0, run)
        run.send_signal(signal.SIGKILL)
        run.communicate()
        finish(on_dask(data_root, processes), project)
    assert results(data_root) == reference
    assert not (data_root / ".scratch").exists()


@pytest.fixture
def two_machines() -> Iterator[list[list[str]]]:
    """Two network namespaces joined by a cable; the prefixes of commands that run in them."""
    ip = shutil.which("ip")
    names = [f"vernal-{uuid.uuid4().hex[:8]}" for _ in range(2)]
    if ip is None or os.name != "posix" or os.geteuid() != 0:
        pytest.skip("network namespaces need Linux, the tool ip and its rights")
    ends = [f"v{name[-6:]}" for name in names]
    steps = [["netns", "add", name] for name in names]
    steps.append(
        [
            "link",
            "add",
            ends[0],
            "netns",
            names[0],
            "type",
            "veth",
            "peer",
            "name",
            ends[1],
            "netns",
            names[1],
        ]
    )
    for number, (name, end) in enumerate(zip(names, ends, strict=True), 1):
        within = ["netns", "exec", name, ip]
        steps.append([*within, "addr", "add", f"10.213.7.{number}/24", "dev", end])
        steps += [[*within, "link", "set", device, "up"] for device in ("lo", end)]
    try:
        for step in steps:
            made = subprocess.run([ip, *step], capture_output=True, text=True, check=False)
            if made.returncode:
                pytest.skip(f"this machine allows no network namespaces: {made.stderr.strip()}")
        yield [[ip, "netns", "exec", name] for name in names]
    finally:
        for name in names:
            subprocess.run([ip, "netns", "del", name], capture_output=True, check=False)


def test_workers_of_two_machines_give_the_same_files(
    project: Path, tmp_path: Path, reference: dict[str, str], two_machines: list[list[str]]
):
    data_root = tmp_path / "season"
    with cluster(tmp_path / "machines", 2, host="10.213.7.1", prefixes=two_machines) as processes:
        assert processes.address.startswith("tcp://10.213.7.1:")
        # From here nothing is reached: whoever starts the run is on the first machine.
        said = finish([*two_machines[0], *on_dask(data_root, processes)], project)
    assert "stage5.report" in said
    assert results(data_root) == reference
