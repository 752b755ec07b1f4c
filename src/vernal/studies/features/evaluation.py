"""What the study found, in tables: points, configurations in order, classes, comparisons, scores, what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from vernal.evaluation.classification import report_of
from vernal.studies.features.classification_tables import COLUMNS, ClassificationTable, from_report
from vernal.studies.features.comparisons import compare
from vernal.studies.features.fit_library import FitLibrary
from vernal.studies.features.fits import PlannedFit, classes_of
from vernal.studies.features.folds import LEAKY
from vernal.studies.features.groups import Groups, MeasureOptions
from vernal.studies.features.rows import records
from vernal.studies.features.runs import METRICS, Run, measured_run, out_of_fold
from vernal.studies.features.study import NAMED, point_options

NOT_RUN = "not run yet"
_LOGIT = "logit_"


@dataclass(frozen=True, eq=False)
class Study:
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
    bytes_per_clip: Mapping[tuple[str, str], float],
    options: MeasureOptions,
    selected: set[str],
) -> Study:
    """Measure every point whose fits are all there.

    Args:
        plan: from `expand_study`.
        fits: from `list_fits`.
        clips: labelled clips with `class` and what makes blocks.
        bytes_per_clip: by feature and sync, what a clip takes in the store.
        selected: names of the points that this run was asked for.
    """
    ordered = clips.sort_values("clip_id", ignore_index=True)
    groups = Groups(ordered, options)
    finished = library.keys()
    by_hash: dict[str, list[PlannedFit]] = {}
    for fit in fits:
        by_hash.setdefault(fit.config_hash, []).append(fit)
    done = {name: members for name, members in by_hash.items() if all(fit.key in finished for fit in members)}
    configurations = dict(zip(plan.config_hash, plan.configuration, strict=True))
    runs, rows, scores, histories = {}, {}, [], []
    for name, members in done.items():
        loaded = [library.load(fit.key) for fit in members]
        logits = out_of_fold(members, [fit.logits for fit in loaded])
        runs[name] = measured_run(name, configurations[name], members[0].options, logits, groups)
        rows[name] = _facts(members, loaded, bytes_per_clip)
        scores.append(_score_rows(name, members, logits))
        histories += [
            _history(name, fit.fold, one.history, one.best_epoch)
            for fit, one in zip(members, loaded, strict=True)
        ]
    board = _leaderboard(plan, runs, rows, groups)
    problems = _problems(plan, by_hash, library, finished)
    return Study(
        points=_points(plan, runs, rows, groups, problems),
        leaderboard=board,
        classification=_classification(plan, runs),
        confusions=_confusions(plan, runs),
        comparisons=compare(board, runs, groups),
        scores=_named(scores, plan),
        failures=_failures(plan, problems, selected),
        histories=_named(histories, plan),
    )


def _facts(
    members: Sequence[PlannedFit], loaded: Sequence, bytes_per_clip: Mapping[tuple[str, str], float]
) -> dict[str, float]:
    options = members[0].options
    roles = [fit.clips.role.value_counts() for fit in members]
    return {
        "n_folds": len(members),
        "n_train": float(np.mean([role.get("train", 0) for role in roles])),
        "n_val": float(np.mean([role.get("val", 0) for role in roles])),
        "best_epoch": float(np.mean([fit.best_epoch for fit in loaded])),
        "n_parameters": loaded[0].n_parameters,
        "bytes_per_clip": bytes_per_clip[(options.feature, "" if options.is_birdnet else options.sync)],
        "train_s": float(np.mean([fit.train_s for fit in loaded])),
        "score_s": float(np.mean([fit.score_s for fit in loaded])),
    }


_TIMES = ("train_s", "score_s")


def _points(
    plan: pd.DataFrame,
    runs: Mapping[str, Run],
    rows: Mapping[str, dict],
    groups: Groups,
    problems: Mapping[str, str],
) -> pd.DataFrame:
    """One row a point: settings, counts, parameters, bytes a clip, metrics with intervals, `chance`, `error`.

    Nothing here differs between identical runs.
    """
    table = []
    for point in records(plan):
        name = point["config_hash"]
        row = {
            "name": point["point"],
            "config_hash": name,
            **asdict(point_options(point)),
            "n_clips": len(groups.clips),
            "n_classes": len(groups.names),
            "chance": groups.chance,
        }
        if name in runs:
            row |= {key: value for key, value in rows[name].items() if key not in _TIMES}
            for metric in METRICS:
                row[metric] = runs[name].values[metric]
                row[f"{metric}_low"], row[f"{metric}_high"] = groups.interval(
                    [row[metric]], runs[name].draws[metric][None]
                )
            row["weighted_f1"] = runs[name].values["weighted_f1"]
        table.append(row | {"error": problems.get(name, "")})
    return pd.DataFrame(table)


def _leaderboard(
    plan: pd.DataFrame, runs: Mapping[str, Run], rows: Mapping[str, dict], groups: Groups
) -> pd.DataFrame:
    """One row a configuration (everything but the seed), the highest mean accuracy first; leaky ones have no rank."""
    table = []
    for configuration, members in plan.groupby("configuration", sort=False):
        own = [runs[name] for name in dict.fromkeys(members.config_hash) if name in runs]
        if not own:
            continue
        options = own[0].options
        row = {
            "configuration_hash": configuration,
            "feature": options.feature,
            "sync": "" if options.is_birdnet else options.sync,
            "model": options.model,
            "split": options.split,
            "variant": members.variant.iloc[0],
            "n_points": len(members),
            "n_runs": len(own),
        }
        for metric in METRICS:
            values = [run.values[metric] for run in own]
            row[f"{metric}_low"], row[f"{metric}_high"] = groups.interval(
                values, np.array([run.draws[metric] for run in own])
            )
            row[f"{metric}_mean"] = float(np.mean(values))
            row[f"{metric}_std"] = float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
        row |= {
            "weighted_f1_mean": float(np.mean([run.values["weighted_f1"] for run in own])),
            "chance": groups.chance,
        }
        row |= {key: rows[own[0].config_hash][key] for key in ("n_parameters", "bytes_per_clip")}
        table.append(row | {"points": ", ".join(members.point)})
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
    found = {}
    for configuration, rows in confusions.groupby("configuration_hash", sort=False):
        counts = rows.pivot(index="true", columns="predicted", values="predictions")
        table = from_report(report_of(counts[counts.index]))
        found[str(configuration)] = table.shared_by(int(rows.n_runs.iloc[0]))
    return found


def _confusions(plan: pd.DataFrame, runs: Mapping[str, Run]) -> pd.DataFrame:
    """Predictions of all seeds of a configuration by class and class called; see `pooled_tables`."""
    parts = []
    for configuration, own in _by_configuration(plan, runs):
        names = own[0].confusion.index.to_numpy()
        counts = np.sum([run.confusion.to_numpy() for run in own], axis=0)
        pairs = {"true": np.repeat(names, len(names)), "predicted": np.tile(names, len(names))}
        table = pd.DataFrame({"configuration_hash": configuration, **pairs, "predictions": counts.ravel()})
        parts.append(table.assign(n_runs=len(own)))
    columns = ["configuration_hash", "true", "predicted", "predictions", "n_runs"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _by_configuration(plan: pd.DataFrame, runs: Mapping[str, Run]) -> list[tuple[str, list[Run]]]:
    groups = plan.groupby("configuration", sort=False).config_hash
    listed = [
        (str(name), [runs[one] for one in dict.fromkeys(hashes) if one in runs]) for name, hashes in groups
    ]
    return [(name, own) for name, own in listed if own]


def _classification(plan: pd.DataFrame, runs: Mapping[str, Run]) -> pd.DataFrame:
    """The classification table of every point: `point`, its name in words, and the table's rows."""
    names = ["point", *NAMED, "seed"]
    parts = []
    for point in records(plan):
        if point["config_hash"] in runs:
            rows = runs[point["config_hash"]].table.rows()
            parts.append(rows.assign(**{name: point[name] for name in names})[[*names, *COLUMNS]])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*names, "row"])


