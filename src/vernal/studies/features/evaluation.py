"""What the study found, in tables: points, configurations in order, classes, comparisons, scores, what is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from vernal.evaluation.classification import report_of
from vernal.evaluation.leaderboard import spread
from vernal.studies.features.classification_tables import COLUMNS, ClassificationTable, from_report
from vernal.studies.features.comparisons import Configurations, compare
from vernal.studies.features.fit_library import FitLibrary
from vernal.studies.features.fits import PlannedFit
from vernal.studies.features.folds import LEAKY
from vernal.studies.features.groups import Groups, MeasureOptions
from vernal.studies.features.measured_points import METRICS, MeasuredPoint, measure_point
from vernal.studies.features.point_settings import point_options
from vernal.studies.features.rows import records
from vernal.studies.features.study import NAMED

NOT_RUN = "not run yet"
Measured = Mapping[str, MeasuredPoint]
Bytes = Mapping[tuple[str, str], float]


@dataclass(frozen=True, eq=False)
class StudyTables:
    """The tables of a study.

    `points`: one row a point. `leaderboard`: one row a configuration. `classification`: a report's rows for each
    point. `confusions`: see `pooled_tables`. `comparisons`: see `comparisons.compare`. `scores`: a row a point and
    clip. `failures`: points without a result. `histories`: a row a point, fold and epoch.
    """

    points: pd.DataFrame
    leaderboard: pd.DataFrame
    classification: pd.DataFrame
    confusions: pd.DataFrame
    comparisons: pd.DataFrame
    scores: pd.DataFrame
    failures: pd.DataFrame
    histories: pd.DataFrame


def evaluate_study(
    plan: pd.DataFrame,
    fits: Sequence[PlannedFit],
    library: FitLibrary,
    clips: pd.DataFrame,
    bytes_per_clip: Bytes,
    options: MeasureOptions,
    selected: set[str],
) -> StudyTables:
    """Measure every point whose fits are all there.

    Args:
        plan: from `expand_study`.
        fits: from `list_fits`.
        clips: labelled clips with `class` and what makes blocks.
        bytes_per_clip: by feature and sync, what a clip takes in the store.
        selected: names of the points that this run was asked for.
    """
    groups = Groups(clips.sort_values("clip_id", ignore_index=True), options)
    finished = library.keys()
    by_hash: dict[str, list[PlannedFit]] = {}
    for fit in fits:
        by_hash.setdefault(fit.config_hash, []).append(fit)
    measured = {
        name: measure_point(own, [library.load(fit.key) for fit in own], groups)
        for name, own in by_hash.items()
        if all(fit.key in finished for fit in own)
    }
    configurations = _configurations(plan, measured)
    board = _leaderboard(plan, configurations, bytes_per_clip, groups)
    problems = _problems(by_hash, library, finished)
    return StudyTables(
        points=_points(plan, measured, bytes_per_clip, groups, problems),
        leaderboard=board,
        classification=_classification(plan, measured),
        confusions=_confusions(configurations),
        comparisons=compare(board, configurations, groups),
        scores=_by_point([point.scores for point in measured.values()], plan),
        failures=_failures(plan, problems, selected),
        histories=_by_point([point.history for point in measured.values()], plan),
    )


def _configurations(plan: pd.DataFrame, measured: Measured) -> Configurations:
    """The finished points of each configuration by seed, in the order of the plan."""
    found: dict[str, dict[int, MeasuredPoint]] = {}
    for row in records(plan[plan.config_hash.isin(list(measured))]):
        found.setdefault(row["configuration"], {})[row["seed"]] = measured[row["config_hash"]]
    return found


def _stored_bytes(point: MeasuredPoint, bytes_per_clip: Bytes) -> float:
    return bytes_per_clip[(point.options.feature, "" if point.options.is_birdnet else point.options.sync)]


def _points(
    plan: pd.DataFrame, measured: Measured, bytes_per_clip: Bytes, groups: Groups, problems: Mapping[str, str]
) -> pd.DataFrame:
    """One row a point: settings, counts, parameters, bytes a clip, metrics with intervals, `chance`, `error`.

    Nothing here differs between identical runs.
    """
    table = []
    for planned in records(plan):
        name = planned["config_hash"]
        row = {
            "name": planned["point"],
            "config_hash": name,
            **asdict(point_options(planned)),
            "n_clips": len(groups.clips),
            "n_classes": len(groups.names),
            "chance": groups.chance,
        }
        if name in measured:
            point = measured[name]
            row |= point.facts | {"bytes_per_clip": _stored_bytes(point, bytes_per_clip)}
            for metric in METRICS:
                row[metric] = point.values[metric]
                row[f"{metric}_low"], row[f"{metric}_high"] = groups.interval(
                    [row[metric]], point.draws[metric][None]
                )
            row["weighted_f1"] = point.values["weighted_f1"]
        table.append(row | {"error": problems.get(name, "")})
    return pd.DataFrame(table)


def _leaderboard(
    plan: pd.DataFrame, configurations: Configurations, bytes_per_clip: Bytes, groups: Groups
) -> pd.DataFrame:
    """One row a configuration (everything but the seed), the highest mean accuracy first; leaky ones have no rank."""
    table = []
    for name, by_seed in configurations.items():
        members, points = plan[plan.configuration == name], list(by_seed.values())
        first = points[0]
        row = {
            "configuration_hash": name,
            **{column: getattr(first.options, column) for column in NAMED[:-1]},
            "variant": members.variant.iloc[0],
            "n_points": len(members),
            "n_runs": len(points),
        }
        if first.options.is_birdnet:
            row["sync"] = ""
        for metric in METRICS:
            values = [point.values[metric] for point in points]
            row[f"{metric}_low"], row[f"{metric}_high"] = groups.interval(
                values, np.array([point.draws[metric] for point in points])
            )
            row[f"{metric}_mean"], row[f"{metric}_std"] = spread(values)
        row |= {
            "weighted_f1_mean": float(np.mean([point.values["weighted_f1"] for point in points])),
            "chance": groups.chance,
            "n_parameters": first.facts["n_parameters"],
            "bytes_per_clip": _stored_bytes(first, bytes_per_clip),
            "points": ", ".join(members.point),
        }
        table.append(row)
    if not table:
        return pd.DataFrame(columns=["rank", "configuration_hash", *NAMED, "n_points", "n_runs", "points"])
    board = pd.DataFrame(table).assign(is_leaky=lambda rows: rows.split == LEAKY)
    board = board.sort_values(
        ["is_leaky", "accuracy_mean", "configuration_hash"], ascending=[True, False, True], ignore_index=True
    )
    rank = pd.Series(np.arange(1, len(board) + 1), dtype="Int64").mask(board.is_leaky)
    board.insert(0, "rank", rank)
    return board.drop(columns="is_leaky")


def pooled_tables(confusions: pd.DataFrame) -> dict[str, ClassificationTable]:
    """A classification table for every configuration: its seeds pooled, support counted in clips.

    Args:
        confusions: `configuration_hash`, `true`, `predicted`, `predictions` (of all seeds together), `n_runs`.
    """
    tables = {}
    for configuration, rows in confusions.groupby("configuration_hash", sort=False):
        counts = rows.pivot(index="true", columns="predicted", values="predictions")
        table = from_report(report_of(counts[counts.index]))
        tables[str(configuration)] = table.shared_by(int(rows.n_runs.iloc[0]))
    return tables


def _confusions(configurations: Configurations) -> pd.DataFrame:
    """Predictions of all seeds of a configuration by class and class called; see `pooled_tables`."""
    parts = []
    for name, by_seed in configurations.items():
        counts = pd.concat([point.confusion.stack() for point in by_seed.values()], axis=1).sum(axis=1)
        table = counts.rename("predictions").reset_index()
        parts.append(table.assign(configuration_hash=name, n_runs=len(by_seed)))
    columns = ["configuration_hash", "true", "predicted", "predictions", "n_runs"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _classification(plan: pd.DataFrame, measured: Measured) -> pd.DataFrame:
    """The classification table of every point: `point`, its name in words, and the table's rows."""
    names = ["point", *NAMED, "seed"]
    parts = [
        measured[row["config_hash"]].table.rows().assign(**{name: row[name] for name in names})
        for row in records(plan)
        if row["config_hash"] in measured
    ]
    if not parts:
        return pd.DataFrame(columns=[*names, "row"])
    return pd.concat(parts, ignore_index=True)[[*names, *COLUMNS]]


