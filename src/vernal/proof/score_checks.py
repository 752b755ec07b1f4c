"""The checks of a certificate that ask whether scores and thresholds are what the run says, computed again."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions
from vernal.common.formatting import count
from vernal.common.hashing import unit_hash
from vernal.evaluation import coverage
from vernal.evaluation.coverage import VALIDATION
from vernal.evaluation.operating_points import choose, why_none
from vernal.evaluation.options import EvaluationOptions
from vernal.proof.certificate import Finding
from vernal.sweeps.point_settings import PointSettings
from vernal.training import fitting
from vernal.training.models import Model
from vernal.training.scoring import EVALUATED_SPLITS, clip_logits, shift_of

RESCORED_CLIPS = 3


def thresholds(
    points: pd.DataFrame,
    plan: pd.DataFrame,
    scores: pd.DataFrame,
    splits: pd.DataFrame,
    options: EvaluationOptions,
) -> Finding:
    """Every threshold is the one that validation scores alone lead to; not checked where they lead to none.

    The scores and the splits given to this check are cut down to validation before anything is chosen, so a
    threshold that a test split had a say in cannot be found again except by chance.
    """
    own, labels = scores[scores.split == VALIDATION], splits[splits.split == VALIDATION]
    scored = plan[plan.point.isin(own.point.astype(str).unique())]
    table = points.set_index("point").threshold_logit
    cases: list[str] = []
    truth, chosen = np.array([], dtype=bool), []
    if len(own) and len(labels):
        sheet = coverage.join(scored, own, labels, options.unit, evaluated=[VALIDATION])
        truth = sheet.units[VALIDATION].is_positive.to_numpy(dtype=bool)
        chosen = [choose(row, truth, options.goals[0], VALIDATION).logit for row in sheet.logits[VALIDATION]]
        for point, run in sorted(sheet.run_of.items()):
            is_same = np.isclose(
                float(table.get(point, np.nan)), chosen[run], rtol=1e-12, atol=1e-12, equal_nan=True
            )
            if not is_same:
                cases.append(
                    f"{point}: the table has {table.get(point, np.nan):.6f}, validation gives {chosen[run]:.6f}"
                )
    else:
        cases = [f"{point}: no validation clips" for point in points.point[points.threshold_logit.notna()]]
    again = (
        f"{count(len(scored), 'threshold')} chosen again ({options.goals[0].text}) from {len(labels):,} validation "
        "clips alone."
    )
    lacking = why_none(int(truth.sum()), int((~truth).sum()))
    return Finding(
        "thresholds",
        f"No threshold can be chosen: {lacking}." if lacking else again,
        {
            "points": len(scored),
            "validation_clips": len(labels),
            "goal": options.goals[0].text,
            "unit": options.unit,
        },
        cases,
        "Give validation clips of both classes."
        if lacking and not cases
        else "Evaluate the stage again; a threshold must come from validation.",
        is_checked=not lacking,
    )


def audio_settings(
    plan: pd.DataFrame,
    models: Mapping[str, Model],
    scores: pd.DataFrame,
    splits: pd.DataFrame,
    base: EmbeddingOptions,
    store: EmbeddingStore,
) -> Finding:
    """What a model says of its audio is what training asked for, and gives the very scores that were reported.

    A few clips of every point are scored again from the model's folder, read as the folder says; the logits
    must be equal to the last bit.
    """
    cases: list[str] = []
    groups: dict[EmbeddingOptions, list[str]] = {}
    rows = {row["point"]: row for row in plan.to_dict("records")}
    for point, model in sorted(models.items()):
        asked = fitting.audio_of(PointSettings.from_row(rows[point]), base).settings
        kept = model.parameters["audio"]
        differing = [
            f"{point}: {name} is {kept.get(name)!r}, trained with {asked[name]!r}"
            for name in asked
            if kept.get(name) != asked[name]
        ]
        cases += differing
        if not differing:
            own = EmbeddingOptions.from_settings(kept)
            groups.setdefault(own, []).append(point)
    scored = sorted(scores.point.astype(str).unique())
    cases += [f"{point}: has scores, but no model is kept" for point in scored if point not in models]
    clips = _sample(splits)
    n_rescored = len(clips) * sum(map(len, groups.values()))
    cases += _rescored(groups, models, scores, clips, store)
    return Finding(
        "audio_settings",
        f"{count(len(models), 'model')} compared with the settings of training, and {count(n_rescored, 'score')} "
        f"computed again from the models' folders and compared bit by bit ({count(len(groups), 'audio setting')}).",
        {"models": len(models), "rescored": n_rescored, "audio_settings": len(groups)},
        cases,
        "Train and score these points again.",
    )


def _sample(splits: pd.DataFrame) -> pd.DataFrame:
    """A few evaluated clips, the same in every run."""
    evaluated = splits[splits.split.isin(EVALUATED_SPLITS)]
    order = sorted(evaluated.clip_id, key=lambda name: (unit_hash("certificate", name), name))
    return evaluated[evaluated.clip_id.isin(order[:RESCORED_CLIPS])].sort_values("clip_id", ignore_index=True)


def _rescored(
    groups: Mapping[EmbeddingOptions, list[str]],
    models: Mapping[str, Model],
    scores: pd.DataFrame,
    clips: pd.DataFrame,
    store: EmbeddingStore,
) -> list[str]:
    kept = scores[scores.clip_id.isin(clips.clip_id)].astype({"point": "str", "clip_id": "str"})
    table = kept.set_index(["point", "clip_id"]).logit.to_dict()
    cases = []
    for audio, points in groups.items():
        heads = [models[point].head for point in points]
        for point, logits in zip(
            points, clip_logits(heads, clips, audio, store) if len(clips) else [], strict=False
        ):
            shift = shift_of(float(models[point].parameters["settings"]["sensitivity"]))
            for clip, logit in zip(clips.clip_id, logits + shift, strict=True):
                reported = table.get((point, clip), np.nan)
                if reported != logit:
                    cases.append(
                        f"{point}: clip {clip} was reported as {reported!r}, its model gives {float(logit)!r}"
                    )
    return cases


def every_clip_scored(
    plan: pd.DataFrame, failures: pd.DataFrame, scores: pd.DataFrame, splits: pd.DataFrame
) -> Finding:
    """Every point that is not listed as failed or not run scored every clip of every evaluated split, once."""
    expected = splits[splits.split.isin(EVALUATED_SPLITS)]
    failed, scored = set(failures.point), set(scores.point.unique())
    points = [point for point in plan.point if point not in failed]
    table = scores.astype({"point": "str", "clip_id": "str", "split": "str"})
    cases = [f"{point}: no score at all" for point in points if point not in scored]
    wanted = expected.set_index("clip_id").split
    for point, own in table.groupby("point", sort=True):
        got = own.set_index("clip_id").split
        missing, extra = wanted.index.difference(got.index), got.index.difference(wanted.index)
        moved = got[got.index.isin(wanted.index)]
        moved = moved[moved.to_numpy() != wanted.loc[moved.index].to_numpy()]
        for what, clips in (
            ("misses", missing),
            ("has a score of no evaluated clip:", extra),
            ("has another split for", moved.index),
        ):
            if len(clips):
                cases.append(f"{point} {what} {len(clips):,} (first: {sorted(map(str, clips))[0]})")
        if got.index.has_duplicates:
            cases.append(f"{point} scored {int(got.index.duplicated().sum()):,} clips twice")
    counts = expected.groupby("split").size()
    sizes = {name: int(counts.get(name, 0)) for name in EVALUATED_SPLITS}
    return Finding(
        "coverage",
        f"{count(len(points), 'point')}, each with one score for each of "
        + ", ".join(f"{size:,} {name}" for name, size in sizes.items())
        + " clips.",
        {
            "points": len(points),
            "scores": len(scores),
            **{f"{name}_clips": size for name, size in sizes.items()},
        },
        cases,
        "Score the stage again.",
    )
