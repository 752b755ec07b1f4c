"""Workers use one core and do not outlive their parent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from vernal.processes import quiet_file_descriptors, worker_pool

SOURCE = Path(__file__).resolve().parents[1] / "src"

PARENT = """
import os, time
from pathlib import Path
from vernal.processes import worker_pool

if __name__ == "__main__":
    pool = worker_pool(1, scratch=Path({scratch!r}))
    print(pool.submit(os.getpid).result(), flush=True)
    pool.submit(time.sleep, 600)
    time.sleep(600)
"""


def test_a_worker_ends_and_tidies_up_when_its_parent_is_killed(tmp_path: Path) -> None:
    scratch, script = tmp_path / "with space", tmp_path / "parent.py"
    scratch.mkdir()
    (scratch / "large.npy").write_bytes(b"0")
    script.write_text(PARENT.format(scratch=str(scratch)), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, env=environment, text=True
    ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert psutil.pid_exists(worker) and worker != parent.pid
        parent.kill()
    ends = time.monotonic() + 30
    while psutil.pid_exists(worker) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not psutil.pid_exists(worker)
    assert not scratch.exists()


@pytest.mark.parametrize(("one_thread", "threads"), [(True, "1"), (False, None)])
def test_workers_are_told_how_many_cores_to_use(
    monkeypatch: pytest.MonkeyPatch, one_thread: bool, threads: str | None
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with worker_pool(1, one_thread=one_thread) as pool:
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == threads
        assert pool.submit(os.getenv, "CUDA_VISIBLE_DEVICES").result() == ""
    assert "OMP_NUM_THREADS" not in os.environ


def test_what_is_printed_can_be_dropped_even_from_below_python(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_file_descriptors(also_stdout=True):
        os.write(1, b"noise")
        os.write(2, b"noise")
    os.write(1, b"said")
    os.write(2, b"heard")
    assert capfd.readouterr() == ("said", "heard")


def test_an_error_passes_through_and_output_comes_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="out"), quiet_file_descriptors():
        os.write(2, b"noise")
        raise ValueError("out")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"
