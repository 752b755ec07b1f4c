"""What to deploy: the point, its threshold exactly, and its nights."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from vernal.clips.manifest import on_split, split_name
from vernal.common.formatting import UNDEFINED, amount, share
from vernal.evaluation.calibration import sigmoid
from vernal.evaluation.operating_points import Goal
from vernal.evaluation.proportions import BOUND_WORDS
from vernal.evaluation.stage_results import VALIDATION, StageResults
from vernal.reports.answer import configuration_text, without_threshold
from vernal.reports.blocks import BAD, WARNING, Block, Fold, Heading, Section, Table, Text
from vernal.reports.captions import picture
from vernal.reports.commands import StageCommands
from vernal.reports.figures.nights import UNKNOWN_NIGHTS
from vernal.reports.sentences import sentence
from vernal.sweeps.stage_folder import StageFolder


def deploy_section(results: StageResults, commands: StageCommands) -> Section:
    """The point to use, what else could be chosen on validation, and what it makes of nights.

    Args:
        commands: those that the section tells its reader to type.
    """
    blocks: list[Block] = [
        Text(_why(results)),
        _card(results, commands),
        *_thresholds(results),
        Heading("At night"),
        *_nights(results),
    ]
    return Section("deploy", "What to deploy", blocks)


def _thresholds(results: StageResults) -> list[Block]:
    """What other thresholds would give; without the one to use, what stands in its place."""
    if results.no_threshold:
        return [Text(without_threshold(results), BAD), picture("thresholds")]
    return [
        Heading("Other goals, other thresholds"),
        _goals_table(results),
        picture("thresholds"),
        picture("confusion"),
    ]


def _why(results: StageResults) -> str:
    is_chosen = np.isfinite(results.number(results.deployed, f"{VALIDATION}_average_precision"))
    runs = len(results.leading_points)
    return sentence("recommendation.why", results=results, runs=runs, is_chosen=is_chosen)


def _card(results: StageResults, commands: StageCommands) -> Table:
    """Everything that a person types or copies."""
    stage, point, logit = results.spec.stage, results.deployed, results.threshold(results.deployed)
    settings = (
        "the first that was measured"
        if results.leader is None
        else configuration_text(results, results.leader)
    )
    rows = [
        ["point", f"`{point}`"],
        ["settings", settings],
        ["configuration chosen by", results.choice_name],
        *_threshold_rows(results, logit),
        ["folder", f"`{(StageFolder('', stage).models / point).as_posix()}` in the data folder"],
        ["to search recordings with it", f"`{commands.detect(point)}`"],
        ["then to check a sample of them", f"`{commands.check_sample()}`"],
        ["to use it in other programs", f"`{commands.export(point)}`"],
    ]
    return Table(["what", "value"], rows)


def _threshold_rows(results: StageResults, logit: float) -> list[list[str]]:
    if results.no_threshold:
        return [["threshold", f"none could be chosen: {results.no_threshold}"]]
    return [
        ["threshold as logit, in full", f"`{float(logit)!r}`"],
        ["threshold as confidence", f"`{share(float(sigmoid(logit)), 4)}`"],
        ["chosen on", f"{split_name(VALIDATION)}, for {results.goal}"],
    ]


def _goals_table(results: StageResults) -> Table:
    """Every goal's threshold, with what it gives on each split, and whether that reaches the goal."""
    table = results.table("operating_points", results.deployed)
    at = {
        str(goal): {str(row["split"]): row for row in part.to_dict("records")}
        for goal, part in table.groupby("goal", sort=False)
    }
    goals = {goal.text: goal for goal in results.options.goals}
    rows, tones = [], []
    for name, goal in goals.items():
        logit, is_met = (at[name][VALIDATION][column] for column in ("threshold_logit", "is_goal_met"))
        cells = [cell for split in results.measured_splits for cell in _rates(results, goal, at[name][split])]
        chosen = [name, share(logit, 3), share(float(sigmoid(logit)), 3)]
        rows.append([*chosen, *cells, _served_better(results.test_splits, goals, at, name)])
        tones.append("" if pd.notna(is_met) and is_met else WARNING)
    measured = [
        f"{split_name(split)} {what}"
        for split in results.measured_splits
        for what in ("precision", "recall", "review, min")
    ]
    return Table(
        ["goal", "logit", "confidence", *measured, "remark"], rows, sentence("recommendation.goals"), tones
    )


def _rates(results: StageResults, goal: Goal, row: Mapping[Hashable, Any]) -> list[str]:
    """Precision, recall and review minutes; the one that the goal is about with whether it is met."""
    cells = {
        "precision": share(row["precision"]),
        "recall": share(row["recall"]),
        "review_minutes": amount(results.review_minutes(row["fpr"])),
    }
    if goal.kind in cells:
        met = row["is_met_here"]
        cells[goal.kind] += ": cannot be told" if pd.isna(met) else ": met" if met else ": missed"
    return list(cells.values())


def _served_better(splits: Sequence[str], goals: Mapping[str, Goal], at: Mapping[str, Any], name: str) -> str:
    """On which test splits the threshold of another goal serves this one better."""
    found = []
    for split in splits:
        value = {other: _service(goals[name], at[other][split]) for other in goals}
        best = max(value, key=lambda other: value[other])
        if value[best] > value[name]:
            found.append(f"{on_split(split)} the threshold for {best} serves it better")
    return "; ".join(found)


def _service(goal: Goal, row: Mapping[str, float]) -> tuple[int, float]:
    """How well counts serve a goal: met before cannot be told before missed, then by what the goal leaves free."""
    if goal.kind == "best_f1":
        return 0, np.nan_to_num(row["f1"], nan=-1.0)
    met = goal.is_reached(row)
    beside = row["precision" if goal.kind == "recall" else "recall"]
    return (0, 0.0) if met is False else (2 if met else 1, np.nan_to_num(beside, nan=-1.0))


def _nights(results: StageResults) -> list[Block]:
    if results.table("review", results.deployed).empty:
        return [Text(UNKNOWN_NIGHTS)]
    if results.no_threshold:
        return [picture("review")]
    return [picture("review"), picture("nights"), *_season_totals(results)]


def _season_totals(results: StageResults) -> list[Block]:
    table = results.table("seasons", results.deployed)
    if table.empty:
        return []
    rows = []
    for row in table[table["split"].isin(results.shown_splits)].to_dict("records"):
        rows.append(
            [split_name(str(row["split"])), str(row["quantity"]), *total_words(row), share(row["per_night"])]
        )
    columns = ["split", "quantity", "total", "interval", "a night"]
    return [Fold("Totals over the nights", [Table(columns, rows, totals_note())], is_printed=True)]


def totals_note() -> str:
    """What the intervals of `total_words` are."""
    return sentence("recommendation.totals", bound=BOUND_WORDS)


def total_words(row: Mapping[Hashable, Any]) -> list[str]:
    """A total of `season_totals` and its interval, both not known where there was nothing to count among.

    >>> total_words({"total": 2.0, "low": 0.36, "high": 5.3, "out_of": 10})
    ['2 of 10', '0.4 to 5.3']
    """
    if not np.isfinite(row["total"]):
        return ["not known", UNDEFINED]
    out_of = row.get("out_of", np.nan)
    total = f"{row['total']:,.0f}" + (f" of {out_of:,.0f}" if np.isfinite(out_of) else "")
    return [total, f"{amount(row['low'])} to {amount(row['high'])}" if np.isfinite(row["low"]) else UNDEFINED]
