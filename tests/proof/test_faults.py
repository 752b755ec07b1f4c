"""Faults of the machine and hostile input: a clear word, and nothing that was there is harmed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from kedro.io import DatasetError

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.embedding.store import EmbeddingStore
from vernal.clips.labels import LabelOptions
from vernal.clips.manifest import check_manifest
from vernal.clips.nights import NightOptions
from vernal.clips.recordings import IngestOptions
from vernal.common.files import TEMPORARY_PREFIX
from vernal.common.problems import InputError
from vernal.datasets.table_dataset import TableDataset
from vernal.framework.hooks import take_lock
from vernal.pipelines.ingest.nodes import SourceOptions, check_audio, list_sources
from vernal.proof.ledger import read_ledger
from vernal.proof.run_record import read_records

RATE = 48_000
posix = pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are a POSIX thing")

# Each writer is tried twice in a process whose files may not grow beyond 2 kB: once with room, once without.
FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np, pandas as pd
from vernal.common.files import write_text
from vernal.datasets.tables_dataset import TablesDataset
from vernal.audio.embedding.windows import EmbeddingOptions, EmbeddingPart
from vernal.proof.ledger import append_entries, read_ledger
from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.embedding.store import EmbeddingStore
from vernal.common.table_files import write_table, read_table
root = Path(sys.argv[1])
audio = EmbeddingOptions(encoder="logmel")
def part(n):
    rows = pd.DataFrame({"key": [f"{n}-{i}" for i in range(n)], "content_hash": "c", "start_s": 0.0, "end_s": 3.0})
    return EmbeddingPart(audio, rows, np.zeros((n, audio.n_dims), np.float32), pd.DataFrame())
entry = {"stage": "s", "evaluation": "a", "splits": {"test_iid": {"digest": "d"}}}
table = pd.DataFrame({"n": range(3)})
def write(big):
    yield lambda: write_text(root / "text.txt", "x" * (5000 if big else 5))
    yield lambda: write_table(pd.DataFrame({"n": range(9000)}) if big else table, root / "table.csv")
    yield lambda: write_table(pd.DataFrame({"n": np.random.rand(9000)}) if big else table, root / "table.parquet")
    yield lambda: EmbeddingStore(root / "store").append(part(50 if big else 1))
    yield lambda: append_entries(root / "ledger", [{**entry, "evaluation": "b" * 5000 if big else "a"}], "now")
for job in write(False):
    job()
resource.setrlimit(resource.RLIMIT_FSIZE, (2500, 2500))
for job in write(True):
    try:
        job()
        print("no error")
    except (OSError, ValueError) as error:
        print(type(error).__name__)
"""


@posix
def test_a_full_disk_ends_in_an_error_and_harms_nothing(tmp_path: Path, project: Path):
    before_run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        cwd=project / "src",
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert before_run.returncode == 0, before_run.stderr
    assert "no error" not in before_run.stdout
    assert len(before_run.stdout.splitlines()) == 5
    assert (tmp_path / "text.txt").read_text() == "xxxxx"
    for name in ("table.csv", "table.parquet"):
        assert TableDataset(filepath=str(tmp_path / name)).load().n.tolist() == [0, 1, 2]
    assert EmbeddingStore(tmp_path / "store").verify().state.tolist() == ["ok", "ok"]
    assert [entry["evaluation"] for entry in read_ledger(tmp_path / "ledger")] == ["a"]
    assert not list(tmp_path.rglob(f"{TEMPORARY_PREFIX}*"))


def limited_run(project: Path, data_root: Path, n_bytes: int) -> subprocess.CompletedProcess[str]:
    import resource

    return subprocess.run(
        [
            sys.executable,
            "-m",
            "kedro",
            "run",
            "--env=test",
            "--pipeline=demo",
            f"--params=data_root={data_root}",
        ],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes)),
    )


def fill_the_disk(project: Path, data_root: Path) -> None:
    full = limited_run(project, data_root, 200_000)  # a clip of three seconds is larger
    assert full.returncode != 0
    assert "Traceback" not in full.stderr
    assert "File too large" in full.stderr
    assert not list(data_root.rglob("*.wav"))


@posix
def test_a_run_on_a_full_disk_says_so(project: Path, tmp_path: Path):
    fill_the_disk(project, tmp_path)
    (record,) = read_records(tmp_path)
    assert record["outcome"] == "failed"
    assert "File too large" in record["error"]


