"""Draw a stage's figures and write its report."""

from typing import Any

import pandas as pd

from vernal.evaluation.stage_results import StageResults
from vernal.reports import render_report
from vernal.reports.commands import StageCommands
from vernal.reports.figures import FIGURES, Drawing, draw_figures
from vernal.reports.listening import listen_section
from vernal.reports.proof_sections import (
    card_section,
    certificate_notices,
    certificate_section,
    ledger_section,
)
from vernal.training.models import Model


def draw(
    results: StageResults, scores: pd.DataFrame, splits: pd.DataFrame, models: dict[str, Model]
) -> tuple[Drawing, ...]:
    """Every figure of `vernal.reports.figures.FIGURES`, in that order."""
    histories = {point: model.history for point, model in models.items()}
    best_epochs = {point: int(model.parameters["best_epoch"]) for point, model in models.items()}
    drawings = draw_figures(results, scores, splits, histories, best_epochs)
    return tuple(drawings[name] for name in FIGURES)


def report(
    results: StageResults,
    certificate: dict[str, Any],
    test_ledger: list[dict[str, Any]],
    model_card: str,
    data_card: str,
    split_counts: pd.DataFrame,
    rejects: pd.DataFrame,
    splits: pd.DataFrame,
    scores: pd.DataFrame,
    audio_roots: dict[str, str],
    data_root: str,
    **plots: Drawing,
) -> str:
    """The stage's report as one HTML page; `plots` holds every figure as `<name>_plot`."""
    # The demo season's is shown elsewhere, where its folders would say nothing.
    own = StageCommands.of(results, audio_roots, data_root)
    commands = StageCommands(results.spec.stage) if results.is_demo else own
    drawings = {name: plots[f"{name}_plot"] for name in FIGURES}
    proof = [
        certificate_section(certificate, splits),
        ledger_section(test_ledger, splits, results.spec.stage),
        card_section(model_card, data_card),
    ]
    notices = certificate_notices(certificate)
    listen = listen_section(results, scores, splits, audio_roots, commands)
    return render_report(results, drawings, split_counts, rejects, proof, notices, listen, commands)
