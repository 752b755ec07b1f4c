"""A point: one cell of a sweep, with its name, its settings and its identity; and its file.

A point's file (`conf/sweeps/<stage>/<point>.yml`) repeats every resolved setting, so that a person can open,
compare and edit it. `made_from` in it is a fingerprint of what the spec said when the file was written: by
it a file that a person changed is told from one that is merely old.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vernal.common.hashing import digest
from vernal.common.problems import InputError, Problems, shown
from vernal.common.safe_yaml import read_yaml
from vernal.sweeps.point_settings import SETTINGS, PointSettings, config_hash
from vernal.sweeps.setting import Value
from vernal.sweeps.setting_problems import SettingProblems

try:
    from yaml import CSafeDumper as SafeDumper
except ImportError:  # PyYAML built without libyaml
    from yaml import SafeDumper  # type: ignore[assignment]

MAX_POINT_BYTES = 64 * 1024
_NOT_SETTINGS = ("point", "made_from")


@dataclass(frozen=True)
class Point:
    """One cell of a sweep; points of equal `config_hash` are the same run."""

    name: str
    settings: PointSettings
    config_hash: str


@dataclass(frozen=True)
class PointFile:
    """What a point's file says: the settings it gives, and the fingerprint it was written with, if any."""

    name: str
    settings: Mapping[str, Value]
    made_from: str | None

    @property
    def is_as_written(self) -> bool:
        """Whether nobody changed the file since the project wrote it."""
        return self.made_from == fingerprint(self.name, self.settings)


def make_point(name: str, values: Mapping[str, Any]) -> Point:
    """A point from the settings that are given; the others have their defaults.

    Raises:
        InputError: values out of range, or an impossible combination.
    """
    settings = PointSettings(**values)
    return Point(name, settings, config_hash(settings))


def fingerprint(name: str, settings: Mapping[str, Any]) -> str:
    """Digest of a point's name and settings as a file gives them (no setting is passed over as idle)."""
    return digest("point file", name, dict(settings))


def point_record(point: Point) -> dict[str, Any]:
    """What the file of a point holds, as plain data."""
    settings = point.settings.as_dict()
    return {"point": point.name, **settings, "made_from": fingerprint(point.name, settings)}


def point_to_yaml(point: Point) -> str:
    """The text of a point's file."""
    return record_to_yaml(point_record(point))


def record_to_yaml(record: Mapping[str, Any]) -> str:
    """The text of a point's file from what it holds."""
    name = str(record.get("point", ""))
    header = (
        f"# {name} of conf/sweeps/{stage_of(name)}.yml. A setting changed here holds for this point alone.\n"
        "# Leave made_from as it is: it tells a changed file from an old one.\n"
    )
    # Lists on one line, as a person would write them; no line is ever wrapped.
    body = yaml.dump(dict(record), Dumper=SafeDumper, sort_keys=False, allow_unicode=True, width=1_000_000,
                     default_flow_style=None)  # fmt: skip
    return header + body


def stage_of(point: str) -> str:
    """The stage that a point's name begins with.

    >>> stage_of("stage5_017")
    'stage5'
    """
    return re.sub(r"_\d+$", "", point)


def read_records(records: Mapping[str, Any], where: str) -> dict[str, PointFile]:
    """Check the content of point files, by the name of the file without `.yml`.

    Raises:
        InputError: everything wrong in any of them, in one message that names `where`.
    """
    problems, found = Problems(where), SettingProblems()
    no_mapping, misnamed, read = [], [], {}
    for name, record in records.items():
        if not isinstance(record, dict):
            no_mapping.append(f"{name}.yml: {shown(record)}")
            continue
        given = {key: value for key, value in record.items() if key not in _NOT_SETTINGS}
        settings = found.mapping(given, at=f"{name}.yml: ")
        if record.get("point", name) != name:
            misnamed.append(f"{name}.yml says point: {shown(record['point'])}")
        made_from = record.get("made_from")
        read[name] = PointFile(name, settings, None if made_from is None else str(made_from))
    problems.add("point file that is no mapping", no_mapping, "Write `setting: value` lines.")
    problems.add(
        "point file under another name", misnamed, "Give the file and its `point:` line the same name."
    )
    found.add_to(problems)
    problems.raise_if_any()
    return read


def read_point_records(folder: Path | str) -> dict[str, Any]:
    """The raw content of every point file in a folder, by name; empty where there is no folder.

    Raises:
        InputError: files that are not safe YAML, all of them.
    """
    records, broken = {}, []
    for path in sorted(Path(folder).glob("*.yml")):
        if path.name.startswith("."):
            continue  # half-written by a process that was killed
        try:
            records[path.stem] = read_yaml(path, MAX_POINT_BYTES)
        except InputError as error:
            broken.append(str(error).replace(path.as_posix(), path.name).rstrip("."))
    problems = Problems(Path(folder).as_posix())
    problems.add("point file that cannot be read", broken, "Mend it, or remove it: the spec then decides.")
    problems.raise_if_any()
    return records


def setting_differences(before: PointSettings, after: PointSettings) -> dict[str, tuple[str, str]]:
    """The settings in which two points differ, as text."""
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in SETTINGS}
    return {
        name: (SETTINGS[name].as_text(a), SETTINGS[name].as_text(b))
        for name, (a, b) in pairs.items()
        if a != b
    }
