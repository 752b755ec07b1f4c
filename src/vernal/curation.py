"""Named subsets that a sweep can add, made of what was mined and what people said of it.

A person's word wins over the miner's: a hard negative that turns out to be the target is taken out, with the
reason. A clip of an unchecked recording becomes usable only here, once a person has decided on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vernal.overlap import drop_held_out
from vernal.problems import InputError, Problems, suggest

REVIEWED_POSITIVES = "reviewed/positives"
REVIEWED_NEGATIVES = "reviewed/negatives"
DECISIONS = ("target", "not_target", "unsure")
CURATED_COLUMNS = (
    "clip_id",
    "source",
    "is_positive",
    "label",
    "quality",
    "subset",
    "rank",
    "logit",
    "origin",
)
DROPPED_COLUMNS = ("subset", "clip_id", "source", "reason")


@dataclass(frozen=True)
class CuratedSubsets:
    """The subsets by name, and every clip that a subset lost.

    `kept`: tables with `CURATED_COLUMNS`, then the other columns of the clips; sorted by rank, empty ones
    included. `dropped`: one row a subset and clip, with `reason`. What was mined or reviewed is in one of
    them.
    """

    kept: dict[str, pd.DataFrame]
    dropped: pd.DataFrame


def curated_subsets(
    best: Mapping[str, pd.DataFrame],
    hard: Mapping[str, pd.DataFrame],
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    reviews: pd.DataFrame | None = None,
    target: str = "RADR",
) -> CuratedSubsets:
    """Turn mined rankings and reviews into subsets that training may use.

    Args:
        best, hard: what `mining.best_low_quality` and `mining.hard_negatives` give.
        clips: all clips of all sources, one row a `clip_id`.
        splits: the labelled clips with `split`.
        reviews: `clip_id`, `decision` (target, not_target, unsure), `reviewer`, `when`; optional `quality` of
            positives. A reviewer's latest word counts; reviewers who disagree leave the clip undecided.
        target: label that reviewed positives get.
    Returns:
        The names of `best` and `hard`, and `reviewed/positives` and `reviewed/negatives`, which take
        unlabelled clips only. A mined clip leaves its subset when a review contradicts its class or cannot
        decide; a hard negative also when a review found the target in the same recording and nobody reviewed
        the clip itself. Clips of a validation or test clip's audio, group or night are left out.
    Raises:
        InputError: an unknown decision, a mined or reviewed clip that `clips` does not have.
    """
    verdicts = resolve_reviews(reviews)
    _refuse_unknown(best, hard, verdicts, clips)
    found_in = _recordings_with_target(clips, verdicts)
    kept: dict[str, pd.DataFrame] = {}
    dropped = []
    for ranked, is_positive in ((best, True), (hard, False)):
        for name, table in ranked.items():
            rows = _mined_rows(name, table, clips, is_positive)
            reason = _reasons(rows, verdicts, found_in)
            kept[name], related = drop_held_out(rows[reason == ""], splits)
            dropped += [rows[reason != ""].assign(reason=reason[reason != ""]), related]
    for name, is_positive in ((REVIEWED_POSITIVES, True), (REVIEWED_NEGATIVES, False)):
        rows = _reviewed_rows(name, verdicts, clips, target if is_positive else "negative", is_positive)
        kept[name], related = drop_held_out(rows, splits)
        dropped.append(related)
    lost = pd.concat([part.reindex(columns=list(DROPPED_COLUMNS)) for part in dropped]).astype("str")
    return CuratedSubsets(kept, lost.sort_values(["subset", "clip_id"], ignore_index=True))


def resolve_reviews(reviews: pd.DataFrame | None) -> pd.DataFrame:
    """One decision a clip, from any number of reviews.

    Returns:
        `clip_id`, `decision`, `quality` (missing where not given), `n_reviewers`, sorted by `clip_id`. The
        latest review of each reviewer counts; one who is unsure has no say against one who decided; decided
        reviewers who disagree make the clip `unsure`.
    Raises:
        InputError: missing columns or an unknown decision.
    """
    columns = {"clip_id": "str", "decision": "str", "quality": "str", "n_reviewers": "int64"}
    if reviews is None or reviews.empty:
        return pd.DataFrame({name: [] for name in columns}).astype(columns)
    absent = [name for name in ("clip_id", "decision", "reviewer", "when") if name not in reviews]
    if absent:
        raise InputError(
            f"The reviews have no column {', '.join(absent)}; they have {', '.join(reviews.columns)}."
        )
    unknown = reviews[~reviews.decision.isin(DECISIONS)]
    problems = Problems("The reviews")
    cases = [
        f"{row.clip_id}: {row.decision!r} ({suggest(str(row.decision), DECISIONS)})"
        for row in unknown.itertuples()
    ]
    problems.add("unknown decision", cases, f"Use {', '.join(DECISIONS)}.")
    problems.raise_if_any()

    table = reviews.assign(
        quality=reviews.get("quality", pd.Series(np.nan, index=reviews.index, dtype="str"))
    )
    # Two reviews at one time: the order of words decides, so that the order of rows does not.
    table = table.sort_values(["clip_id", "reviewer", "when", "decision"], kind="stable")
    latest = table.drop_duplicates(["clip_id", "reviewer"], keep="last")
    decided = latest[latest.decision != "unsure"]
    agreed = decided.groupby("clip_id").decision.agg(
        lambda words: words.iloc[0] if words.nunique() == 1 else "unsure"
    )
    quality = latest.groupby("clip_id").quality.last()
    counts = latest.groupby("clip_id").size()
    resolved = pd.DataFrame(
        {"decision": agreed.reindex(counts.index).fillna("unsure"), "quality": quality, "n_reviewers": counts}
    )
    return resolved.reset_index().astype(columns)[list(columns)]


def _refuse_unknown(
    best: Mapping[str, pd.DataFrame],
    hard: Mapping[str, pd.DataFrame],
    verdicts: pd.DataFrame,
    clips: pd.DataFrame,
) -> None:
    problems = Problems("Curation")
    for name, table in [*best.items(), *hard.items(), ("reviews", verdicts)]:
        absent = sorted(table.clip_id[~table.clip_id.isin(clips.clip_id)].astype("str"))
        problems.add(
            f"clip of {name} that no recording has", absent, "Ingest and mine again, or drop old reviews."
        )
    problems.raise_if_any()


def _mined_rows(name: str, table: pd.DataFrame, clips: pd.DataFrame, is_positive: bool) -> pd.DataFrame:
    rows = table.merge(clips, on="clip_id", how="left", validate="one_to_one")
    rows = rows.assign(subset=name, origin="mined", is_positive=is_positive)
    if not is_positive:
        rows = rows.assign(quality=np.nan)
    return _arranged(rows)


def _reviewed_rows(
    name: str, verdicts: pd.DataFrame, clips: pd.DataFrame, label: str, is_positive: bool
) -> pd.DataFrame:
    chosen = verdicts[verdicts.decision == ("target" if is_positive else "not_target")]
    rows = chosen.drop(columns=["decision", "n_reviewers"]).merge(
        clips.drop(columns="quality", errors="ignore"), on="clip_id", validate="one_to_one"
    )
    # Only here: reviewed field clips already have their place, and labelled ones a person's label.
    rows = rows[rows.source == "unlabelled"].sort_values("clip_id", ignore_index=True)
    rows = rows.assign(subset=name, origin="reviewed", is_positive=is_positive, label=label, logit=np.nan)
    rows = rows.assign(rank=np.arange(1, len(rows) + 1, dtype=np.int64))
    return _arranged(rows if is_positive else rows.assign(quality=np.nan))


def _arranged(rows: pd.DataFrame) -> pd.DataFrame:
    others = [name for name in rows.columns if name not in CURATED_COLUMNS]
    types = {
        "is_positive": "bool",
        "quality": "str",
        "subset": "str",
        "origin": "str",
        "rank": "int64",
        "logit": "float64",
    }
    return rows[[*CURATED_COLUMNS, *others]].astype(types)


def _reasons(rows: pd.DataFrame, verdicts: pd.DataFrame, found_in: Mapping[str, str]) -> pd.Series:
    """Why each mined row is left out; empty text where it stays."""
    decision = rows.clip_id.map(verdicts.set_index("clip_id").decision)
    agrees = np.where(rows.is_positive, "target", "not_target")
    recording = rows.content_hash if "content_hash" in rows else pd.Series(np.nan, index=rows.index)
    elsewhere = recording.map(found_in)
    reason = np.select(
        [
            decision.isna() & elsewhere.notna() & ~rows.is_positive,
            decision.eq("unsure").to_numpy(dtype=bool),
            decision.notna() & (decision != agrees),
        ],
        [
            "a review found the target in the same recording, in clip " + elsewhere.astype("str").fillna(""),
            "reviewers cannot decide",
            "a review says " + decision.astype("str").fillna("").str.replace("_", " ").to_numpy(),
        ],
        default="",
    )
    return pd.Series(reason, index=rows.index)


def _recordings_with_target(clips: pd.DataFrame, verdicts: pd.DataFrame) -> dict[str, str]:
    """Field recordings in which a review found the target after all, with the first such clip."""
    found = clips[
        clips.clip_id.isin(verdicts.clip_id[verdicts.decision == "target"]) & (clips.source == "field")
    ]
    if "content_hash" not in found:
        return {}
    first = found.sort_values("clip_id").drop_duplicates("content_hash")
    return dict(zip(first.content_hash, first.clip_id, strict=True))
