"""What a reviewer has decided so far, to find it again, and to take it elsewhere as a table."""

from collections.abc import Mapping

import pandas as pd

from vernal.common.tables import safe_csv_text

WANTED = ("queue", "decision", "text")
WORDS = {"target": "target", "not_target": "not target", "unsure": "unsure"}
SHOWN = ("model", "score", "rank", "is_score_shown")
_SEARCHED = ("recording", "file_path", "clip_id", "asked", "quality", "call_type", "note")


def choose_past(decisions: pd.DataFrame, wanted: Mapping[str, str]) -> pd.DataFrame:
    """Decisions of a queue, of a kind, or with a text in what is known of the clip; the latest first.

    Args:
        decisions: as `DecisionLog.read` gives them.
        wanted: of `WANTED`; what is empty or absent is any.
    """
    chosen = decisions
    for name in ("queue", "decision"):
        if wanted.get(name):
            chosen = chosen[chosen[name] == wanted[name]]
    if wanted.get("text"):
        known = chosen[list(_SEARCHED)].fillna("").agg(" ".join, axis=1)
        chosen = chosen[known.str.contains(wanted["text"], case=False, regex=False)]
    return chosen.sort_values(["when", "id"], ascending=False, kind="stable", ignore_index=True)


def as_csv(decisions: pd.DataFrame) -> bytes:
    """A table of decisions that a spreadsheet opens, in UTF-8 with the mark that it looks for."""
    return safe_csv_text(decisions).to_csv(index=False, lineterminator="\n").encode("utf-8-sig")
