"""A small made stage: a plan, scores, a split table and training counts that fit each other."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pandas as pd

from vernal.evaluation.rounding import settled
from vernal.sweeps.settings_table import settings_of

SPLIT_NIGHTS = {"train": 6, "val": 6, "test_iid": 7, "test_ood": 8}
COLUMNS = ["point", "clip_id", "split", "logit", "is_positive"]


def split_table(nights=SPLIT_NIGHTS, clips_per_night=12, seed=0):
    """Labelled clips of two recorders a split, with everything a manifest may know."""
    rng = np.random.default_rng(seed)
    rows = []
    for split, n_nights in nights.items():
        recorders = ("r8", "r9") if split == "test_ood" else ("r1", "r2")
        for night in range(n_nights):
            for _ in range(clips_per_night):
                is_positive = bool(rng.random() < 0.5)
                rows.append(
                    {
                        "split": split,
                        "recorder_id": recorders[night % 2],
                        "site": "pond" if split == "test_ood" else "creek",
                        "date": f"2025-03-{night + 1:02d}",
                        "night": f"2025-03-{night + 1:02d}",
                        "is_positive": is_positive,
                        "quality": str(rng.choice(["high", "medium", "low"])) if is_positive else np.nan,
                        "call_type": str(rng.choice(["grunt", "growl"])) if is_positive else np.nan,
                        "time": f"{rng.integers(18, 24)}:15",
                    }
                )
    table = pd.DataFrame(rows)
    names = [hashlib.sha256(f"{seed}-{at}".encode()).hexdigest() for at in range(len(table))]
    return table.assign(
        clip_id=[name[:16] for name in names], content_hash=names, group=table.recorder_id + " " + table.date
    )


def made_plan(seeds=(123, 456, 789), **axes):
    axes = axes or {"balance": [True, False], "negative_subsets": ["none", "hard"]}
    rows = [
        {"seed": seed, **dict(zip(axes, levels, strict=True)), "epochs": 50}
        for seed in seeds
        for levels in itertools.product(*axes.values())
    ]
    names = [f"made_{at + 1:03d}" for at in range(len(rows))]
    plan = pd.DataFrame(rows).assign(is_edited=False)
    plan.insert(0, "point", names)
    plan.insert(1, "config_hash", [hashlib.sha256(name.encode()).hexdigest()[:16] for name in names])
    return with_configurations(plan)


def with_configurations(plan):
    """The plan with the configuration of each point: all but the seed, the same for all that share a run."""
    settings = settings_of(plan).drop(columns="seed", errors="ignore")
    names = [
        "; ".join(f"{name}={level}" for name, level in row.items()) for row in settings.to_dict("records")
    ]
    first = {}
    joined = {name: first.setdefault(run, name) for name, run in zip(names, plan.config_hash, strict=True)}
    return plan.assign(configuration_hash=[joined[name] for name in names])


def made_scores(plan, splits, gain=2.0, seed=1):
    """Scores of every point on every clip that is not for training; a run is the same under all its names."""
    clips = splits[splits.split != "train"]
    heard = np.random.default_rng(seed).normal(size=len(clips)) + gain * clips.is_positive - 1
    parts = []
    for point, run in zip(plan.point, plan.config_hash, strict=True):
        rng = np.random.default_rng([seed, int(run, 16)])
        logit = heard + rng.normal(0, 0.1) + rng.normal(0, 0.5, len(clips))
        parts.append(clips[["clip_id", "split", "is_positive"]].assign(point=point, logit=logit))
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def made_counts(plan):
    return pd.DataFrame({"point": plan.point, "n_train_positive": 30, "n_train_negative": 40})


def made_stage(seed=0, **axes):
    splits, plan = split_table(seed=seed), made_plan(**axes)
    return plan, made_scores(plan, splits), splits, made_counts(plan)


def csv_text(frame):
    """A table as it is written: floats settled, undefined as empty."""
    return settled(frame).to_csv(index=False, lineterminator="\n")
