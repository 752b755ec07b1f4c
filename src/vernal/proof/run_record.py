"""One record a stage run: from which data, with which settings, code and packages, on what, in how long.

A record is written when a run starts and again when it ends, so that a run that was killed leaves one that
says so. Records differ between identical runs (they hold times); results never do, and name each other by
`results`, the digest in the certificate.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from vernal import __version__
from vernal.common.data_folder import DataFolder, data_root_param, typed_command
from vernal.common.files import sha256_of_file, write_text
from vernal.common.json_text import read_json
from vernal.common.problems import InputError, is_number
from vernal.common.storage import as_path
from vernal.proof.environment import environment
from vernal.sweeps.stage_folder import StageFolder

FORMAT = 1
RUNNING, FINISHED, FAILED = "running", "finished", "failed"
_NAMED = ("run", "stage", "started", "outcome")
_GROUPS = (
    "data", "settings", "seeds", "points", "parameters", "environment", "environment.code", "environment.packages",
    "environment.machine",
)  # fmt: skip


@dataclass
class RunRecord:
    """The record of a run while it runs.

    stages: the stages that it runs; a run of none (data preparation alone) has one record of its own.
    nodes: name, start (UTC) and duration in seconds of each finished node. failed_node: the one that ended the run.
    """

    run: str
    data_root: Path
    project: Path
    stages: tuple[str, ...]
    parameters: Mapping[str, Any]
    command: str = ""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    nodes: list[dict[str, Any]] = field(default_factory=list)
    failed_node: str = ""

    @cached_property
    def _environment(self) -> dict[str, Any]:
        return environment(self.project)

    def begin(self) -> None:
        """Write what is known before the first node."""
        self._write(RUNNING, None)

    def add_node(self, name: str, duration_s: float) -> None:
        """Note a finished node."""
        began = datetime.now(UTC).timestamp() - duration_s
        started = datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds")
        self.nodes.append({"node": name, "started": started, "duration_s": round(duration_s, 3)})

    def end(self, error: BaseException | None = None, is_whole: bool = True) -> None:
        """Write the whole record.

        Args:
            error: why the run failed; its words are kept.
            is_whole: whether every node was run. Results of a run that broke off are those of the run before.
        """
        self._write(FINISHED if error is None else FAILED, error, is_whole)

    def _write(self, outcome: str, error: BaseException | None, is_whole: bool = False) -> None:
        now = datetime.now(UTC)
        ended = outcome != RUNNING
        shared = {
            "format": FORMAT,
            "run": self.run,
            "command": self.command,
            "outcome": outcome,
            "error": None if error is None else f"{type(error).__name__}: {error}",
            "started": self.started.isoformat(timespec="seconds"),
            "ended": now.isoformat(timespec="seconds") if ended else None,
            "duration_s": round((now - self.started).total_seconds(), 3) if ended else None,
            "environment": self._environment,
            "parameters": plain(self.parameters),
            "seeds": seeds_of(self.parameters),
            "data": data_hashes(self.data_root, self.parameters) if ended else {},
            "nodes": self.nodes,
            "failed_node": self.failed_node,
        }
        for stage in self.stages or ("",):
            own = {
                "stage": stage,
                **shared,
                **(stage_facts(self.data_root, stage, is_whole) if ended and stage else {}),
            }
            write_text(
                record_path(self.data_root, stage, self.run),
                json.dumps(own, indent=1, ensure_ascii=False) + "\n",
            )


def command_text(pipelines: Iterable[str], env: str | None, given: Mapping[str, Any]) -> str:
    """The command of a run, with the parameters that were given with it.

    >>> command_text(["stage5"], "test", {"source": {"manifest": "m.csv"}, "target": "rooster"})
    'kedro run --pipelines=stage5 --env=test --params="source.manifest=m.csv,target=rooster"'
    """
    words = ["kedro run", f"--pipelines={','.join(pipelines)}"]
    words += [f"--env={env}"] if env and env != "local" else []
    return typed_command(" ".join(words), *(f"{name}={value}" for name, value in _flat(given).items()))


def last_command(data_root: Path, pipeline: str) -> str:
    """How a stage or pipeline was run last, for a person to type again; without a record, how it runs by itself.

    Raises:
        InputError: a record is no record.
    """
    recorded = [record.get("command") for record in read_records(data_root, pipeline)]
    alone = typed_command(f"kedro run --pipeline={pipeline}", data_root_param(data_root))
    return next(filter(None, reversed(recorded)), alone)


def record_path(data_root: Path, stage: str, run: str) -> Path:
    """Where the record of a run lies."""
    safe = "".join(letter if letter.isalnum() or letter in "-_.T" else "-" for letter in run)
    return StageFolder(data_root, stage).runs / f"{safe}.json"


def plain(value: Any) -> Any:
    """Parameters as plain JSON values."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def seeds_of(parameters: Mapping[str, Any], at: str = "") -> dict[str, Any]:
    """Every parameter that is a seed, by its dotted name.

    >>> seeds_of({"demo": {"seed": 1}, "mining": {"review_seed": 0, "limit": 3}})
    {'demo.seed': 1, 'mining.review_seed': 0}
    """
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            found |= seeds_of(value, f"{at}{name}.")
        elif str(name) == "seed" or str(name).endswith("_seed"):
            found[f"{at}{name}"] = value
    return found


