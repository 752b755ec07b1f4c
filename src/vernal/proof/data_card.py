"""The data card: what somebody has to know of the recordings behind a stage, in Markdown.

It is read from the manifest and what became of it; where the manifest does not say something (a licence, a
site) the card says that it does not.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from vernal.clips.curation import SEPARATOR
from vernal.clips.manifest import SPLITS
from vernal.evaluation.stage_results import StageResults
from vernal.proof.card_text import NOT_GIVEN, dates, named, render
from vernal.proof.certificate import PASS
from vernal.proof.markdown import table

_LICENCE_COLUMNS = ("licence", "license")


def data_card(
    results: StageResults,
    certificate: Mapping[str, Any],
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    rejects: pd.DataFrame,
    subsets: Mapping[str, pd.DataFrame],
) -> str:
    """The card of the data behind a stage."""
    recorders = splits[splits.recorder_id.notna()].groupby("recorder_id")
    has_licence = (name for name in _LICENCE_COLUMNS if name in clips and clips[name].notna().any())
    return render(
        "data_card",
        results=results,
        clips=clips,
        splits=splits,
        rejects=rejects,
        hours=float((clips.end_s.fillna(clips.duration_s) - clips.start_s.fillna(0.0)).sum()) / 3600,
        sources=_sources(clips),
        split_rows=_split_rows(splits),
        places=_places(splits),
        counts=_counts,
        licence=next(has_licence, None),
        subsets=_subsets(subsets),
        one_class=[str(recorder) for recorder, own in recorders if own.is_positive.nunique() == 1],
        certificate=certificate,
        passed=PASS,
    )


def _sources(clips: pd.DataFrame) -> list[list[object]]:
    return [
        [source, f"{len(own):,}", f"{own.content_hash.nunique():,}", own.recorder_id.nunique(), dates(own)]
        for source, own in clips.groupby("source", sort=True)
    ]


def _split_rows(splits: pd.DataFrame) -> list[list[object]]:
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
    return rows


def _places(splits: pd.DataFrame) -> list[list[object]]:
    keyed = splits.assign(
        site=splits.site.astype("str").fillna(NOT_GIVEN),
        recorder_id=splits.recorder_id.astype("str").fillna(NOT_GIVEN),
    )
    return [
        [site, recorder, f"{int(own.is_positive.sum()):,}", f"{int((~own.is_positive).sum()):,}", dates(own)]
        for (site, recorder), own in keyed.groupby(["site", "recorder_id"], sort=True)
    ]


def _counts(clips: pd.DataFrame, column: str, what: str = "clips") -> str:
    counts = clips[column].fillna(NOT_GIVEN).value_counts().sort_index()
    return table([column.replace("_", " "), what], [[name, f"{number:,}"] for name, number in counts.items()])


def _subsets(subsets: Mapping[str, pd.DataFrame]) -> list[list[object]]:
    """Each subset with its size, and the reviewers that its clips were heard by."""
    rows: list[list[object]] = []
    for name, clips in sorted(subsets.items()):
        heard = clips.get("reviewed_by", pd.Series(dtype="str")).dropna()
        names = sorted({reviewer for names in heard for reviewer in names.split(SEPARATOR)})
        rows.append([name, f"{len(clips):,}", f"{len(heard):,} by {', '.join(names)}" if names else "none"])
    return rows
