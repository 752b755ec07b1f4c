"""How sure: what the numbers do not show, notes, optimism, calibration, learning curves."""

import pandas as pd

from vernal.clips.manifest import split_name
from vernal.common.formatting import FEW, share
from vernal.evaluation.notes import CHOICE
from vernal.evaluation.stage_results import UNIT_NAMES, VALIDATION, StageResults
from vernal.reports.blocks import WARNING, Block, Bullets, Fold, Heading, Section, Table, Text
from vernal.reports.captions import picture
from vernal.reports.lead import sites_of
from vernal.reports.sentences import sentence

NOTES_SHOWN = 6
LIMITS = ("choice", "prevalence", "places", "nights", "resolution", "seeds")
METHOD_NAMES = {"none": "uncalibrated (sigmoid)", "platt": "Platt", "isotonic": "isotonic"}


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
    split = results.primary_split
    facts = {
        "results": results,
        "split": split,
        "at": results.numbers(results.deployed, split),
        "validation": results.numbers(results.deployed, VALIDATION),
        "units": UNIT_NAMES[results.options.unit],
        "few": FEW,
        "sites": sites_of(split_counts, split),
        "coarse": _resolution(results),
    }
    found = [sentence(f"uncertainty.{name}", **facts) for name in LIMITS]
    return [Text(text) for text in found if text]


def _resolution(results: StageResults) -> dict[str, tuple[float, float]]:
    """By split its negatives, and the smallest review time that so few can show, in minutes a night."""
    splits = dict.fromkeys([VALIDATION, results.primary_split])
    negatives = {split: results.number(results.deployed, f"{split}_n_negative") for split in splits}
    return {split: (n, results.review_minutes(1 / n)) for split, n in negatives.items() if n > 0}


def _notes(results: StageResults) -> list[Block]:
    """The evaluation's notes, without those on points that have no result: they stand with the points."""
    table = results.table("notes")
    if len(table):
        # Those on the choice stand in the answer.
        table = table[~table["scope"].isin([*results.failures["point"], CHOICE])]
    said = [
        Text(f"{_scope_words(row['scope'])}: {row['note']}.", WARNING) for row in table.to_dict("records")
    ]
    if not said:
        return []
    blocks: list[Block] = [Heading("Notes of the evaluation"), Bullets(said[:NOTES_SHOWN])]
    rest = said[NOTES_SHOWN:]
    return [*blocks, Fold(f"{len(rest):,} more", [Bullets(rest)], is_printed=True)] if rest else blocks


def _scope_words(scope: str) -> str:
    """What a note is about: a split in words, or a point by its name."""
    words = split_name(scope)
    return f"`{scope}`" if words == scope else words.capitalize()


def _optimism(results: StageResults) -> list[Block]:
    rows: list[list[str]] = []
    for split in [] if results.no_threshold else results.test_splits:
        for point in results.leading_points:
            values = [
                results.number(point, f"{split}_{name}") for name in ("f1", "f1_test_picked", "f1_optimism")
            ]
            rows.append([split_name(split), f"`{point}`", *(share(value, 3) for value in values)])
    if not rows:
        return []
    table = Table(
        ["split", "point", "F1 as it is", "F1 claimed", "optimism"], rows, sentence("uncertainty.picked")
    )
    return [Heading("Had the threshold been picked on the test"), table]


def _calibration(results: StageResults) -> list[Block]:
    table = results.table("calibration", results.deployed)
    if table.empty:
        return []
    rows = [
        [
            split_name(str(row["split"])),
            METHOD_NAMES.get(str(row["method"]), str(row["method"])),
            share(row["brier"], 3),
            share(row["ece"], 3),
        ]
        for row in table.to_dict("records")
    ]
    return [
        Fold(
            "Calibration errors",
            [Table(["split", "method", "Brier score", "calibration error"], rows)],
            is_printed=True,
        )
    ]