def _score_rows(name: str, members: Sequence[PlannedFit], logits: np.ndarray) -> pd.DataFrame:
    clips = members[0].clips
    fold = pd.Series("", index=clips.index, dtype="str")
    for fit in members:
        fold = fold.mask(fit.clips.role == "test", fit.fold)
    names = classes_of(clips)
    table = {
        "config_hash": name,
        "clip_id": clips.clip_id,
        "fold": fold,
        "class": clips["class"],
        "predicted": np.array(names)[logits.argmax(1)],
    }
    return pd.DataFrame(table | {f"{_LOGIT}{label}": logits[:, number] for number, label in enumerate(names)})


def _history(name: str, fold: str, history: pd.DataFrame, best_epoch: int) -> pd.DataFrame:
    return history.assign(config_hash=name, fold=fold, is_best=history.epoch == best_epoch)


def _named(parts: Sequence[pd.DataFrame], plan: pd.DataFrame) -> pd.DataFrame:
    """Rows of every point under its name, in the order of the plan; points of equal settings share their rows."""
    if not parts:
        return pd.DataFrame({"point": pd.Series(dtype="str")})
    order = plan[["point", "config_hash"]].reset_index(names="place")
    merged = order.merge(pd.concat(parts, ignore_index=True), on="config_hash", how="inner")
    return merged.sort_values("place", kind="stable", ignore_index=True).drop(
        columns=["place", "config_hash"]
    )


def _problems(
    plan: pd.DataFrame, by_hash: Mapping[str, Sequence[PlannedFit]], library: FitLibrary, finished: set[str]
) -> dict[str, str]:
    """Why points have no result, by config hash."""
    found = {}
    for name in dict.fromkeys(plan.config_hash):
        missing = [fit for fit in by_hash.get(name, []) if fit.key not in finished]
        if missing:
            reasons = [f"{fit.fold}: {problem}" for fit in missing if (problem := library.problem(fit.key))]
            found[name] = "; ".join(reasons) or NOT_RUN
    return found


def _failures(plan: pd.DataFrame, problems: Mapping[str, str], selected: set[str]) -> pd.DataFrame:
    """Points without a result: `point`, `step` (empty where nobody asked for it), `message`."""
    rows = [
        (point, "train", problems[name]) if point in selected else (point, "", NOT_RUN)
        for point, name in zip(plan.point, plan.config_hash, strict=True)
        if name in problems
    ]
    return pd.DataFrame(rows, columns=["point", "step", "message"], dtype="str")
