"""Scores joined on the split table, with every evaluated clip demanded of every point.

A clip without a score does not drop out of an evaluation, and a score without a clip does not slip in: both
stop it, all cases named together. What comes out is one matrix per split, (n_runs, n_units), rows in the order
of the plan's distinct runs, columns in the order of the split's units.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vernal.common.problems import Problems, suggest

SCORE_COLUMNS = ("point", "clip_id", "split", "logit", "is_positive")
# What has to be known of every clip so that clips can be gathered into units.
UNIT_COLUMNS: dict[str, list[str]] = {"clip": [], "file": ["content_hash"], "night": ["recorder_id", "night"]}
UNITS = tuple(UNIT_COLUMNS)
VALIDATION = "val"
SPLITS = (VALIDATION, "test_iid", "test_ood")


@dataclass(frozen=True)
class Sheet:
    """All scores of a stage, ready to count.

    Attributes:
        runs: config hash of each distinct run that has scores, in plan order.
        run_of: index into `runs` of each point that has scores.
        units: per split, one row per unit, sorted by `clip_id`, with `is_positive` and the split table's
            columns.
        logits: per split, (n_runs, n_units) float64.
    """

    runs: list[str]
    run_of: dict[str, int]
    units: dict[str, pd.DataFrame]
    logits: dict[str, NDArray[np.float64]]


def join(
    plan: pd.DataFrame,
    scores: pd.DataFrame,
    splits: pd.DataFrame,
    unit: str = "clip",
    failed: Mapping[str, str] | None = None,
    evaluated: Sequence[str] = SPLITS,
) -> Sheet:
    """Join `scores` on `splits` for the points of `plan`, one row of scores per distinct run.

    A point may stand for another of equal `config_hash` that has the scores; where both have, they must be
    equal.

    Args:
        plan: `point`, `config_hash`.
        scores: one row per (point, clip): `point, clip_id, split, logit, is_positive`; evaluated splits only.
        splits: one row per clip: `clip_id, split, is_positive`, and whatever is known of it.
        unit: what one score stands for: `clip`; `file` or `night` (recorder and night) take the maximum logit.
        failed: points that have no scores, with the reason; the others must.

    Raises:
        InputError: anything missing, left over, doubled or contradictory, all kinds at once.
    """
    if unit not in UNITS:
        raise ValueError(f"evaluation unit is {unit!r}; {suggest(unit, UNITS)}")
    problems = Problems("The evaluation")
    absent = [name for name in SCORE_COLUMNS if name not in scores.columns]
    problems.add("column missing from the scores", absent, "Score the stage again.")
    problems.raise_if_any()
    clips = splits[splits["split"].isin(list(evaluated))].sort_values("clip_id", ignore_index=True)
    _check_tables(problems, plan, scores, splits, clips, failed or {})
    problems.raise_if_any()
    position = pd.Index(clips["clip_id"]).get_indexer(scores["clip_id"])
    _check_agreement(problems, scores, clips, position)
    problems.raise_if_any()
    runs, run_of, matrix = _matrix(problems, plan, scores, len(clips), position)
    problems.raise_if_any()
    units, logits = {}, {}
    for name in evaluated:
        inside = (clips["split"] == name).to_numpy()
        units[name], logits[name] = to_units(clips[inside].reset_index(drop=True), matrix[:, inside], unit)
    return Sheet(runs, run_of, units, logits)


def to_units(
    clips: pd.DataFrame, logits: NDArray[np.float64], unit: str
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Gather clips into units: the maximum logit, positive if any clip is; other columns from the first clip.

    Args:
        clips: one row per clip of one split.
        logits: (n_runs, n_clips).
    """
    if unit == "clip" or clips.empty:
        return clips, logits
    needed = UNIT_COLUMNS[unit]
    remedy = f"Give it in the manifest, or evaluate by clip instead of by {unit}."
    problems = Problems(f"The evaluation by {unit}")
    absent = [name for name in needed if name not in clips.columns]
    problems.add("column missing from the split table", absent, remedy)
    problems.raise_if_any()
    unknown = clips.loc[clips[needed].isna().any(axis=1), "clip_id"].astype(str)
    problems.add(f"clip without {' and '.join(needed)}", unknown, remedy)
    problems.raise_if_any()
    codes = clips.groupby(needed, sort=True).ngroup().to_numpy()
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    gathered = clips.iloc[order[starts]].reset_index(drop=True)
    positive = np.logical_or.reduceat(clips["is_positive"].to_numpy(dtype=bool)[order], starts)
    return gathered.assign(is_positive=positive), np.maximum.reduceat(logits[:, order], starts, axis=1)