def data_hashes(data_root: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What the results stand on: the manifest by its bytes, the project's tables by their content.

    Every clip has the SHA-256 of its audio in `clips`, so that table's digest stands for all recordings.
    """
    found: dict[str, Any] = {}
    source = parameters.get("source")
    manifest = source.get("manifest") if isinstance(source, Mapping) else None
    if manifest and as_path(manifest).is_file():
        found["manifest"] = {"sha256": sha256_of_file(manifest)}
    for name, path in data_files(data_root).items():
        if path.is_file():
            # The bytes tell staleness quickly; the digest tells content, whichever Parquet version wrote it.
            found[name] = _content_of(_Table(path, sha256_of_file(path)))
    return found


@dataclass(frozen=True)
class _Table:
    """A table's file; where its bytes are the same, so is what stands in it."""

    path: Path = field(compare=False)
    sha256: str


@lru_cache(maxsize=1_000)
def _content_of(file: _Table) -> dict[str, Any]:
    from vernal.common.table_files import digest_of_table, read_table

    table = read_table(file.path)
    return {"rows": len(table), "digest": digest_of_table(table)[:32], "sha256": file.sha256}


def data_files(data_root: Path) -> dict[str, Path]:
    """The tables that results stand on, by the names that records use."""
    data = DataFolder(data_root)
    return {"clips": data.clips, "rejects": data.rejects, "splits": data.splits} | {
        path.relative_to(data.curated).with_suffix("").as_posix(): path
        for path in sorted(data.curated.rglob("*.parquet"))
        if not path.name.startswith(".")
    }


def stale_because(data_root: Path, stage: str) -> list[str]:
    """What changed since the results of a stage were made: data, or the code that evaluates; empty if nothing did.

    Settings are not looked at here: each point's hash tells those. Quick: files are compared by their bytes, and
    no table is read. Without a record of a whole run the answer is empty.
    """
    known = [record for record in read_records(data_root, stage) if record.get("results")]
    if not known:
        return []
    then = known[-1]
    reasons = []
    for name, path in data_files(data_root).items():
        before = then.get("data", {}).get(name, {}).get("sha256")
        now = sha256_of_file(path) if path.is_file() else None
        if before != now:
            reasons.append(f"{name} changed" if before and now else f"{name} is {'new' if now else 'gone'}")
    version = then.get("environment", {}).get("code", {}).get("version")
    if version != __version__:
        reasons.append(f"made by version {version}, this is {__version__}")
    return reasons


def stage_facts(data_root: Path, stage: str, is_whole: bool = True) -> dict[str, Any]:
    """Points of a stage with their settings, and where the run was whole its results and their verdict."""
    from vernal.common.table_files import read_table
    from vernal.sweeps.point_settings import SETTINGS

    facts: dict[str, Any] = {}
    folder = StageFolder(data_root, stage)
    if folder.plan.is_file():
        plan = read_table(folder.plan)
        names = [name for name in SETTINGS if name in plan]
        common = [name for name in names if plan[name].astype(str).nunique() == 1]
        varying = [name for name in names if name not in common]
        facts["settings"] = plain(plan[common].iloc[0].to_dict()) if len(plan) else {}
        facts["points"] = {
            row["point"]: {"config_hash": row["config_hash"], **plain({name: row[name] for name in varying})}
            for row in plan.to_dict("records")
        }
    if is_whole and folder.certificate.is_file():
        content = read_json(folder.certificate)
        facts |= {"results": content.get("results"), "verdict": content.get("verdict")}
        facts["checks"] = {line["check"]: line["verdict"] for line in content.get("checks", [])}
    return facts


def read_records(data_root: Path, stage: str | None = None) -> list[dict[str, Any]]:
    """All records below a data folder, the oldest first; of one stage where named.

    Raises:
        InputError: a record is no record.
    """
    files = set(StageFolder(data_root, stage or "").runs.glob("*.json"))
    if stage is None:
        files |= set(DataFolder(data_root).reporting.glob("*/runs/*.json"))
    records = [read_record(file) for file in sorted(files) if not file.name.startswith(".")]
    return sorted(records, key=lambda record: (record["started"], record["run"], record["stage"]))


def read_record(path: Path) -> dict[str, Any]:
    """One record.

    Raises:
        InputError: the file is no record.
    """
    try:
        record = read_json(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a run record ({error}). Remove it.") from error
    if not isinstance(record, dict) or not _is_record(record):
        raise InputError(f"{path} is no run record. Remove it.")
    return record


def _is_record(record: Mapping[str, Any]) -> bool:
    """Whether those who show and compare records find what they look for, of the kinds that they expect."""
    groups = [_group(record, *path.split(".")) for path in _GROUPS]
    nodes = record.get("nodes", [])
    return (
        all(isinstance(record.get(name), str) for name in _NAMED)
        and all(isinstance(group, dict) for group in groups)
        and all(isinstance(point, dict) for point in _group(record, "points").values())
        and isinstance(nodes, list)
        and all(isinstance(node, dict) and _is_node(node) for node in nodes)
        and isinstance(record.get("duration_s"), float | int | None)
    )


def _group(record: Mapping[str, Any], *names: str) -> Any:
    """A group within groups; an empty one where it is not there, None where something else stands in its place."""
    for name in names:
        record = record.get(name, {}) if isinstance(record, dict) else None  # type: ignore[assignment]
    return record


def _is_node(node: Mapping[str, Any]) -> bool:
    texts, seconds = (node.get("node"), node.get("started", "")), node.get("duration_s")
    return all(isinstance(text, str) for text in texts) and is_number(seconds)


def find_record(records: Iterable[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """The record that a person means: a run or its beginning, a stage (its last run), or `stage~1` (the one before).

    Raises:
        InputError: nothing or several fit.
    """
    listed = list(records)
    stage, tilde, back = name.partition("~")
    of_stage = [record for record in listed if record["stage"] == stage]
    if of_stage and (not tilde or back.isdigit()):
        number = int(back) if tilde else 0
        if number >= len(of_stage):
            raise InputError(
                f"{stage} has {len(of_stage)} recorded runs; {name} would be one before the first."
            )
        return of_stage[-1 - number]
    stage, slash, run = name.rpartition("/")
    fitting = [
        record
        for record in listed
        if record["run"].startswith(run) and (not slash or record["stage"] == stage)
    ]
    if len(fitting) != 1:
        known = ", ".join(f"{record['stage'] or 'data'}/{record['run']}" for record in listed[-5:]) or "none"
        what = "no run" if not fitting else f"{len(fitting)} runs"
        raise InputError(
            f"{name!r} means {what}. Name a run, its beginning, STAGE, STAGE~1 or STAGE/RUN; the last: {known}."
        )
    return fitting[0]


# Settings of a run that change no number.
_IDLE = ("parameters.data_root", "parameters.workers", "parameters.tracking")
KINDS = {
    "data": ("data",),
    "settings": ("parameters", "settings", "points"),
    "code": ("environment.code",),
    "environment": ("environment.packages", "environment.machine"),
    "results": ("results", "verdict", "checks", "outcome"),
}


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, list[tuple[str, Any, Any]]]:
    """What differs between two records, by kind (`data`, `settings`, `code`, `environment`, `results`).

    Returns:
        Per kind `name, value in a, value in b`; None where one does not have it. Kinds without a difference are
        there and empty.
    """
    left, right = _flat(a), _flat(b)
    found: dict[str, list[tuple[str, Any, Any]]] = {}
    for kind, parts in KINDS.items():
        names = sorted(
            name
            for name in left.keys() | right.keys()
            if any(name == part or name.startswith(f"{part}.") for part in parts)
            and not (
                kind == "data"
                and name.endswith(".sha256")
                and name.replace("sha256", "digest") in left | right
            )
            and not any(name == idle or name.startswith(f"{idle}.") for idle in _IDLE)
        )
        found[kind] = [
            (name, left.get(name), right.get(name)) for name in names if left.get(name) != right.get(name)
        ]
    return found


def _flat(value: Any, at: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping) and value:
        return {
            name: item
            for key, part in value.items()
            for name, item in _flat(part, f"{at}.{key}" if at else str(key)).items()
        }
    return {at: value}
