"""A season of the study's size, step by step, from recordings to the certificate.

Embedding is measured on a part of the windows and counted up, since all of it takes half an hour; every other step
does all that it would do. Near-duplicates are searched among vectors that lie as close as those of quiet nights do,
and every close pair is listened to.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vernal.commands.benchmarks.embed import bench_embed, make_clips
from vernal.commands.benchmarks.sides import in_own_process, ratio
from vernal.commands.benchmarks.usage import watched
from vernal.common.hashing import rng_for

POINTS = 120
EMBEDDED = 1_000
_SOUNDS = 200
# Windows of one quiet night of a recorder: each is close to its five nearest of other splits.
_ALIKE, _APART = 30, 0.3
STEPS = {
    "draw": "balancing",
    "train": "training",
    "score": "scoring",
    "evaluate": "evaluation",
    "prove": "proof",
}


def bench_chain(
    workers: int = 2,
    scale: float = 1.0,
    embedded: int = EMBEDDED,
    say: Callable[[str], Any] = lambda text: None,
) -> dict[str, dict[str, Any]]:
    """What each step of a season of the study's size takes.

    Args:
        scale: share of the published clips.
        embedded: windows to embed; embedding's time is theirs, counted up to all windows.
        say: called with what was just measured, in words.
    Returns:
        By step: `s`, `cpu_s`, `share` (of embedding's processor time), `memory_mb` (all processes together; of
        balancing to proof the most of any), and how many `windows` or `pairs` there were.
    """
    stage, module = "vernal.commands.benchmarks.stage", "vernal.commands.benchmarks.chain"
    with tempfile.TemporaryDirectory(prefix="vernal-bench-chain-") as name:
        folder = Path(name)
        n_windows = in_own_process(stage, "prepare", folder, scale)["clips"]
        part = bench_embed(None, embedded, workers, sides="ours")
        results = {"embedding": _counted_up(part, n_windows)}
        say(f"embedding: {part['ours_ms_per_window']:.1f} ms a window")
        results["near_duplicates"] = in_own_process(module, folder, workers)
        say(f"near-duplicates: {results['near_duplicates']['pairs']:,} pairs")
        run = in_own_process(stage, "run", folder, POINTS, workers)
    for step, title in STEPS.items():
        results[title] = {
            "s": run[f"{step}_s"],
            "cpu_s": run.get(f"{step}_cpu_s"),
            "memory_mb": run["peak_memory_mb"],
        }
    whole = results["embedding"]["cpu_s"]
    return {title: {**values, "share": ratio(values["cpu_s"], whole)} for title, values in results.items()}


def _counted_up(part: dict[str, Any], n_windows: int) -> dict[str, Any]:
    times = n_windows / part["n_windows"]
    cpu_s = part["ours_cpu_s"]
    return {
        "windows": n_windows,
        "s": round(part["ours_s"] * times, 3),
        "cpu_s": None if cpu_s is None else round(cpu_s * times, 3),
        "memory_mb": part["ours_all_memory_mb"],
    }


def quiet_nights(n_windows: int) -> np.ndarray:
    """Vectors, (n, 1024) float32, that are close to others of their night."""
    from vernal.audio.birdnet.model import N_DIMS

    rng = rng_for(6, "bench", "quiet nights")
    nights = np.abs(rng.standard_normal((max(1, n_windows // _ALIKE), N_DIMS), dtype=np.float32))
    x = nights[rng.integers(0, len(nights), n_windows)]
    return x + np.float32(_APART) * rng.standard_normal(x.shape, dtype=np.float32)


def search(folder: Path, workers: int) -> dict[str, Any]:
    """Search the labelled clips of a made season for near-duplicates, all close pairs heard."""
    from vernal.audio.embedding.windows import EmbeddingOptions, plan_windows
    from vernal.common.table_files import read_table
    from vernal.proof.near_duplicates import find_pairs
    from vernal.proof.options import ProofOptions

    splits = read_table(folder / "target_00" / "splits.parquet")
    make_clips(folder / "sounds", _SOUNDS)
    sounds = sorted(file.name for file in (folder / "sounds").iterdir())
    windows = plan_windows(splits, EmbeddingOptions())
    windows = windows.assign(file_path=[sounds[row % len(sounds)] for row in range(len(windows))])
    split_of = dict(zip(splits.clip_id, splits.split, strict=True))
    x, roots = quiet_nights(len(windows)), {"labelled": str(folder / "sounds")}
    with watched() as usage:
        before, started = usage().cpu_s, time.perf_counter()
        pairs, counts = find_pairs(windows, x, split_of, roots, ProofOptions(), workers)
        seconds, used = time.perf_counter() - started, usage()
    if len(pairs) < counts["n_close_pairs"]:
        raise RuntimeError(f"{len(pairs):,} of {counts['n_close_pairs']:,} pairs were listened to")
    return {
        "windows": len(windows),
        "pairs": len(pairs),
        "s": round(seconds, 3),
        "cpu_s": None if used.cpu_s is None or before is None else round(used.cpu_s - before, 3),
        "memory_mb": used.all_memory_mb,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(search(Path(sys.argv[1]), int(sys.argv[2]))) + "\n")
