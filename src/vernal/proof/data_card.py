"""The data card: what somebody has to know of the recordings behind a stage, in Markdown.

It is read from the manifest and what became of it; where the manifest does not say something (a licence, a
site) the card says that it does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from vernal.clips.curation import SEPARATOR
from vernal.clips.manifest import SPLITS
from vernal.common.formatting import count
from vernal.evaluation.stage_results import StageResults
from vernal.proof.card_text import DEMO, NOT_GIVEN, bullets, card, dates, named
from vernal.proof.certificate import PASS
from vernal.proof.markdown import table, text

_LICENCE_COLUMNS = ("licence", "license")
_NO_LICENCE = (
    "The manifest has no column `licence`: the terms of these recordings are not known here. Settle them before "
    "anything is passed on."
)


def data_card(
    results: StageResults,
    certificate: Mapping[str, Any],
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    rejects: pd.DataFrame,
    subsets: Mapping[str, pd.DataFrame],
) -> str:
    """The card of the data behind a stage."""
    positives = splits[splits.is_positive]
    return card(
        [
            f"# Data card: {text(results.target)}, {results.spec.stage}",
            DEMO if results.is_demo else "",
            _amounts(clips, splits),
            "## Sources",
            _sources(clips),
            "## Splits",
            _split_table(splits),
            "Blocks are never divided: a night of a site (or recorder where no site is known), a group, a file.",
            "## Sites and recorders",
            _places(splits),
            "## Quality and call types of the positives",
            _counts(positives, "quality"),
            _counts(positives, "call_type"),
            "## Licences",
            _licences(clips),
            "## Added by mining and review",
            table(["subset", "clips", "decided by people"], _subsets(subsets)),
            "## Left out",
            _rejects(rejects),
            "## Known limits",
            _limits(splits, certificate),
        ]
    )


def _amounts(clips: pd.DataFrame, splits: pd.DataFrame) -> str:
    hours = float((clips.end_s.fillna(clips.duration_s) - clips.start_s.fillna(0.0)).sum()) / 3600
    return (
        f"{len(splits):,} labelled clips of {count(splits.content_hash.nunique(), 'file')}, and "
        f"{len(clips) - len(splits):,} clips of field and unchecked recordings; {hours:,.2f} hours of sound in all."
    )


def _sources(clips: pd.DataFrame) -> str:
    rows = [
        [source, f"{len(own):,}", f"{own.content_hash.nunique():,}", own.recorder_id.nunique(), dates(own)]
        for source, own in clips.groupby("source", sort=True)
    ]
    return table(["source", "clips", "files", "recorders", "dates"], rows)


def _split_table(splits: pd.DataFrame) -> str:
    rows = []
    for name in SPLITS:
        own = splits[splits.split == name]
        if len(own):
            counts = [
                f"{int(own.is_positive.sum()):,}",
                f"{int((~own.is_positive).sum()):,}",
                own.block.nunique(),
            ]
            rows.append([name, *counts, named(own, "site"), dates(own)])
    return table(["split", "positive", "negative", "blocks", "sites", "dates"], rows)


def _places(splits: pd.DataFrame) -> str:
    keyed = splits.assign(
        site=splits.site.astype("str").fillna(NOT_GIVEN),
        recorder_id=splits.recorder_id.astype("str").fillna(NOT_GIVEN),
    )
    rows = [
        [site, recorder, f"{int(own.is_positive.sum()):,}", f"{int((~own.is_positive).sum()):,}", dates(own)]
        for (site, recorder), own in keyed.groupby(["site", "recorder_id"], sort=True)
    ]
    return table(["site", "recorder", "positive", "negative", "dates"], rows)


def _counts(clips: pd.DataFrame, column: str) -> str:
    counts = clips[column].fillna(NOT_GIVEN).value_counts().sort_index()
    return table(
        [column.replace("_", " "), "clips"], [[name, f"{number:,}"] for name, number in counts.items()]
    )


def _licences(clips: pd.DataFrame) -> str:
    column = next((name for name in _LICENCE_COLUMNS if name in clips and clips[name].notna().any()), None)
    return _NO_LICENCE if column is None else _counts(clips, column)


def _subsets(subsets: Mapping[str, pd.DataFrame]) -> list[list[object]]:
    """Each subset with its size, and the reviewers that its clips were heard by."""
    rows: list[list[object]] = []
    for name, clips in sorted(subsets.items()):
        heard = clips.get("reviewed_by", pd.Series(dtype="str")).dropna()
        names = sorted({reviewer for names in heard for reviewer in names.split(SEPARATOR)})
        rows.append([name, f"{len(clips):,}", f"{len(heard):,} by {', '.join(names)}" if names else "none"])
    return rows


def _rejects(rejects: pd.DataFrame) -> str:
    if rejects.empty:
        return "Every listed row could be used."
    counts = rejects.reason.value_counts().sort_index()
    return table(["reason", "rows"], [[name, f"{number:,}"] for name, number in counts.items()])


def _limits(splits: pd.DataFrame, certificate: Mapping[str, Any]) -> str:
    lines = []
    recorders = splits[splits.recorder_id.notna()].groupby("recorder_id")
    one_class = [str(recorder) for recorder, own in recorders if own.is_positive.nunique() == 1]
    if one_class:
        lines.append(
            f"{count(len(one_class), 'recorder')} with clips of one class only "
            f"({', '.join(map(text, one_class[:10]))}): who recorded a clip says something about its label, so "
            "compare with the metadata baseline and the AUROC within recorders."
        )
    for column, word in (("site", "site"), ("recorder_id", "recorder"), ("date", "date")):
        missing = int(splits[column].isna().sum())
        if missing:
            lines.append(f"{count(missing, 'clip')} without a {word}.")
    wrong = [line for line in certificate["checks"] if line["verdict"] != PASS]
    lines += [f"{line['title']}: **{line['verdict']}**. {text(line['said'])}" for line in wrong]
    return bullets([*lines, "Labels are what the manifest says; no label was changed here."])