@pytest.mark.slow
@posix
def test_a_run_after_a_full_disk_goes_on(project: Path, tmp_path: Path):
    fill_the_disk(project, tmp_path)
    free = limited_run(project, tmp_path, 10**9)
    assert free.returncode == 0, free.stderr
    assert len(list(tmp_path.rglob("*.wav"))) > 70
    assert [record["outcome"] for record in read_records(tmp_path)] == ["failed", "finished"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "03_primary").write_text("a file where a folder should be")
    with pytest.raises(DatasetError, match="03_primary"):
        TableDataset(filepath=str(tmp_path / "03_primary" / "t.csv")).save(pd.DataFrame({"n": [1]}))
    assert (tmp_path / "03_primary").read_text() == "a file where a folder should be"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path: Path):
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(InputError, match="cannot be written"):
            take_lock(tmp_path / "data")
    finally:
        tmp_path.chmod(0o755)


# The soak: many clips, one in ten broken, in ten ways --------------------------------------------------


def wav(sound: np.ndarray, subtype: str = "PCM_16", form: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, sound, RATE, subtype=subtype, format=form)
    return file.getvalue()


def sound(seed: int, seconds: float = 1.5) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.05, int(seconds * RATE)).astype(np.float32)


BREAKS = {
    "no bytes": ("empty", lambda seed: b""),
    "a header and no sound": ("empty", lambda seed: wav(np.empty(0, np.float32))),
    "cut off": ("truncated", lambda seed: wav(sound(seed))[:60_000]),
    "noise for bytes": ("unreadable", lambda seed: np.random.default_rng(seed).bytes(5000)),
    "text": ("unreadable", lambda seed: b"this is no sound " * 50),
    "silence": ("silent", lambda seed: wav(np.zeros(RATE * 2 + seed, np.float32))),
    "not numbers": (
        "not_finite",
        lambda seed: wav(np.where(sound(seed) > 0.1, np.nan, sound(seed)), "FLOAT"),
    ),
    "too short": ("too_short", lambda seed: wav(sound(seed, 0.05))),
    "a FLAC cut off": ("truncated", lambda seed: wav(sound(seed), "PCM_16", "FLAC")[:40_000]),
    "a copy": ("duplicate_audio", lambda seed: wav(sound(0))),
}


def soak(tmp_path: Path, n: int) -> None:
    ways = list(BREAKS.items())
    expected, rows = {}, []
    for at in range(n):
        # The clip that copies are made of comes first; copies come after it by name.
        name = f"night {at % 7}/clip{at:05d}.{'flac' if at % 10 == 9 and (at // 10) % 10 == 8 else 'wav'}"
        content = wav(sound(at))
        if at % 10 == 9:
            reason, broken = ways[(at // 10) % 10][1]
            content, expected[name] = broken(at), reason
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        rows.append({"file_path": name, "label": "positive" if at % 2 else "negative"})
    frame = pd.DataFrame(rows)
    frame.loc[frame.file_path.map(expected) == "duplicate_audio", "label"] = "negative"
    source = SourceOptions(manifest=str(tmp_path / "m.csv"))
    check_manifest(frame, "RADR", tmp_path)
    nothing = frame.iloc[:0]
    listed, roots = list_sources(
        source,
        "RADR",
        LabelOptions(),
        NightOptions(),
        frame,
        None,
        None,
        nothing,
        nothing,
        nothing,
        str(tmp_path),
    )
    clips, rejects = check_audio(listed, roots, IngestOptions(), NightOptions(), EmbeddingOptions())
    assert dict(zip(rejects.file_path, rejects.reason, strict=True)) == expected
    assert rejects.message.str.len().min() > 5
    assert set(clips.file_path) == set(frame.file_path) - set(expected)


def test_broken_clips_are_rejected_with_their_reasons_and_no_others(tmp_path: Path):
    soak(tmp_path, 100)


@pytest.mark.slow
def test_a_soak_of_a_thousand_clips(tmp_path: Path):
    soak(tmp_path, 1000)


@pytest.mark.slow
@posix
def test_the_chain_runs_in_bounded_memory(project: Path, tmp_path: Path):
    import resource

    # What a process may hold for itself (data and anonymous memory); TensorFlow alone takes about a gigabyte.
    limit = 4 * 2**30
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "kedro",
            "run",
            "--env=test",
            "--pipeline=baseline",
            f"--params=data_root={tmp_path}",
        ],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=900,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "08_reporting" / "baseline" / "certificate.json").is_file()
