"""How long a sweep will take, from what runs have taken before; never from a guess.

A run's record says how long each node took; the heads on the disk say which of its trainings it really did. The
record most like the sweep is taken: one that trained heads at least as wide, and at least as many of them.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from vernal.common.formatting import count, duration
from vernal.common.problems import InputError
from vernal.common.safe_yaml import read_yaml
from vernal.proof.run_record import FINISHED, read_records
from vernal.sweeps.plans import PlannedPoint, size_of
from vernal.sweeps.point_settings import PointSettings, fit_hash
from vernal.sweeps.points import Point
from vernal.sweeps.stage_folder import StageFolder
from vernal.web.results.cache import Cache

TRAIN, EMBED = "train", "embed"
AUDIO = ("fmin", "fmax", "overlap")
# Settings that make a training longer, and which of two values costs more.
LONGER_WITH: Mapping[str, Callable[..., float]] = {
    "hidden_units": max,
    "epochs": partial(max, key=lambda count: count or math.inf),  # 0 is as many as it takes
    "batch_size": min,
}


@dataclass(frozen=True)
class Measured:
    """What a run took, in seconds.

    `source` says which run, in words. `trainings` is how many heads it trained; `training_s` what each took, `run_s`
    what everything else of the stage took for each of its runs; `embedding_s` embedding all clips. `extremes`: the
    most costly value of each setting of `LONGER_WITH` among the trainings.
    """

    source: str
    trainings: int
    training_s: float
    run_s: float
    embedding_s: float = 0.0
    extremes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Estimate:
    """Seconds that a sweep will take, part by part, and what has to be known about that.

    `is_least`: it will take longer, as nothing as costly was measured.
    """

    parts: tuple[tuple[str, float], ...]
    source: str
    remarks: tuple[str, ...]
    is_least: bool = False

    @property
    def seconds(self) -> float:
        return sum(seconds for _, seconds in self.parts)


class RuntimeEstimates:
    """Estimates for the sweeps of one data folder; what runs have taken is read anew when one leaves a record."""

    def __init__(self, data_root: Path) -> None:
        self._data_root = data_root
        self._cache = Cache()

    @property
    def are_known(self) -> bool:
        """Whether anything was measured."""
        return bool(self._measured())

    def estimate(self, points: Sequence[Point | PlannedPoint]) -> Estimate | None:
        """How long some points will take; None where nothing was measured."""
        found = most_alike(self._measured(), points, size_of(points).trainings)
        if found is None:
            return None
        trained, embedded = self._kept("done", lambda root: (trained_fits(root), embedded_audio(root)))
        return estimate(points, found, trained, embedded)

    def _measured(self) -> list[Measured]:
        return self._kept("measured", _readable_runs)

    def _kept(self, what: str, make: Any) -> Any:
        root = self._data_root
        files = [*root.glob("08_reporting/*/runs/*.json"), *root.glob("05_model_input/*/plan.parquet")]
        stamp = tuple((str(file), file.stat().st_mtime_ns) for file in sorted(files))
        return self._cache.get(what, stamp, lambda: make(root))


def _readable_runs(data_root: Path) -> list[Measured]:
    try:
        return measured_runs(data_root)
    except InputError:
        return []  # the pages of results say what is wrong with a record


def measured_runs(data_root: Path) -> list[Measured]:
    """What each finished run of a stage took, the oldest first; runs that trained nothing are left out."""
    records = [
        record
        for record in read_records(data_root)
        if record["stage"] and record["outcome"] == FINISHED and record.get("nodes")
    ]
    found = [_measured(data_root, record) for record in records]
    return [one for one in found if one is not None]


def _nodes(record: Mapping[str, Any]) -> pd.DataFrame:
    """A run's nodes with `name`, what stands before it left out, and `is_own`, whether they are of the run's stage."""
    nodes = pd.DataFrame(record["nodes"])
    whole = nodes["node"].astype(str)
    return nodes.assign(name=whole.str.rpartition(".")[2], is_own=whole.str.startswith(f"{record['stage']}."))


def _measured(data_root: Path, record: Mapping[str, Any]) -> Measured | None:
    """What one run took; None if it trained nothing, so that nothing is known of training."""
    nodes = _nodes(record)
    own = {node["name"]: node for node in nodes[nodes["is_own"]].to_dict("records")}
    if TRAIN not in own or not record.get("points"):
        return None
    trained = _trained_since(StageFolder(data_root, record["stage"]), record, own[TRAIN]["started"])
    if not trained:
        return None
    train_s = float(own.pop(TRAIN)["duration_s"])
    rest_s = float(sum(node["duration_s"] for node in own.values()))
    embeds = nodes[nodes["name"].str.startswith(EMBED)]["duration_s"]
    when = str(record["started"]).replace("T", " ").removesuffix("+00:00")
    return Measured(
        f"the run of {record['stage']} of {when} UTC: {count(len(trained), 'training')} in {train_s:.1f} s, the rest "
        f"of the stage in {rest_s:.1f} s",
        len(trained),
        train_s / len(trained),
        rest_s / len({str(point["config_hash"]) for point in record["points"].values()}),
        float(embeds.max()) if len(embeds) else 0.0,
        extremes(trained),
    )


def extremes(settings: Sequence[PointSettings]) -> dict[str, float]:
    """The most costly value of each setting that makes a training longer."""
    return {name: costlier(getattr(one, name) for one in settings) for name, costlier in LONGER_WITH.items()}


def _trained_since(folder: StageFolder, record: Mapping[str, Any], started: str) -> list[PointSettings]:
    """One point for each head of a stage that was not there before training began; others were taken as they were.

    Where a folder was copied, every head seems new, and all count as trained.
    """
    began = datetime.fromisoformat(started).timestamp()
    found: dict[str, PointSettings] = {}
    for point, varying in record["points"].items():
        parameters = folder.models / point / "parameters.yml"
        content = read_yaml(parameters) if parameters.is_file() else None
        key = str(content.get("fit_key")) if isinstance(content, dict) else ""
        head = folder.data.heads / f"{key}.npz"
        # A record's times are whole seconds.
        if head.is_file() and head.stat().st_mtime >= began - 1:
            found.setdefault(key, PointSettings.from_row({**(record.get("settings") or {}), **varying}))
    return list(found.values())


def most_alike(
    measured: Sequence[Measured], points: Sequence[Point | PlannedPoint], trainings: int
) -> Measured | None:
    """The measured run that resembles a sweep most: no less costly settings, no fewer trainings, about as many."""

    def unlikeness(one: Measured) -> tuple[int, bool, float]:
        ratio = abs(math.log(one.trainings / max(trainings, 1)))
        return len(_beyond(one, points)), one.trainings < trainings, ratio

    return min(reversed(measured), key=unlikeness, default=None)  # the latest of equals


def _beyond(measured: Measured, points: Sequence[Point | PlannedPoint]) -> list[str]:
    """Settings of a sweep that are more costly than any that was measured."""
    wanted = extremes([point.settings for point in points]) if points else {}
    known = measured.extremes
    return [
        name
        for name, value in wanted.items()
        if name in known and LONGER_WITH[name](value, known[name]) != known[name]
    ]


def estimate(
    points: Sequence[Point | PlannedPoint],
    measured: Measured,
    trained: frozenset[str] = frozenset(),
    embedded: frozenset[tuple[float, ...]] | None = None,
) -> Estimate:
    """What a sweep will take by what was measured.

    Args:
        trained: fit hashes that are trained already, for any stage; they are taken as they are.
        embedded: audio settings (`encoder, fmin, fmax, overlap`) that clips are embedded with already; None: not known.
    """
    n_runs = len({point.config_hash for point in points})
    fits = {fit_hash(point.settings) for point in points}
    n_new = len(fits - trained)
    audio = {_audio_of(point.settings) for point in points}
    n_unheard = len(audio - embedded) if embedded is not None else 0
    training = f"{count(n_new, 'training')}, {_each(measured.training_s)}"
    running = f"scores, evaluation and report of {count(n_runs, 'run')}, {_each(measured.run_s)}"
    parts = [
        (training, n_new * measured.training_s) if n_new else ("no training", 0.0),
        (running, n_runs * measured.run_s),
    ]
    if n_unheard:
        words = f"embedding with {count(n_unheard, 'new audio setting')}"
        parts.append((words, n_unheard * measured.embedding_s))
    beyond = _beyond(measured, points)
    remarks = _remarks(measured, len(fits), n_new, beyond)
    return Estimate(tuple(parts), measured.source, tuple(remarks), bool(beyond))


def _audio_of(settings: PointSettings) -> tuple[Any, ...]:
    return (settings.encoder, *(float(getattr(settings, name)) for name in AUDIO))


def _each(seconds: float) -> str:
    return f"{seconds:.2f} s each" if seconds >= 0.01 else "below 0.01 s each"


def _remarks(measured: Measured, n_fits: int, n_new: int, beyond: Sequence[str]) -> Iterator[str]:
    if n_new < n_fits:
        yield (
            f"{n_fits - n_new:,} of {count(n_fits, 'training')} are there from other runs; they are taken as they are "
            "if the data are the same."
        )
    if beyond:
        known = ", ".join(f"{name} {measured.extremes[name]:g}" for name in beyond)
        yield f"It will take longer: nothing as costly was measured in {', '.join(beyond)} (up to {known})."


def _plans(data_root: Path) -> Iterator[tuple[StageFolder, pd.DataFrame]]:
    """Every stage that was planned; another pipeline's plan, or a file that is being written, is passed over."""
    for file in sorted(data_root.glob("05_model_input/*/plan.parquet")):
        folder = StageFolder(data_root, file.parent.name)
        try:
            plan = folder.read_table(file)
        except (OSError, ValueError):
            continue
        if {"point", "fit_hash", *AUDIO} <= set(plan.columns):
            yield folder, plan


