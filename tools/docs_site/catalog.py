"""The catalog as it is written in `conf/base`: layers, descriptions and places of the datasets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from vernal.common.safe_yaml import read_yaml


@dataclass(frozen=True)
class Entry:
    """One catalog entry; `name` may hold `{places}` that a dataset's name fills."""

    name: str
    part: str
    layer: str
    description: str
    place: str


def read_catalog(project: Path) -> list[Entry]:
    """All entries of `conf/base`, by file and in their order."""
    entries = []
    for file in sorted((project / "conf" / "base").rglob("catalog*.yml")):
        for name, content in read_yaml(file).items():
            metadata = content.get("metadata") or {}
            place = str(content.get("filepath") or content.get("path") or content.get("data_root") or "")
            entries.append(
                Entry(
                    name=name,
                    part=file.parent.name,
                    layer=str((metadata.get("kedro-viz") or {}).get("layer", "")),
                    description=str(metadata.get("description", "")),
                    place=re.sub(r"\$\{setting:([^}]+)\}", r"<\1>", place).replace("<data_root>", "data"),
                )
            )
    return entries


def find_entry(entries: list[Entry], name: str) -> Entry | None:
    """The entry of a dataset: its own, else the pattern that says most about its name."""
    for entry in entries:
        if entry.name == name:
            return entry
    fitting = [entry for entry in entries if "{" in entry.name and re.fullmatch(_pattern(entry.name), name)]
    return max(fitting, key=lambda entry: len(re.sub(r"\{[^}]*\}", "", entry.name)), default=None)


def _pattern(name: str) -> str:
    return "".join(
        ".+?" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{[^}]*\})", name)
    )
