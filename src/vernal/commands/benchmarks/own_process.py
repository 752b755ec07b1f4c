"""A measurement in a Python of its own: from its start to its last result, with nothing loaded or warmed up before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def in_own_process(module: str, *arguments: Any) -> dict[str, Any]:
    """Run a module as a program and read what it says of itself.

    Args:
        module: its last line on standard output is one JSON object.
        arguments: handed over as text.
    Returns:
        That object, and `seconds` from the start of Python to its end.
    Raises:
        RuntimeError: it failed; with the end of what it wrote to standard error.
    """
    paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, "-m", module, *map(str, arguments)]
    started = time.perf_counter()
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if run.returncode:
        raise RuntimeError(f"{' '.join(command[2:4])} failed in the benchmark:\n{run.stderr[-4_000:]}")
    return {"seconds": round(seconds, 3), **json.loads(run.stdout.strip().splitlines()[-1])}
