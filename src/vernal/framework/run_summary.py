"""The first and the last words of a run: what it will do with whose data; then the answer, and which files to open."""

import csv
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from vernal.clips.demo_season import is_demo_data, own_recordings
from vernal.common.data_folder import data_root_param, typed_command
from vernal.common.formatting import NBSP, count, duration, listed, rate_of
from vernal.common.problems import InputError
from vernal.common.settings import find_setting
from vernal.evaluation.choice import WAYS
from vernal.evaluation.coverage import SPLITS, VALIDATION
from vernal.evaluation.deployment import deployed_point, leading_points
from vernal.evaluation.operating_points import why_none
from vernal.proof.run_record import FINISHED, read_records
from vernal.reports.commands import StageCommands
from vernal.sweeps.stage_folder import StageFolder

# What a person opens, by the dataset's name in the stage, in the order they would open it.
_SHOWN = ("report", "leaderboard", "effects", "points_table", "certificate")
DEFAULT = "__default__"
SHOWN_ROWS = 10
SCALE = 30  # characters of the axis
FIRST_RUN = "a first run takes minutes for hundreds of clips, hours for tens of thousands"
DEMO = "DEMO: synthetic recordings, these numbers are no result"


def opening_words(
    data_root: Path,
    pipelines: Iterable[str],
    parameters: Mapping[str, Any],
    stages: Iterable[str],
    n_steps: int,
) -> str:
    """What a run is going to do, with whose data, where results go, and how long about.

    Args:
        pipelines: names as they were asked for; Kedro's default is the baseline.
        parameters: the run's parameters, and `card_target`, what the problem card looks for, where it is read.
        stages: stages that the run records, such as `stage5`.
        n_steps: number of nodes that have something to do.
    """
    names = ["baseline" if name == DEFAULT else name for name in pipelines]
    task = next((_TASKS[name] for name in names if name in _TASKS), _train)
    took = _last_duration(data_root, stages)
    how_long = FIRST_RUN if took is None else f"the last such run took {took}"
    return (
        f"{', '.join(names)}: {task(parameters)}.\n"
        f"{count(n_steps, 'step')}, results in {data_root}; {how_long}."
    )


def _train(parameters: Mapping[str, Any]) -> str:
    own = own_recordings(parameters.get("source") or {})
    data = f"recordings of {own}" if own else "the demo season (synthetic recordings)"
    return f"looking for {parameters.get('target')} in {data}"


def _collect(parameters: Mapping[str, Any]) -> str:
    inbox = find_setting(parameters, "collection.inbox")
    several = parameters.get("targets")
    asked = listed(several) if isinstance(several, list) else None
    target = asked or parameters.get("card_target") or parameters.get("target")
    return f"looking for {target} in {inbox or 'what the demo group brings (synthetic recordings)'}"


def _detect(parameters: Mapping[str, Any]) -> str:
    own = find_setting(parameters, "detection.recordings")
    model = find_setting(parameters, "detection.model") or "the trained classifier"
    return f"searching {own or 'the field recordings of the demo season (synthetic)'} with {model}"


def _listen(parameters: Mapping[str, Any]) -> str:
    return f"getting {find_setting(parameters, 'source.unlabelled') or 'the demo season'} ready to be listened to"


def _audit(parameters: Mapping[str, Any]) -> str:
    results = find_setting(parameters, "audit.experiments") or find_setting(parameters, "audit.results")
    return f"checking {results or 'no results: none are named'}"


def _hand_over(_: Mapping[str, Any]) -> str:
    return "making a data package of the last detection run and all decisions"


def _publish(parameters: Mapping[str, Any]) -> str:
    return f"recomputing {find_setting(parameters, 'published.experiments') or 'no results: none are named'}"


_TASKS = {
    "collection": _collect,
    "detection": _detect,
    "audit": _audit,
    "listening": _listen,
    "handover": _hand_over,
    "published": _publish,
}


def _last_duration(data_root: Path, stages: Iterable[str]) -> str | None:
    """The time of the last finished run of the same stages here, in words."""
    try:
        records = [record for stage in stages for record in read_records(data_root, stage)]
    except InputError:  # what is wrong with a record is for those who ask for it
        return None
    finished = [record for record in records if record["outcome"] == FINISHED and record.get("duration_s")]
    if not finished:
        return None
    return duration(max(finished, key=lambda record: str(record["started"]))["duration_s"])


