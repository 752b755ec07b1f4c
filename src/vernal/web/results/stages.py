"""The stages of a data folder: found on disk, loaded whole or refused in words, and said to be stale.

Results are read as the last run left them. What the files alone cannot tell (which settings the evaluation had,
whether the data have changed since) comes from the run's record.
"""

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vernal.common.data_folder import DataFolder
from vernal.common.problems import InputError
from vernal.proof.run_record import FINISHED, RUNNING, last_command, read_records, stale_because
from vernal.sweeps.plans import MISSING, STALE, make_plan, point_states
from vernal.sweeps.points import read_point_records
from vernal.sweeps.spec import Spec, find_specs, natural_order, read_stage
from vernal.sweeps.stage_folder import SEAL, StageFolder

if TYPE_CHECKING:
    from vernal.evaluation.options import EvaluationOptions
    from vernal.evaluation.stage_results import StageResults

LEADERBOARD_COLUMNS = {"configuration_hash", "n_points", "points"}
# Words for the reader of a page, with their tone.
Remarks = list[tuple[str, str]]


@dataclass(frozen=True)
class FoundStage:
    """A stage as a list shows it. `problem` says why its results cannot be shown, empty where they can."""

    name: str
    has_spec: bool
    n_points: int = 0
    n_configurations: int = 0
    finished: str = ""
    verdict: str = ""
    problem: str = ""

    @property
    def has_results(self) -> bool:
        return bool(self.n_points) and not self.problem


@dataclass(frozen=True)
class LoadedStage:
    """A stage's results with what a reader has to know before any number.

    `remarks` are pairs of words and tone (`warning` or `bad`); `run` is the record of the run that made the results,
    empty where there is none.
    """

    results: "StageResults"
    remarks: tuple[tuple[str, str], ...]
    run: Mapping[str, Any]


def found_stages(data_root: Path, sweeps: Path) -> list[FoundStage]:
    """Every stage that has a spec or results, in natural order; quick, no table is read whole."""
    specs = find_specs(sweeps)
    boards = DataFolder(data_root).reporting.glob("*/leaderboard.csv")
    with_results = {path.parent.name for path in boards if _is_board(path)}
    names = sorted({*specs, *with_results}, key=natural_order)
    return [
        _found(StageFolder(data_root, name), name in specs)
        if name in with_results
        else FoundStage(name, name in specs)
        for name in names
    ]


def _is_board(path: Path) -> bool:
    """Whether a leaderboard is a stage's; other pipelines have tables of that name with other columns."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return set(next(csv.reader(file), [])) >= LEADERBOARD_COLUMNS
    except (OSError, UnicodeDecodeError, csv.Error):
        return False


def _found(folder: StageFolder, has_spec: bool) -> FoundStage:
    name = folder.stage
    n_points = n_configurations = 0
    try:
        if missing := folder.missing_tables():
            return FoundStage(name, has_spec, problem=_half_words(folder, missing))
        n_points, n_configurations = _n_rows(folder.points_table), _n_rows(folder.leaderboard)
        run = _whole_run(read_records(folder.data.root, name))
    except InputError as error:
        return FoundStage(name, has_spec, n_points, n_configurations, problem=str(error))
    ended, verdict = (str(run.get(key) or "") for key in ("ended", "verdict"))
    return FoundStage(name, has_spec, n_points, n_configurations, ended, verdict)


def _n_rows(path: Path) -> int:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def _command(folder: StageFolder) -> str:
    """What runs the stage again, as code."""
    return f"`{last_command(folder.data.root, folder.stage)}`"


def _half_words(folder: StageFolder, missing: list[str]) -> str:
    """What to do about results that are there in part."""
    return f"Not there: {', '.join(missing)}. A run was stopped before its end; run {_command(folder)} again."


def _whole_run(records: list[dict[str, Any]]) -> dict[str, Any]:
    """The record of the last run whose results are there to see; empty without one."""
    return next((record for record in reversed(records) if record.get("results")), {})


def stamp(data_root: Path, sweeps: Path, stage: str) -> tuple[Any, ...]:
    """Changes whenever a file does that a stage's pages are made from."""
    folder = StageFolder(data_root, stage)
    whole = folder.evaluation_tables / SEAL
    files = [
        *folder.tables.values(),
        folder.failures,
        folder.scores,
        whole,
        folder.data.splits,
        folder.data.clips,
    ]
    files += [
        sweeps / f"{stage}.yml",
        *sorted(folder.runs.glob("*.json")),
        *sorted((sweeps / stage).glob("*.yml")),
    ]
    return tuple(_when(path) for path in files)


