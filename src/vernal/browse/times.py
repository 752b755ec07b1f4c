"""What is known of the time that sweeps take in one data folder, kept until a run adds to it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vernal.browse import drafts, estimates, measuring
from vernal.browse.estimates import Estimate, Measured
from vernal.browse.shelf import Shelf
from vernal.sweeps.points import Point


class Times:
    """Estimates for sweeps: from recorded runs, else from a short measurement that somebody asked for."""

    def __init__(self, project: Path, data_root: Path) -> None:
        self._project = project
        self._data_root = data_root
        self._measured: list[Measured] = []
        self._measuring: threading.Thread | None = None
        self._words = ""
        self._shelf = Shelf()
        self._lock = threading.Lock()

    @property
    def are_known(self) -> bool:
        """Whether anything was measured."""
        return bool(self._all_measured())

    def estimate(self, points: Sequence[Point]) -> Estimate | None:
        """How long some points will take; None where nothing was measured."""
        root = self._data_root
        found = estimates.most_alike(self._all_measured(), points, drafts.size_of(points).trainings)
        if found is None:
            return None
        trained, embedded = self._shelf.get(
            "done", _when(root), lambda: (estimates.trained_fits(root), estimates.embedded_audio(root))
        )
        return estimates.estimate(points, found, trained, embedded)

    def _all_measured(self) -> list[Measured]:
        root = self._data_root
        of_runs = self._shelf.get("measured", _when(root), lambda: estimates.safe_measured_runs(root))
        return of_runs or self._measured

    def start_measuring(self) -> None:
        """Begin the short measurement, unless it is at work or runs tell the times."""
        with self._lock:
            if self._is_measuring or self.are_known:
                return
            self._words = ""
            self._measuring = threading.Thread(target=self._measure, daemon=True)
            self._measuring.start()

    @property
    def _is_measuring(self) -> bool:
        return self._measuring is not None and self._measuring.is_alive()

    def measure_state(self) -> dict[str, Any]:
        """How far the measurement is; `problem` says why it failed."""
        return {"is_running": self._is_measuring, "problem": self._words, "is_done": bool(self._measured)}

    def _measure(self) -> None:
        n_clips = self._n_clips()
        command = [sys.executable, "-m", "vernal.browse.measuring", str(n_clips)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=self._project, stdin=subprocess.DEVNULL
        )
        try:
            self._measured = [
                measuring.as_measured(json.loads(done.stdout.strip().splitlines()[-1]), n_clips)
            ]
        except (ValueError, IndexError, KeyError):
            last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            self._words = f"The measurement failed: {last[0][:300]}"

    def _n_clips(self) -> int:
        table = self._data_root / "03_primary" / "splits.parquet"
        if not table.is_file():
            return 0
        import pyarrow.parquet

        return int(pyarrow.parquet.read_metadata(table).num_rows)


def estimate_words(found: Estimate | None) -> dict[str, Any]:
    """An estimate as the pages show it; empty where there is none."""
    if found is None:
        return {"time": "", "parts": [], "source": "", "remarks": []}
    about = "more than" if found.is_least else "about"
    return {
        "time": f"{about} {estimates.duration(found.seconds)}",
        "parts": [(words, _part_words(seconds)) for words, seconds in found.parts],
        "source": found.source,
        "remarks": list(found.remarks),
    }


def _part_words(seconds: float) -> str:
    return estimates.duration(seconds) if seconds >= 0.5 else "below 1 s"


def _when(root: Any) -> tuple[Any, ...]:
    """Changes when a run leaves a record or a plan."""
    files = [*root.glob("08_reporting/*/runs/*.json"), *root.glob("05_model_input/*/plan.parquet")]
    return tuple((str(file), file.stat().st_mtime_ns) for file in sorted(files))
