"""What the checked sample says, as a section of the report."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from vernal.common.formatting import between, share
from vernal.field.detection.options import DetectionOptions
from vernal.field.detection.validation import ENOUGH, REACHED, UNREACHABLE, Validation
from vernal.reports.blocks import SOFT, Block, Bullets, Picture, Section, Table, Text
from vernal.reports.sentences import sentences_of

SAID = ("checked", "promised", "share_of_calls", "density", "wanted", "more_checks", "calibration")
sentence = sentences_of("vernal.field.detection")


def validation_section(told: Validation, options: DetectionOptions, promised: float, command: str) -> Section:
    """The section: what can be said of precision, share of calls and call density, or how to get there.

    Args:
        promised: precision at the threshold on labelled clips; NaN where it is not known.
        command: what plays the sample.
    """
    rows = told.summary.to_dict("records")
    if not rows or not sum(row["n_sampled"] for row in rows):
        return Section("validation", "Checked sample", [])
    if not sum(row["n_checked"] for row in rows):
        n, wanted = sum(row["n_sampled"] for row in rows), options.wanted_precision
        how_to = Text(sentence("validation.how_to", n=n, wanted=wanted, command=command))
        return Section("validation", "Checked sample", [how_to])
    several = len(rows) > 1
    said = [
        Text(f"{row['label']}: {words}" if several else words)
        for row in rows
        if row["n_checked"]
        for words in _said(row, promised)
    ]
    blocks: list[Block] = [
        Bullets(said),
        Picture("precision", sentence("validation.precision_picture")),
        Picture("call_density", sentence("validation.density_picture")),
    ]
    if len(told.places):
        blocks.append(_by_place(told.places, several))
    return Section("validation", "Checked sample", [*blocks, Text(sentence("validation.intervals"), SOFT)])


def _said(row: Mapping[Hashable, Any], promised: float) -> list[str]:
    own = row["threshold_logit"]
    facts = {
        "row": row,
        "promised": promised,
        "floor": confidence_of(row["floor_logit"]),
        "reached": REACHED,
        "unreachable": UNREACHABLE,
        "typed": _rounded_up(row["wanted_threshold_confidence"]),
        "own": confidence_of(own),
        "told": confidence_of(row["platt_slope"] * own + row["platt_offset"]),
    }
    more = [sentence(f"validation.{name}", **facts) for name in SAID]
    return [words for words in (more[0], precision_words(row), *more[1:]) if words]


def confidence_of(logit: float) -> float:
    """A logit as confidence, its sigmoid."""
    from scipy.special import expit

    return float(expit(logit))


def precision_words(row: Mapping[Hashable, Any]) -> str:
    """Precision at the run's threshold with its interval; empty where too little was checked."""
    if row["n_checked"] < ENOUGH or pd.isna(row["precision"]):
        return ""
    return sentence("validation.precision", row=row)


def _rounded_up(confidence: float) -> str:
    """A confidence that a person can type, not below the one that was found.

    >>> _rounded_up(0.60002)
    '0.6001'
    """
    return f"{min(math.ceil(confidence * 1e4) / 1e4, 0.9999):g}" if math.isfinite(confidence) else ""


def _by_place(places: pd.DataFrame, several: bool) -> Table:
    rows = [
        [
            *([str(row["label"])] if several else []),
            f"{row['by']} {row['place']}",
            f"{row['n_windows']:,}",
            f"{row['n_confirmed']:,} of {row['n_checked']:,}",
            share(row["precision"]),
            between(row["precision_low"], row["precision_high"]),
        ]
        for row in places.to_dict("records")
    ]
    columns = ["place", "windows flagged", "checked and right", "precision", "95 %"]
    note = sentence("validation.places", enough=ENOUGH)
    return Table(["label", *columns] if several else columns, rows, note)
