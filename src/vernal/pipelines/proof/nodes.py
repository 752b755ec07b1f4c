"""Show what can be shown about a stage's results: search for copies, check, count who looked at the test."""

from __future__ import annotations

from typing import Any

import pandas as pd

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions
from vernal.clips.demo_season import is_demo_root
from vernal.clips.problem_card import ProblemCard
from vernal.common.hashing import digest
from vernal.common.table_files import digest_of_table
from vernal.evaluation.options import EvaluationOptions
from vernal.evaluation.stage_results import StageResults
from vernal.pipelines.evaluation.nodes import KEY
from vernal.proof import checks, ledger, score_checks
from vernal.proof.certificate import certificate
from vernal.proof.data_card import data_card
from vernal.proof.model_card import model_card
from vernal.proof.near_duplicates import PAIRS, SUMMARY
from vernal.proof.options import ProofOptions
from vernal.sweeps.spec import Spec
from vernal.training.models import Model


def prove(
    spec: Spec,
    plan: pd.DataFrame,
    points: pd.DataFrame,
    leaderboard: pd.DataFrame,
    effects: pd.DataFrame,
    tables: dict[str, pd.DataFrame],
    failures: pd.DataFrame,
    scores: pd.DataFrame,
    models: dict[str, Model],
    training_sets: pd.DataFrame,
    store: EmbeddingStore,
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    rejects: pd.DataFrame,
    subsets: dict[str, pd.DataFrame],
    miner_clips: pd.DataFrame,
    near_duplicates: dict[str, pd.DataFrame],
    problem_card: ProblemCard,
    audio: EmbeddingOptions,
    evaluation: EvaluationOptions,
    options: ProofOptions,
    audio_roots: dict[str, str],
    target: str,
) -> tuple[dict[str, Any], list[dict[str, Any]], str, str]:
    """The stage's certificate, its entry in the test ledger, its model card and its data card."""
    pairs = near_duplicates[PAIRS]
    findings = [
        checks.recorder_dates(splits),
        checks.content_hashes(splits),
        checks.near_duplicates(pairs, near_duplicates[SUMMARY], splits, options, set(training_sets.clip_id)),
        checks.miner_training(subsets, miner_clips),
        checks.mined_held_out(subsets, splits),
        checks.training_apart(training_sets, splits, clips),
        score_checks.thresholds(points, plan, scores, splits, evaluation),
        score_checks.audio_settings(plan, models, scores, splits, audio, store),
        score_checks.every_clip_scored(plan, failures, scores, splits),
    ]
    of = results_digest(points, leaderboard, effects)
    proof = certificate(spec.stage, target, of, findings, checks.closest_pairs(pairs, options), options)
    entry = ledger.test_entry(
        spec.stage, str(tables[KEY].key.iloc[0]), int(points.error.isna().sum()), splits
    )
    results = StageResults(
        spec,
        target,
        plan,
        points,
        leaderboard,
        effects,
        tables,
        failures,
        evaluation,
        is_demo_root(audio_roots["labelled"]),
        problem_card,
    )
    return (
        proof,
        [entry],
        model_card(results, proof, splits, models),
        data_card(results, proof, clips, splits, rejects, subsets),
    )


def results_digest(points: pd.DataFrame, leaderboard: pd.DataFrame, effects: pd.DataFrame) -> str:
    """Name of a stage's results by what they are."""
    return digest("results", *(digest_of_table(table) for table in (points, leaderboard, effects)))