def _by_point(parts: Sequence[pd.DataFrame], plan: pd.DataFrame) -> pd.DataFrame:
    """Rows of every point under its name, in the order of the plan; points of equal settings share their rows."""
    if not parts:
        return pd.DataFrame({"point": pd.Series(dtype="str")})
    rows = plan[["point", "config_hash"]].merge(pd.concat(parts, ignore_index=True), on="config_hash")
    return rows.drop(columns="config_hash")


def _problems(
    by_hash: Mapping[str, Sequence[PlannedFit]], library: FitLibrary, finished: set[str]
) -> dict[str, str]:
    """Why points have no result, by config hash."""
    problems = {}
    for name, fits in by_hash.items():
        missing = [fit for fit in fits if fit.key not in finished]
        if missing:
            reasons = [f"{fit.fold}: {problem}" for fit in missing if (problem := library.problem(fit.key))]
            problems[name] = "; ".join(reasons) or NOT_RUN
    return problems


def _failures(plan: pd.DataFrame, problems: Mapping[str, str], selected: set[str]) -> pd.DataFrame:
    """Points without a result: `point`, `step` (empty where nobody asked for it), `message`."""
    rows = [
        (point, "train", problems[name]) if point in selected else (point, "", NOT_RUN)
        for point, name in zip(plan.point, plan.config_hash, strict=True)
        if name in problems
    ]
    return pd.DataFrame(rows, columns=["point", "step", "message"], dtype="str")
