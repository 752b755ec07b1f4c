"""What a season's sample and tables cost, beside the listening.

The season is made without sound: recordings of a minute, listed with their times, what a search found in them, and
scores that are drawn when they are asked for, instead of read from a disk.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.commands.benchmarks.sides import compared, in_own_process, tell
from vernal.field.detection.classifier import Classifier
from vernal.field.detection.detections import Detections
from vernal.field.detection.file_facts import FileFacts
from vernal.field.detection.listing import started_at
from vernal.field.detection.nights import count_nights
from vernal.field.detection.options import DetectionOptions
from vernal.field.detection.sample import ScoredSeason, count_lines, draw_sample
from vernal.field.detection.score_counts import ScoreCounts
from vernal.field.detection.score_store import ScoreStore
from vernal.field.detection.scoring import BlockScores, Traces
from vernal.field.handover.occupancy import occupancy_files
from vernal.field.handover.places import place_recordings
from vernal.field.handover.sites import read_sites
from vernal.field.handover.tables import count_hours, place_detections, place_nights
from vernal.training.heads import Head

A_NIGHT = 432
RECORDERS = 9
_HASH = "{:064x}"
_WINDOWS = 20
_HEAD = Head(((np.zeros((1, 1), dtype=np.float32), np.zeros(1, dtype=np.float32)),))
CLASSIFIER = Classifier("bench", _HEAD, ("target",), EmbeddingOptions(), 1.0, 0.0, "drawn", True, (), {})


def bench_season(n_recordings: int) -> dict[str, Any]:
    """Draw the sample and make the tables of a season of so many recordings, two detections in each."""
    used = in_own_process("tools.benchmarks.season", n_recordings)
    return compared(used, None, 1) | {
        "recordings": n_recordings,
        "hours": round(n_recordings / 60, 4),
        "ours_all_memory_mb": used["all_memory_mb"],
    }


def make_season(n_recordings: int) -> tuple[pd.DataFrame, Detections]:
    """Recordings as they are listed, and what a search of them finds: nine recorders, every minute from 18:00 on."""
    number = np.arange(n_recordings)
    recorder, of_recorder = number % RECORDERS, number // RECORDERS
    night, minute = of_recorder // A_NIGHT, of_recorder % A_NIGHT
    began = pd.Series(pd.Timestamp("2025-04-03 18:00") + pd.to_timedelta(night * 1_440 + minute, unit="min"))
    listed = pd.DataFrame(
        {
            "audio_root": "/season",
            "file_path": [f"R{one}/{at}.wav" for one, at in zip(recorder, of_recorder, strict=True)],
            "recorder_id": [f"R{one}" for one in recorder],
            "date": began.dt.strftime("%Y-%m-%d"),
            "time": began.dt.strftime("%H:%M:%S"),
        }
    ).astype("str")
    nights = (began - pd.Timedelta(hours=12)).dt.strftime("%Y-%m-%d").astype("str")
    files = listed.assign(
        state="heard",
        content_hash=[_HASH.format(one) for one in number],
        n_windows=_WINDOWS,
        duration_s=60.0,
    )
    heard = listed[["recorder_id"]].assign(night=nights, hour=began.dt.hour, heard_s=60.0, n_windows=_WINDOWS)
    effort = heard.groupby(["recorder_id", "night", "hour"], as_index=False).sum()
    calls = pd.concat([_calls(listed, nights, began, start_s) for start_s in (6.0, 30.0)], ignore_index=True)
    return listed, Detections(calls, files, effort)


def _calls(listed: pd.DataFrame, nights: pd.Series, began: pd.Series, start_s: float) -> pd.DataFrame:
    return listed[["file_path", "recorder_id"]].assign(
        night=nights,
        label="target",
        started_at=began + pd.Timedelta(seconds=start_s),
        start_s=start_s,
        end_s=start_s + 3,
        n_windows=1,
        confidence=0.9,
        review_state="unchecked",
    )


class MadeScores(ScoreStore):
    """Scores of one block a recording, by its content hash: few windows of many are likely to hold the target."""

    def has(self, run_key: str, content_hash: str, block: int) -> bool:
        return block == 0

    def load(self, run_key: str, content_hash: str, block: int) -> BlockScores:
        logits = np.random.default_rng(int(content_hash, 16)).normal(-4.0, 2.0, (_WINDOWS, 1))
        starts = 3.0 * np.arange(_WINDOWS)
        return BlockScores(
            content_hash, block, 1, starts, starts + 3.0, logits, 60.0, Traces((-0.1, 0.1, 0.0))
        )


def draw(files: pd.DataFrame, classifier: Classifier, folder: Path) -> pd.DataFrame:
    """Count all windows by score and night, as a run of detection does, and draw those to check."""
    options, scores = DetectionOptions(), MadeScores(folder)
    counts = ScoreCounts(classifier.labels, np.array(count_lines(options, classifier, None)))
    for content_hash, recorder_id, began in zip(
        files.content_hash, files.recorder_id, started_at(files), strict=True
    ):
        counts.add(recorder_id, began, scores.load("", content_hash, 0), classifier.shift)
    facts = {
        f"/season/{path}": FileFacts(content_hash=content_hash, n_frames=60 * 48_000, sample_rate_hz=48_000)
        for path, content_hash in zip(files.file_path, files.content_hash, strict=True)
    }
    season = ScoredSeason(files, "/season", facts, scores, classifier)
    return draw_sample(season, counts.table(), options)[0]


def _run(n_recordings: int) -> int:
    listed, found = make_season(n_recordings)
    with tempfile.TemporaryDirectory(prefix="vernal-bench-") as folder:
        file = Path(folder) / "sites.csv"
        rows = "".join(f"R{one},{-27 - one / 10},153,Australia/Brisbane\n" for one in range(RECORDERS))
        file.write_text(f"recorder,latitude,longitude,time zone\n{rows}", encoding="utf-8")
        sites = read_sites(str(file), listed.recorder_id)
        draw(found.files, CLASSIFIER, Path(folder) / "scores")
    recordings = place_recordings(listed, sites)
    place_detections(found.detections, recordings)
    nights = place_nights(count_nights(found, CLASSIFIER.labels), recordings, CLASSIFIER)
    hours = count_hours(found, recordings, CLASSIFIER)
    for content in occupancy_files(nights, hours, sites).values():
        content()
    return int(found.effort.n_windows.sum())


if __name__ == "__main__":
    tell(lambda: _run(int(sys.argv[1])))
