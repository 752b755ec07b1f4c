"""What to deploy: the point, its threshold exactly, and its nights."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from vernal.common.formatting import UNDEFINED, amount, count, share
from vernal.evaluation.calibration import sigmoid
from vernal.evaluation.stage_results import VALIDATION, StageResults
from vernal.reports.answer import configuration_text, without_threshold
from vernal.reports.blocks import BAD, WARNING, Block, Fold, Heading, Section, Table, Text
from vernal.reports.captions import picture
from vernal.reports.figures.nights import UNKNOWN_NIGHTS
from vernal.sweeps.stage_folder import StageFolder


def deploy_section(results: StageResults) -> Section:
    """The point to use, what else could be chosen on validation, and what it makes of nights."""
    blocks: list[Block] = [
        Text(_why(results)),
        _card(results),
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
    if len(results.leading_points) < 2:
        return "It is the only run of its configuration."
    runs = count(len(results.leading_points), "run")
    if not np.isfinite(results.number(results.deployed, f"{VALIDATION}_average_precision")):
        return (
            f"Of the leading configuration's {runs}, it is the first: validation could not choose among them."
        )
    return (
        f"Of the leading configuration's {runs}, this one has the highest average precision on validation; no test "
        "split was asked."
    )


def _card(results: StageResults) -> Table:
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
        *_threshold_rows(results, logit),
        ["folder", f"`{(StageFolder('', stage).models / point).as_posix()}` in the data folder"],
        ["to take it to the field", f"`kedro export {stage} {point} --out DIR`"],
    ]
    return Table(["what", "value"], rows)


def _threshold_rows(results: StageResults, logit: float) -> list[list[str]]:
    if results.no_threshold:
        return [["threshold", f"none could be chosen: {results.no_threshold}"]]
    return [
        ["threshold as logit, in full", f"`{float(logit)!r}`"],
        ["threshold as confidence", f"`{share(float(sigmoid(logit)), 4)}`"],
        ["chosen on", f"`{VALIDATION}`, for {results.goal}"],
    ]


def _goals_table(results: StageResults) -> Table:
    """Every goal's threshold, with what it gave on validation and gives on the split that decides."""
    table = results.table("operating_points", results.deployed)
    shown = list(dict.fromkeys([VALIDATION, results.primary_split]))
    rows, tones = [], []
    for goal, part in table.groupby("goal", sort=False):
        of_split = {row["split"]: row for row in part.to_dict("records")}
        logit, is_met = float(part["threshold_logit"].iloc[0]), bool(part["is_goal_met"].iloc[0])
        cells = [cell for split in shown for cell in _rates(results, of_split.get(split, {}))]
        name = str(goal) if is_met else f"{goal} (not reached)"
        rows.append([name, share(logit, 3), share(float(sigmoid(logit)), 3), *cells])
        tones.append("" if is_met else WARNING)
    measured = [f"{split} {what}" for split in shown for what in ("precision", "recall", "review, min")]
    note = (
        f"All chosen on {VALIDATION} and applied elsewhere as they are: what a goal asks for holds on {VALIDATION} "
        "alone. Review in minutes a night, from the false positive rate."
    )
    return Table(["goal", "logit", "confidence", *measured], rows, note, tones)


def _rates(results: StageResults, row: Mapping[Hashable, Any]) -> list[str]:
    spent = amount(results.review_minutes(row.get("fpr", np.nan)))
    return [share(row.get("precision", np.nan)), share(row.get("recall", np.nan)), spent]


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
        interval = f"{row['low']:,.0f} to {row['high']:,.0f}" if np.isfinite(row["low"]) else UNDEFINED
        numbers = [f"{row['total']:,.0f}", interval, f"{row['per_night']:.2f}"]
        rows.append([f"`{row['split']}`", str(row["quantity"]), *numbers])
    columns = ["split", "quantity", "total", "interval", "a night"]
    return [
        Fold("Totals over the nights", [Table(columns, rows, "Intervals are for as many nights like these.")])
    ]
