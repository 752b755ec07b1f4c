"""What one detector gets wrong, clip by clip: missed calls, false alarms and found calls, to sort and filter."""

from dataclasses import dataclass

import pandas as pd

MISSED, FALSE_ALARM, FOUND = "missed call", "false alarm", "found call"
KINDS = (MISSED, FALSE_ALARM, FOUND)
WORST = "worst first"
ORDERS = {
    WORST: ["badness"],
    "surest first": ["confidence"],
    "recorder": ["recorder_id", "date", "time"],
    "date": ["date", "time"],
    "quality": ["quality"],
}
FALLING = ("badness", "confidence")
SEARCHED = ("recorder_id", "site", "date", "time", "quality", "call_type", "file_path")


@dataclass(frozen=True)
class ErrorQuery:
    """Which clips to list: of a split and a kind (empty: all), with all of some words, in an order."""

    split: str = ""
    kind: str = ""
    words: str = ""
    order: str = WORST


def error_table(clips: pd.DataFrame) -> pd.DataFrame:
    """Every clip with the call or flagged, with what the detector makes of it.

    Args:
        clips: `disagreements.clip_table` of a point beside itself.
    Returns:
        The facts of the clips, `is_positive`, `logit`, `confidence`, `kind`, and `badness`: the logit of a clip without
        the call, its negative of one with it, so that the worst mistake of each kind is the highest.
    """
    is_flagged, truth = clips["is_flagged_a"].astype(bool), clips["is_positive"].astype(bool)
    kind = pd.Series(FOUND, index=clips.index).mask(truth & ~is_flagged, MISSED).mask(~truth, FALSE_ALARM)
    own = clips.assign(kind=kind, logit=clips["logit_a"], confidence=clips["score_a"])
    own = own.assign(badness=own["logit"].where(~truth, -own["logit"]))
    sides = [name for name in own.columns if str(name).endswith(("_a", "_b"))]
    return own[truth | is_flagged].drop(columns=[*sides, "gap"]).reset_index(drop=True)


def listed_errors(table: pd.DataFrame, query: ErrorQuery) -> pd.DataFrame:
    """The clips that a query means; errors alone where it names no kind. What is not known comes last."""
    kinds = [query.kind] if query.kind else [MISSED, FALSE_ALARM]
    chosen = table["kind"].isin(kinds)
    if query.split:
        chosen &= table["split"] == query.split
    if query.words.strip():
        facts = [table[name].astype("str").fillna("") for name in SEARCHED if name in table]
        text = (
            pd.Series(" ".join(row) for row in zip(*facts, strict=True)).str.casefold().set_axis(table.index)
        )
        for word in query.words.casefold().split():
            chosen &= text.str.contains(word, regex=False)
    by = [name for name in ORDERS[query.order] if name in table]
    rising = [name not in FALLING for name in by]
    return table[chosen].sort_values(
        [*by, "clip_id"], ascending=[*rising, True], kind="stable", na_position="last", ignore_index=True
    )


def error_counts(table: pd.DataFrame, splits: list[str]) -> list[tuple[str, list[int]]]:
    """How many clips there are of each kind, by split, in the order of `KINDS`."""
    return [
        (split, [int(((table["split"] == split) & (table["kind"] == kind)).sum()) for kind in KINDS])
        for split in splits
    ]
