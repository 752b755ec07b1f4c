"""Whether a cluster's workers have the code and the packages of the machine that starts a run.

Results do not depend on where a task is done only if every worker computes with the same versions; and a
worker with another version of Dask may not understand what it is sent.
"""

import hashlib
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from vernal import __version__
from vernal.common.problems import Problems
from vernal.proof.environment import PACKAGES

_TRAVEL = (
    "cloudpickle",
    "dask",
    "distributed",
    "fsspec",
    "keras",
    "msgpack",
    "numba",
    "s3fs",
    "threadpoolctl",
)


@lru_cache(maxsize=1)  # of what is loaded: a worker that lives on after the files changed has the old code
def versions_here() -> dict[str, str]:
    """Versions of Python, of the packages that matter and of this one's code; missing packages are `none`."""
    found = {"python": f"{sys.version_info.major}.{sys.version_info.minor}", "vernal": __version__}
    for name in sorted({*PACKAGES, *_TRAVEL}):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "none"
    return found | {"vernal's code": code_digest(Path(__file__).resolve().parents[1])}


def code_digest(folder: Path) -> str:
    """A hash of a package's source files, whatever line ends they have."""
    hashed = hashlib.sha256()
    for file in sorted(folder.rglob("*.py"), key=lambda file: file.relative_to(folder).as_posix()):
        hashed.update(file.relative_to(folder).as_posix().encode())
        hashed.update(file.read_bytes().replace(b"\r\n", b"\n"))
    return hashed.hexdigest()[:12]


def refuse_differences(here: Mapping[str, str], theirs: Mapping[str, Mapping[str, str] | Exception]) -> None:
    """Make sure that all workers have the same.

    Args:
        here: from `versions_here` of the machine that starts the run.
        theirs: the same by worker, or the error of one that could not tell.
    Raises:
        InputError: names each difference and the workers that have it.
    """
    mute = sorted(
        f"{worker} ({_in_a_line(found)})" for worker, found in theirs.items() if isinstance(found, Exception)
    )
    differing: dict[str, list[str]] = {}
    for worker, found in sorted(theirs.items(), key=lambda item: item[0]):
        if isinstance(found, Exception):
            continue
        for name in sorted(here.keys() | found.keys()):
            mine, other = here.get(name, "none"), found.get(name, "none")
            if mine != other:
                differing.setdefault(f"{name} {other}, here {mine}", []).append(worker)
    problems = Problems("The Dask cluster")
    problems.add(
        "worker that does not have this package", mute, "Install it there, with the same constraints.txt."
    )
    problems.add(
        "difference from the machine that starts the run",
        [f"{what} ({_some(workers)})" for what, workers in sorted(differing.items())],
        "Install the same code and constraints.txt everywhere and start the workers anew.",
    )
    problems.raise_if_any()


def _in_a_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"


def _some(workers: list[str]) -> str:
    return ", ".join(workers[:3]) + (f" and {len(workers) - 3:,} more" if len(workers) > 3 else "")
