"""The checks of a certificate. Each finds its answer anew from what the run left, not from what the run meant.

Every check takes tables and returns a `Finding`; `tests/proof/test_checks.py` shows each of them fail.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from vernal.embedding.store import EmbeddingStore
from vernal.embedding.windows import EmbeddingOptions
from vernal.evaluation import coverage
from vernal.evaluation.operating_points import choose
from vernal.evaluation.options import EvaluationOptions
from vernal.identity import unit_hash
from vernal.overlap import KINDS, held_out, is_external
from vernal.proof.certificate import Finding
from vernal.proof.options import ProofOptions
from vernal.spelling import count
from vernal.sweeps.point_settings import PointSettings
from vernal.training import fitting
from vernal.training.models import Model
from vernal.training.scoring import EVALUATED_SPLITS, clip_logits, shift_of
from vernal.training.sets import FIT

VALIDATION = "val"
RESCORED_CLIPS = 3
_ENCODER_SETTINGS = ("encoder", "fmin", "fmax", "overlap")


def recorder_dates(splits: pd.DataFrame) -> Finding:
    """No recorder's night in two splits."""
    known = splits[splits.recorder_id.notna() & splits.date.notna()]
    names = known.recorder_id.astype(str) + " " + known.date.astype(str)
    shared = _in_several(names, known.split)
    n_unknown = len(splits) - len(known)
    beside = (
        f"; {n_unknown:,} clips without recorder or date are kept apart by group and content alone"
        if n_unknown
        else ""
    )
    return Finding(
        "recorder_date",
        f"{names.nunique():,} recorder-nights of {len(known):,} clips{beside}.",
        {"recorder_nights": int(names.nunique()), "clips": len(known), "clips_without": n_unknown},
        [f"{name}: {where}" for name, where in shared.items()],
        "Give such a night one split in the manifest, or leave the column split empty.",
    )


def content_hashes(splits: pd.DataFrame) -> Finding:
    """No audio file, by its bytes, in two splits."""
    shared = _in_several(splits.content_hash, splits.split)
    n_files = int(splits.content_hash.nunique())
    return Finding(
        "content_hash",
        f"{count(n_files, 'audio file')} of {count(len(splits), 'clip')}, compared by the SHA-256 of their bytes.",
        {"files": n_files, "clips": len(splits)},
        [f"{name[:16]}: {where}" for name, where in shared.items()],
        "Keep all parts of a file in one split, and drop copies.",
    )


def _in_several(names: pd.Series, splits: pd.Series) -> dict[str, str]:
    where = splits.groupby(names.to_numpy()).agg(lambda column: ", ".join(sorted(set(column))))
    return {str(name): text for name, text in where.items() if ", " in text}


def near_duplicates(
    pairs: pd.DataFrame,
    summary: pd.DataFrame,
    splits: pd.DataFrame,
    options: ProofOptions,
    trained: Collection[str] | None = None,
) -> Finding:
    """No recording in two splits under other bytes, unless its training clip was left out of all training.

    Args:
        pairs, summary: as the search gives them (see `near_duplicates.find_pairs`).
        splits: names the files, as the manifest has them.
        trained: clips of any training set; None: all clips of the train split.
    """
    counts = {name: int(summary[name].iloc[0]) for name in ("n_windows", "n_close_pairs")}
    found = pairs[pairs.correlation >= options.near_duplicate_correlation]
    found = found.drop_duplicates(["clip_id", "other_clip_id"])
    left_out = pd.Series(False, index=found.index)
    if trained is not None:
        for clip, split in (("clip_id", "split"), ("other_clip_id", "other_split")):
            left_out |= (found[split] == "train") & ~found[clip].isin(trained)
    n_left_out = int(left_out.sum())
    found = found[~left_out]
    files = dict(zip(splits.clip_id, splits.file_path, strict=True))
    cases = [
        f"{files[str(row.clip_id)]} ({row.split}) and {files[str(row.other_clip_id)]} ({row.other_split}): correlation "
        f"{row.correlation:.3f}, cosine {row.cosine:.4f}"
        for row in found.itertuples()
    ]
    not_heard = counts["n_close_pairs"] - len(pairs)
    beside = f" ({not_heard:,} less close ones were left out)" if not_heard else ""
    mended = (
        f" Of {count(n_left_out, 'such pair')} the training clip was left out of all training."
        if n_left_out
        else ""
    )
    return Finding(
        "near_duplicates",
        f"{counts['n_windows']:,} windows compared across splits; listened to the nearest neighbours with a cosine of "
        f"{options.near_duplicate_cosine:g} or more: {count(len(pairs), 'pair')}{beside}. The same recording is a "
        f"correlation of {options.near_duplicate_correlation:g} or more.{mended}",
        {
            **counts,
            "n_listened": len(pairs),
            "n_left_out_of_training": n_left_out,
            "largest_correlation": float(pairs.correlation.max()) if len(pairs) else 0.0,
            "cosine": options.near_duplicate_cosine,
            "correlation": options.near_duplicate_correlation,
        },
        cases,
        "Give the clips of such a pair the same group in the manifest, so that they share a split, or drop one.",
    )


