"""How long a sweep will take, from what runs have taken before; never from a guess.

A run's record says how long each node took; the heads on the disk say which of its trainings it really did. The
record most like the sweep is taken: one that trained heads at least as wide, and at least as many of them. What
training costs before the first head is done is known from the miner, which trains few.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from vernal.common.formatting import count
from vernal.common.problems import InputError
from vernal.common.safe_yaml import read_yaml
from vernal.proof.run_record import FINISHED, read_records
from vernal.sweeps.point_settings import PointSettings, fit_hash
from vernal.sweeps.points import Point
from vernal.web.results.stages import INPUT, OUTPUT

# What a stage does once for every run; its other nodes are done once for the stage.
PER_RUN = ("balance", "score", "evaluate")
TRAIN, EMBED, MINER = "train", "embed", "train_miner"
AUDIO = ("fmin", "fmax", "overlap")
# Settings that make a training longer, and whether more of them does.
LONGER_WITH = {"hidden_units": True, "epochs": True, "batch_size": False}


@dataclass(frozen=True)
class Measured:
    """What was measured, in seconds: to start training, a training, a run, and what a stage does once.

    `source` says where from, in words. `trainings` is how many that rests on; `extremes` the most costly value of each
    setting of `LONGER_WITH` among them. `preparation_s`: preparing the data in that run; `checking_s`: the least that
    preparation took, which is when everything was there, None where it was done once. `embedding_s`: embedding all
    clips.
    """

    source: str
    trainings: int
    start_s: float
    training_s: float
    run_s: float
    stage_s: float
    preparation_s: float = 0.0
    checking_s: float | None = None
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


def measured_runs(data_root: Path) -> list[Measured]:
    """What each finished run of a stage took, the oldest first; runs that trained nothing are left out."""
    records = [
        record
        for record in read_records(data_root)
        if record["stage"] and record["outcome"] == FINISHED and record.get("nodes")
    ]
    starts = [took for record in records for name, took in _seconds(record).items() if _last(name) == MINER]
    checking_s = _least_preparation(records)
    found = [measure_of_record(data_root, record, max(starts, default=0.0)) for record in records]
    return [replace(one, checking_s=checking_s) for one in found if one is not None]


def _seconds(record: Mapping[str, Any]) -> dict[str, float]:
    return {str(node["node"]): float(node["duration_s"]) for node in record["nodes"]}


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _prepares(record: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of the nodes that do not belong to the record's stage."""
    return {
        name: took for name, took in _seconds(record).items() if not name.startswith(f"{record['stage']}.")
    }


