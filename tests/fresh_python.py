"""What a program loads in a Python of its own."""

import os
import subprocess
import sys
from collections.abc import Collection


def loaded_by(program: str, names: Collection[str]) -> list[str]:
    """Which of these modules a program has loaded at its end; it must end well and print nothing."""
    told = f"{program}; import sys; print(*sorted(set({sorted(names)!r}) & set(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", told], env=environment, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout.split()
