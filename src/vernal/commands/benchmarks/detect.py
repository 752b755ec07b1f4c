"""How much sound is searched in a minute, beside `birdnet_analyzer.analyze` doing the same.

Both sides take the same classifier over the same one-minute recordings, each in a process of its own, from the start
of Python to the last table on disk, with the same number of worker processes. Memory is measured on one recording of
ten minutes and, if asked for, on longer ones.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from vernal.commands.benchmarks.own_process import in_own_process
from vernal.commands.benchmarks.usage import watched
from vernal.common.problems import InputError
from vernal.training.heads import Head

NAME = "bench"
_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3"}
_CALL_HZ = 1_200.0


def bench_detect(
    folder: Path | str | None = None,
    n_files: int = 120,
    workers: int = 2,
    sides: str = "both",
    sample_rate_hz: int = 48_000,
) -> dict[str, Any]:
    """Search a folder with Vernal and with BirdNET-Analyzer, and compare.

    Args:
        folder: recordings; None makes `n_files` of one minute.
        n_files: recordings to make.
        workers: processes on each side.
        sides: `both`, or `ours`.
        sample_rate_hz: of the made recordings.
    Returns:
        `ours_s`, `peer_s`, `ratio` (peer over ours), the same of processor time, `hours` of sound, hours a minute on
        both sides, peak memory in MB of the largest worker and of all processes together, and how the confidences
        differ. None where a side was not run.
    Raises:
        InputError: no recordings in the folder.
    """
    with tempfile.TemporaryDirectory(prefix="vernal-bench-") as scratch:
        if folder is None:
            folder = Path(scratch) / "recordings"
            make_recordings(folder, n_files, sample_rate_hz=sample_rate_hz)
        hours = hours_of(Path(folder))
        make_classifier(Path(scratch))
        ours = in_own_process(
            "vernal.commands.benchmarks.detect", "ours", Path(folder), Path(scratch), workers
        )
        peer = (
            in_own_process("vernal.commands.benchmarks.detect", "peer", Path(folder), Path(scratch), workers)
            if sides == "both"
            else None
        )
        difference = _compare(Path(scratch)) if peer else None
    return _report(ours, peer, difference, hours, workers)


def bench_memory(minutes: float) -> dict[str, Any]:
    """Search one recording of this length with one worker, and say how much memory that took.

    A short recording has too few blocks for a second worker, whose memory would then seem to come from the length.
    """
    with tempfile.TemporaryDirectory(prefix="vernal-bench-") as scratch:
        folder = Path(scratch) / "recordings"
        make_long_recording(folder / "R1_20250403_000000.wav", minutes)
        make_classifier(Path(scratch))
        ours = in_own_process("vernal.commands.benchmarks.detect", "ours", folder, Path(scratch), 1)
    return _report(ours, None, None, minutes / 60, 1)


def hours_of(folder: Path) -> float:
    """Hours of sound in a folder, by the files' headers.

    Raises:
        InputError: there are none.
    """
    from vernal.audio.reading import probe_audio

    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not files:
        raise InputError(f"The folder {folder} holds no audio ({', '.join(sorted(_SUFFIXES))}).")
    return sum(probe_audio(file).duration_s for file in files) / 3_600


# What is searched -----------------------------------------------------------------------------------


def make_recordings(folder: Path, n_files: int, seconds: float = 60.0, sample_rate_hz: int = 48_000) -> None:
    """Write a night of recordings, every minute from 18:00 on: noise with a falling spectrum and a few calls."""
    import pandas as pd
    import soundfile

    from vernal.common.hashing import rng_for

    folder.mkdir(parents=True, exist_ok=True)
    moments = pd.date_range("2025-04-03 18:00", periods=n_files, freq="min")
    times = np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz
    for number, moment in enumerate(moments):
        rng = rng_for(0, "bench recording", number)
        sound = 0.01 * rng.standard_normal(len(times), dtype=np.float32)
        for _ in range(3):
            start, pitch = rng.uniform(0, seconds - 1), _CALL_HZ * rng.uniform(0.5, 2)
            part = slice(round(start * sample_rate_hz), round((start + 0.6) * sample_rate_hz))
            sound[part] += 0.2 * np.sin(2 * np.pi * pitch * times[part]) * np.hanning(len(times[part]))
        name = f"R1_{moment:%Y%m%d_%H%M%S}.wav"
        soundfile.write(folder / name, sound, sample_rate_hz, subtype="PCM_16")


def make_long_recording(file: Path, minutes: float, sample_rate_hz: int = 48_000) -> None:
    """Write one recording, ten minutes at a time; each has noise of its own."""
    import soundfile

    from vernal.common.hashing import rng_for

    file.parent.mkdir(parents=True, exist_ok=True)
    left = round(minutes * 60 * sample_rate_hz)
    # RF64: a day at 48 kHz does not fit into a plain WAV of four gigabytes.
    with soundfile.SoundFile(file, "w", sample_rate_hz, 1, subtype="PCM_16", format="RF64") as out:
        number = 0
        while left > 0:
            n = min(left, 600 * sample_rate_hz)
            out.write(0.01 * rng_for(0, "bench long", number).standard_normal(n, dtype=np.float32))
            left, number = left - n, number + 1


def make_classifier(folder: Path) -> None:
    """Write a linear head as both sides take it; its weights are drawn, since only time and agreement are measured."""
    from vernal.audio.birdnet.model import N_DIMS
    from vernal.common.hashing import rng_for
    from vernal.field.export.classifier_files import head_file

    weights = 0.05 * rng_for(0, "bench classifier").standard_normal((N_DIMS, 1), dtype=np.float32)
    head = Head(((weights, np.zeros(1, dtype=np.float32)),))
    (folder / f"{NAME}.tflite").write_bytes(head_file(head))
    (folder / f"{NAME}_Labels.txt").write_text("target\n", encoding="utf-8")


# Both sides -----------------------------------------------------------------------------------------


def _report(
    ours: dict[str, Any],
    peer: dict[str, Any] | None,
    difference: float | None,
    hours: float,
    workers: int,
) -> dict[str, Any]:
    theirs = peer or dict.fromkeys(ours)
    return {
        "ours_s": ours["seconds"],
        "peer_s": theirs["seconds"],
        "ratio": _ratio(theirs["seconds"], ours["seconds"]),
        "ours_cpu_s": ours["cpu_s"],
        "peer_cpu_s": theirs["cpu_s"],
        "cpu_ratio": _ratio(theirs["cpu_s"], ours["cpu_s"]),
        "hours": round(hours, 4),
        "ours_hours_a_minute": _ratio(60 * hours, ours["seconds"]),
        "peer_hours_a_minute": _ratio(60 * hours, theirs["seconds"]),
        "workers": workers,
        "ours_worker_memory_mb": ours["worker_memory_mb"],
        "peer_worker_memory_mb": theirs["worker_memory_mb"],
        "ours_all_memory_mb": ours["all_memory_mb"],
        "peer_all_memory_mb": theirs["all_memory_mb"],
        "n_windows": ours["n_windows"],
        "max_abs_difference": difference,
    }


def _ratio(above: float | None, below: float | None) -> float | None:
    return round(above / below, 3) if above is not None and below else None


def _compare(scratch: Path) -> float:
    """Largest difference of a confidence; the other side writes four decimals."""
    import pandas as pd

    ours = pd.read_csv(scratch / "ours.csv").set_index(["file", "start_s"]).confidence
    peer = pd.read_csv(scratch / "peer.csv").set_index(["file", "start_s"]).confidence
    if len(ours) != len(peer) or not ours.index.sort_values().equals(peer.index.sort_values()):
        raise RuntimeError(
            f"Vernal scored {len(ours)} windows, BirdNET-Analyzer {len(peer)}, not the same ones"
        )
    return float((ours - peer.reindex(ours.index)).abs().max())


# Each side's own process ----------------------------------------------------------------------------


def _run_ours(folder: Path, scratch: Path, workers: int) -> int:
    """The nodes of the detection pipeline, on datasets as in the catalog."""
    import pandas as pd
    from scipy.special import expit

    from vernal.audio.embedding.options import EmbeddingOptions
    from vernal.audio.embedding.store import EmbeddingStore
    from vernal.common.table_files import write_table
    from vernal.field.detection.classifier import Classifier
    from vernal.field.detection.detections import find_detections
    from vernal.field.detection.file_journal import KnownFiles
    from vernal.field.detection.listing import list_for_detection
    from vernal.field.detection.nights import count_nights
    from vernal.field.detection.options import DetectionOptions
    from vernal.field.detection.scan import score_missing
    from vernal.field.detection.score_store import ScoreStore
    from vernal.field.export.classifier_files import read_head

    head = read_head(scratch / f"{NAME}.tflite")
    classifier = Classifier(NAME, head, ("target",), EmbeddingOptions(), 1.0, 0.0, "drawn", True, (), {})
    files, scores = KnownFiles(scratch / "known_files.jsonl"), ScoreStore(scratch / "scores")
    store = EmbeddingStore(scratch / "embeddings")
    recordings = list_for_detection(folder)
    for _, some, facts in score_missing(recordings, classifier, files, scores, store, False, workers):
        scores.append(some)
        files.append(facts)
    found = find_detections(recordings, files.load(), scores, classifier, DetectionOptions())
    write_table(found.detections, scratch / "detections.parquet")
    write_table(count_nights(found, classifier.labels), scratch / "nights.csv")
    facts = files.load()
    rows = []
    for row in recordings.itertuples(index=False):
        content = facts[f"{row.audio_root}/{row.file_path}"].content_hash
        for number in sorted(block for one, block in scores.finished(classifier.run_key) if one == content):
            block = scores.load(classifier.run_key, content, number)
            for start_s, logit in zip(block.start_s, block.logits[:, 0], strict=True):
                rows.append((Path(str(row.file_path)).name, round(float(start_s), 3), float(expit(logit))))
    table = pd.DataFrame(rows, columns=["file", "start_s", "confidence"])
    table.to_csv(scratch / "ours.csv", index=False)
    return len(table)


def _run_peer(folder: Path, scratch: Path, workers: int) -> int:
    """`analyze` with as many processes; it shares files out to them itself."""
    import pandas as pd

    from vernal.training.birdnet_analyzer import load_offline

    load_offline()
    from birdnet_analyzer.analyze.core import analyze

    out = scratch / "peer"
    analyze(str(folder), output=str(out), classifier=str(scratch / f"{NAME}.tflite"), min_conf=0.0, rtype="csv",
            threads=workers, sensitivity=1.0, overlap=0.0, fmin=0, fmax=15_000, batch_size=1)  # fmt: skip
    tables = []
    for file in sorted(out.rglob("*.BirdNET.results.csv")):
        table = pd.read_csv(file)
        name = Path(str(table["File"].iloc[0])).name
        tables.append(
            pd.DataFrame(
                {"file": name, "start_s": table["Start (s)"].round(3), "confidence": table["Confidence"]}
            )
        )
    found = pd.concat(tables, ignore_index=True)
    found.to_csv(scratch / "peer.csv", index=False)
    return len(found)


def main(side: str, folder: str, scratch: str, workers: str) -> None:
    """Entry of each side's own process."""
    with watched() as usage:
        run = _run_peer if side == "peer" else _run_ours
        n_windows = run(Path(folder), Path(scratch), int(workers))
        used = asdict(usage())
    sys.stdout.write("\n" + json.dumps({"n_windows": n_windows, **used}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
