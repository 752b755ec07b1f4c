"""`kedro run` in a process of its own, and one finished run for all tests that only read it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.shared_folder import made_once
from tests.warm_kedro import warm_kedro

AS_A_PERSON = (sys.executable, "-m", "kedro")


def kedro_run(
    project: Path, *args: str, check: bool = True, env: str = "test", kedro: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    command = [*(kedro or [warm_kedro()]), "run", f"--env={env}", *args]
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
        result = kedro_run(
            project, "--pipeline=stage5", f"--params=data_root={folder / 'run'}", kedro=AS_A_PERSON
        )
        (folder / "stderr.txt").write_text(result.stderr, encoding="utf-8")
        shutil.copytree(folder / "run", folder / "copy")

    return made_once(factory, "a tiny season", make)
