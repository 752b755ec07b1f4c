"""The stages of a data folder: found on disk, loaded whole or refused in words, and said to be stale.

Results are read as the last run left them. What the files alone cannot tell (which settings the evaluation had,
whether the data have changed since) comes from the run's record.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vernal.common.problems import InputError
from vernal.proof.run_record import FINISHED, RUNNING, read_records, stale_because
from vernal.sweeps.plans import MISSING, STALE, make_plan, point_states
from vernal.sweeps.points import read_point_records
from vernal.sweeps.spec import Spec, find_specs, natural_order, read_stage

if TYPE_CHECKING:
    import pandas as pd

    from vernal.evaluation.stage_results import StageResults

REPORTING, INPUT, OUTPUT = "08_reporting", "05_model_input", "07_model_output"
LEADERBOARD_COLUMNS = {"configuration_hash", "n_points", "points"}
FILES = {
    "plan": f"{INPUT}/{{stage}}/plan.parquet",
    "points": f"{REPORTING}/{{stage}}/points.csv",
    "leaderboard": f"{REPORTING}/{{stage}}/leaderboard.csv",
    "effects": f"{REPORTING}/{{stage}}/effects.csv",
}
# Hashes and levels that look like numbers are text all the same.
_TEXT = (
    "point", "config_hash", "configuration_hash", "error", "encoder_version", "fit_key", "axis", "level_a", "level_b",
    "within",
)  # fmt: skip
_SEAL = ".whole"


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

    results: StageResults
    remarks: tuple[tuple[str, str], ...]
    run: Mapping[str, Any]


def run_command(stage: str) -> str:
    return f"`kedro run --pipeline={stage}`"


def found_stages(data_root: Path, sweeps: Path) -> list[FoundStage]:
    """Every stage that has a spec or results, in natural order; quick, no table is read whole."""
    specs = find_specs(sweeps)
    folder = data_root / REPORTING
    with_results = {path.parent.name for path in folder.glob("*/leaderboard.csv") if _is_board(path)}
    names = sorted({*specs, *with_results}, key=natural_order)
    return [_found(data_root, name, name in specs, name in with_results) for name in names]


def _is_board(path: Path) -> bool:
    """Whether a leaderboard is a stage's; other pipelines have tables of that name with other columns."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return set(next(csv.reader(file), [])) >= LEADERBOARD_COLUMNS
    except (OSError, UnicodeDecodeError, csv.Error):
        return False


def _found(data_root: Path, name: str, has_spec: bool, has_board: bool) -> FoundStage:
    if not has_board:
        return FoundStage(name, has_spec)
    missing = missing_files(data_root, name)
    if missing:
        return FoundStage(name, has_spec, problem=half_words(name, missing))
    n_points, n_configurations = (_n_rows(path_of(data_root, name, one)) for one in ("points", "leaderboard"))
    try:
        run = whole_run(read_records(data_root, name))
    except InputError as error:
        return FoundStage(name, has_spec, n_points, n_configurations, problem=str(error))
    ended, proven = (str(run.get(key) or "") for key in ("ended", "verdict"))
    return FoundStage(name, has_spec, n_points, n_configurations, ended, proven)


def _n_rows(path: Path) -> int:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def path_of(data_root: Path, stage: str, table: str) -> Path:
    """Where a table of `FILES` lies."""
    return data_root / FILES[table].format(stage=stage)


def missing_files(data_root: Path, stage: str) -> list[str]:
    """Names of the result files that are not there."""
    return [
        FILES[name].format(stage=stage) for name in FILES if not path_of(data_root, stage, name).is_file()
    ]


def half_words(stage: str, missing: list[str]) -> str:
    """What to do about results that are there in part."""
    return (
        f"Not there: {', '.join(missing)}. A run was stopped before its end; run {run_command(stage)} again."
    )


def whole_run(records: list[dict[str, Any]]) -> dict[str, Any]:
    """The record of the last run whose results are there to see; empty without one."""
    whole = [record for record in records if record.get("results")]
    return whole[-1] if whole else {}


def stamp(data_root: Path, sweeps: Path, stage: str) -> tuple[Any, ...]:
    """Changes whenever a file does that a stage's pages are made from."""
    listed = [path_of(data_root, stage, name) for name in FILES]
    listed += [
        data_root / OUTPUT / stage / "failures.csv",
        data_root / OUTPUT / stage / "scores.parquet",
        data_root / OUTPUT / stage / "evaluation" / _SEAL,
        data_root / "03_primary" / "splits.parquet",
        data_root / "02_intermediate" / "clips.parquet",
        sweeps / f"{stage}.yml",
    ]
    listed += sorted((data_root / REPORTING / stage / "runs").glob("*.json"))
    listed += sorted((sweeps / stage).glob("*.yml"))
    return tuple(_when(path) for path in listed)


