"""The figures of a stage, by name."""

from collections.abc import Callable, Mapping

import pandas as pd

from vernal.evaluation.stage_results import StageResults
from vernal.reports.figures import clips, comparisons, curves, learning, nights
from vernal.reports.figures.style import Drawing, drawn, inline_svg

__all__ = ["FIGURES", "Drawing", "draw_figures", "figure_title", "inline_svg"]

DEMO = "DEMO SEASON, no result"
# Every figure with its title; the names in braces are filled in.
FIGURES = {
    "leaderboard": "configurations by {metric}",
    "effects": "what each setting changes in {metric}",
    "precision_recall": "precision and recall {leading}",
    "roc": "ROC {leading}",
    "thresholds": "what the threshold of {point} decides",
    "reliability": "reliability of {point}",
    "scores": "scores of {point} by quality",
    "confusion": "{point} at its threshold",
    "nights": "nights of {point}",
    "review": "review time against missed nights",
    "learning_curves": "learning curves",
}


def draw_figures(
    results: StageResults,
    scores: pd.DataFrame,
    splits: pd.DataFrame,
    histories: Mapping[str, pd.DataFrame],
    best_epochs: Mapping[str, int],
) -> dict[str, Drawing]:
    """Draw every figure of a stage; one without data says why it is empty.

    Args:
        scores: `point, clip_id, split, logit, is_positive`.
        splits: labelled clips with their `quality`.
        histories, best_epochs: see `learning.learning_curves`.
    """
    makers: dict[str, tuple[Callable, tuple]] = {
        "leaderboard": (comparisons.leaderboard, (results,)),
        "effects": (comparisons.effects, (results,)),
        "precision_recall": (curves.precision_recall, (results,)),
        "roc": (curves.roc, (results,)),
        "thresholds": (curves.thresholds, (results,)),
        "reliability": (curves.reliability, (results,)),
        "scores": (clips.score_histograms, (results, scores, splits)),
        "confusion": (clips.confusion, (results,)),
        "nights": (nights.nights, (results,)),
        "review": (nights.review, (results,)),
        "learning_curves": (learning.learning_curves, (results, histories, best_epochs)),
    }
    return {name: drawn(draw, *args, figure_title(name, results)) for name, (draw, args) in makers.items()}


def figure_title(name: str, results: StageResults) -> str:
    """The title above a figure, which also stands alone: stage, what it shows, and whether it is the demo."""
    from vernal.evaluation.stage_results import METRIC_NAMES

    leading = "of the chosen configuration" if results.n_configurations > 1 else "of the classifier"
    metric = METRIC_NAMES[results.primary_metric]
    text = FIGURES[name].format(metric=metric, point=results.deployed, leading=leading)
    return f"{results.spec.stage}: {text}" + (f"  ·  {DEMO}" if results.is_demo else "")