def closing_words(data_root: Path, datasets: Iterable[str]) -> str:
    """Name the result files of the stages whose datasets a run wrote, or what to do next; empty when it wrote none.

    Args:
        data_root: the data folder of the run.
        datasets: names of the written datasets, such as `stage5.report`.
    """
    written = set(datasets)
    stages = sorted({name.partition(".")[0] for name in written if name.endswith(".report")})
    blocks = []
    if {"clips", "embeddings"} <= written and "splits" not in written:
        blocks.append("\n  Next:   kedro review --loop --example RECORDING@SECONDS, with the same --params")
    if "detection.camtrap_dp" in written:
        package = StageFolder(data_root, "detection").reporting / "camtrap-dp" / "datapackage.json"
        blocks.append(f"\n  {package}")
    for stage in stages:
        folder = StageFolder(data_root, stage)
        files = [path for name in _SHOWN if (path := getattr(folder, name)).is_file()]
        picture = (
            leaderboard_picture(folder.leaderboard, is_demo_data(data_root, stage)) if len(files) else []
        )
        words = [*threshold_words(folder.points_table), *_chosen(folder, data_root)]
        if f"{stage}.answer" in written:
            words += _answer(folder.reporting / "answer.txt", data_root)
        blocks.append("\n".join(["", *picture, *words, *(f"  {path}" for path in files)]))
    return "\n".join(blocks)


def threshold_words(path: Path) -> list[str]:
    """That no threshold could be chosen, and why, as lines; none where `points.csv` has one or no point has results."""
    finished = [row for row in _read(path, {"point", "threshold_logit"}) if not row.get("error")]
    if not finished or any(row["threshold_logit"] for row in finished):
        return []
    positive, negative = (_number(finished[0], f"{VALIDATION}_n_{side}") for side in ("positive", "negative"))
    lacking = why_none(positive, negative)
    return [
        f"  No threshold could be chosen: {lacking}. Scores order clips; nothing is flagged by itself.",
        "",
    ]


def _chosen(folder: StageFolder, data_root: Path) -> list[str]:
    """The chosen point, what it does on the test, whether to use it, and what to type next.

    Nothing where a stage has no such tables.
    """
    if folder.missing_tables():
        return []
    points, leaderboard = folder.read_table(folder.points_table), folder.read_table(folder.leaderboard)
    point = deployed_point(points, leading_points(leaderboard))
    if point is None:
        return []
    ends = [name for name in leaderboard.columns if name.endswith("_low")]
    split = next((name for name in SPLITS if ends and ends[0].startswith(f"{name}_")), VALIDATION)
    (row,) = points[points["point"] == point].to_dict("records")
    if flags := _flags_all_or_none(row, split):
        return [
            f"  {_ascii(point)} flags {flags} clip of {split}, with the target and without: its threshold tells",
            "  nothing apart. Label clips of more nights before it is used.",
            "",
        ]
    command = StageCommands(folder.stage, data_root_param(data_root)).detect(_ascii(point))
    return [
        f"  Chosen: {_ascii(point)}{_what_it_does(row, split)}.",
        *_may_use(folder),
        f"  Next:   {command}",
        "",
    ]


def _may_use(folder: StageFolder) -> list[str]:
    """Whether to use that point, in the report's words; nothing where a stage left no results to tell it by."""
    from vernal.datasets.stage_results_dataset import StageResultsDataset
    from vernal.reports.lead import may_use

    if not folder.results.is_file():
        return []
    said = may_use(StageResultsDataset(filepath=folder.results.as_posix()).load())
    return [f"          {said.replace(NBSP, ' ')}"]


def _answer(path: Path, data_root: Path) -> list[str]:
    """The answer that a pipeline wrote, and what to type next, as lines; nothing where there is none."""
    try:
        sentence, *commands = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError, ValueError):
        return []
    nexts = [f"  Next:   {_ascii(_with_place(command, data_root))}" for command in commands]
    return [f"  {_ascii(sentence.replace(NBSP, ' '))}", *nexts, ""]


def _with_place(command: str, data_root: Path) -> str:
    place = data_root_param(data_root)
    if not place or "data_root=" in command or not command.startswith("kedro "):
        return command
    before, _, given = command.partition(" --params=")
    return typed_command(before, given.strip('"'), place)


def _flags_all_or_none(row: Mapping[Any, Any], split: str) -> str:
    """`every` or `no` where that is what a point flags, else empty."""
    rates = [row.get(f"{split}_{name}") for name in ("recall", "fpr")]
    return "every" if rates == [1, 1] else "no" if rates == [0, 0] else ""


