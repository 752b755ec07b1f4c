"""The two sides of a measurement: each in a Python of its own on the same work, told in the same numbers."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from vernal.commands.benchmarks.usage import watched
from vernal.common.hashing import rng_for
from vernal.common.problems import InputError

TURNS = 3
_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3"}
_CALL_HZ = 1_200.0


def in_own_process(module: str, *arguments: Any) -> dict[str, Any]:
    """Run a module as a program and read what it says of itself, with nothing loaded or warmed up before.

    Args:
        module: its last line on standard output is one JSON object.
        arguments: handed over as text.
    Returns:
        That object, and `seconds` from the start of Python to its end.
    Raises:
        RuntimeError: it failed; with the end of what it wrote to standard error.
    """
    paths = [str(Path(__file__).resolve().parents[3]), os.environ.get("PYTHONPATH", "")]
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


def in_turns(
    run: Callable[[str, Any], dict[str, Any]], little: Any, work: Any, turns: int = TURNS
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both sides on the same work, warmed up and in turn (A B A B ...), so that what else a machine does meets both.

    The first start of a side in a new environment also compiles and reads from a cold disk; it is not counted.

    Args:
        run: runs a side, `ours` or `peer`, on some work, from nothing each time.
        little: work to warm up with.
        work: what is measured.
    Returns:
        Ours and the peer's: of each number the median over the turns.
    """
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "peer": []}
    for side in runs:
        run(side, little)
    for _ in range(turns):
        for side, found in runs.items():
            found.append(run(side, work))
    return _medians(runs["ours"]), _medians(runs["peer"])


def _medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    values = {name: [run[name] for run in runs] for name in runs[0]}
    return {name: None if None in several else median(several) for name, several in values.items()}


def forget(folder: Path, *names: str) -> None:
    """Remove what an earlier turn left, so that the next one begins from nothing."""
    for path in (folder / name for name in names):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def tell(run: Callable[[], int]) -> None:
    """Work in a side's own process, then say how many windows it did and what it used (see `Usage`)."""
    with watched() as usage:
        n_windows = run()
        used = asdict(usage())
    sys.stdout.write("\n" + json.dumps({"n_windows": n_windows, **used}) + "\n")


def compared(ours: dict[str, Any], peer: dict[str, Any] | None, workers: int) -> dict[str, Any]:
    """What every comparison says: seconds, processor time and memory of both sides, and their ratios.

    None where a side was not run, started no worker (little work is done in the main process), or the system does
    not tell.
    """
    theirs = peer or dict.fromkeys(ours)
    return {
        "ours_s": ours["seconds"],
        "peer_s": theirs["seconds"],
        "ratio": ratio(theirs["seconds"], ours["seconds"]),
        "ours_cpu_s": ours["cpu_s"],
        "peer_cpu_s": theirs["cpu_s"],
        "cpu_ratio": ratio(theirs["cpu_s"], ours["cpu_s"]),
        "n_windows": ours["n_windows"],
        "workers": workers,
        "ours_worker_memory_mb": ours["worker_memory_mb"] or None,
        "peer_worker_memory_mb": theirs["worker_memory_mb"] or None,
    }


def ratio(above: float | None, below: float | None) -> float | None:
    """One number over another; None where either is not known."""
    return round(above / below, 3) if above is not None and below else None


# What both sides work on ----------------------------------------------------------------------------


def audio_files(folder: Path) -> list[Path]:
    """The audio files of a folder, sorted.

    Raises:
        InputError: there are none.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not files:
        raise InputError(f"The folder {folder} holds no audio ({', '.join(sorted(_SUFFIXES))}).")
    return files


def write_sounds(folder: Path, names: Iterable[str], seconds: float, sample_rate_hz: int) -> None:
    """Write 16-bit WAV files of noise with a few calls, each another and the same every time."""
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz
    for number, name in enumerate(names):
        rng = rng_for(0, "bench recording", number)
        sound = 0.01 * rng.standard_normal(len(times), dtype=np.float32)
        for _ in range(3):
            start, pitch = rng.uniform(0, seconds - 1), _CALL_HZ * rng.uniform(0.5, 2)
            part = slice(round(start * sample_rate_hz), round((start + 0.6) * sample_rate_hz))
            sound[part] += 0.2 * np.sin(2 * np.pi * pitch * times[part]) * np.hanning(len(times[part]))
        soundfile.write(folder / f"{name}.wav", sound, sample_rate_hz, subtype="PCM_16")
