"""A small project's data folder, with sound, clips, rankings and embeddings, to review."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import FAILURE_COLUMNS, EmbeddingPart, plan_windows
from vernal.clips.mining import MiningOptions, best_low_quality, hard_negatives, review_candidates
from vernal.clips.nights import NightOptions, with_nights
from vernal.common.files import sha256_of_file, write_text
from vernal.common.hashing import digest
from vernal.common.table_files import read_table, write_table
from vernal.common.target_folders import TargetFolders
from vernal.web.project import NotThere, ProjectContext
from vernal.web.review.options import QueueSpec

SCRIPT = "<img src=x onerror=alert(1)>" if os.name != "nt" else "&lt;img&gt;"
QUEUES = {
    "hard-negatives": QueueSpec("hard_negatives", "Hard negatives", model="miner"),
    "low-quality": QueueSpec("best_low_quality", "Low quality", model="miner"),
    "candidates": QueueSpec("review_candidates", "Candidates", model="miner"),
    "suspects": QueueSpec("collection.suspects", "Suspects", clips="collection.clips", asked="label"),
}
_TABLES = {
    "clips": "02_intermediate/clips.parquet",
    "all_clips": "03_primary/all_clips.parquet",
    "splits": "03_primary/splits.parquet",
    "pool_scores": "03_primary/mining/pool_scores.parquet",
    "review_candidates": "03_primary/mining/review_candidates.csv",
}


def write_sound(path: Path, seconds: float, hz: float, seed: int, rate: int = 48_000) -> None:
    """Quiet noise with a tone pulse a second."""
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    time_s = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(0, 0.01, len(time_s))
    pulses = 0.2 * np.sin(2 * np.pi * hz * time_s) * (time_s % 1 < 0.4)
    soundfile.write(path, (noise + pulses).astype("float32"), rate)


def _rows(path: Path, audio: Path, source: str, n: int, **columns) -> list[dict]:
    content = sha256_of_file(path)
    duration_s = n * 3.0
    return [
        {
            "source": source,
            "file_path": path.relative_to(audio).as_posix(),
            "label": "negative",
            "is_positive": False,
            "quality": None,
            "call_type": None,
            "site": "Pond",
            "split": None,
            "start_s": 3.0 * at,
            "end_s": 3.0 * (at + 1),
            "clip_id": digest(source, content, at),
            "content_hash": content,
            "duration_s": duration_s,
            "sample_rate_hz": 48_000,
            "channels": 1,
        }
        | columns
        for at in range(n)
    ]


def make_data_root(root: Path, n_field: int = 24) -> pd.DataFrame:
    """Write a data folder that `curation` can run on; returns its clips."""
    audio = root / "01_raw" / "sounds"
    rows = []
    for number in range(n_field // 12):
        name = f"Moth{number + 1:02d}_20250401_{number:02d}0000" + (SCRIPT if number == 0 else "")
        path = audio / "field" / f"{name}.wav"
        write_sound(path, 36, 500, number)
        where = {"recorder_id": f"Moth{number + 1:02d}", "date": "2025-04-01", "group": f"field{number}"}
        rows += _rows(path, audio, "field", 12, **where)
    path = audio / "unlabelled" / "Moth09_20250402_210000.wav"
    write_sound(path, 18, 700, 90)
    rows += _rows(
        path, audio, "unlabelled", 6, label="unknown", recorder_id="Moth09", date="2025-04-02", group="u"
    )
    kinds = [(True, "high"), (True, "low"), (False, None), (True, "low")]
    splits = ["train"] * 8 + ["val", "test_iid", "test_ood", "val"]
    for number, split in enumerate(splits):
        path = audio / "labelled" / f"clip {number:02d}.wav"
        write_sound(path, 3, 600 + number, 100 + number)
        positive, quality = kinds[number % 4]
        facts = {
            "is_positive": positive,
            "label": "RADR" if positive else "negative",
            "quality": quality,
            "call_type": "grunt" if positive else None,
            "recorder_id": "Moth05",
            "date": f"2025-03-{number + 1:02d}",
            "group": f"l{number}",
            "split": split,
        }
        rows += _rows(path, audio, "labelled", 1, **facts)
    text = ["quality", "call_type", "split", "label", "site", "recorder_id", "date", "time", "group"]
    clips = pd.DataFrame(rows).assign(time=None).astype(dict.fromkeys(text, "str"))
    clips = with_nights(clips, NightOptions())
    _write_tables(root, clips)
    _write_embeddings(root, clips)
    return clips


def name_audio_roots(root: Path) -> None:
    """Say where the sounds of a data folder lie, which is another place after it was copied."""
    audio = (root / "01_raw" / "sounds").as_posix()
    folders = dict.fromkeys(("labelled", "field", "unlabelled"), audio)
    write_text(root / "02_intermediate" / "audio_roots.json", json.dumps(folders))


def _write_tables(root: Path, clips: pd.DataFrame) -> None:
    known = clips[clips.source == "labelled"].assign(block=clips.group)
    splits = known.sort_values("clip_id", ignore_index=True)
    write_table(clips.assign(split=clips.split.where(clips.split.notna())), root / _TABLES["clips"])
    write_table(splits, root / _TABLES["splits"])
    write_table(clips, root / _TABLES["all_clips"])
    name_audio_roots(root)
    score = {clip: 6.0 - 0.2 * at for at, clip in enumerate(clips.clip_id)}
    options = MiningOptions(best_low_quality={"top50": 0.5}, hard_negatives={"hardneg_conf_min_50": 0.5})
    pools = clips.assign(logit=clips.clip_id.map(score))
    field, low = pools[pools.source == "field"], pools[(pools.split == "train") & (pools.quality == "low")]
    unlabelled = pools[pools.source == "unlabelled"]
    for folder, tables in (
        ("best_low_quality", best_low_quality(low, options)),
        ("hard_negatives", hard_negatives(field, options)),
    ):
        for name, table in tables.items():
            write_table(table, root / "03_primary" / "mining" / folder / f"{name}.parquet")
    write_table(review_candidates(unlabelled, options, field), root / _TABLES["review_candidates"])
    scored = pd.concat([field, unlabelled, low])[["clip_id", "source", "logit"]]
    write_table(scored.reset_index(drop=True), root / _TABLES["pool_scores"])


def _write_embeddings(root: Path, clips: pd.DataFrame) -> None:
    options = EmbeddingOptions()
    windows = plan_windows(clips, options)
    vectors = np.random.default_rng(5).normal(size=(len(windows), options.n_dims)).astype(np.float32)
    rows = windows[["key", "content_hash", "start_s", "end_s"]]
    EmbeddingStore(root / "04_feature" / "embeddings").append(
        EmbeddingPart(options, rows, vectors, pd.DataFrame(columns=list(FAILURE_COLUMNS)))
    )


def make_context(root: Path, project: Path, **parameters) -> ProjectContext:
    """The data folder as a project whose datasets are read without Kedro."""

    def load(name: str):
        if name == "audio_roots":
            return json.loads((root / "02_intermediate" / "audio_roots.json").read_text())
        if name in ("hard_negatives", "best_low_quality"):
            folder = root / "03_primary" / "mining" / name
            return {
                path.relative_to(folder).with_suffix("").as_posix(): read_table(path)
                for path in sorted(folder.rglob("*.parquet"))
            }
        file = root / _TABLES.get(name, f"03_primary/{name}.parquet")
        if not file.is_file():
            raise NotThere(f"{name} is not there yet")
        return read_table(file)

    def save(name: str, data: pd.DataFrame) -> None:
        write_table(data, root / "03_primary" / f"{name}.parquet")

    return ProjectContext(project, root, {"target": "RADR", **parameters}, load, save)


WINDOWS = QueueSpec(
    "detection.sample", "A sample", clips=None, folder="audio_root", asked="label", score="logit", blind=True
)


def save_windows(context: ProjectContext, labels: list[str], n_windows: int = 12) -> pd.DataFrame:
    """A sample of long recordings as detection leaves it: windows, each drawn for one label or two of them."""
    clips = context.load("clips")
    clips = clips[clips.source == "field"].sort_values(["file_path", "start_s"]).head(n_windows)
    places = clips[["file_path", "start_s", "end_s", "content_hash", "recorder_id", "night"]]
    folder = context.load("audio_roots")["field"]
    rows = [
        {**place, "label": labels[(at + more) % len(labels)], "logit": 2.0 - 0.1 * at + more}
        for at, place in enumerate(places.to_dict("records"))
        for more in range(1 + at % 2)
    ]
    table = pd.DataFrame(rows).assign(audio_root=folder, model="baseline_001")
    context.save("detection.sample", table)
    return table


def make_context_of_targets(root: Path, project: Path, names: list[str], **parameters) -> ProjectContext:
    """A data folder of several targets, each with a data folder like `root`; the one above keeps recordings alone."""
    above = root.parent / "of several"
    source = {"folder": str(root / "01_raw" / "sounds")}
    TargetFolders(above).write({name: name for name in names})
    for name in names:
        skipped = shutil.ignore_patterns("01_raw", "04_feature")
        shutil.copytree(root, above / "targets" / name, ignore=skipped)

    def open_target(name: str, folder: Path) -> ProjectContext:
        return make_context(folder, project, target=name, source=source, store_root=str(root))

    context = make_context(above, project, source=source, **parameters)
    return replace(context, open_target=open_target)
