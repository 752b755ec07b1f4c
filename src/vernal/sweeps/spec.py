"""The sweep language: a spec names axes and base settings, and expands to numbered points.

A spec is one small YAML file, `conf/sweeps/<stage>.yml`, typed by a person. Its points are the product of
the axes in the order in which they are written, the last axis fastest. Everything wrong with a spec is
reported at once, before anything is expanded.

These spellings mean the same: a backslash and `/`, `focal-loss` and `focal_loss`, `[]` and nothing, `50` and `50.0`,
`5e-4` and `0.0005`, `[high, medium]` and `[medium, high]`, `null` and a setting's default, a path up to `curated` and
none, `hardnet_conf_min_85` (as the original study has it) and `hardneg_conf_min_85`.
"""

import itertools
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vernal.common.formatting import listed
from vernal.common.names import is_reserved
from vernal.common.problems import InputError, Problems, shown, suggest
from vernal.common.safe_yaml import read_yaml
from vernal.sweeps.point_settings import RULES, SETTINGS
from vernal.sweeps.points import Point, make_point
from vernal.sweeps.setting import Value
from vernal.sweeps.setting_problems import KNOWN_SUBSETS, SettingProblems

MAX_POINTS = 10_000
SPEC_KEYS = ("stage", "description", "axes", "base_params", "out_dir")


@dataclass(frozen=True)
class Spec:
    """A stage as it was written, checked and in canonical spelling.

    `stage` begins the names of its points and folders (`stage5`). `axes` holds the values of each axis in
    the order of the file. `out_dir` is what the file says; results go below `data_root` whatever it says.
    """

    stage: str
    axes: Mapping[str, tuple[Value, ...]]
    base_params: Mapping[str, Value]
    description: str = ""
    out_dir: str | None = None

    @property
    def n_points(self) -> int:
        """How many points the axes span."""
        return math.prod(len(values) for values in self.axes.values())

    @property
    def question(self) -> str:
        """What the stage asks: in its own words, else made of the settings that vary.

        >>> Spec("s", {"seed": (1, 2), "epochs": (1, 5)}, {}).question
        'What does `epochs` change?'
        """
        varying = [f"`{name}`" for name, values in self.axes.items() if name != "seed" and len(values) > 1]
        if self.description or not varying:
            return self.description or "How well does one configuration do?"
        return f"What {'does' if len(varying) == 1 else 'do'} {listed(varying)} change?"


def read_spec(
    path: Path | str,
    known_subsets: Mapping[str, Collection[str]] | None = KNOWN_SUBSETS,
    max_points: int = MAX_POINTS,
) -> Spec:
    """Read and check one spec file.

    Args:
        path: a YAML file with `stage`, `axes`, `base_params`; `description` and `out_dir` may be there.
        known_subsets: names of the curated subsets by setting; None leaves them unchecked.
        max_points: a spec that spans more is refused before it is expanded.
    Raises:
        InputError: not safe YAML, or anything wrong with its content, all of it in one message.
    """
    path = Path(path)
    return parse_spec(read_yaml(path), path.name, known_subsets, max_points)


def parse_spec(
    content: Any,
    where: str,
    known_subsets: Mapping[str, Collection[str]] | None = KNOWN_SUBSETS,
    max_points: int = MAX_POINTS,
) -> Spec:
    """Check the content of a spec; `where` names it in messages. See `read_spec`."""
    if not isinstance(content, dict):
        held = "nothing" if content is None else f"a {type(content).__name__}"
        raise InputError(f"{where} holds {held}; a spec is a mapping with stage, axes and base_params.")
    problems, found = Problems(where), SettingProblems()
    hints = [
        f"{shown(key)} ({suggest(str(key)[:100], SPEC_KEYS)})" for key in content if key not in SPEC_KEYS
    ]
    problems.add("unknown key", hints[:50], "Settings belong under axes or base_params.")
    stage = _stage_name(content.get("stage"), problems)
    texts = {key: content.get(key) for key in ("description", "out_dir")}
    problems.add(
        "text that is no text",
        [f"{key}: {shown(text)}" for key, text in texts.items() if not isinstance(text, str | None)],
        "Write it in quotes.",
    )
    base_params = found.mapping(_section(content, "base_params", problems), at="base_params.")
    axes = _axes(_section(content, "axes", problems), found, problems)
    found.twice += [f"{name} (axes and base_params)" for name in axes if name in base_params]
    check_subsets(axes, base_params, known_subsets, found)
    found.impossible += _clashes(axes, base_params)
    found.add_to(problems)
    spec = Spec(stage, axes, base_params, texts["description"] or "", texts["out_dir"])
    if spec.n_points > max_points:
        sizes = " x ".join(f"{name} {len(values):,}" for name, values in axes.items())
        total = f"{spec.n_points:,}" if spec.n_points < 10**15 else "more than 10^15"
        problems.add(
            "too many points",
            [f"{total} points: {sizes}"],
            f"A stage has at most {max_points:,}; shorten its axes.",
        )
    problems.raise_if_any()
    return spec