def _when(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:
        return (path.name, -1, -1)
    return (path.name, status.st_mtime_ns, status.st_size)


def load_stage(data_root: Path, sweeps: Path, stage: str, target: str) -> LoadedStage:
    """Read a stage's results.

    Args:
        sweeps: the folder of specs.
        target: the label of interest, where no record says it.
    Raises:
        InputError: no such stage, not run yet, or results that are there in part or cannot be read.
    """
    from vernal.evaluation.stage_results import StageQuestion, StageResults

    folder = StageFolder(data_root, stage)
    _check_there(folder, sweeps)
    records = read_records(data_root, stage)
    run = _whole_run(records)
    spec, spec_remarks = _spec(folder, sweeps)
    options, option_remarks = _options(run)
    target = str(run.get("parameters", {}).get("target") or target)
    try:
        results = StageResults.read(folder, StageQuestion(spec, target, options))
    except (OSError, ValueError) as error:
        raise InputError(
            f"The results of {stage} cannot be read ({error}). Run {_command(folder)} again."
        ) from error
    remarks = [*_run_remarks(records, stage), *_data_remarks(folder), *spec_remarks, *option_remarks]
    if not results.tables:
        remarks.append((f"The evaluation's own tables are not there; run {_command(folder)} again.", "bad"))
    elif results.no_threshold:
        words = f"No threshold could be chosen: {results.no_threshold}. What needs one is not known."
        remarks.append((words, "warning"))
    return LoadedStage(results, tuple(remarks), run)


def _check_there(folder: StageFolder, sweeps: Path) -> None:
    stage, root = folder.stage, folder.data.root
    known = [one.name for one in found_stages(root, sweeps)]
    if stage not in known:
        raise InputError(f"There is no stage {stage!r}; there are {', '.join(known) or 'none'}.")
    missing = folder.missing_tables()
    if len(missing) == len(folder.tables) or not _is_board(folder.leaderboard):
        raise InputError(f"{stage} has no results in {root} yet; run {_command(folder)}.")
    if missing:
        raise InputError(_half_words(folder, missing))


def _spec(folder: StageFolder, sweeps: Path) -> tuple[Spec, Remarks]:
    """The spec as it is now, and words where it is not what the results were made from."""
    stage = folder.stage
    bare, file = Spec(stage, {}, {}), f"conf/sweeps/{stage}.yml"
    if not (sweeps / f"{stage}.yml").is_file():
        return bare, [(f"{file} is not there any more; these are results of a run before.", "warning")]
    try:
        spec = read_stage(sweeps, stage, None)
        plan = make_plan(spec, read_point_records(sweeps / stage), None)
    except InputError as error:
        return bare, [(f"The spec cannot be read now, results are shown as they are: {error}", "warning")]
    hashes = {point.name: point.config_hash for point in plan.points}
    states = Counter(point_states(hashes, folder.points_table).values())
    n_open = states[MISSING] + states[STALE]
    words = (
        f"{n_open:,} of the {len(hashes):,} points of {file} have no result as they are now: the spec or a point file "
        f"changed after the run. Run {_command(folder)}."
    )
    return spec, [(words, "warning")] if n_open else []


def _options(run: Mapping[str, Any]) -> "tuple[EvaluationOptions, Remarks]":
    """How the results were evaluated, as the run's record says; the defaults where none does."""
    from vernal.evaluation.options import EvaluationOptions

    given = (run.get("parameters") or {}).get("evaluation")
    if not isinstance(given, dict):
        words = (
            "No record of a whole run is there: interval levels and the goal are taken to be the defaults."
        )
        return EvaluationOptions(), [(words, "warning")]
    known = {part.name for part in fields(EvaluationOptions)}
    try:
        return EvaluationOptions(**{name: value for name, value in given.items() if name in known}), []
    except (TypeError, ValueError) as error:
        words = f"The record's evaluation settings cannot be used ({error})."
        return EvaluationOptions(), [(words, "warning")]


def _run_remarks(records: list[dict[str, Any]], stage: str) -> Remarks:
    """Whether a run after the one that is shown broke off."""
    if not records or records[-1].get("results"):
        return []
    last = records[-1]
    ends = {RUNNING: "is at work, or was stopped", FINISHED: "ended early"}
    how = ends.get(last["outcome"], f"failed ({last.get('error') or 'no reason noted'})")
    return [
        (f"A later run of {stage}, of {last['started']}, {how}. What is shown is of the run before.", "bad")
    ]


def _data_remarks(folder: StageFolder) -> Remarks:
    reasons = "; ".join(stale_because(folder.data.root, folder.stage))
    words = f"These results are stale: {reasons} since they were made. Run {_command(folder)} again."
    return [(words, "bad")] if reasons else []
