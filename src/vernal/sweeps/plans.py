"""The plan of a stage: which points there are, what a person edited, which are the same run, what is done.

A plan is made from the spec and the point files. The spec decides, except where a person changed a point's
file. Points are known by the hash of their settings, never by their number: numbers move when an axis grows.
"""

import csv
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vernal.common.problems import InputError, Problems, shown, suggest
from vernal.common.storage import as_path
from vernal.sweeps.point_settings import (
    SETTINGS,
    PointSettings,
    clashes,
    config_hash,
    configuration_hash,
    fit_hash,
)
from vernal.sweeps.points import Point, PointFile, fingerprint, read_records, stage_of
from vernal.sweeps.setting_problems import KNOWN_SUBSETS, SettingProblems
from vernal.sweeps.spec import Spec, check_subsets, expand

if TYPE_CHECKING:
    import pandas as pd

DONE, STALE, MISSING, FAILED = "done", "stale", "missing", "failed"


@dataclass(frozen=True)
class PlannedPoint:
    """A point as it will run.

    `spec_settings` is what the spec says; `shares_with` names the first point that is the same run (itself,
    where it is the first).
    """

    name: str
    settings: PointSettings
    config_hash: str
    spec_settings: PointSettings
    shares_with: str

    @property
    def is_edited(self) -> bool:
        """Whether the point's file says something else than the spec."""
        return self.settings != self.spec_settings


@dataclass(frozen=True)
class Plan:
    """The points of a stage in order, and the names of point files that no point of the spec has any more."""

    points: tuple[PlannedPoint, ...]
    leftovers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Size:
    """How much a sweep is: points, distinct runs, configurations (runs but for the seed), trainings."""

    points: int
    runs: int
    configurations: int
    trainings: int


def size_of(points: Sequence[Point | PlannedPoint]) -> Size:
    """How much some points are; those of equal settings count once but as points."""
    return Size(
        len(points),
        len({point.config_hash for point in points}),
        len({configuration_hash(point.settings) for point in points}),
        len({fit_hash(point.settings) for point in points}),
    )


def make_plan(
    spec: Spec,
    point_files: Mapping[str, Any],
    known_subsets: Mapping[str, Collection[str]] | None = KNOWN_SUBSETS,
) -> Plan:
    """Settle what each point of a stage is.

    Args:
        spec: the stage.
        point_files: content of the point files by name, as `read_point_records` or the catalog's
            `<stage>.points` gives it; a point without a file is as the spec says.
        known_subsets: names of the curated subsets by setting; None leaves them unchecked.
    Raises:
        InputError: everything wrong in any point file, and subsets of the spec that nobody makes.
    """
    where = f"conf/sweeps/{spec.stage}"
    files = read_records(point_files, where)
    problems, found = Problems(where), SettingProblems()
    check_subsets(spec.axes, spec.base_params, known_subsets, found)
    outdated: list[str] = []
    settled = []
    for point in expand(spec):
        settings = point.settings
        file = files.pop(point.name, None)
        if file is not None and not file.is_as_written:
            settings = _edited(point, file, found, outdated, known_subsets)
        settled.append((point, settings))
    problems.add(
        "point file edited from an older spec",
        outdated,
        "The number stands for other settings now. To keep the edit, delete the file's made_from line; "
        f"to drop it, run `kedro sweep expand {spec.stage} --reset`.",
    )
    problems.add(
        "edited point file without a point",
        [f"{name}.yml" for name, file in files.items() if not file.is_as_written],
        f"Points come from conf/sweeps/{spec.stage}.yml: add to its axes there, and remove the file.",
    )
    found.add_to(problems)
    problems.raise_if_any()
    return Plan(_with_shares(settled), tuple(files))


def _edited(
    point: Point,
    file: PointFile,
    found: SettingProblems,
    outdated: list[str],
    known_subsets: Mapping[str, Collection[str]] | None,
) -> PointSettings:
    """The settings of a point whose file was changed by hand; what is wrong with them is noted."""
    at = f"{point.name}.yml: "
    before = point.settings.as_dict()
    values = {**point.settings.__dict__, **file.settings}
    impossible = clashes(values)
    found.impossible += [at + text for text in impossible]
    for name, value in file.settings.items():
        found.check_subsets(name, value, known_subsets, at)
    if impossible:
        return point.settings
    settings = PointSettings(**values)
    told = fingerprint(point.name, {name: before.get(name, SETTINGS[name].default) for name in file.settings})
    if settings != point.settings and file.made_from is not None and file.made_from != told:
        outdated.append(f"{point.name}.yml")
    return settings


def _with_shares(settled: Iterable[tuple[Point, PointSettings]]) -> tuple[PlannedPoint, ...]:
    first: dict[str, str] = {}
    planned = []
    for point, settings in settled:
        identity = point.config_hash if settings is point.settings else config_hash(settings)
        shares_with = first.setdefault(identity, point.name)
        planned.append(PlannedPoint(point.name, settings, identity, point.settings, shares_with))
    return tuple(planned)


def resolve_points(
    spec: Spec,
    point_files: Mapping[str, Any],
    known_subsets: Mapping[str, Collection[str]] | None = KNOWN_SUBSETS,
) -> "pd.DataFrame":
    """The plan of a stage as a table, one row per point in order.

    Columns: `point`, `config_hash`, `configuration_hash` (without the seed), `fit_hash` (what training
    depends on), `is_edited`, `shares_with` (the first point that is the same run, itself included), then
    every setting; sets of names are one text (`high;medium`). See `make_plan` for arguments and errors.
    """
    return plan_table(make_plan(spec, point_files, known_subsets))