def check_subsets(
    axes: Mapping[str, tuple[Value, ...]],
    base_params: Mapping[str, Value],
    known_subsets: Mapping[str, Collection[str]] | None,
    found: SettingProblems,
) -> None:
    """Note the subsets that a spec names and nobody makes, each once."""
    for name, value in base_params.items():
        found.check_subsets(name, value, known_subsets, at="base_params.")
    for name, values in axes.items():
        named = itertools.chain.from_iterable(value for value in values if isinstance(value, tuple))
        found.check_subsets(name, tuple(dict.fromkeys(named)), known_subsets, at="axes.")


def expand(spec: Spec) -> list[Point]:
    """The points of a spec, numbered from 001 in the order of its axes, last axis fastest."""
    digits = max(3, len(str(spec.n_points)))
    cells = itertools.product(*spec.axes.values())
    return [
        make_point(
            f"{spec.stage}_{number:0{digits}d}",
            {**spec.base_params, **dict(zip(spec.axes, cell, strict=True))},
        )
        for number, cell in enumerate(cells, start=1)
    ]


def find_specs(folder: Path | str) -> dict[str, Path]:
    """The spec files of a folder by stage name, in natural order (`stage5` before `stage13`)."""
    names = {path.stem: path for path in Path(folder).glob("*.yml")}
    return {name: names[name] for name in sorted(names, key=natural_order)}


def read_stage(
    folder: Path | str, stage: str, known_subsets: Mapping[str, Collection[str]] | None = KNOWN_SUBSETS
) -> Spec:
    """The spec of a stage by name.

    Raises:
        InputError: no such stage, a spec whose `stage` is not its file's name, or a wrong spec.
    """
    specs = find_specs(folder)
    if stage not in specs:
        hint = suggest(stage, specs) if specs else "there are none"
        raise InputError(f"There is no stage {stage!r} in {Path(folder).as_posix()}; {hint}")
    spec = read_spec(specs[stage], known_subsets)
    if spec.stage != stage:
        raise InputError(
            f"{specs[stage].name} says it is {spec.stage!r}, but its name is {stage!r}; results would go to "
            f"another stage's folder. Write `stage: {stage}` in it, or rename it to {spec.stage}.yml."
        )
    return spec


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """A sort key that counts: `stage5` before `stage13`.

    >>> sorted(["stage13", "stage5", "imbalance"], key=natural_order)
    ['imbalance', 'stage5', 'stage13']
    """
    parts = re.findall(r"\d+|\D+", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _stage_name(raw: Any, problems: Problems) -> str:
    """`5` and `stage5` name the same stage."""
    name = raw.strip() if isinstance(raw, str) else raw
    if isinstance(name, float) and name.is_integer():
        name = int(name)
    if (isinstance(name, int) and not isinstance(name, bool)) or (isinstance(name, str) and name.isdecimal()):
        name = f"stage{int(name)}"
    if raw is None:
        problems.add("missing key", ["stage"], "Write `stage: 5` or `stage: a_name`.")
    elif (
        not isinstance(name, str)
        or not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name)
        or is_reserved(name)  # results are written to a folder of the stage's name
    ):
        problems.add(
            "name that cannot be used",
            [f"stage: {shown(raw)}"],
            "Use small letters, digits and _, at most 40 of them.",
        )
        return ""
    return str(name or "")


def _section(content: Mapping[str, Any], key: str, problems: Problems) -> Mapping[Any, Any]:
    section = content.get(key)
    if section is None:
        return {}
    if not isinstance(section, dict):
        problems.add(
            "section that is no mapping", [f"{key}: {shown(section)}"], "Write `name: value` lines below it."
        )
        return {}
    return section


def _axes(raw: Mapping[Any, Any], found: SettingProblems, problems: Problems) -> dict[str, tuple[Value, ...]]:
    """Each axis with its values in canonical spelling; what is wrong is noted and left out."""
    axes: dict[str, tuple[Value, ...]] = {}
    not_listed, empty = [], []
    for key, many in raw.items():
        name = found.name(key, at="axes.")
        if name is None:
            continue
        if name in axes:
            found.twice.append(f"axes.{name}")
        if not isinstance(many, list):
            not_listed.append(f"{name}: {shown(many)}")
            continue
        if not many:
            empty.append(name)
        values = [found.value(name, one, at="axes.") for one in many]
        axes[name] = tuple(value for value in values if value is not None)
    problems.add("axis that is no list", not_listed, "List its values, or move the setting to base_params.")
    problems.add("axis without values", empty, "Give it one value at least, or take it out.")
    return axes


def _clashes(axes: Mapping[str, tuple[Value, ...]], base_params: Mapping[str, Value]) -> list[str]:
    """Impossible combinations among all points, found without expanding them."""
    found = []
    for names, clash in RULES:
        options = [axes.get(name) or (base_params.get(name, SETTINGS[name].default),) for name in names]
        distinct = [dict.fromkeys(values) for values in options]
        found += [text for cell in itertools.product(*distinct) if (text := clash(*cell))]
    return found