def trained_fits(data_root: Path) -> frozenset[str]:
    """Fit hashes of every stage that has a model of them: trainings that need not be done again."""
    found: set[str] = set()
    for folder, plan in _plans(data_root):
        if folder.failures.is_file():
            failed = folder.read_failures()["point"]
            found |= set(plan[~plan["point"].isin(failed)]["fit_hash"])
    return frozenset(found)


def embedded_audio(data_root: Path) -> frozenset[tuple[float, ...]]:
    """Audio settings of every stage that was scored there, and the defaults, with which all clips are embedded."""
    found = {_audio_of(PointSettings())}
    for folder, plan in _plans(data_root):
        if folder.scores.is_file():
            found |= {
                _audio_of(PointSettings.from_row(row))
                for row in plan.drop_duplicates(AUDIO).to_dict("records")
            }
    return frozenset(found)


def estimate_words(found: Estimate | None) -> dict[str, Any]:
    """An estimate as the pages show it; empty where there is none."""
    if found is None:
        return {"time": "", "parts": [], "source": "", "remarks": []}
    about = "more than" if found.is_least else "about"
    parts = [(words, duration(seconds) if seconds >= 0.5 else "below 1 s") for words, seconds in found.parts]
    time = f"{about} {duration(found.seconds)}"
    return {"time": time, "parts": parts, "source": found.source, "remarks": list(found.remarks)}