def plan_table(plan: Plan) -> "pd.DataFrame":
    """A plan as a table; see `resolve_points`."""
    import pandas as pd

    rows = [
        {
            "point": point.name,
            "config_hash": point.config_hash,
            "configuration_hash": configuration_hash(point.settings),
            "fit_hash": fit_hash(point.settings),
            "is_edited": point.is_edited,
            "shares_with": point.shares_with,
            **point.settings.as_row(),
        }
        for point in plan.points
    ]
    return pd.DataFrame(rows)


def select_points(
    plan: "pd.DataFrame", selection: Any = None, finished_hashes: Collection[str] = frozenset()
) -> "pd.DataFrame":
    """The rows of a plan that a person asked for, in the plan's order; `shares_with` holds within them.

    Args:
        plan: from `resolve_points`.
        selection: None or nothing for all; a name (`stage5_017`), a number, a range
            (`stage5_010-stage5_020`, `10-20`), `missing` (points whose hash is not in `finished_hashes`), a
            text of several with `;` or spaces between, or a list of those.
        finished_hashes: config hashes of finished points.
    Raises:
        InputError: names that no point has, all of them, with suggestions.
    """
    chosen = selected_names(list(plan["point"]), list(plan["config_hash"]), selection, finished_hashes)
    rows = plan[plan["point"].isin(chosen)].reset_index(drop=True)
    return rows.assign(shares_with=rows.groupby("config_hash", sort=False)["point"].transform("first"))


def selected_names(
    names: Sequence[str],
    hashes: Sequence[str],
    selection: Any,
    finished_hashes: Collection[str] = frozenset(),
) -> set[str]:
    """Names of the points that a selection means; see `select_points`."""
    if selection is None or selection in ("", "all") or selection == []:
        return set(names)
    listed = list(selection) if isinstance(selection, list | tuple | set | frozenset) else [selection]
    parts: list[Any] = []
    for one in listed:
        parts += re.split(r"[;,\s]+", re.sub(r"\s*-\s*", "-", one.strip())) if isinstance(one, str) else [one]
    chosen: set[str] = set()
    unknown = []
    for part in parts:
        if part == MISSING:
            chosen |= {
                name for name, identity in zip(names, hashes, strict=True) if identity not in finished_hashes
            }
            continue
        ends = [_index(end, names) for end in _ends(part)]
        if None in ends:
            unknown.append(f"{shown(part)} ({_point_hint(part, names)})")
        elif ends[0] > ends[-1]:  # type: ignore[operator]
            unknown.append(f"{shown(part)} (the range runs backwards)")
        else:
            chosen |= set(names[ends[0] : ends[-1] + 1])  # type: ignore[operator]
    problems = Problems("points")
    remedy = "Give names, numbers, a range such as 10-20, or missing."
    problems.add("point that the stage does not have", unknown, remedy)
    problems.raise_if_any()
    return chosen


def _ends(part: Any) -> list[Any]:
    if isinstance(part, str) and (match := re.fullmatch(r"(\w+)-(\w+)", part)):
        return list(match.groups())
    return [part]


def _index(end: Any, names: Sequence[str]) -> int | None:
    """Place of a point named in full or by its number."""
    if isinstance(end, str) and end in names:
        return names.index(end)
    if isinstance(end, bool) or not re.fullmatch(r"\d{1,9}", str(end)):
        return None
    number = int(end)
    return number - 1 if 1 <= number <= len(names) else None


def _point_hint(part: Any, names: Sequence[str]) -> str:
    if not names:
        return "the stage has no points"
    known = f"known: {names[0]} .. {names[-1]}"
    if match := re.fullmatch(rf"{stage_of(names[0])}_?(\d{{1,9}})", str(part)):
        # The number is what was meant: `stage5_17` is stage5_017, and not the more similar stage5_117.
        index = _index(match[1], names)
        return known if index is None else f"did you mean {names[index]!r}?"
    hint = suggest(str(part)[:100], names)
    return hint if hint.startswith("did you mean") else known


def point_states(points: Mapping[str, str], points_csv: Path | str) -> dict[str, str]:
    """How far each point is, by the results table of its stage.

    Args:
        points: config hash by point name.
        points_csv: `08_reporting/<stage>/points.csv`; read for `point`, `config_hash` and, if there, `error`.
    Returns:
        `done` (its hash has a result, under whatever name), `failed` (its hash has an error), `stale` (its
        name has a result of other settings) or `missing`.
    Raises:
        InputError: the file is no such table.
    """
    finished, failed, named = _results(as_path(points_csv))
    states = {}
    for name, identity in points.items():
        if identity in finished:
            states[name] = DONE
        elif identity in failed:
            states[name] = FAILED
        else:
            states[name] = STALE if name in named else MISSING
    return states


def _results(points_csv: Path) -> tuple[set[str], set[str], set[str]]:
    """Hashes with a result, hashes with an error, and names, from a results table; empty without one."""
    finished: set[str] = set()
    failed: set[str] = set()
    named: set[str] = set()
    if not points_csv.is_file():
        return finished, failed, named
    try:
        with points_csv.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            lacking = {"point", "config_hash"} - set(rows.fieldnames or [])
            if lacking:
                raise InputError(
                    f"{points_csv.as_posix()} has no column {', '.join(sorted(lacking))}; run the stage."
                )
            for row in rows:
                (failed if row.get("error") else finished).add(row["config_hash"])
                named.add(row["point"])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{points_csv.as_posix()} cannot be read ({error}); remove it and run the stage."
        ) from error
    return finished, failed - finished, named
