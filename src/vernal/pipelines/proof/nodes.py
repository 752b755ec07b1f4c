"""Show what can be shown about a stage's results: search for copies, check, count who looked at the test."""

from typing import Any

import pandas as pd

from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.embedding.windows import EmbeddingOptions
from vernal.evaluation.stage_results import StageResults
from vernal.proof import checks, ledger, score_checks
from vernal.proof.certificate import certificate
from vernal.proof.data_card import data_card
from vernal.proof.model_card import model_card
from vernal.proof.near_duplicates import PAIRS, SUMMARY
from vernal.proof.options import ProofOptions
from vernal.training.models import Model


def prove(
    results: StageResults,
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
    audio: EmbeddingOptions,
    options: ProofOptions,
) -> tuple[dict[str, Any], list[dict[str, Any]], str, str]:
    """The stage's certificate, its entry in the test ledger, its model card and its data card."""
    plan, points, pairs = results.plan, results.points, near_duplicates[PAIRS]
    findings = [
        checks.nights_apart(splits),
        checks.content_hashes(splits),
        checks.near_duplicates(pairs, near_duplicates[SUMMARY], splits, options, set(training_sets.clip_id)),
        checks.miner_training(subsets, miner_clips),
        checks.mined_held_out(subsets, splits),
        checks.training_apart(training_sets, splits, clips),
        score_checks.thresholds(points, plan, scores, splits, results.options),
        score_checks.audio_settings(plan, models, scores, splits, audio, store),
        score_checks.every_clip_scored(plan, results.failures, scores, splits),
    ]
    proof = certificate(
        results.spec.stage,
        results.target,
        results.digest,
        findings,
        checks.closest_pairs(pairs, options),
        options,
    )
    n_finished = int(points.error.isna().sum())
    entry = ledger.test_entry(results.spec.stage, results.evaluation_key, n_finished, splits)
    return (
        proof,
        [entry],
        model_card(results, proof, splits, models),
        data_card(results, proof, clips, splits, rejects, subsets),
    )
