"""What a reader of an evaluation's tables has to know beside them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vernal.evaluation import bootstrap, coverage, nights
from vernal.evaluation.choice import Choice
from vernal.evaluation.coverage import VALIDATION
from vernal.evaluation.measuring import MeasuredSplit
from vernal.evaluation.operating_points import OperatingPoint
from vernal.evaluation.options import EvaluationOptions

_OF_NEGATIVES = "all but the false positive rate is undefined or says nothing"
_WITHOUT_THRESHOLD = (
    "F1, precision, recall and false positive rate are undefined on every split, and average precision stands in where "
    "one of them was to order configurations"
)
CHOICE = "choice"  # the scope of notes on how configurations were chosen among


def notes_table(
    measured: Mapping[str, MeasuredSplit],
    sheet: coverage.Sheet,
    frozen: Sequence[OperatingPoint],
    names: Sequence[str],
    failed: Mapping[str, str],
    options: EvaluationOptions,
    primary: str,
    chosen: Choice,
) -> pd.DataFrame:
    """`scope` (a point, a split, the choice or the stage) and `note`: what failed, what is undefined, and why."""
    notes = [(point, f"failed: {reason}") for point, reason in sorted(failed.items())]
    for split in sheet.units:
        notes += [(split, note) for note in _split_notes(split, measured.get(split))]
    notes += [(CHOICE, note) for note in (chosen.sentence, *chosen.reasons)]
    if options.precision_floor is not None and chosen.precision is None:
        notes.append((CHOICE, "the precision floor was not applied, since only a test split could apply it"))
    if primary != options.primary_split:
        notes.append(
            ("stage", f"{options.primary_split} cannot measure {options.primary_metric}; {primary} stands in")
        )
    # What validation lacks it lacks for every point.
    lacking = {point.note for point in frozen if np.isnan(point.logit)}
    notes += [("stage", f"{note}; {_WITHOUT_THRESHOLD}") for note in lacking]
    notes += [
        (name, point.note)
        for name, point in zip(names, frozen, strict=True)
        if point.note and point.note not in lacking
    ]
    for split, part in measured.items():
        flagged = part.values["tp"] + part.values["fp"]
        for name, is_constant, n in zip(names, part.values["is_constant"], flagged, strict=True):
            if is_constant:
                notes.append(
                    (name, f"scores of {split} are all the same: its metrics say nothing about the detector")
                )
            elif n in (0, len(part.units)):
                notes.append((name, f"flags {'every' if n else 'no'} clip of {split} at its threshold"))
    return pd.DataFrame(notes, columns=["scope", "note"])


def _split_notes(name: str, split: MeasuredSplit | None) -> list[str]:
    if split is None:
        return ["holds no clips: its metrics are undefined"]
    found = []
    if not split.truth.any():
        kept = "its metrics are undefined" if name == VALIDATION else _OF_NEGATIVES
        found.append(f"holds no positives: {kept}")
    if split.truth.all():
        found.append("holds no negatives: AUROC, average precision and false positive rate are undefined")
    blocks = split.nights
    if name != VALIDATION and not bootstrap.is_enough(blocks.n_blocks["both"], blocks.effective["both"]):
        found.append(
            f"positives fall into {blocks.n_blocks['positive']} blocks ({blocks.blocks.kind}), worth "
            f"{blocks.effective['positive']:.1f} equal ones, negatives into {blocks.n_blocks['negative']}, "
            f"worth {blocks.effective['negative']:.1f}: too few for intervals over nights"
        )
    elif name != VALIDATION and "-night" not in blocks.blocks.kind:
        found.append(
            f"recorder or date is unknown of some clips: intervals are over blocks of {blocks.blocks.kind}"
        )
    if not nights.has_nights(split.units):
        found.append("recorder or date is unknown of some clips: no table of nights")
    return found
