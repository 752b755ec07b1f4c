"""What is known of the time that sweeps take in one data folder, kept until a run adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vernal.sweeps.points import Point
from vernal.web.results import drafts, estimates
from vernal.web.results.cache import Cache
from vernal.web.results.estimates import Estimate, Measured


class RuntimeEstimates:
    """Estimates for sweeps: from recorded runs."""

    def __init__(self, data_root: Path) -> None:
        self._data_root = data_root
        self._cache = Cache()

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
        trained, embedded = self._cache.get(
            "done", _when(root), lambda: (estimates.trained_fits(root), estimates.embedded_audio(root))
        )
        return estimates.estimate(points, found, trained, embedded)

    def _all_measured(self) -> list[Measured]:
        root = self._data_root
        return self._cache.get("measured", _when(root), lambda: estimates.safe_measured_runs(root))


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
