"""The study as one HTML page that needs nothing else: no network, no script, everything from files escaped."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from vernal.clips.problem_card import ProblemCard, verdict
from vernal.common.formatting import UNDEFINED, between, share
from vernal.reports.figures.style import Drawing, inline_svg
from vernal.reports.page_templates import page_templates
from vernal.reports.sentences import sentences_of
from vernal.studies.features.classification_tables import ClassificationTable
from vernal.studies.features.evaluation import pooled_tables
from vernal.studies.features.folds import BY_SITE, LEAKY, keep_sites_whole
from vernal.studies.features.lab_tables import lab_tables
from vernal.studies.features.pictures import described
from vernal.studies.features.point_settings import LINEAR
from vernal.studies.features.rows import records

sentence = sentences_of("vernal.studies.features")


@dataclass(frozen=True, eq=False)
class StudyResults:
    """Everything that the page is made from; tables as `vernal.studies.features.evaluation` gives them.

    `level`: coverage of the intervals. `is_checked`: whether networks had to learn a batch by heart first.
    `feature_rate_hz`: sample rate of the features.
    """

    is_demo: bool
    clips: pd.DataFrame
    rejects: pd.DataFrame
    label_counts: pd.DataFrame
    folds: pd.DataFrame
    points: pd.DataFrame
    leaderboard: pd.DataFrame
    confusions: pd.DataFrame
    comparisons: pd.DataFrame
    failures: pd.DataFrame
    runtime: pd.DataFrame
    level: float
    is_checked: bool
    feature_rate_hz: int
    card: ProblemCard


def render_page(results: StudyResults, figures: Mapping[str, Drawing], gallery: Mapping[str, Drawing]) -> str:
    """The page as text.

    Args:
        figures: `labels`, `learning`, `standings`, `confusion`.
        gallery: by class.
    """
    environment = page_templates("vernal.studies.features")
    environment.filters |= {"share": share, "time": _milliseconds, "described": described}
    environment.globals |= {"between": between}
    board = results.leaderboard
    tables = pooled_tables(results.confusions) if len(board) else {}
    return environment.get_template("features.html.j2").render(
        demo=sentence("study.demo") if results.is_demo else "",
        demo_title="(demo)",
        answer=answer(results),
        tiles=_tiles(results),
        narrow=_narrow(results),
        unit="site" if keep_sites_whole(results.folds, results.clips) else "group",
        is_checked=results.is_checked,
        standings=records(board.assign(is_leaky=board.split == LEAKY)) if len(board) else [],
        beats=_compared(results, "beat_synced"),
        against_birdnet=_compared(results, "birdnet"),
        leaks=_compared(results, "leak"),
        tables=[
            {"title": described(row), "text": shown(tables[row["configuration_hash"]])}
            for row in records(board)
            if row["configuration_hash"] in tables and row["split"] == BY_SITE
        ],
        lab=[{"title": name, "text": shown(table)} for name, table in lab_tables().items()],
        runtime=records(results.runtime),
        failures=records(results.failures),
        n_rejects=len(results.rejects),
        rejects=records(results.rejects.head(20)),
        dropped=records(results.label_counts[results.label_counts["class"].isna()]),
        figures={name: Markup(inline_svg(drawing.svg, name, name)) for name, drawing in figures.items()},
        gallery=[(name, base64.b64encode(drawing.png).decode("ascii")) for name, drawing in gallery.items()],
        level=f"{100 * results.level:g} %",
        seeds=_seeds(board),
    )


def shown(table: ClassificationTable) -> list[dict[str, Any]]:
    """A classification table as cells; ours and published ones alike."""
    rows = []
    n_classes = len(table.classes)
    for place, row in enumerate(records(table.rows())):
        support = f"{row['support']:,.0f}"
        blank = place == n_classes  # the row of accuracy; by place, for a class may have that name
        rates = {
            name: "" if blank and name != "f1" else share(row[name]) for name in ("precision", "recall", "f1")
        }
        rows.append({"row": str(row["row"]), **rates, "support": support, "is_average": place >= n_classes})
    return rows


def answer(results: StudyResults) -> list[str]:
    """What was found, in sentences."""
    board = results.leaderboard
    honest = board[board.split == BY_SITE] if len(board) else board
    if honest.empty:
        return [sentence("study.nothing")]
    scratch, heads = records(honest[honest.model != LINEAR]), records(honest[honest.model == LINEAR])
    said = []
    if scratch:
        facts = {"accuracy": sentence("study.accuracy", row=scratch[0]), "chance": honest.chance.iloc[0]}
        said.append(sentence("study.scratch", model=described(scratch[0]), **facts))
    if heads:
        said.append(sentence("study.heads", accuracy=sentence("study.accuracy", row=heads[0])))
    if scratch:
        compared = records(results.comparisons[results.comparisons.question == "birdnet"])
        names = ("feature", "sync", "model", "variant")
        own = [row for row in compared if all(row[name] == scratch[0][name] for name in names)]
        said += [sentence(f"study.{_verdict(row)}", row=row) for row in own]
    return [*said, _target(results.card, records(honest)[0])]


def _target(card: ProblemCard, first: Mapping[str, Any]) -> str:
    """Whether the first of the study reaches what the problem card asks, where it asks for what is measured here."""
    wanted = card.performance
    if wanted is None:
        return ""
    metric = wanted.metric.strip().casefold().replace(" ", "_")
    if metric not in ("accuracy", "macro_f1"):
        return sentence("study.other_target", target=wanted.spell())
    numbers = (float(first[f"{metric}_{end}"]) for end in ("mean", "low", "high"))
    return sentence("study.target", verdict=verdict(card, *numbers).sentence)


def _verdict(row: Mapping[str, float]) -> str:
    """Which is better, by the interval of the difference: the name of a sentence."""
    if not np.isfinite(row["low"]):
        return "unsure"
    return "birdnet" if row["high"] < 0 else "from_scratch" if row["low"] > 0 else "not_shown"


def _seeds(board: pd.DataFrame) -> str:
    """What the numbers are means of, in words."""
    n_runs = board.n_runs if len(board) else pd.Series([0])
    return sentence("study.seeds", least=n_runs.min(), most=n_runs.max())


def _narrow(results: StudyResults) -> str:
    """A word of warning where some clips hold less of the spectrum than others; else nothing."""
    rates = results.clips.sample_rate_hz
    is_narrow = rates < results.feature_rate_hz
    if is_narrow.all() or not is_narrow.any():
        return ""
    classes = sorted(set(results.clips["class"][is_narrow]))
    facts = {"n": is_narrow.sum(), "n_all": len(rates), "lowest": rates.min()}
    return sentence("study.narrow", classes=classes, rate=results.feature_rate_hz, **facts)


def _tiles(results: StudyResults) -> list[tuple[str, str, str]]:
    folds = results.folds[results.folds.split == BY_SITE]
    sizes = results.clips["class"].value_counts()
    names = sorted(folds.fold.unique())
    each = sentence("study.classes_detail", least=sizes.min(), most=sizes.max())
    return [
        (f"{len(results.clips):,}", "clips", sentence("study.clips_detail", n=len(results.rejects))),
        (f"{len(sizes):,}", "classes", each),
        (f"{len(names):,}", "folds", sentence("study.folds_detail", folds=names)),
        (f"{len(results.points):,}", "points", sentence("study.points_detail", n=len(results.failures))),
    ]


def _compared(results: StudyResults, question: str) -> list[dict[str, Any]]:
    """The answers to a question, each with its name and a verdict."""
    rows = records(results.comparisons[results.comparisons.question == question])
    return [{**row, "name": described({**row, "split": BY_SITE}), "verdict": _is_better(row)} for row in rows]


def _is_better(row: Mapping[str, float]) -> str:
    if not np.isfinite(row["low"]) or row["low"] <= 0 <= row["high"]:
        return "cannot be told"
    return "better" if row["difference"] > 0 else "worse"


def _milliseconds(value: float) -> str:
    return f"{value:,.1f}" if np.isfinite(value) else UNDEFINED
