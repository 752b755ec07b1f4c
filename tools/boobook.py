"""Real recordings of the southern boobook as the manifest of somebody who studies it.

Clips of 3 s of the folders `positive` and `negative/neg_1` of `shared/data/boobook`. `negative/neg_2` is left out: it
boxes other sounds and says nothing of the time between them, and three of its nine recordings lie in `positive` too.
"""

from __future__ import annotations

import csv
import hashlib
import re
from pathlib import Path

import soundfile

TARGET, HELD_OUT = "boobook", "dalby cotton"
CLIP_S, LEAST_OVERLAP_S = 3, 0.5
COLUMNS = ("file_path", "label", "site", "start_s", "end_s")


def write_manifest(folder: Path, path: Path) -> Path:
    """Write the manifest: a clip is positive where a call shares half a second, or half of itself, with it.

    Clips that a call only touches are left out: nobody could say what they hold.

    Args:
        folder: the data set, as it is shared.
        path: CSV to write; its paths start from `folder`.
    """
    rows = [
        (recording.relative_to(folder).as_posix(), *clip)
        for recording in _each_once(folder)
        for clip in _clips(recording)
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return path


def calls(recording: Path) -> list[tuple[float, float, float, float]]:
    """The boxes of a recording's Raven table: begin and end in s, low and high in Hz; strays of no length left out."""
    names = ("Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)")
    tables = [table for table in recording.parent.glob("*.txt") if table.name.startswith(recording.stem)]
    if not tables:
        return []
    with tables[0].open(encoding="utf-8") as file:
        boxes = [tuple(float(row[name]) for name in names) for row in csv.DictReader(file, delimiter="\t")]
    return [box for box in boxes if box[1] > box[0]]


def _each_once(folder: Path) -> list[Path]:
    """Recordings by content, since one occurs twice."""
    found: dict[str, Path] = {}
    for part in ("positive", "negative/neg_1"):
        for recording in sorted((folder / part).glob("*.wav")):
            found.setdefault(hashlib.sha256(recording.read_bytes()).hexdigest(), recording)
    return sorted(found.values())


def _clips(recording: Path) -> list[tuple[str, str, int, int]]:
    boxes = calls(recording)
    site = re.match(r"([a-z_]+)_\d\d_", recording.name)[1].replace("_", " ")
    rows = []
    for start in range(0, int(soundfile.info(recording).duration) // CLIP_S * CLIP_S, CLIP_S):
        common = [(min(start + CLIP_S, end) - max(start, begin), end - begin) for begin, end, *_ in boxes]
        is_call = any(overlap >= min(LEAST_OVERLAP_S, length / 2) for overlap, length in common)
        if is_call or not any(overlap > 0 for overlap, _ in common):
            rows.append((TARGET if is_call else "negative", site, start, start + CLIP_S))
    return rows
