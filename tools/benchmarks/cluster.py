"""How embedding scales with the workers of a Dask cluster on this machine, and how much one worker does.

The same node runs as in `kedro run --runner=vernal.runners.DaskRunner`: decoding, embedding and keeping the vectors of
one-minute recordings, from the node's start to its last vector on disk. Runs with few and many workers take turns, and
the quickest of each counts, since whatever else a machine does only makes a run slower.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.commands.benchmarks.sides import audio_files, write_sounds

RECORDING_S = 60
SAMPLE_RATE_HZ = 48_000


def bench_cluster(
    minutes: int = 60,
    workers: Sequence[int] = (1, 2),
    repeats: int = 2,
    say: Callable[[str], Any] = lambda text: None,
) -> dict[str, dict[str, Any]]:
    """Embed made recordings with different numbers of workers.

    Args:
        minutes: one-minute recordings to embed.
        workers: how many workers to try, the fewest first.
        repeats: runs of each; the quickest counts.
        say: told what is being done.
    Returns:
        For each number of workers, by `1_worker`, `2_workers`, ...: `workers`, `ours_s` (the node), `peer_s` (the
        same with the fewest workers), `ratio` (peer over ours), `ours_cpu_s`, `peer_cpu_s` and `cpu_ratio` (the
        same of processor time of all processes, scheduler included), `hours` of sound, `hours_a_core_hour` (of
        sound, by one core in an hour of its time), `read_bytes_an_hour` and `kept_bytes_an_hour` (of sound),
        `others_share` (how much of this machine's processors other programs took).
    """
    with tempfile.TemporaryDirectory(prefix="vernal-bench-") as scratch:
        folder = Path(scratch) / "recordings"
        say(f"making {minutes} recordings of a minute ...")
        clips = make_recordings(folder, minutes)
        found: dict[int, list[dict[str, Any]]] = {number: [] for number in workers}
        for repeat in range(repeats):
            for number in workers:
                say(f"embedding them with {number} worker{'s' if number > 1 else ''}, run {repeat + 1} ...")
                store = Path(scratch) / f"store-{number}-{repeat}"
                found[number].append(_embed(clips, folder, store, number))
        sizes = [file.stat().st_size for file in folder.iterdir()]
    hours = minutes * RECORDING_S / 3_600
    best = {number: min(runs, key=lambda run: run["seconds"]) for number, runs in found.items()}
    fewest = best[min(best)]
    return {
        f"{number}_worker{'s' if number > 1 else ''}": {
            "workers": number,
            "hours": hours,
            "ours_s": round(run["seconds"], 3),
            "peer_s": round(fewest["seconds"], 3),
            "ratio": round(fewest["seconds"] / run["seconds"], 3),
            "ours_cpu_s": round(run["cpu_s"], 3),
            "peer_cpu_s": round(fewest["cpu_s"], 3),
            "cpu_ratio": round(fewest["cpu_s"] / run["cpu_s"], 3),
            "hours_a_core_hour": round(hours * 3_600 / run["cpu_s"], 2),
            "read_bytes_an_hour": round(sum(sizes) / hours),
            "kept_bytes_an_hour": round(run["kept_bytes"] / hours),
            "others_share": run["others_share"],
        }
        for number, run in best.items()
    }


def make_recordings(folder: Path, count: int) -> pd.DataFrame:
    """Write one-minute recordings (see `write_sounds`) and give them as clips."""
    from vernal.common.files import sha256_of_file

    write_sounds(folder, (f"recording_{number:05d}" for number in range(count)), RECORDING_S, SAMPLE_RATE_HZ)
    rows = [
        (f"{number:016d}", "bench", file.name, sha256_of_file(file), float(RECORDING_S))
        for number, file in enumerate(audio_files(folder))
    ]
    return pd.DataFrame(rows, columns=["clip_id", "source", "file_path", "content_hash", "duration_s"])


def _embed(clips: pd.DataFrame, folder: Path, store: Path, workers: int) -> dict[str, Any]:
    """Run the node on a new cluster; its seconds, the bytes it kept and the processor time it took."""
    from kedro.io import DataCatalog, MemoryDataset
    from kedro.pipeline import Node, Pipeline

    from vernal.datasets.embedding_store_dataset import EmbeddingStoreDataset
    from vernal.pipelines.embedding import create_pipeline
    from vernal.runners import DaskRunner

    values = {
        "made_clips": clips,
        "splits": clips.iloc[:0],
        "audio_roots": {"bench": str(folder)},
        "params:embedding": EmbeddingOptions(),
        "params:workers": None,
    }
    stores = {name: EmbeddingStoreDataset(filepath=str(store)) for name in ("known_embeddings", "embeddings")}
    catalog = DataCatalog({**{name: MemoryDataset(value) for name, value in values.items()}, **stores})
    told = _Told()
    ready = Node(_same, "made_clips", "clips", name="ready")
    hooks: Any = SimpleNamespace(hook=told)
    DaskRunner(workers=workers).run(Pipeline([ready]) + create_pipeline(), catalog, hooks)
    kept = sum(part.stat().st_size for part in store.rglob("*.parquet"))
    return {"seconds": told.seconds, "kept_bytes": kept, **told.used()}


def _same(table: pd.DataFrame) -> pd.DataFrame:
    """A node that does nothing: when it is done, the cluster is there."""
    return table


class _Told:
    """Takes the place of Kedro's hooks, of which the runner calls one; notes what was used up by then."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._moments: list[tuple[float, float, float]] = []

    def after_node_run_elsewhere(self, node: Any, seconds: float) -> None:
        self.seconds = seconds
        self._moments.append((time.perf_counter(), _own_s(), _machine_s()))

    def used(self) -> dict[str, float]:
        """Processor seconds between the ends of both nodes, and the share of the machine that others took."""
        wall, own, all_of_it = (after - before for before, after in zip(*self._moments, strict=True))
        others = (all_of_it - own) / wall / (os.cpu_count() or 1)
        return {"cpu_s": own, "others_share": round(max(0.0, others), 2)}


def _own_s() -> float:
    """Processor seconds of this process, in which the scheduler runs, and of its workers."""
    import psutil

    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return float(sum(time.user + time.system for time in times))


def _machine_s() -> float:
    """Processor seconds that this machine has spent on anything."""
    import psutil

    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))
