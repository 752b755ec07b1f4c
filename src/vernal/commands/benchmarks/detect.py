"""How much sound is searched in a minute, beside `birdnet_analyzer.analyze` doing the same.

Both sides take the same classifier over the same one-minute recordings, each in a process of its own, from the start
of Python to the last table on disk, with the same number of worker processes, warmed up and in turn. Memory is measured
on one recording of ten minutes and, if asked for, on longer ones.
"""

import shutil
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
from vernal.training.heads import Head

NAME = "bench"
# What a run leaves that the next one would go on from.
_LEFT = ("known_files.jsonl", "scores", "embeddings", "peer")


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
        That of `compared`, `hours` of sound, hours a minute on both sides, peak memory in MB of all processes together,
        and how the confidences differ. None where a side was not run.
    Raises:
        InputError: no recordings in the folder.
    """
    with tempfile.TemporaryDirectory(prefix="vernal-bench-") as scratch:
        if folder is None:
            folder = Path(scratch) / "recordings"
            make_recordings(folder, n_files, sample_rate_hz=sample_rate_hz)
        return _measured(Path(folder), Path(scratch), workers, sides)


def bench_memory(minutes: float) -> dict[str, Any]:
    """Search one recording of this length with one worker, and say how much memory that took.

    A short recording has too few blocks for a second worker, whose memory would then seem to come from the length.
    """
    with tempfile.TemporaryDirectory(prefix="vernal-bench-") as scratch:
        folder = Path(scratch) / "recordings"
        make_long_recording(folder / "R1_20250403_000000.wav", minutes)
        return _measured(folder, Path(scratch), 1, "ours")


def _measured(folder: Path, scratch: Path, workers: int, sides: str) -> dict[str, Any]:
    hours = hours_of(folder)
    make_classifier(scratch)

    def side(name: str, place: Path) -> dict[str, Any]:
        forget(scratch, *_LEFT)
        return in_own_process("vernal.commands.benchmarks.detect", name, place, scratch, workers)

    ours, peer = (
        in_turns(side, _a_few(folder, scratch, workers), folder)
        if sides == "both"
        else (side("ours", folder), None)
    )
    return compared(ours, peer, workers) | {
        "hours": round(hours, 4),
        "ours_hours_a_minute": ratio(60 * hours, ours["seconds"]),
        "peer_hours_a_minute": peer and ratio(60 * hours, peer["seconds"]),
        "ours_all_memory_mb": ours["all_memory_mb"],
        "peer_all_memory_mb": peer and peer["all_memory_mb"],
        "max_abs_difference": peer and _difference(scratch),
    }


def _a_few(folder: Path, scratch: Path, workers: int) -> Path:
    """A folder with a recording a worker, to warm up with."""
    few = scratch / "few"
    few.mkdir()
    for file in audio_files(folder)[:workers]:
        shutil.copy(file, few)
    return few


def hours_of(folder: Path) -> float:
    """Hours of sound in a folder, by the files' headers.

    Raises:
        InputError: there are none.
    """
    from vernal.audio.reading import probe_audio

    return sum(probe_audio(file).duration_s for file in audio_files(folder)) / 3_600


# What is searched -----------------------------------------------------------------------------------


def make_recordings(folder: Path, n_files: int, seconds: float = 60.0, sample_rate_hz: int = 48_000) -> None:
    """Write a night of recordings, every minute from 18:00 on (see `write_sounds`)."""
    import pandas as pd

    moments = pd.date_range("2025-04-03 18:00", periods=n_files, freq="min")
    write_sounds(folder, (f"R1_{moment:%Y%m%d_%H%M%S}" for moment in moments), seconds, sample_rate_hz)


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


def _difference(scratch: Path) -> float:
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
    run = _run_peer if side == "peer" else _run_ours
    tell(lambda: run(Path(folder), Path(scratch), int(workers)))


if __name__ == "__main__":
    main(*sys.argv[1:])
