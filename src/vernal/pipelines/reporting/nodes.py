"""Draw a stage's figures and write its report."""

from __future__ import annotations

from typing import Any

import pandas as pd

from vernal.clips.demo_season import is_demo_root
from vernal.clips.problem_card import ProblemCard
from vernal.evaluation.options import EvaluationOptions
from vernal.evaluation.stage_results import StageResults
from vernal.reports import render_report
from vernal.reports.figures import FIGURES, Drawing, draw_figures
from vernal.reports.proof_sections import (
    card_section,
    certificate_notices,
    certificate_section,
    ledger_section,
)
from vernal.sweeps.spec import Spec
from vernal.training.models import Model


def draw(
    spec: Spec,
    plan: pd.DataFrame,
    points: pd.DataFrame,
    leaderboard: pd.DataFrame,
    effects: pd.DataFrame,
    tables: dict[str, pd.DataFrame],
    failures: pd.DataFrame,
    scores: pd.DataFrame,
    splits: pd.DataFrame,
    models: dict[str, Model],
    options: EvaluationOptions,
    audio_roots: dict[str, str],
    target: str,
) -> tuple[Drawing, ...]:
    """Every figure of `vernal.reports.figures.FIGURES`, in that order."""
    is_demo = is_demo_root(audio_roots["labelled"])
    results = StageResults(
        spec, target, plan, points, leaderboard, effects, tables, failures, options, is_demo
    )
    histories = {point: model.history for point, model in models.items()}
    best_epochs = {point: int(model.parameters["best_epoch"]) for point, model in models.items()}
    drawings = draw_figures(results, scores, splits, histories, best_epochs)
    return tuple(drawings[name] for name in FIGURES)


def report(
    spec: Spec,
    plan: pd.DataFrame,
    points: pd.DataFrame,
    leaderboard: pd.DataFrame,
    effects: pd.DataFrame,
    tables: dict[str, pd.DataFrame],
    failures: pd.DataFrame,
    split_counts: pd.DataFrame,
    rejects: pd.DataFrame,
    splits: pd.DataFrame,
    certificate: dict[str, Any],
    test_ledger: list[dict[str, Any]],
    model_card: str,
    data_card: str,
    problem_card: ProblemCard,
    options: EvaluationOptions,
    audio_roots: dict[str, str],
    target: str,
    **plots: Drawing,
) -> str:
    """The stage's report as one HTML page; `plots` holds every figure as `<name>_plot`."""
    is_demo = is_demo_root(audio_roots["labelled"])
    results = StageResults(
        spec, target, plan, points, leaderboard, effects, tables, failures, options, is_demo, problem_card
    )
    drawings = {name: plots[f"{name}_plot"] for name in FIGURES}
    proof = [
        certificate_section(certificate, splits),
        ledger_section(test_ledger, splits, spec.stage),
        card_section(model_card, data_card),
    ]
    return render_report(results, drawings, split_counts, rejects, proof, certificate_notices(certificate))
