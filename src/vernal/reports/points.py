"""Every point of a stage, with what is special about it."""

from math import isfinite

import pandas as pd

from vernal.clips.manifest import split_name
from vernal.common.formatting import UNDEFINED, share
from vernal.evaluation.stage_results import METRIC_NAMES, StageResults, level_words
from vernal.reports.blocks import BAD, SOFT, WARNING, Block, Fold, Section, Table, Text
from vernal.reports.sentences import sentence
from vernal.sweeps.settings_table import SEED

Mark = tuple[str, str]


def points_section(results: StageResults) -> Section:
    """How many points there are of each kind, those that failed, and all of them."""
    failed = failed_points(results)
    blocks: list[Block] = [Text(_points_words(results, len(failed)))]
    if failed:
        rows = [[f"`{point}`", step, message] for point, step, message in failed]
        blocks.append(Table(["point", "step", "reason"], rows, "Points that failed", [BAD] * len(failed)))
    n = len(results.points)
    blocks.append(Fold(f"All {n:,} points" if n > 1 else "The point", [_points_table(results)]))
    return Section("points", "Points", blocks)


def _points_table(results: StageResults) -> Table:
    split, metric, marks = results.primary_split, results.primary_metric, point_marks(results)
    measured = [(split, metric), *((name, metric) for name in results.measured_splits)]
    measured += [(split, "auroc"), (split, "average_precision")]
    columns = {f"{name}_{of}": f"{split_name(name)} {METRIC_NAMES[of]}" for name, of in measured}
    axes = [name for name in [*results.axes, SEED] if name in results.settings]
    rows, tones = [], []
    for row, settings in zip(
        results.points.to_dict("records"), results.settings.to_dict("records"), strict=True
    ):
        point = str(row["point"])
        rows.append(
            [
                f"`{point}`",
                *(level_words(settings[axis]) for axis in axes),
                *(_whole(row.get(name)) for name in ("n_train_positive", "n_train_negative")),
                *(share(results.number(point, name), 3) for name in ("threshold_logit", *columns)),
                "; ".join(text for text, _ in marks[point]),
            ]
        )
        severities = {tone for _, tone in marks[point]}
        tones.append(next((tone for tone in (BAD, WARNING, SOFT) if tone in severities), ""))
    trained = ["trained on positive", "and negative", "threshold (logit)"]
    return Table(["point", *axes, *trained, *columns.values(), "remarks"], rows, "", tones)


def _whole(number: object) -> str:
    return UNDEFINED if pd.isna(number) else f"{int(float(str(number))):,}"  # type: ignore[call-overload]


def failed_points(results: StageResults) -> list[tuple[str, str, str]]:
    """Points that were asked for and have no result: name, step, reason."""
    rows = results.failures.astype("str").fillna("").to_dict("records")
    return [(row["point"], row["step"], row["message"]) for row in rows if row["step"]]


def not_run(results: StageResults) -> list[str]:
    """Points that nobody asked for yet."""
    rows = results.failures.astype("str").fillna("").to_dict("records")
    return [row["point"] for row in rows if not row["step"]]


def _points_words(results: StageResults, n_failed: int) -> str:
    return sentence(
        "points.points",
        n=len(results.plan),
        failed=n_failed,
        waiting=len(not_run(results)),
        shared=(results.plan["shares_with"] != results.plan["point"]).sum(),
        empty=results.points["empty_subsets"].notna().sum() if "empty_subsets" in results.points else 0,
        edited=results.plan["is_edited"].sum(),
    )


def point_marks(results: StageResults) -> dict[str, list[Mark]]:
    """What is special about each point, in words, with its tone."""
    marks: dict[str, list[Mark]] = {str(point): [] for point in results.points["point"]}
    for point, step, message in failed_points(results):
        marks[point].append((f"failed at {step}: {message}", BAD))
    for point in not_run(results):
        marks[point].append(("not run yet", SOFT))
    edits = edits_of(results)
    for row in results.plan.to_dict("records"):
        point = str(row["point"])
        if row["shares_with"] != point:
            marks[point].append((f"same run as {row['shares_with']}", SOFT))
        if point in edits:
            marks[point].append((f"edited: {edits[point]}", WARNING))
    for row in results.points.to_dict("records"):
        marks[str(row["point"])] += _result_marks(results, {str(name): value for name, value in row.items()})
    return marks


def _result_marks(results: StageResults, row: dict[str, object]) -> list[Mark]:
    found = []
    empty = row.get("empty_subsets")
    if isinstance(empty, str):
        found.append((f"empty subset: {level_words(empty)}", WARNING))
    if str(row.get("is_goal_met")) == "False":
        found.append(("goal not reached on validation", WARNING))
    elif str(row.get("is_goal_met")) != "True" and isfinite(
        results.number(str(row["point"]), "threshold_logit")
    ):
        found.append(("whether the goal is reached on validation cannot be told", WARNING))
    if any(str(row.get(f"{split}_is_constant")) == "True" for split in results.measured_splits):
        found.append(("says the same of every clip", BAD))
    return found


def edits_of(results: StageResults) -> dict[str, str]:
    """What a person changed in point files, by point."""
    edited = results.plan[results.plan["is_edited"].astype(bool)]
    if edited.empty:
        return {}
    from vernal.sweeps.point_settings import PointSettings
    from vernal.sweeps.points import setting_differences
    from vernal.sweeps.spec import expand

    as_written = {point.name: point.settings for point in expand(results.spec)}
    found = {}
    for row in edited.to_dict("records"):
        settings = PointSettings.from_row({str(name): value for name, value in row.items()})
        changes = setting_differences(as_written.get(row["point"], settings), settings)
        words = [f"{name} {after} instead of {before}" for name, (before, after) in changes.items()]
        found[str(row["point"])] = ", ".join(words) or "differs from its spec"
    return found
