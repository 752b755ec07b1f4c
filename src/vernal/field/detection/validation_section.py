"""What the checked sample says, as a section of the report."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from vernal.common.formatting import between, count, percent, share
from vernal.field.detection.options import DetectionOptions
from vernal.field.detection.validation import ENOUGH, REACHED, UNREACHABLE, Validation
from vernal.reports.blocks import SOFT, Block, Bullets, Picture, Section, Table, Text

_INTERVALS = (
    "Intervals are for the recordings that were searched, not for another season or place, and assume that every "
    "decision is right: a reviewer who is wrong once in twenty makes precision look worse, and calls more common, than "
    "they are (`detection.reviewer_error` allows for it)."
)


def validation_section(told: Validation, options: DetectionOptions, promised: float) -> Section:
    """The section: what can be said of precision, share of calls and call density, or how to get there.

    Args:
        promised: precision at the threshold on labelled clips; NaN where it is not known.
    """
    rows = told.summary.to_dict("records")
    if not rows or not sum(row["n_sampled"] for row in rows):
        return Section("validation", "Checked sample", [])
    if not sum(row["n_checked"] for row in rows):
        return Section("validation", "Checked sample", [Text(_how_to(rows, options))])
    several = len(rows) > 1
    said = [
        Text(f"{row['label']}: {words}" if several else words)
        for row in rows
        if row["n_checked"]
        for words in _said(row, promised)
    ]
    blocks: list[Block] = [
        Bullets(said),
        Picture(
            "precision",
            "Precision, and the share of calls that is flagged, at every threshold; bands are 95 % intervals. Below "
            "the floor nothing was sampled, so calls there are not counted.",
        ),
        Picture(
            "call_density",
            "Share of a night's windows that hold the target, from the checked sample, without any threshold. Bars are "
            "95 % intervals, which allow for nights that differ beyond their scores.",
        ),
    ]
    if len(told.places):
        blocks.append(_by_place(told.places, several))
    return Section("validation", "Checked sample", [*blocks, Text(_INTERVALS, SOFT)])


def _how_to(rows: list[dict[Hashable, Any]], options: DetectionOptions) -> str:
    n = sum(row["n_sampled"] for row in rows)
    return (
        f"{count(n, 'window')} were drawn over scores and nights. `kedro review sample` plays them, scores hidden; run "
        "again after that, and precision at every threshold, the share of calls that is flagged, call density by night "
        f"and a threshold for a precision of {options.wanted_precision:g} stand here."
    )


def _said(row: Mapping[Hashable, Any], promised: float) -> list[str]:
    floor = percent(confidence_of(row["floor_logit"]))
    first = (
        f"{row['n_checked']:,} of {count(row['n_sampled'], 'window')} drawn at random are checked; "
        f"{row['n_confirmed']:,} hold the target."
    )
    more = [first, precision_words(row), _promised_words(row, promised), _share_words(row, floor)]
    more += [_density_words(row, floor), _wanted_words(row), _more_words(row), _calibration_words(row)]
    return [words for words in more if words]


def confidence_of(logit: float) -> float:
    """A logit as confidence, its sigmoid."""
    from scipy.special import expit

    return float(expit(logit))


def precision_words(row: Mapping[Hashable, Any]) -> str:
    """Precision at the run's threshold with its interval; empty where too little was checked."""
    if row["n_checked"] < ENOUGH or pd.isna(row["precision"]):
        return ""
    low, high = percent(row["precision_low"]), percent(row["precision_high"])
    return f"By the checked sample, {percent(row['precision'])} of the flagged windows are right ({low} to {high})."


def _promised_words(row: Mapping[Hashable, Any], promised: float) -> str:
    if pd.isna(promised) or pd.isna(row["precision"]):
        return ""
    inside = row["precision_low"] <= promised <= row["precision_high"]
    verdict = "which fits" if inside else "which does not hold in this season"
    return f"On labelled clips it was {percent(promised)}, {verdict}."


def _share_words(row: Mapping[Hashable, Any], floor: str) -> str:
    if pd.isna(row["share_of_calls"]):
        return ""
    low, high = percent(row["share_of_calls_low"]), percent(row["share_of_calls_high"])
    return (
        f"Of the windows with the target and a confidence of at least {floor}, {percent(row['share_of_calls'])} are "
        f"flagged ({low} to {high})."
    )


def _density_words(row: Mapping[Hashable, Any], floor: str) -> str:
    low, high = (f"{row[f'windows_with_target_{end}']:,.0f}" for end in ("low", "high"))
    return (
        f"About {row['windows_with_target']:,.0f} of {count(row['n_windows_heard'], 'window')} heard hold the target "
        f"and have a confidence of at least {floor} ({low} to {high}): a call density of "
        f"{percent(row['call_density'])}."
    )


def _wanted_words(row: Mapping[Hashable, Any]) -> str:
    wanted = f"A precision of {row['wanted_precision']:g}"
    if row["wanted_answer"] == REACHED:
        return (
            f"{wanted} is reached from a confidence of {share(row['wanted_threshold_confidence'], 3)} on, with 90 % "
            f"certainty: `detection.min_confidence={_rounded_up(row['wanted_threshold_confidence'])}`."
        )
    if row["wanted_answer"] == UNREACHABLE:
        return f"{wanted} cannot be reached by any threshold."
    return f"Whether {wanted.lower()} can be reached cannot be told from so few checks."


def _rounded_up(confidence: float) -> str:
    """A confidence that a person can type, not below the one that was found.

    >>> _rounded_up(0.60002)
    '0.6001'
    """
    return f"{min(math.ceil(confidence * 1e4) / 1e4, 0.9999):g}"


def _more_words(row: Mapping[Hashable, Any]) -> str:
    if pd.isna(row["n_more_checks"]):
        return ""
    in_all = row["n_sampled"] + row["n_more_checks"]
    return (
        f"About {row['n_more_checks']:,.0f} more checks would halve the interval of precision "
        f"(`detection.sample={in_all:.0f}`)."
    )


def _calibration_words(row: Mapping[Hashable, Any]) -> str:
    if pd.isna(row["platt_slope"]):
        return ""
    at_own = confidence_of(row["platt_slope"] * row["threshold_logit"] + row["platt_offset"])
    before, after = share(row["brier_confidence"], 3), share(row["brier_recalibrated"], 3)
    return (
        f"A window just at the threshold (confidence {share(confidence_of(row['threshold_logit']))}) holds the target "
        f"with a probability of {share(at_own)} by the decisions. On nights that this curve was not fitted to, the "
        f"curve's mean squared error is {after}; that of the confidence is {before}."
    )


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
    note = f"Recorders and sites of which at least {ENOUGH} flagged windows were checked."
    return Table(["label", *columns] if several else columns, rows, note)
