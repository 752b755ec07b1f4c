"""What people said about detections: of each place, each detection and each night, whether the target was heard there.

A place is a stretch of a recording and the label that was asked about. Decisions are matched by the recording's content
and by time, so that they outlive renamed files, another threshold and another classifier.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from vernal.clips.nights import START_HOUR, nights_of_moments
from vernal.field.detection.detections import COPY, UNCHECKED, Detections
from vernal.field.detection.listing import UNKNOWN, started_at

CONFIRMED, REJECTED, UNDECIDED = "confirmed", "rejected", "undecided"
PLACE = ("content_hash", "start_s", "end_s", "asked")
_REVIEW = ("review_state", "reviewed_by", "reviewed_at")
VERDICT_COLUMNS = (*PLACE, *_REVIEW)
_TOLERANCE_S = 1e-6


def verdicts_of(decisions: pd.DataFrame | None) -> pd.DataFrame:
    """One row a place that somebody decided on: `VERDICT_COLUMNS`, in the order of places.

    Each reviewer's last word counts. A place is `confirmed` where somebody heard the target and nobody denies it,
    `rejected` the other way round, and `undecided` where reviewers disagree or all are unsure. `reviewed_by` lists
    them; `reviewed_at` is the last moment.

    Args:
        decisions: `content_hash, start_s, end_s, asked, decision, reviewer, when`; None is none.
    """
    if decisions is None or decisions.empty:
        return pd.DataFrame(columns=list(VERDICT_COLUMNS)).astype({"start_s": "float64", "end_s": "float64"})
    place = list(PLACE)
    last = decisions.sort_values("when", kind="stable").drop_duplicates([*place, "reviewer"], keep="last")
    said = last.sort_values("reviewer", kind="stable").groupby(place)
    words = said.decision.agg(set)
    has, lacks = ([word in heard for heard in words] for word in ("target", "not_target"))
    states = np.select(
        [np.greater(has, lacks), np.greater(lacks, has)], [CONFIRMED, REJECTED], default=UNDECIDED
    )
    verdicts = pd.DataFrame(
        {
            "review_state": pd.Series(states, words.index, dtype="str"),
            "reviewed_by": said.reviewer.agg("; ".join),
            "reviewed_at": said.when.max(),
        }
    )
    return verdicts.reset_index()


def review_detections(found: Detections, verdicts: pd.DataFrame) -> Detections:
    """The same with `review_state`, `reviewed_by` and `reviewed_at` of each detection.

    A detection is `confirmed` where a confirmed place lies in it, `rejected` where rejected places cover all of it,
    `undecided` where only undecided places lie in it, and else `unchecked`: of a place that reaches beyond it nobody
    knows where the target was.

    Args:
        verdicts: as `verdicts_of` gives them.
    """
    files = found.files[found.files.state != COPY].dropna(subset="content_hash")
    contents = files.set_index("file_path").content_hash
    asked = verdicts[verdicts.content_hash.isin(contents)]
    table = found.detections
    hashes = table.file_path.map(contents)
    candidates = table.assign(row=np.arange(len(table)), content_hash=hashes)[
        hashes.isin(asked.content_hash).to_numpy()
    ]
    pairs = candidates[["row", "content_hash", "label", "start_s", "end_s"]].merge(
        asked.rename(columns={"asked": "label", "start_s": "from_s", "end_s": "to_s"}),
        on=["content_hash", "label"],
    )
    pairs = pairs[(pairs.from_s < pairs.end_s - _TOLERANCE_S) & (pairs.to_s > pairs.start_s + _TOLERANCE_S)]
    known = {row: verdict for row, part in pairs.groupby("row") if (verdict := _verdict(part))}
    told = pd.DataFrame.from_dict(known, orient="index", columns=list(_REVIEW), dtype="str")
    told.index = table.index[np.array([*known], dtype=np.int64)]
    told = told.reindex(table.index)
    told = told.assign(review_state=told.review_state.fillna(UNCHECKED))
    return replace(found, detections=table.assign(**told))


def _verdict(pairs: pd.DataFrame) -> tuple[str, str, str] | None:
    """What the places that overlap one detection say of it: state, by whom, when; None where they say nothing."""
    is_within = (pairs.from_s >= pairs.start_s - _TOLERANCE_S) & (pairs.to_s <= pairs.end_s + _TOLERANCE_S)
    confirming = pairs[is_within & (pairs.review_state == CONFIRMED)]
    rejecting = pairs[pairs.review_state == REJECTED]
    undecided = pairs[is_within & (pairs.review_state == UNDECIDED)]
    if len(confirming):
        return _told(CONFIRMED, confirming)
    if _cover(rejecting):
        return _told(REJECTED, rejecting)
    return _told(UNDECIDED, undecided) if len(undecided) else None


def _cover(pairs: pd.DataFrame) -> bool:
    """Whether places, together, leave nothing of the detection out."""
    if pairs.empty:
        return False
    until = float(pairs.start_s.iloc[0])
    for from_s, to_s in sorted(zip(pairs.from_s, pairs.to_s, strict=True)):
        if from_s > until + _TOLERANCE_S:
            return False
        until = max(until, to_s)
    return until >= float(pairs.end_s.iloc[0]) - _TOLERANCE_S


def _told(state: str, pairs: pd.DataFrame) -> tuple[str, str, str]:
    reviewers = {name for names in pairs.reviewed_by for name in names.split("; ")}
    return state, "; ".join(sorted(reviewers)), str(pairs.reviewed_at.max())


def review_windows(windows: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    """Windows (`content_hash, start_s, end_s, label`) with the verdict on just that place: state, by whom, when."""
    place = ["content_hash", "label", "from_ms", "to_ms"]

    def placed(table: pd.DataFrame) -> pd.DataFrame:
        times = {"from_ms": table.start_s, "to_ms": table.end_s}
        return table.assign(**{name: (value * 1_000).round() for name, value in times.items()})

    said = placed(verdicts.rename(columns={"asked": "label"}))[[*place, *_REVIEW]].drop_duplicates(place)
    kept = placed(windows.drop(columns=list(_REVIEW), errors="ignore"))
    kinds = {"content_hash": "str", "label": "str"}
    merged = (
        kept.astype(kinds).merge(said.astype(kinds), how="left", on=place).drop(columns=["from_ms", "to_ms"])
    )
    merged = merged.assign(review_state=merged.review_state.astype("str").fillna(UNCHECKED))
    return merged.astype(dict.fromkeys(_REVIEW, "str"))


def confirmed_nights(found: Detections, verdicts: pd.DataFrame, start_hour: int = START_HOUR) -> pd.DataFrame:
    """Nights with a confirmed place, flagged or not: `recorder_id`, `night` and `label`, each once."""
    heard = verdicts[verdicts.review_state == CONFIRMED]
    files = found.files[found.files.state != COPY]
    files = files.assign(began=started_at(files))[["content_hash", "recorder_id", "began"]]
    placed = heard.merge(files.dropna(subset="content_hash"), on="content_hash")
    moments = placed.began + pd.to_timedelta(placed.start_s, unit="s")
    placed = placed.assign(night=nights_of_moments(moments, start_hour).fillna(UNKNOWN), label=placed.asked)
    return placed[["recorder_id", "night", "label"]].drop_duplicates(ignore_index=True)


def verified_detections(detections: pd.DataFrame) -> pd.DataFrame:
    """The confirmed ones alone."""
    return detections[detections.review_state == CONFIRMED].reset_index(drop=True)