def closest_pairs(pairs: pd.DataFrame, options: ProofOptions) -> list[dict[str, Any]]:
    """The pairs of two splits that are most alike, one a pair of clips."""
    shown = pairs.drop_duplicates(["clip_id", "other_clip_id"]).head(options.listed_pairs)
    columns = ["clip_id", "split", "other_clip_id", "other_split", "cosine", "correlation"]
    return [
        {str(name): _plain(value) for name, value in row.items()} for row in shown[columns].to_dict("records")
    ]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def miner_training(subsets: Mapping[str, pd.DataFrame], miner_clips: pd.DataFrame) -> Finding:
    """Mined subsets hold nothing that the miner was trained on."""
    mined = _mined(subsets)
    n_mined = int(mined.clip_id.nunique())
    cases = _overlaps(mined, miner_clips, ("clip_id", "content_hash"), "a clip that trained the miner")
    return Finding(
        "miner_training",
        f"{count(n_mined, 'mined clip')} in {count(mined.subset.nunique(), 'subset')} against "
        f"{count(len(miner_clips), 'clip')} that trained the miner: {_verdict(cases, 'no clip and no audio shared')}.",
        {"mined_clips": n_mined, "miner_clips": len(miner_clips)},
        cases,
        "Run mining and curation again.",
    )


def mined_held_out(subsets: Mapping[str, pd.DataFrame], splits: pd.DataFrame) -> Finding:
    """Mined subsets hold nothing of validation or test: no clip, no audio; from outside the manifest, no night."""
    mined, reserved = _mined(subsets), held_out(splits)
    cases = _overlaps(mined, reserved, ("clip_id", "content_hash"), "a validation or test clip")
    nights = _overlaps(mined[is_external(mined)], reserved, ("group",), "a validation or test clip")
    cases += [case for case in nights if case.split(":")[0] not in {other.split(":")[0] for other in cases}]
    return Finding(
        "mined_held_out",
        f"{count(int(mined.clip_id.nunique()), 'mined or reviewed clip')} against {count(len(reserved), 'clip')} of "
        f"validation and test: {_verdict(cases, 'no clip and no audio shared')}.",
        {"mined_clips": int(mined.clip_id.nunique()), "held_out_clips": len(reserved)},
        cases,
        "Run mining and curation again.",
    )