def _when(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:
        return (path.name, -1, -1)
    return (path.name, status.st_mtime_ns, status.st_size)


def load_stage(data_root: Path, sweeps: Path, stage: str, target: str, subsets: Any = None) -> LoadedStage:
    """Read a stage's results.

    Args:
        sweeps: the folder of specs.
        target: the label of interest, where no record says it.
        subsets: known curated subsets for the spec, as in `vernal.sweeps.spec.read_stage`; None: not checked.
    Raises:
        InputError: no such stage, not run yet, or results that are there in part or cannot be read.
    """
    from vernal.clips.demo_season import is_demo_data
    from vernal.evaluation.stage_results import StageResults

    _check_there(data_root, sweeps, stage)
    try:
        tables = {name: _read(path_of(data_root, stage, name)) for name in FILES}
        more = _evaluation_tables(data_root / OUTPUT / stage / "evaluation")
        failures = _failures(data_root / OUTPUT / stage / "failures.csv")
    except (OSError, ValueError) as error:
        raise InputError(
            f"The results of {stage} cannot be read ({error}). Run {run_command(stage)} again."
        ) from error
    records = read_records(data_root, stage)
    run = whole_run(records)
    spec, spec_words = _spec(sweeps, stage, data_root, subsets)
    options, option_words = _options(run)
    said = [*_run_words(records, run, stage), *_data_words(data_root, stage), *spec_words, *option_words]
    if not more:
        said.append((f"The evaluation's own tables are not there; run {run_command(stage)} again.", "bad"))
    parameters = run.get("parameters", {})
    results = StageResults(
        spec, str(parameters.get("target") or target), tables["plan"], tables["points"], tables["leaderboard"],
        tables["effects"], more, failures, options, is_demo_data(data_root),
    )  # fmt: skip
    return LoadedStage(results, tuple(said), run)


def _check_there(data_root: Path, sweeps: Path, stage: str) -> None:
    known = {one.name: one for one in found_stages(data_root, sweeps)}
    if stage not in known:
        raise InputError(f"There is no stage {stage!r}; there are {', '.join(known) or 'none'}.")
    missing = missing_files(data_root, stage)
    if len(missing) == len(FILES) or not _is_board(path_of(data_root, stage, "leaderboard")):
        raise InputError(f"{stage} has no results in {data_root} yet; run {run_command(stage)}.")
    if missing:
        raise InputError(half_words(stage, missing))


def _read(path: Path) -> pd.DataFrame:
    from vernal.common.table_files import read_table

    return read_table(path, _TEXT)


def _evaluation_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """The evaluation's tables by name; none where the folder is not sealed as whole."""
    from vernal.common.table_files import read_table

    if not (folder / _SEAL).is_file():
        return {}
    return {path.stem: read_table(path) for path in sorted(folder.glob("*.parquet")) if path.stem[0] != "."}


def _failures(path: Path) -> pd.DataFrame:
    import pandas as pd

    columns = ["point", "step", "message"]
    if not path.is_file():
        return pd.DataFrame(columns=columns, dtype="str")
    from vernal.common.table_files import read_table

    return read_table(path, columns)


def _spec(sweeps: Path, stage: str, data_root: Path, subsets: Any) -> tuple[Spec, list[tuple[str, str]]]:
    """The spec as it is now, and words where it is not what the results were made from."""
    bare = Spec(stage, {}, {})
    if not (sweeps / f"{stage}.yml").is_file():
        return bare, [
            (f"conf/sweeps/{stage}.yml is not there any more; these are results of a run before.", "warning")
        ]
    try:
        spec = read_stage(sweeps, stage, subsets)
        plan = make_plan(spec, read_point_records(sweeps / stage), subsets)
    except InputError as error:
        return bare, [(f"The spec cannot be read now, results are shown as they are: {error}", "warning")]
    hashes = {point.name: point.config_hash for point in plan.points}
    states = Counter(point_states(hashes, path_of(data_root, stage, "points")).values())
    n_open = states[MISSING] + states[STALE]
    if not n_open:
        return spec, []
    words = (
        f"{n_open:,} of the {len(hashes):,} points of conf/sweeps/{stage}.yml have no result as they are now"
    )
    return spec, [
        (f"{words}: the spec or a point file changed after the run. Run {run_command(stage)}.", "warning")
    ]


def _options(run: Mapping[str, Any]) -> tuple[Any, list[tuple[str, str]]]:
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
        return EvaluationOptions(), [
            (f"The record's evaluation settings cannot be used ({error}).", "warning")
        ]


def _run_words(records: list[dict[str, Any]], run: Mapping[str, Any], stage: str) -> list[tuple[str, str]]:
    """Whether a run after the one that is shown broke off."""
    if not records or records[-1] is run or records[-1].get("results"):
        return []
    last = records[-1]
    if last["outcome"] == RUNNING:
        how = "is at work, or was stopped"
    else:
        how = (
            "ended early"
            if last["outcome"] == FINISHED
            else f"failed ({last.get('error') or 'no reason noted'})"
        )
    return [
        (f"A later run of {stage}, of {last['started']}, {how}. What is shown is of the run before.", "bad")
    ]


def _data_words(data_root: Path, stage: str) -> list[tuple[str, str]]:
    reasons = stale_because(data_root, stage)
    if not reasons:
        return []
    words = (
        f"These results are stale: {'; '.join(reasons)} since they were made. Run {run_command(stage)} again."
    )
    return [(words, "bad")]
