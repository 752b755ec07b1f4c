"""Named subsets that a sweep can add, made of what was mined and what people said of it.

A person's word wins over the miner's: a hard negative that turns out to be the target is taken out, with the
reason. A clip of an unchecked recording becomes usable only here, once a person has decided on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vernal.clips.mining import WITHOUT_TARGET
from vernal.clips.overlap import drop_held_out
from vernal.common.problems import InputError, Problems, suggest

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
    "reviewed_by",
)
DROPPED_COLUMNS = ("subset", "clip_id", "source", "reason", "reviewed_by")
RECORD_COLUMNS = (
    "subset",
    "n_clips",
    "reviewer",
    "n_decided",
    "n_target",
    "n_not_target",
    "n_unsure",
    "n_kept",
    "n_dropped",
)
SEPARATOR = "; "


@dataclass(frozen=True)
class CuratedSubsets:
    """The subsets by name, and every clip that a subset lost.

    `kept`: tables with `CURATED_COLUMNS`, then the other columns of the clips; sorted by rank, empty ones
    included. `dropped`: one row a subset and clip, with `reason`. What was mined or reviewed is in one of
    them. `reviewed_by` names the people whose word on the clip counts, missing where nobody listened.
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
        The names of `best` and `hard`, and `reviewed/positives` and `reviewed/negatives`. These take unlabelled
        clips, and the first also field clips in which a review found the target. A mined clip leaves its subset
        when a review contradicts its class or cannot decide; a hard negative also when a review found the target
        in the same recording and nobody reviewed the clip itself. Clips of a validation or test clip's audio,
        group or night are left out.
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
            rows = _mined_rows(name, table, clips, is_positive, verdicts)
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
        `clip_id`, `decision`, `quality` (missing where not given), `n_reviewers` and their names in
        `reviewed_by`, sorted by `clip_id`. The latest review of each reviewer counts; one who is unsure has no
        say against one who decided; decided reviewers who disagree make the clip `unsure`.
    Raises:
        InputError: missing columns or an unknown decision.
    """
    columns = {
        "clip_id": "str",
        "decision": "str",
        "quality": "str",
        "n_reviewers": "int64",
        "reviewed_by": "str",
    }
    if reviews is None or reviews.empty:
        return pd.DataFrame({name: [] for name in columns}).astype(columns)
    latest = latest_reviews(reviews)
    decided = latest[latest.decision != "unsure"]
    agreed = decided.groupby("clip_id").decision.agg(
        lambda words: words.iloc[0] if words.nunique() == 1 else "unsure"
    )
    quality = latest.groupby("clip_id").quality.last()
    counts = latest.groupby("clip_id").size()
    resolved = pd.DataFrame(
        {
            "decision": agreed.reindex(counts.index).fillna("unsure"),
            "quality": quality,
            "n_reviewers": counts,
            "reviewed_by": latest.groupby("clip_id").reviewer.agg(SEPARATOR.join),
        }
    )
    return resolved.reset_index().astype(columns)[list(columns)]


def latest_reviews(reviews: pd.DataFrame) -> pd.DataFrame:
    """The latest review of each reviewer on each clip, sorted by clip and reviewer.

    Raises:
        InputError: missing columns or an unknown decision.
    """
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
    return table.drop_duplicates(["clip_id", "reviewer"], keep="last", ignore_index=True)


def gather_reviews(by_hand: pd.DataFrame | None, decided: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    """All reviews of these clips: those of a table people wrote, and those made on the review page.

    Args:
        by_hand: as `curated_subsets` takes reviews; None where there is no such table.
        decided: `clip_id`, `decision`, `reviewer`, `when`, `quality` of every decision about the target. Those on
            clips of other collections, or of clips that are gone, are left where they are.
    Returns:
        The five columns, sorted, each review once.
    Raises:
        InputError: columns are missing, or a decision is unknown.
    """
    columns = ["clip_id", "decision", "reviewer", "when", "quality"]
    parts = [decided[decided.clip_id.isin(clips.clip_id)]]
    if by_hand is not None and len(by_hand):
        latest_reviews(by_hand)
        parts.append(by_hand)
    both = pd.concat([part.reindex(columns=columns).astype("str") for part in parts], ignore_index=True)
    return both.drop_duplicates().sort_values(columns, ignore_index=True)


def record_decisions(curated: CuratedSubsets, reviews: pd.DataFrame | None) -> pd.DataFrame:
    """From whose decisions each subset came.

    Returns:
        `RECORD_COLUMNS`: one row a subset and reviewer whose word touched it, and one without a reviewer for each
        subset that nobody reviewed. `n_clips`: clips of the subset; `n_decided`, `n_target`, `n_not_target`,
        `n_unsure`: what the reviewer said of its candidates; `n_kept`, `n_dropped`: what became of those.
    """
    latest = latest_reviews(reviews) if reviews is not None and len(reviews) else None
    rows: list[dict] = []
    for name, table in sorted(curated.kept.items()):
        lost = curated.dropped.clip_id[curated.dropped.subset == name]
        nobody = {"subset": name, "n_clips": len(table), "reviewer": np.nan}
        said = latest[latest.clip_id.isin([*table.clip_id, *lost])] if latest is not None else pd.DataFrame()
        if said.empty:
            rows.append(nobody | dict.fromkeys(RECORD_COLUMNS[3:], 0))
            continue
        for reviewer, own in said.groupby("reviewer", sort=True):
            counts = {f"n_{word}": int((own.decision == word).sum()) for word in DECISIONS}
            kept = int(own.clip_id.isin(table.clip_id).sum())
            shares = {"n_decided": len(own), "n_kept": kept, "n_dropped": len(own) - kept}
            rows.append(nobody | {"reviewer": reviewer} | counts | shares)
    return pd.DataFrame(rows, columns=list(RECORD_COLUMNS)).astype({"subset": "str", "reviewer": "str"})


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


def _mined_rows(
    name: str, table: pd.DataFrame, clips: pd.DataFrame, is_positive: bool, verdicts: pd.DataFrame
) -> pd.DataFrame:
    rows = table.merge(clips, on="clip_id", how="left", validate="one_to_one")
    reviewed_by = rows.clip_id.map(verdicts.set_index("clip_id").reviewed_by)
    rows = rows.assign(subset=name, origin="mined", is_positive=is_positive, reviewed_by=reviewed_by)
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
    # Field clips without the target have their place among the hard negatives, and labelled ones a person's label.
    taken = ("unlabelled", *WITHOUT_TARGET) if is_positive else ("unlabelled",)
    rows = rows[rows.source.isin(taken)].sort_values("clip_id", ignore_index=True)
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
        "reviewed_by": "str",
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
        clips.clip_id.isin(verdicts.clip_id[verdicts.decision == "target"])
        & clips.source.isin(WITHOUT_TARGET)
    ]
    if "content_hash" not in found:
        return {}
    first = found.sort_values("clip_id").drop_duplicates("content_hash")
    return dict(zip(first.content_hash, first.clip_id, strict=True))