def _check_tables(
    problems: Problems,
    plan: pd.DataFrame,
    scores: pd.DataFrame,
    splits: pd.DataFrame,
    clips: pd.DataFrame,
    failed: Mapping[str, str],
) -> None:
    doubled = splits.loc[splits["clip_id"].duplicated(), "clip_id"].astype(str)
    problems.add("clip twice in the split table", doubled, "Run ingest and quality_splitting again.")
    twice = plan.loc[plan["point"].duplicated(), "point"].astype(str)
    problems.add("point twice in the plan", twice, "Name each point once.")
    scored = set(scores["point"].unique())
    strangers = sorted(str(point) for point in scored - set(plan["point"]))
    problems.add("point that has scores but is not in the plan", strangers, "Score the stage again.")
    covered = set(plan.loc[plan["point"].isin(list(scored)), "config_hash"])
    bare = plan.loc[~plan["config_hash"].isin(list(covered)) & ~plan["point"].isin(list(failed)), "point"]
    problems.add("point without any score", bare.astype(str), "Run it, or list it as failed with its reason.")
    known = scores["clip_id"].isin(clips["clip_id"])
    if not known.all():
        stray = scores.loc[~known, ["point", "clip_id"]].drop_duplicates("clip_id")
        cases = [f"{clip} (point {point})" for point, clip in stray.itertuples(index=False)]
        evaluated = ", ".join(sorted(clips["split"].unique())) or "none"
        remedy = f"Only clips of the evaluated splits ({evaluated}) may have scores; score the stage again."
        problems.add("score of a clip that is not evaluated", cases, remedy)
    repeated = scores.duplicated(["point", "clip_id"])
    cases = [
        f"{clip} (point {point})"
        for point, clip in scores.loc[repeated, ["point", "clip_id"]].itertuples(index=False)
    ]
    problems.add(
        "clip scored twice by one point", cases, "Give one score a clip, the maximum over its windows."
    )
    seen = scores[known & ~repeated].groupby("point", sort=True, observed=True).size()
    short = seen[seen < len(clips)]
    problems.add(
        "point that does not cover the evaluated clips",
        [f"{point} lacks {len(clips) - n:,} of {len(clips):,}" for point, n in short.items()],
        "Every clip of the evaluated splits needs a score from every point; score the stage again.",
    )


def _check_agreement(
    problems: Problems, scores: pd.DataFrame, clips: pd.DataFrame, position: NDArray
) -> None:
    remedy = "The split table changed after scoring; score the stage again."
    for column, kind in (("split", "clip whose split differs"), ("is_positive", "clip whose label differs")):
        differs = scores[column].to_numpy() != clips[column].to_numpy()[position]
        cases = scores.loc[differs, "clip_id"].drop_duplicates().astype(str)
        problems.add(f"{kind} between scores and split table", cases, remedy)
    broken = ~np.isfinite(scores["logit"].to_numpy(dtype=float))
    cases = [
        f"{clip} (point {point})"
        for point, clip in scores.loc[broken, ["point", "clip_id"]].itertuples(index=False)
    ]
    problems.add("score that is not a finite number", cases, "Train and score the point again.")


def _matrix(
    problems: Problems, plan: pd.DataFrame, scores: pd.DataFrame, n_clips: int, position: NDArray
) -> tuple[list[str], dict[str, int], NDArray[np.float64]]:
    codes, points = pd.factorize(scores["point"])
    per_point = np.full((len(points), n_clips), np.nan)
    per_point[codes, position] = scores["logit"].to_numpy(dtype=float)
    row_of = {str(point): row for row, point in enumerate(points)}
    runs: list[str] = []
    rows: list[int] = []
    disagreeing = []
    first_point: dict[str, str] = {}
    for point, run in plan[["point", "config_hash"]].astype(str).itertuples(index=False):
        if point not in row_of:
            continue
        if run not in first_point:
            first_point[run] = point
            runs.append(run)
            rows.append(row_of[point])
        elif not np.array_equal(per_point[row_of[point]], per_point[row_of[first_point[run]]]):
            disagreeing.append(f"{first_point[run]} and {point}")
    problems.add(
        "pair of points with the same configuration but different scores",
        disagreeing,
        "Some source of randomness is not seeded, or one is stale; run both again.",
    )
    index = {run: number for number, run in enumerate(runs)}
    pairs = plan[["point", "config_hash"]].astype(str).itertuples(index=False)
    run_of = {point: index[run] for point, run in pairs if run in index}
    return runs, run_of, per_point[np.asarray(rows, dtype=int)]
