"""The study: which features, gathered how, learnt by what, from which seeds. Points are written as axes.

As in a sweep's spec, `axes` are multiplied in their order, the last fastest, on top of `base_params`; each entry of
`also` is a further, smaller set of axes, for baselines that need not be tried with everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import product
from typing import Any

import pandas as pd

from vernal.common.hashing import digest
from vernal.common.problems import Problems, suggest
from vernal.studies.features.fitting import LearningOptions
from vernal.studies.features.folds import SPLITS
from vernal.studies.features.models import MODELS, POOLINGS, NetworkOptions
from vernal.studies.features.options import FEATURES, SYNCS

STAGE = "features"
BIRDNET, LINEAR = "birdnet", "linear"
_MOST_POINTS = 2_000


@dataclass(frozen=True)
class StudyOptions:
    """The spec. `axes`: setting -> values; `base_params`: setting -> value; `also`: a list of further axes.

    `overfit_check`: first make sure that each network can learn a small batch by heart. An empty setting is none.
    """

    axes: dict | None = None
    base_params: dict | None = None
    also: list | None = None
    overfit_check: bool = True


@dataclass(frozen=True)
class PointOptions:
    """Every setting of a point.

    `feature`: one of `FEATURES`, or `birdnet` for embeddings, which a `linear` head reads. `sync`: `raw` or
    `beat_synced`. `model`: `lstm`, `conv` or `linear`. `split`: `by_site`, or `leaky_index_shuffle` to see what that
    hides. `frames_per_step`: raw frames whose mean is one step. The others are those of `NetworkOptions` and
    `LearningOptions`.
    """

    feature: str = "mel"
    sync: str = "raw"
    model: str = "lstm"
    split: str = "by_site"
    frames_per_step: int = 8
    units: int = 48
    layers: int = 1
    bidirectional: bool = True
    dropout: float = 0.3
    pooling: str = "mean_max"
    learning_rate: float = 0.003
    batch_size: int = 16
    epochs: int = 60
    patience: int = 12
    seed: int = 1

    @property
    def network(self) -> NetworkOptions:
        return NetworkOptions(**{one.name: getattr(self, one.name) for one in fields(NetworkOptions)})

    @property
    def learning(self) -> LearningOptions:
        return LearningOptions(**{one.name: getattr(self, one.name) for one in fields(LearningOptions)})

    @property
    def is_birdnet(self) -> bool:
        return self.feature == BIRDNET

    @property
    def effective(self) -> dict[str, Any]:
        """The settings that matter for this point; points that agree in them are one run."""
        values = asdict(self)
        unused = []
        if self.is_birdnet:
            unused = ["sync", "frames_per_step", "units", "layers", "bidirectional", "pooling", "patience"]
        elif self.model == "conv":
            unused = ["bidirectional"]
        if self.sync == "beat_synced":
            unused.append("frames_per_step")
        return {name: value for name, value in values.items() if name not in unused}


_CHOICES = {
    "feature": (*FEATURES, BIRDNET),
    "sync": SYNCS,
    "model": (*MODELS, LINEAR),
    "split": SPLITS,
    "pooling": POOLINGS,
}
_RANGES: dict[str, tuple[float, float]] = {
    "frames_per_step": (1, 1_000),
    "units": (1, 4_096),
    "layers": (1, 6),
    "dropout": (0, 0.95),
    "learning_rate": (1e-6, 1),
    "batch_size": (1, 4_096),
    "epochs": (1, 10_000),
    "patience": (1, 10_000),
    "seed": (0, 2**31 - 1),
}
_WHOLE = {"frames_per_step", "units", "layers", "batch_size", "epochs", "patience", "seed"}
SETTINGS = tuple(one.name for one in fields(PointOptions))
# What a configuration is called by; `variant` where the others do not tell it apart, see `expand_study`.
NAMED = ("feature", "sync", "model", "split", "variant")


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
        PointOptions(**{**base, **dict(zip(grid, row, strict=True))})
        for grid in grids
        if grid
        for row in product(*grid.values())
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
    plan = pd.DataFrame(
        [
            {"point": name, **_hashes(point), **asdict(point)}
            for name, point in zip(names, points, strict=True)
        ]
    )
    return plan.assign(variant=_variants(points))


def point_options(row: Mapping[str, Any]) -> PointOptions:
    """The settings of a row of the plan."""
    kinds: dict[str, Any] = {name: type(value) for name, value in asdict(PointOptions()).items()}
    return PointOptions(**{name: kinds[name](row[name]) for name in SETTINGS})


def _hashes(point: PointOptions) -> dict[str, str]:
    effective = point.effective
    without_seed = {name: value for name, value in effective.items() if name != "seed"}
    return {
        "config_hash": digest("features point", effective),
        "configuration": digest("features configuration", without_seed),
    }


def _variants(points: list[PointOptions]) -> list[str]:
    """For each point the settings that tell it apart from others of the same name, in words.

    >>> _variants([PointOptions(units=units, seed=seed) for units in (16, 48) for seed in (1, 2)])
    ['units 16', 'units 16', 'units 48', 'units 48']
    """
    settings = [{**point.effective, "seed": None} for point in points]
    names = [tuple(values.get(name) for name in NAMED[:-1]) for values in settings]
    seen: dict[tuple, dict[str, set]] = {}
    for name, values in zip(names, settings, strict=True):
        of_name = seen.setdefault(name, {})
        for setting, value in values.items():
            of_name.setdefault(setting, set()).add(value)
    return [
        ", ".join(
            f"{setting.replace('_', ' ')} {str(value).lower()}"
            for setting, value in values.items()
            if len(seen[name][setting]) > 1
        )
        for name, values in zip(names, settings, strict=True)
    ]


def _checked(options: StudyOptions, problems: Problems) -> tuple[list[dict], dict]:
    """The sets of axes, and what holds for all of them; everything wrong with them is noted."""
    also = [] if options.also is None else options.also
    base = {} if options.base_params is None else options.base_params
    if not isinstance(options.overfit_check, bool):
        problems.add(
            "value that is not allowed",
            [f"overfit_check is {options.overfit_check!r}"],
            "Give true or false.",
        )
    if not isinstance(also, list):
        problems.add("also that is no list", [repr(also)], "Write a list of axes, each with its dash.")
        also = []
    grids = [{} if options.axes is None else options.axes, *also]
    for place, grid in enumerate(grids):
        _check_grid("axes" if place == 0 else f"also, entry {place}", grid, problems)
    if isinstance(base, Mapping):
        _check_grid("base_params", {name: [value] for name, value in base.items()}, problems)
    else:
        problems.add("base_params that are no mapping", [repr(base)], "Write setting: value.")
    return grids, base


def _check_grid(where: str, grid: Any, problems: Problems) -> None:
    if not isinstance(grid, Mapping):
        problems.add("axes that are no mapping", [f"{where}: {grid!r}"], "Write setting: [values].")
        return
    unknown = [f"{where}: {name!r} ({suggest(str(name), SETTINGS)})" for name in grid if name not in SETTINGS]
    problems.add("setting that does not exist", unknown, "Correct its name.")
    lists = {name: values for name, values in grid.items() if name in SETTINGS}
    bare = [
        f"{where}: {name} is {values!r}"
        for name, values in lists.items()
        if not isinstance(values, list) or not values
    ]
    problems.add("axis that is no list of values", bare, "Write its values in brackets.")
    wrong = [
        f"{where}: {name} is {value!r} (give {_expected(name)})"
        for name, values in lists.items()
        if isinstance(values, list)
        for value in values
        if not _is_allowed(name, value)
    ]
    problems.add("value that is not allowed", wrong, "Correct it.")
    twice = [
        f"{where}: {name} {values!r}"
        for name, values in lists.items()
        if isinstance(values, list) and len(set(map(repr, values))) < len(values)
    ]
    problems.add("value given twice", twice, "Name each once.")
    size = 1
    for values in lists.values():
        size *= len(values) if isinstance(values, list) else 1
    if size > _MOST_POINTS:
        problems.add("too many points", [f"{where}: {size:,}"], f"Give at most {_MOST_POINTS:,}.")


def _is_allowed(name: str, value: Any) -> bool:
    if name in _CHOICES:
        return value in _CHOICES[name]
    if name == "bidirectional":
        return isinstance(value, bool)
    low, high = _RANGES[name]
    kinds = int if name in _WHOLE else int | float
    return isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high


def _expected(name: str) -> str:
    if name in _CHOICES:
        return ", ".join(_CHOICES[name])
    if name == "bidirectional":
        return "true or false"
    low, high = _RANGES[name]
    return f"{'a whole number' if name in _WHOLE else 'a number'} from {low:g} to {high:g}"
