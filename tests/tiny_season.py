"""`kedro run` in a process of its own, as a person runs it, and one finished run for all tests that only read it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared_folder import made_once


def kedro_run(
    project: Path, *args: str, check: bool = True, env: str = "test"
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kedro", "run", f"--env={env}", *args]
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=600)
    if check and result.returncode:
        pytest.fail(f"{' '.join(command)} ended with {result.returncode}:\n{result.stdout}\n{result.stderr}")
    return result


def run_once(project: Path, factory: pytest.TempPathFactory) -> Path:
    """A folder with `run`, the data folder after `kedro run --pipeline=stage5`; `copy`, the same; and `stderr.txt`.

    Workers of one test session share it. A test that runs anything takes `run`, and only one test file may do that;
    the others read `copy`.
    """

    def make(folder: Path) -> None:
        result = kedro_run(project, "--pipeline=stage5", f"--params=data_root={folder / 'run'}")
        (folder / "stderr.txt").write_text(result.stderr, encoding="utf-8")
        shutil.copytree(folder / "run", folder / "copy")

    return made_once(factory, "a tiny season", make)
