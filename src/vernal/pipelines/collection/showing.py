"""The collection's figures and its page."""

from typing import Any

import pandas as pd

from vernal.clips.nights import NightOptions
from vernal.clips.problem_card import ProblemCard
from vernal.collection import figures, report
from vernal.collection.collected_manifest import clips_of_target, several_classes
from vernal.collection.consensus import ALL_CLASSES
from vernal.collection.drift import DriftOptions
from vernal.collection.figures import FIGURES
from vernal.collection.learning_curve import LearningCurveOptions
from vernal.collection.queue import QueueOptions
from vernal.collection.training_command import common_params, targets_param, training_command
from vernal.collection.vectors import top_classes
from vernal.reports.figures.style import Drawing, drawn

# What the figures show, and what the page is written from.
DRAWN = (
    "inventory", "agreement", "annotator_rates", "qualities", "curves", "curve_lines", "simulation", "coverage",
    "level_shifts", "vectors", "clips",
)  # fmt: skip
TABLES = (
    "inventory", "recordings", "doubles", "differences", "left_out", "label_files", "label_problems",
    "strong_annotations", "weak_annotations", "detections", "reviews", "uncut", "agreement", "disagreements",
    "consensus", "manifest", "adversarial", "held_back", "gains", "suspects", "coverage", "choosers", "drift",
    "queue", "birdnet", "first_check", "recovery",
)  # fmt: skip
PLOTS = tuple(f"{name}_plot" for name in FIGURES)


def draw_figures(
    card: ProblemCard,
    planted: dict,
    curve: LearningCurveOptions,
    queue: QueueOptions,
    drift: DriftOptions,
    **tables: pd.DataFrame,
) -> dict[str, Drawing]:
    """Every figure by the name of its dataset; classes that are part of another are in the tables only."""
    shown = [*top_classes(card), ALL_CLASSES]
    agreement, rates = (
        tables[name][tables[name].label.isin(shown)] for name in ("agreement", "annotator_rates")
    )
    arguments: dict[str, tuple] = {
        "inventory": (tables["inventory"],),
        "agreement": (agreement,),
        "annotators": (rates, planted),
        "quality": (tables["qualities"],),
        "learning_curve": (tables["curves"], tables["curve_lines"], curve.metric),
        "strategies": (tables["simulation"], queue.metric),
        "coverage": (tables["coverage"],),
        "drift": (tables["level_shifts"], planted),
        "embedding_map": (tables["vectors"], tables["clips"], drift.season_by),
    }
    return {
        f"{name}_plot": drawn(getattr(figures, name), *arguments[name], _title(title, planted))
        for name, (title, _) in FIGURES.items()
    }


def _title(text: str, planted: dict) -> str:
    return f"collection: {text}" + (f"  ·  {figures.DEMO}" if planted else "")


def write_report(
    card: ProblemCard,
    inbox: str | None,
    data_root: str,
    audio_roots: dict[str, str],
    strategy: dict[str, Any],
    problem: str,
    nights: NightOptions,
    targets: Any = None,
    **parts: Any,
) -> tuple[str, str]:
    """The collection's page, and its answer in one sentence with the next command.

    Args:
        card: the problem card.
        inbox: where it was collected from; None is the demo group.
        data_root: the data folder, as the person wrote it.
        audio_roots: the folder of the manifest's recordings.
        strategy: the queue against chance.
        problem: the problem card's file.
        nights: when a night begins, for the split.
        targets: as the manifest was asked for; the page is about the card's target.
        parts: the tables of `TABLES` and the drawings of `PLOTS`, by name.
    """
    zone = audio_roots["labelled"].split("/")[-2]
    manifest = f"{data_root}/03_primary/collection/manifest.csv"
    root = f"{data_root}/01_raw/collection/{zone}/objects"
    common = common_params(card, problem, data_root)
    places = {"source.manifest": manifest, "source.audio_root": root}
    names = several_classes(targets, card)
    of_target = clips_of_target(parts["manifest"], card, names)
    trained = common_params(card, problem, data_root, targets_param(parts["manifest"], card, names))
    command = training_command(of_target, card, places, trained, nights)
    tables = {name: parts[name] for name in TABLES}
    facts = {"is_demo": inbox is None, "command": command, "strategy": strategy, "data_root": data_root}
    facts |= {"params": common}
    drawings = {name: parts[f"{name}_plot"] for name in FIGURES}
    said = report.answer({**tables, "manifest": of_target}, card, command, common)
    return report.page(card, tables, of_target, drawings, facts), said
