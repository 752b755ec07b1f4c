"""The study: which features, gathered how, learnt by what, from which seeds. Points are written as axes.

As in a sweep's spec, `axes` are multiplied in their order, the last fastest, on top of `base_params`; each entry of
`also` is a further, smaller set of axes, for baselines that need not be tried with everything.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict
from itertools import product
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from vernal.common.hashing import digest
from vernal.common.problems import Problems, suggest
from vernal.common.settings import settings
from vernal.studies.features.point_settings import LINEAR, SETTINGS, PointOptions, wrong_values

STAGE = "features"
_MOST_POINTS = 2_000
# What a configuration is called by; `variant` where the others do not tell it apart, see `expand_study`.
NAMED = ("feature", "sync", "model", "split", "variant")


@settings("features.study")
class StudyOptions:
    """The spec. `axes`: setting -> values; `base_params`: setting -> value; `also`: a list of further axes.

    `overfit_check`: first make sure that each network can learn a small batch by heart. An empty setting is none.
    """

    axes: Annotated[dict, Field(description="setting: [values]")] | None = None
    base_params: Annotated[dict, Field(description="setting: value")] | None = None
    also: Annotated[list, Field(description="a list of axes, each with its dash")] | None = None
    overfit_check: bool = True


def expand_study(options: StudyOptions) -> pd.DataFrame:
    """The points of a spec, in order.

    Returns:
        `point` (`features_001`, ...), `config_hash` (of the settings that matter, seed included), `configuration` (the
        same without the seed), every setting as a column, and `variant`: the settings in words by which a
        configuration differs from others of the same feature, sync, model and split; empty where there are none.
    Raises:
        InputError: unknown settings, values that are not allowed, or no points; all of them named.
    """
    problems = Problems("features.study")
    grids, base = _checked(options, problems)
    problems.raise_if_any()
    points = [
        PointOptions(**{**base, **dict(zip(grid, cell, strict=True))})
        for grid in grids
        if grid
        for cell in product(*grid.values())
    ]
    names = [f"{STAGE}_{number:0{max(3, len(str(len(points))))}d}" for number in range(1, len(points) + 1)]
    mismatched = [
        f"{name}: {point.feature} with {point.model}"
        for name, point in zip(names, points, strict=True)
        if point.is_birdnet != (point.model == LINEAR)
    ]
    problems.add(
        "feature and model that do not go together",
        mismatched,
        "birdnet goes with linear, and linear with birdnet alone.",
    )
    if not points:
        problems.add("no points", ["axes is empty"], "Give axes such as feature: [mel, chroma].")
    problems.raise_if_any()
    hashes = [
        {
            "config_hash": digest("features point", point.effective),
            "configuration": digest("features configuration", point.configuration),
        }
        for point in points
    ]
    rows = zip(names, hashes, points, strict=True)
    plan = pd.DataFrame([{"point": name, **own, **asdict(point)} for name, own, point in rows])
    return plan.assign(variant=_variants(points))


def _variants(points: list[PointOptions]) -> list[str]:
    """For each point the settings that tell it apart from others of the same name, in words.

    >>> _variants([PointOptions(units=units, seed=seed) for units in (16, 48) for seed in (1, 2)])
    ['units 16', 'units 16', 'units 48', 'units 48']
    """
    settings = pd.DataFrame([point.configuration for point in points]).astype(object)
    names = [name for name in NAMED if name in settings]
    n_values = settings.groupby(names, dropna=False).transform("nunique") if len(settings) else settings
    return [
        ", ".join(
            f"{name.replace('_', ' ')} {str(value).lower()}"
            for name, value in point.configuration.items()
            if name in varying and varying[name] > 1
        )
        for point, varying in zip(points, n_values.to_dict("records"), strict=True)
    ]


def _checked(options: StudyOptions, problems: Problems) -> tuple[list[dict], dict]:
    """The sets of axes, and what holds for all of them, in canonical spelling; what is wrong is noted."""
    also, base = options.also or [], options.base_params or {}
    places = ["axes", *(f"also, entry {number}" for number in range(1, len(also) + 1))]
    written = [options.axes or {}, *also]
    grids = [_grid(place, grid, problems) for place, grid in zip(places, written, strict=True)]
    fixed = _grid("base_params", {name: [value] for name, value in base.items()}, problems)
    return grids, {name: values[0] for name, values in fixed.items()}


def _grid(where: str, grid: Any, problems: Problems) -> dict[str, list]:
    """The values of each axis in canonical spelling; what is wrong is noted and left out."""
    if not isinstance(grid, Mapping):
        problems.add("axes that are no mapping", [f"{where}: {grid!r}"], "Write setting: [values].")
        return {}
    unknown = [f"{where}: {name!r} ({suggest(str(name), SETTINGS)})" for name in grid if name not in SETTINGS]
    problems.add("setting that does not exist", unknown, "Correct its name.")
    known = {name: values for name, values in grid.items() if name in SETTINGS}
    axes = {name: values for name, values in known.items() if isinstance(values, list) and values}
    bare = [f"{where}: {name} is {values!r}" for name, values in known.items() if name not in axes]
    problems.add("axis that is no list of values", bare, "Write its values in brackets.")
    wrong = [
        f"{where}: {text}"
        for name, values in axes.items()
        for one in values
        for text in wrong_values({name: one})
    ]
    problems.add("value that is not allowed", wrong, "Correct it.")
    twice = [
        f"{where}: {name} {values!r}"
        for name, values in axes.items()
        if len(set(map(repr, values))) < len(values)
    ]
    problems.add("value given twice", twice, "Name each once.")
    size = math.prod(len(values) for values in axes.values())
    if size > _MOST_POINTS:
        problems.add("too many points", [f"{where}: {size:,}"], f"Give at most {_MOST_POINTS:,}.")
    return (
        {} if wrong else {name: list(map(SETTINGS[name].canonical, values)) for name, values in axes.items()}
    )
