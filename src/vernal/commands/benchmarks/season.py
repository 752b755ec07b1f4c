"""What a season's tables cost, beside the listening: places, instants, hours from sunset, nights, hours, histories.

The season is made without sound: recordings of a minute, listed with their times, and what a search found in them.
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
from vernal.field.detection.nights import count_nights
from vernal.field.handover.occupancy import occupancy_files
from vernal.field.handover.places import place_recordings
from vernal.field.handover.sites import read_sites
from vernal.field.handover.tables import count_hours, place_detections, place_nights
from vernal.training.heads import Head

A_NIGHT = 432
RECORDERS = 9
_HASH = "{:064x}"
_WINDOWS = 20


def bench_season(n_recordings: int) -> dict[str, Any]:
    """Make the tables of a season of so many recordings, two detections in each, and say what that took."""
    used = in_own_process("vernal.commands.benchmarks.season", n_recordings)
    return compared(used, None, 1) | {
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
        state="heard", content_hash=[_HASH.format(one) for one in number], n_windows=_WINDOWS
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


def _run(n_recordings: int) -> int:
    listed, found = make_season(n_recordings)
    head = Head(((np.zeros((1, 1), dtype=np.float32), np.zeros(1, dtype=np.float32)),))
    classifier = Classifier("bench", head, ("target",), EmbeddingOptions(), 1.0, 0.0, "drawn", True, (), {})
    with tempfile.TemporaryDirectory(prefix="vernal-bench-") as folder:
        file = Path(folder) / "sites.csv"
        rows = "".join(f"R{one},{-27 - one / 10},153,Australia/Brisbane\n" for one in range(RECORDERS))
        file.write_text(f"recorder,latitude,longitude,time zone\n{rows}", encoding="utf-8")
        sites = read_sites(str(file), listed.recorder_id)
    recordings = place_recordings(listed, sites)
    place_detections(found.detections, recordings)
    nights = place_nights(count_nights(found, classifier.labels), recordings, classifier)
    hours = count_hours(found, recordings, classifier)
    for content in occupancy_files(nights, hours, sites).values():
        content()
    return int(found.effort.n_windows.sum())


if __name__ == "__main__":
    tell(lambda: _run(int(sys.argv[1])))
