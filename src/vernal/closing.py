"""The closing word of a run: which files to look at, and the leaderboard as a picture in plain characters."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

# What a person opens, by the end of the dataset's name, in the order they would open it.
_SHOWN = {
    "report": "report.html",
    "leaderboard": "leaderboard.csv",
    "effects": "effects.csv",
    "points_table": "points.csv",
    "certificate": "certificate.json",
}


def closing_words(data_root: Path, datasets: Iterable[str]) -> str:
    """Name the result files of the stages whose datasets a run wrote; empty when it wrote none.

    Args:
        data_root: the data folder of the run.
        datasets: names of the written datasets, such as `stage5.report`.
    """
    stages = sorted({name.partition(".")[0] for name in datasets if name.endswith(".report")})
    blocks = []
    for stage in stages:
        folder = data_root / "08_reporting" / stage
        files = [folder / name for name in _SHOWN.values() if (folder / name).is_file()]
        picture = leaderboard_picture(folder / "leaderboard.csv")
        blocks.append("\n".join(["", *picture, *(f"  {path}" for path in files)]))
    return "\n".join(blocks)