def _what_it_does(row: Mapping[Any, Any], split: str) -> str:
    found, flagged = row.get(f"{split}_recall"), row.get(f"{split}_fpr")
    if pd.isna(found) or pd.isna(flagged):
        return ""
    n_with, n_without = (row.get(f"{split}_n_{side}", math.nan) for side in ("positive", "negative"))
    clips = "clips" if pd.isna(n_with) else count(n_with, "clip")
    others = "those" if pd.isna(n_without) else f"the {n_without:,.0f}"
    of_positive = f"finds {rate_of(found, n_with)} of the {clips} with the target"
    sentence = f". On {split} it {of_positive} and flags {rate_of(flagged, n_without)} of {others} without"
    return sentence.replace(NBSP, " ")  # not every terminal has one


def leaderboard_picture(path: Path, is_demo: bool = False) -> list[str]:
    """A leaderboard as lines of ASCII: rank, what it was chosen by, mean, interval, number of seeds, settings.

    Args:
        path: `leaderboard.csv` of a stage; a file that is not there or not such a table gives no picture.
        is_demo: whether its numbers come from the demo season, which is then said.
    """
    rows = _read(path, {"configuration_hash", "n_points"})
    ends = [name for name in (rows[0] if rows else {}) if name.endswith("_low")]
    if not ends:
        return []
    primary = ends[0].removesuffix("_low")
    columns = list(rows[0])
    axes = columns[columns.index("configuration_hash") + 1 : columns.index("n_points")]
    shown = rows[:SHOWN_ROWS]
    numbers = [[_number(row, f"{primary}_{part}") for part in ("low", "mean", "high")] for row in shown]
    low, high = _limits(numbers)
    title = f"  {_ascii(path.parent.name)}: {primary}, mean over seeds"
    title += " and interval" if any(math.isfinite(three[0]) for three in numbers) else " (no intervals)"
    way = WAYS.get(rows[0].get("chosen_by", ""))
    title += f"; {way.ranked}" if way else ""
    lines = [f"  {DEMO}"] if is_demo else []
    lines += [
        title,
        "",
        f"  rank  score   mean  {_axis(low, high)}  seeds  {_ascii(', '.join(axes))}".rstrip(),
    ]
    for row, three in zip(shown, numbers, strict=True):
        rank = row.get("rank", "").partition(".")[0] or "-"
        score, mean = (_share(value) for value in (_number(row, "score"), three[1]))
        settings = ", ".join(_level(row[axis]) for axis in axes)
        bar = _bar(three, low, high)
        lines.append(
            f"  {rank:>4}  {score:>5}  {mean:>5}  {bar}  {row.get('n_runs', ''):>5}  {_ascii(settings)}".rstrip()
        )
    if len(rows) > len(shown):
        lines.append(f"  {'':>4}  and {len(rows) - len(shown):,} more in leaderboard.csv")
    return [*lines, ""]


def _read(path: Path, needed: set[str]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
    return rows if rows and needed <= set(rows[0]) else []


def _share(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "-"


def _number(row: Mapping[str, str], name: str) -> float:
    try:
        return float(row.get(name) or "nan")
    except ValueError:
        return float("nan")


def _limits(numbers: list[list[float]]) -> tuple[float, float]:
    """Ends of the axis: hundredths around all that is shown, at least five of them apart."""
    known = [value for three in numbers for value in three if math.isfinite(value)] or [0.0, 1.0]
    low, high = math.floor(min(known) * 100) / 100, math.ceil(max(known) * 100) / 100
    if high - low >= 0.05:
        return low, high
    wider = low - 0.025, high + 0.025
    # A share's axis does not reach beyond what a share can be.
    return (max(wider[0], 0.0), min(wider[1], 1.0)) if low >= 0 and high <= 1 else wider


def _axis(low: float, high: float) -> str:
    left, right = f"{low:.2f}", f"{high:.2f}"
    return left + " " * (SCALE - len(left) - len(right)) + right


def _bar(three: list[float], low: float, high: float) -> str:
    """`|---o---|` from the interval's ends, `o` alone without an interval."""
    at = [
        round((value - low) / (high - low) * (SCALE - 1)) if math.isfinite(value) else None for value in three
    ]
    cells = [" "] * SCALE
    if at[0] is not None and at[2] is not None:
        cells[at[0] : at[2] + 1] = "-" * (at[2] + 1 - at[0])
        cells[at[0]] = cells[at[2]] = "|"
    if at[1] is not None:
        cells[at[1]] = "o"
    return "".join(cells)


def _level(level: str) -> str:
    """A level without the folder that its name begins with, truth values in small letters; `-` where it is empty."""
    words = [part.rpartition("/")[2] for part in level.split(";")]
    return ",".join(word.lower() if word in ("True", "False") else word for word in words) or "-"


def _ascii(text: str) -> str:
    """Text that every terminal can show, on one line; other letters become question marks."""
    return "".join(char if " " <= char <= "~" else "?" for char in text)