def _mined(subsets: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    columns = [
        "clip_id",
        "source",
        "subset",
        "content_hash",
        "start_s",
        "end_s",
        "group",
        "recorder_id",
        "date",
    ]
    tables = [
        table.assign(subset=name).reindex(columns=columns)
        for name, table in sorted(subsets.items())
        if len(table)
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def _verdict(cases: Sequence[str], good: str) -> str:
    return f"{count(len(cases), 'clip')} on both sides" if cases else good


def _overlaps(clips: pd.DataFrame, others: pd.DataFrame, kinds: Sequence[str], whose: str) -> list[str]:
    cases: dict[str, str] = {}
    for kind in kinds:
        words, shares = KINDS[kind]
        for row in clips[shares(clips, others).astype(bool)].itertuples():
            cases.setdefault(str(row.clip_id), f"{row.clip_id}: {words} {whose} ({row.subset})")
    return [cases[name] for name in sorted(cases)]


def training_apart(training_sets: pd.DataFrame, splits: pd.DataFrame, clips: pd.DataFrame) -> Finding:
    """No test clip trains a point or ends its training; no clip that chooses thresholds trains one.

    Args:
        training_sets: `fit_hash`, `clip_id`, `role`.
        splits, clips: labelled clips with their split, and every clip with its audio.
    """
    role = training_sets.role.astype("str")
    used = {
        FIT: _clips_of(training_sets[role == FIT], clips),
        "stop": _clips_of(training_sets[role != FIT], clips),
    }
    tests = splits[
        splits.split.isin([name for name in held_out(splits).split.unique() if name != VALIDATION])
    ]
    validation = splits[splits.split == VALIDATION]
    n_sets = int(training_sets.fit_hash.nunique())
    cases = [
        case
        for name, others, whose in (
            (FIT, tests, "a test clip"),
            ("stop", tests, "a test clip"),
            (FIT, validation, "a validation clip"),
        )
        for case in _overlaps(
            used[name].assign(subset=_ROLES[name]), others, ("clip_id", "content_hash"), whose
        )
    ]
    return Finding(
        "training_test",
        f"{count(n_sets, 'training set')}: {count(len(used[FIT]), 'clip')} to train, {len(used['stop']):,} to end it, "
        f"against {len(tests):,} test clips and, for those to train, {len(validation):,} validation clips: "
        f"{_verdict(cases, 'no clip and no audio shared')}.",
        {
            "training_sets": n_sets,
            "fit_clips": len(used[FIT]),
            "stop_clips": len(used["stop"]),
            "test_clips": len(tests),
            "validation_clips": len(validation),
        },
        cases,
        "Draw the training sets again (run the stage).",
    )


_ROLES = {FIT: "trains", "stop": "ends training"}


def _clips_of(sets: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    ids = sets.clip_id.drop_duplicates().astype("str")
    known = clips[clips.clip_id.isin(ids)]
    strangers = pd.DataFrame({"clip_id": sorted(set(ids) - set(known.clip_id))})
    # Labelled parts of one file may stand in several splits only if they do not overlap; KINDS compares parts.
    return pd.concat([known, strangers], ignore_index=True) if len(strangers) else known


def thresholds(
    points: pd.DataFrame,
    plan: pd.DataFrame,
    scores: pd.DataFrame,
    splits: pd.DataFrame,
    options: EvaluationOptions,
) -> Finding:
    """Every threshold is the one that validation scores alone lead to.

    The scores and the splits given to this check are cut down to validation before anything is chosen, so a
    threshold that a test split had a say in cannot be found again except by chance.
    """
    own, labels = scores[scores.split == VALIDATION], splits[splits.split == VALIDATION]
    scored = plan[plan.point.isin(own.point.astype(str).unique())]
    table = points.set_index("point").threshold_logit
    cases: list[str] = []
    if len(own) and len(labels):
        sheet = coverage.join(scored, own, labels, options.unit, evaluated=[VALIDATION])
        truth = sheet.units[VALIDATION].is_positive.to_numpy(dtype=bool)
        chosen = [choose(row, truth, options.goals[0], VALIDATION).logit for row in sheet.logits[VALIDATION]]
        for point, run in sorted(sheet.run_of.items()):
            if not np.isclose(float(table.get(point, np.nan)), chosen[run], rtol=1e-12, atol=1e-12):
                cases.append(
                    f"{point}: the table has {table.get(point, np.nan):.6f}, validation gives {chosen[run]:.6f}"
                )
    else:
        cases = [f"{point}: no validation clips" for point in points.point[points.threshold_logit.notna()]]
    return Finding(
        "thresholds",
        f"{count(len(scored), 'threshold')} chosen again ({options.goals[0].text}) from {len(labels):,} validation "
        "clips alone.",
        {
            "points": len(scored),
            "validation_clips": len(labels),
            "goal": options.goals[0].text,
            "unit": options.unit,
        },
        cases,
        "Evaluate the stage again; a threshold must come from validation.",
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
            own = EmbeddingOptions(**{name: kept[name] for name in _ENCODER_SETTINGS})
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
    points = [point for point in plan.point if point not in set(failures.point)]
    table = scores.astype({"point": "str", "clip_id": "str", "split": "str"})
    cases = [f"{point}: no score at all" for point in points if point not in set(table.point)]
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