def _least_preparation(records: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds of the nodes that were run more than once, each when it was quickest; None where none was."""
    all_times: dict[str, list[float]] = {}
    for record in records:
        for name, took in _prepares(record).items():
            all_times.setdefault(_last(name), []).append(took)
    least = [min(times) for times in all_times.values() if len(times) > 1]
    return sum(least) if least else None


def measure_of_record(data_root: Path, record: Mapping[str, Any], start_s: float) -> Measured | None:
    """What one run took; None if it trained nothing, so that nothing is known of training.

    Args:
        start_s: what a training of few heads took, most of which is the start of the workers.
    """
    stage, seconds = str(record["stage"]), _seconds(record)
    own = {name.partition(".")[2]: took for name, took in seconds.items() if name.startswith(f"{stage}.")}
    started = next((node["started"] for node in record["nodes"] if node["node"] == f"{stage}.{TRAIN}"), None)
    points = record.get("points") or {}
    if started is None or not points:
        return None
    settings = _settings_of(record)
    trained = _trained_since(data_root, stage, settings, datetime.fromisoformat(started).timestamp())
    if not trained:
        return None
    n_runs = len({str(point["config_hash"]) for point in points.values()})
    per_run = sum(took for name, took in own.items() if name in PER_RUN)
    rest = sum(took for name, took in own.items() if name not in (*PER_RUN, TRAIN))
    when = str(record["started"]).replace("T", " ").removesuffix("+00:00")
    source = (
        f"the run of {stage} of {when} UTC: {count(len(trained), 'training')} in {own[TRAIN]:.1f} s, the rest of the "
        f"stage in {per_run + rest:.1f} s"
    )
    start_s = min(start_s, own[TRAIN])
    return Measured(
        source,
        len(trained),
        start_s,
        (own[TRAIN] - start_s) / len(trained),
        per_run / max(n_runs, 1),
        rest,
        sum(_prepares(record).values()),
        None,
        max((took for name, took in seconds.items() if _last(name).startswith(EMBED)), default=0.0),
        extremes(trained),
    )


def extremes(settings: Sequence[PointSettings]) -> dict[str, float]:
    """The most costly value of each setting that makes a training longer."""
    return {
        name: (max if is_more else min)(getattr(one, name) for one in settings)
        for name, is_more in LONGER_WITH.items()
    }


def _settings_of(record: Mapping[str, Any]) -> dict[str, PointSettings]:
    """Settings of every point, as the record keeps them: the common ones, and beside them what varies."""
    common = record.get("settings") or {}
    points = record.get("points") or {}
    return {name: PointSettings.from_row({**common, **point}) for name, point in points.items()}


def _trained_since(
    data_root: Path, stage: str, settings: Mapping[str, PointSettings], started: float
) -> list[PointSettings]:
    """One point for each head of a stage that was not there before training began; others were taken as they were.

    Where a folder was copied, every head seems new, and all count as trained.
    """
    models, heads = data_root / "06_models" / stage, data_root / "06_models" / "heads"
    found: dict[str, PointSettings] = {}
    for point, one in settings.items():
        parameters = models / point / "parameters.yml"
        if not parameters.is_file():
            continue
        content = read_yaml(parameters)
        key = str(content.get("fit_key")) if isinstance(content, dict) else ""
        head = heads / f"{key}.npz"
        # A record's times are whole seconds.
        if head.is_file() and head.stat().st_mtime >= started - 1:
            found.setdefault(key, one)
    return list(found.values())


def most_alike(measured: Sequence[Measured], points: Sequence[Point], trainings: int) -> Measured | None:
    """The measured run that resembles a sweep most: no less costly settings, no fewer trainings, about as many."""
    if not measured:
        return None
    wanted = extremes([point.settings for point in points])

    def unlikeness(at: int) -> tuple[int, bool, float, int]:
        one = measured[at]
        ratio = abs(math.log(one.trainings / max(trainings, 1)))
        return len(_beyond(one, wanted)), one.trainings < trainings, ratio, -at

    return measured[min(range(len(measured)), key=unlikeness)]


def _beyond(measured: Measured, wanted: Mapping[str, float]) -> list[str]:
    """Settings of a sweep that are more costly than any that was measured."""
    found = []
    for name, is_more in LONGER_WITH.items():
        known = measured.extremes.get(name)
        if known is not None and (wanted[name] > known if is_more else wanted[name] < known):
            found.append(name)
    return found


def estimate(
    points: Sequence[Point],
    measured: Measured,
    trained: frozenset[str] = frozenset(),
    embedded: frozenset[tuple[float, ...]] | None = None,
) -> Estimate:
    """What a sweep will take by what was measured.

    Args:
        trained: fit hashes that are trained already, for any stage; they are taken as they are.
        embedded: audio settings (`fmin, fmax, overlap`) that clips are embedded with already; None: not known.
    """
    runs = {point.config_hash for point in points}
    fits = {fit_hash(point.settings) for point in points}
    new = fits - trained
    audio = {tuple(float(getattr(point.settings, name)) for name in AUDIO) for point in points}
    unheard = audio - embedded if embedded is not None else set()
    parts = [
        (
            f"{count(len(new), 'training')}, {_each(measured.training_s)} after the start of workers"
            if new
            else "no training",
            measured.start_s + len(new) * measured.training_s if new else 0.0,
        ),
        (
            f"balance, scores and evaluation of {count(len(runs), 'run')}, {_each(measured.run_s)}",
            len(runs) * measured.run_s,
        ),
        ("plan, pictures, proof and report", measured.stage_s),
    ]
    if measured.checking_s is not None:
        parts.append(("checking that what is prepared is up to date", measured.checking_s))
    if unheard:
        parts.append(
            (
                f"embedding with {count(len(unheard), 'new audio setting')}",
                len(unheard) * measured.embedding_s,
            )
        )
    beyond = _beyond(measured, extremes([point.settings for point in points])) if points else []
    return Estimate(tuple(parts), measured.source, tuple(_remarks(measured, fits, new, beyond)), bool(beyond))


def _each(seconds: float) -> str:
    return f"{seconds:.2f} s each" if seconds >= 0.01 else "below 0.01 s each"


def _remarks(measured: Measured, fits: set[str], new: set[str], beyond: Sequence[str]) -> list[str]:
    found = []
    if len(new) < len(fits):
        found.append(
            f"{len(fits) - len(new):,} of {count(len(fits), 'training')} are there from other runs; they are taken as "
            "they are if the data are the same."
        )
    if beyond:
        known = ", ".join(f"{name} {measured.extremes[name]:g}" for name in beyond)
        found.append(
            f"It will take longer: nothing as costly was measured in {', '.join(beyond)} (up to {known})."
        )
    if measured.preparation_s and (measured.checking_s or 0.0) < measured.preparation_s:
        found.append(
            f"Preparing the data took {duration(measured.preparation_s)} in that run. What is prepared is taken as it "
            "is, so that time comes on top only after the data or their settings change."
        )
    return found


def trained_fits(data_root: Path) -> frozenset[str]:
    """Fit hashes of every stage that has a model of them: trainings that need not be done again."""
    import pandas as pd

    found: set[str] = set()
    for file in sorted((data_root / INPUT).glob("*/plan.parquet")):
        stage = file.parent.name
        scores = data_root / OUTPUT / stage / "failures.csv"
        try:
            plan = pd.read_parquet(file)
            failed = (
                set(pd.read_csv(scores, dtype="str")["point"]) if scores.is_file() else set(plan["point"])
            )
        except (OSError, ValueError, KeyError):
            continue  # another pipeline's plan, or a file that is being written
        if "fit_hash" in plan.columns:
            found |= set(plan.loc[~plan["point"].isin(list(failed)), "fit_hash"].astype(str))
    return frozenset(found)


def embedded_audio(data_root: Path) -> frozenset[tuple[float, ...]]:
    """Audio settings of every stage that was planned there, and the defaults, with which all clips are embedded."""
    import pandas as pd

    found = {tuple(float(getattr(PointSettings(), name)) for name in AUDIO)}
    for file in sorted((data_root / INPUT).glob("*/plan.parquet")):
        try:
            plan = pd.read_parquet(file)
        except (OSError, ValueError):
            continue
        if (
            set(AUDIO) <= set(plan.columns)
            and (data_root / OUTPUT / file.parent.name / "scores.parquet").is_file()
        ):
            found |= {tuple(map(float, row)) for row in plan[list(AUDIO)].drop_duplicates().to_numpy()}
    return frozenset(found)


def safe_measured_runs(data_root: Path) -> list[Measured]:
    """`measured_runs`, and nothing where a record cannot be read."""
    try:
        return measured_runs(data_root)
    except InputError:
        return []


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(8.6), duration(95), duration(5400)
    ('9 s', '1 min 35 s', '1 h 30 min')
    """
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 and whole < 600 else "")
    minutes = round(whole / 60)
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
