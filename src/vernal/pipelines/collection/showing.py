"""The collection's pictures and its page."""

from __future__ import annotations

from typing import Any

import pandas as pd

from vernal.clips.problem_card import ProblemCard
from vernal.collection import drift, pictures, report
from vernal.collection.consensus import ALL_CLASSES
from vernal.collection.drift import DriftOptions
from vernal.collection.learning_curve import LearningCurveOptions
from vernal.collection.queue import QueueOptions
from vernal.collection.vectors import top_classes, x_of
from vernal.reports.figures.style import Drawing, drawn

_DEMO = "  ·  DEMO GROUP, no result"


def draw_stock(inventory: pd.DataFrame, planted: dict) -> Drawing:
    """Who gave what."""
    return drawn(pictures.inventory, inventory, _title("what came from whom", planted))


def draw_agreement(
    agreement: pd.DataFrame, rates: pd.DataFrame, card: ProblemCard, planted: dict
) -> tuple[Drawing, Drawing]:
    """Agreement between people, and how each errs; classes that are part of another are in the tables only."""
    shown = [*top_classes(card), ALL_CLASSES]
    agreement, rates = agreement[agreement.label.isin(shown)], rates[rates.label.isin(shown)]
    return (
        drawn(pictures.agreement, agreement, _title("do people agree?", planted)),
        drawn(pictures.annotators, rates, planted, _title("how each annotator errs", planted)),
    )


def draw_quality(qualities: pd.DataFrame, planted: dict) -> Drawing:
    """Signal-to-noise ratios by tier."""
    return drawn(pictures.quality, qualities, _title("how clear the calls are", planted))


def draw_learning(
    curves: pd.DataFrame,
    lines: pd.DataFrame,
    simulation: pd.DataFrame,
    curve: LearningCurveOptions,
    queue: QueueOptions,
    planted: dict,
) -> tuple[Drawing, Drawing]:
    """Learning curves, and the queue against chance."""
    return (
        drawn(pictures.learning_curve, curves, lines, curve.metric, _title("how much is enough?", planted)),
        drawn(pictures.strategies, simulation, queue.metric, _title("does the queue beat chance?", planted)),
    )


def draw_sample(
    coverage: pd.DataFrame,
    shifts: pd.DataFrame,
    vectors: pd.DataFrame,
    clips: pd.DataFrame,
    options: DriftOptions,
    planted: dict,
) -> tuple[Drawing, Drawing, Drawing]:
    """Coverage, drift, and the map of the embedding space."""
    shown = clips[clips.clip_id.isin(vectors.clip_id)].sort_values("clip_id")
    x = x_of(vectors, shown.clip_id)
    season = drift.season_of(shown.date, options.season_by).fillna("not known").to_numpy()
    points = pd.DataFrame(
        {
            "x": x[:, 0],
            "y": x[:, 1] if x.shape[1] > 1 else 0.0,
            "season": season,
            "use": shown.role.to_numpy(),
        }
    )
    return (
        drawn(pictures.coverage, coverage, _title("training against deployment", planted)),
        drawn(pictures.drift, shifts, planted, _title("does one season sound like the other?", planted)),
        drawn(pictures.embedding_map, points, _title("the clips as a model hears them", planted)),
    )


def _title(text: str, planted: dict) -> str:
    return f"collection: {text}" + (_DEMO if planted else "")


_ALT = {
    "inventory": "Recordings by collector and what became of them",
    "agreement": "Agreement coefficients with intervals",
    "annotators": "Rates of misses and false alarms of each annotator with intervals",
    "quality": "Histogram of signal-to-noise ratios by quality tier",
    "learning_curve": "Scores against the number of labelled clips, with the fitted law",
    "strategies": "Scores of the queue and of random choice against the number of labelled clips",
    "coverage": "Shares of training and deployment clips by site and hour",
    "drift": "Change of the background level by octave with intervals",
    "embedding_map": "Clips in the first two components of the embedding",
}


def write_report(
    card: ProblemCard,
    inbox: str | None,
    data_root: str,
    audio_roots: dict[str, str],
    strategy: dict[str, Any],
    *parts: Any,
) -> str:
    """The collection's page.

    Args:
        card: the problem card.
        inbox: where it was collected from; None is the demo group.
        data_root: the data folder, as the person wrote it.
        audio_roots: the folder of the manifest's recordings.
        strategy: the queue against chance.
        parts: the tables of `TABLES`, then the drawings of `DRAWINGS`, in order.
    """
    tables = dict(zip(TABLES, parts[: len(TABLES)], strict=True))
    drawings = dict(zip(DRAWINGS, parts[len(TABLES) :], strict=True))
    zone = audio_roots["labelled"].split("/")[-2]
    manifest, root = (
        f"{data_root}/03_primary/collection/manifest.csv",
        f"{data_root}/01_raw/collection/{zone}/objects",
    )
    params = f"source.manifest={manifest},source.audio_root={root},target={card.target},data_root={data_root}"
    command = f'kedro run --pipeline=stage5 --params="{params}"'
    facts = {"is_demo": inbox is None, "command": command, "strategy": strategy, "data_root": data_root}
    return report.page(
        card, tables, {name: (drawing, _ALT[name]) for name, drawing in drawings.items()}, facts
    )


TABLES = (
    "inventory", "recordings", "doubles", "differences", "left_out", "label_files", "label_problems", "strong", "weak",
    "detections", "reviews", "uncut", "agreement", "disagreements", "consensus", "rates", "manifest", "adversarial",
    "held_back", "gains", "suspects", "coverage", "choosers", "drift", "shifts", "queue", "first_check", "recovery",
)  # fmt: skip
DRAWINGS = tuple(_ALT)
