"""A small stage made whole: clips with embeddings, training sets, models, scores and their evaluation."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.small_stage import split_table
from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions, EmbeddingPart, plan_windows
from vernal.clips.sampling import validation_split
from vernal.evaluation.evaluate import evaluate_stage
from vernal.evaluation.options import EvaluationOptions
from vernal.evaluation.stage_results import StageResults
from vernal.sweeps import plans
from vernal.sweeps.point_settings import PointSettings
from vernal.sweeps.spec import Spec
from vernal.training import fitting, scoring
from vernal.training.heads import Head
from vernal.training.models import Model
from vernal.training.sets import draw_training_sets

OPTIONS = EvaluationOptions(n_draws=100)
AUDIO = EmbeddingOptions(encoder="logmel")


@dataclasses.dataclass(frozen=True)
class MadeStage:
    """All that a certificate looks at, and nothing wrong with it."""

    spec: Spec
    plan: pd.DataFrame
    clips: pd.DataFrame
    splits: pd.DataFrame
    subsets: dict[str, pd.DataFrame]
    miner_clips: pd.DataFrame
    training_sets: pd.DataFrame
    models: dict[str, Model]
    scores: pd.DataFrame
    failures: pd.DataFrame
    points: pd.DataFrame
    leaderboard: pd.DataFrame
    effects: pd.DataFrame
    tables: dict[str, pd.DataFrame]
    store: EmbeddingStore
    near_duplicates: dict[str, pd.DataFrame]

    @property
    def results(self) -> StageResults:
        tables = (self.points, self.leaderboard, self.effects, self.tables, self.failures)
        return StageResults(self.spec, "RADR", self.plan, *tables, OPTIONS, False)

    def replaced(self, **changes: Any) -> MadeStage:
        return dataclasses.replace(self, **changes)


def labelled_clips() -> pd.DataFrame:
    splits = split_table(clips_per_night=6)
    month = splits.split.map({"train": "03", "val": "04", "test_iid": "05", "test_ood": "06"})
    date = splits.date.str[:5] + month + splits.date.str[7:]
    return splits.assign(
        date=date,
        night=date,
        night_from="time",
        group=splits.recorder_id + " " + date,
        source="labelled",
        file_path=[f"{name}.wav" for name in splits.clip_id],
        label=np.where(splits.is_positive, "RADR", "negative"),
        duration_s=3.0,
        start_s=np.nan,
        end_s=np.nan,
        block=splits.recorder_id + " " + date,
        licence="CC0-1.0",
    ).sort_values("clip_id", ignore_index=True)


def field_clips(n: int = 8) -> pd.DataFrame:
    names = [f"{at:016x}" for at in range(n)]
    return pd.DataFrame(
        {
            "clip_id": names,
            "source": "field",
            "content_hash": [name * 4 for name in names],
            "file_path": [f"field{at}.wav" for at in range(n)],
            "is_positive": False,
            "label": "negative",
            "recorder_id": "f1",
            "date": "2025-07-01",
            "night": "2025-07-01",
            "site": "meadow",
            "duration_s": 3.0,
        }
    )


def embedded(clips: pd.DataFrame, folder: Path) -> EmbeddingStore:
    """A store with a made vector for every window; positives lie a little to one side."""
    store = EmbeddingStore(folder)
    windows = plan_windows(clips, AUDIO)
    rng = np.random.default_rng(1)
    positive = windows.clip_id.map(clips.set_index("clip_id").is_positive).to_numpy(dtype=float)
    vectors = rng.normal(size=(len(windows), AUDIO.n_dims)).astype(np.float32)
    vectors[:, 0] += 2 * positive.astype(np.float32)
    rows = windows[["key", "content_hash", "start_s", "end_s"]].reset_index(drop=True)
    store.append(EmbeddingPart(AUDIO, rows, vectors, pd.DataFrame()))
    return store


def head(seed: int) -> Head:
    weights = np.random.default_rng(seed).normal(0, 0.02, size=(AUDIO.n_dims, 1)).astype(np.float32)
    weights[0] = 1.5
    return Head(((weights, np.array([-1.0], dtype=np.float32)),))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeStage:
    """A finished stage of two points."""
    splits = labelled_clips()
    field = field_clips()
    clips = pd.concat([splits.drop(columns=["split", "block"]), field], ignore_index=True)
    hard = field.head(3).assign(subset="hardNeg/x", origin="mined", quality=np.nan)
    spec = Spec("made", {"seed": (1, 2)}, {"quality": ("high", "medium", "low")})
    plan = plans.resolve_points(spec, {}, None).assign(is_selected=True)
    sets, counts, _ = draw_training_sets(plan, splits, {})
    store = embedded(clips, tmp_path_factory.mktemp("store"))
    evaluated = splits[splits.split.isin(scoring.EVALUATED_SPLITS)]
    fits = {fit.fit_hash: fit for fit in fitting.list_fits(plan, sets, clips, AUDIO)}
    models, logits = {}, []
    for row in plan.to_dict("records"):
        settings, fit = PointSettings.from_row(row), fits[row["fit_hash"]]
        own = head(settings.seed)
        logits.append(scoring.clip_logits([own], evaluated, AUDIO, store)[0])
        facts = {
            "point": row["point"],
            "settings": settings.as_dict(),
            "audio": AUDIO.settings,
            "fit_key": fit.key,
        }
        models[row["point"]] = Model(
            own, ("RADR",), {**facts, "best_epoch": 1, "n_steps": 1}, pd.DataFrame({"loss": [1.0]})
        )
    scores = scoring.score_table(plan.point.tolist(), np.stack(logits), evaluated)
    failures = pd.DataFrame({"point": [], "step": [], "message": []}, dtype="str")
    counts = plan[["point", "fit_hash"]].merge(counts, on="fit_hash").drop(columns="fit_hash")
    result = evaluate_stage(plan, scores, splits, counts, OPTIONS, {}, list(spec.axes))
    pairs = pd.DataFrame(
        {
            "clip_id": [splits.clip_id[0]],
            "start_s": [0.0],
            "split": [splits.split[0]],
            "other_clip_id": [splits.clip_id[1]],
            "other_start_s": [0.0],
            "other_split": ["test_ood"],
            "cosine": [0.95],
            "correlation": [0.02],
        }
    )
    summary = pd.DataFrame([{"key": "k", "n_windows": len(splits), "n_close_pairs": 1}])
    return MadeStage(
        spec=spec,
        plan=plan,
        clips=clips,
        splits=splits,
        subsets={"hardNeg/x": hard, "hardNeg/empty": hard.iloc[:0]},
        miner_clips=validation_split(splits[splits.split == "train"], 1)[0],
        training_sets=sets,
        models=models,
        scores=scores,
        failures=failures,
        points=result.points,
        leaderboard=result.leaderboard,
        effects=result.effects,
        tables={**result.tables(), "key": pd.DataFrame({"key": ["evaluation-1"]})},
        store=store,
        near_duplicates={"pairs": pairs, "summary": summary},
    )


def with_row(table: pd.DataFrame, mask: pd.Series, **values) -> pd.DataFrame:
    """The table with one row changed: the first where the mask holds."""
    changed = table.copy()
    at = table.index[mask][0]
    for name, value in values.items():
        changed.loc[at, name] = value
    return changed
