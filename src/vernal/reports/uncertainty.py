"""How sure: what the numbers do not show, notes, optimism, calibration, learning curves."""

from __future__ import annotations

import numpy as np
import pandas as pd

from vernal.common.formatting import count, listed, minutes, percent, share
from vernal.evaluation.notes import CHOICE
from vernal.evaluation.stage_results import UNIT_NAMES, VALIDATION, StageResults
from vernal.reports.blocks import WARNING, Block, Bullets, Fold, Heading, Section, Table, Text
from vernal.reports.captions import picture
from vernal.reports.error_breakdown import FEW

NOTES_SHOWN = 6
PICKED_NOTE = (
    "A threshold picked on a test split describes that split alone; what it would have claimed is never used."
)
METHOD_NAMES = {"none": "as it is (sigmoid)", "platt": "Platt", "isotonic": "isotonic"}


def sure_section(results: StageResults, split_counts: pd.DataFrame) -> Section:
    """Limits first, then the evaluation's notes, then what optimism, calibration and training show."""
    blocks: list[Block] = [
        Bullets(limits(results, split_counts)),
        *_notes(results),
        *_optimism(results),
        Heading("Scores as probabilities"),
        picture("reliability"),
        *_calibration(results),
        Heading("Training"),
        picture("learning_curves"),
    ]
    return Section("sure", "How sure", blocks)


def limits(results: StageResults, split_counts: pd.DataFrame) -> list[Text]:
    """What the numbers do not show, from the data at hand."""
    found = [
        _choice(results),
        _prevalence(results),
        _places(results, split_counts),
        _absent_nights(results),
        _resolution(results),
    ]
    if results.n_seeds < 2:
        found.append("One seed: whatever one sees contains the luck of a single training run.")
    return [Text(text) for text in found if text]


def _choice(results: StageResults) -> str:
    """Whether thresholds were chosen on too few clips to mean much."""
    positive, negative = (
        results.number(results.deployed, f"{VALIDATION}_n_{side}") for side in ("positive", "negative")
    )
    if not 0 < min(positive, negative) < FEW:
        return ""
    return (
        f"Thresholds were chosen on {count(positive, 'positive')} and {count(negative, 'negative')} of {VALIDATION}: "
        "with so few, other nights would have put them elsewhere."
    )


def _prevalence(results: StageResults) -> str:
    split, point, unit = results.primary_split, results.deployed, UNIT_NAMES[results.options.unit]
    positive, negative = (results.number(point, f"{split}_n_{side}") for side in ("positive", "negative"))
    rare = results.number(point, f"{split}_precision_at_field_prevalence")
    if not np.isfinite(rare):
        return ""
    here, field = percent(positive / (positive + negative)), percent(results.options.field_prevalence)
    text = (
        f"Precision and F1 hold where {here} of the {unit} are positive, as in {split}. Where {field} are, "
    )
    if results.number(point, f"{split}_fpr") == 0:
        return (
            f"{text}precision cannot be told: no false alarm was seen, and {negative:,.0f} negatives are few."
        )
    if rare <= 0:
        return f"{text}no flagged one would be right."
    to_check = f"about {count(round(1 / rare), 'flagged one')} to check for each true one"
    return f"{text}the same threshold has a precision of {share(rare, 3)}: {to_check}."


def _places(results: StageResults, split_counts: pd.DataFrame) -> str:
    split = results.primary_split
    counts = split_counts[(split_counts["split"] == split) & (split_counts["by"] == "site")]
    sites = [str(value) for value in counts["value"] if str(value) != "not given"]
    if not sites:
        return ""
    names = f" ({', '.join(sites)})" if len(sites) <= 5 else ""
    one = " One site says nothing about how sites differ." if len(sites) == 1 else ""
    held = f"{split} holds {count(len(sites), 'site')}{names}."
    return f"{held} Intervals are over its {results.block_name}, not over other sites or years.{one}"


def _absent_nights(results: StageResults) -> str:
    split, point = results.primary_split, results.deployed
    nights, present = (results.number(point, f"{split}_{name}") for name in ("n_nights", "n_present"))
    if not np.isfinite(nights):
        return f"Recorder or date is unknown of some clips of {split}: nothing is said about nights."
    if nights != present:
        return ""
    return (
        f"{count(nights, 'night')} of {split}, all with {results.target}: how often it would be reported on a night "
        "without is not known."
    )


def _resolution(results: StageResults) -> str:
    """The smallest review time that so few negatives can show."""
    found = []
    for split in dict.fromkeys([VALIDATION, results.primary_split]):
        negatives = results.number(results.deployed, f"{split}_n_negative")
        if negatives > 0:
            least = results.review_minutes(1 / negatives)
            found.append(
                f"one false alarm among the {negatives:,.0f} negatives of {split} stands for {minutes(least)}"
            )
    return f"Review time is coarse: {listed(found)} a night." if found else ""


def _notes(results: StageResults) -> list[Block]:
    """The evaluation's notes, without those on points that have no result: they stand with the points."""
    table = results.table("notes")
    if len(table):
        # Those on the choice stand in the answer.
        table = table[~table["scope"].isin([*results.failures["point"], CHOICE])]
    said = [Text(f"`{row['scope']}`: {row['note']}.", WARNING) for row in table.to_dict("records")]
    if not said:
        return []
    blocks: list[Block] = [Heading("Notes of the evaluation"), Bullets(said[:NOTES_SHOWN])]
    rest = said[NOTES_SHOWN:]
    return [*blocks, Fold(f"{len(rest):,} more", [Bullets(rest)])] if rest else blocks


def _optimism(results: StageResults) -> list[Block]:
    rows: list[list[str]] = []
    for split in [] if results.no_threshold else results.test_splits:
        for point in results.leading_points:
            values = [
                results.number(point, f"{split}_{name}") for name in ("f1", "f1_test_picked", "f1_optimism")
            ]
            rows.append([f"`{split}`", f"`{point}`", *(share(value, 3) for value in values)])
    if not rows:
        return []
    table = Table(["split", "point", "F1 as it is", "F1 claimed", "optimism"], rows, PICKED_NOTE)
    return [Heading("Had the threshold been picked on the test"), table]


def _calibration(results: StageResults) -> list[Block]:
    table = results.table("calibration", results.deployed)
    if table.empty:
        return []
    rows = [
        [
            f"`{row['split']}`",
            METHOD_NAMES.get(str(row["method"]), str(row["method"])),
            share(row["brier"], 3),
            share(row["ece"], 3),
        ]
        for row in table.to_dict("records")
    ]
    return [
        Fold("Calibration errors", [Table(["split", "method", "Brier score", "calibration error"], rows)])
    ]
