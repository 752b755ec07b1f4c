"""Clips on which two points differ: which of them is right, and how far apart their scores are.

Each point flags from its own threshold, chosen on validation, so scores are compared as margins: logit less
threshold. A margin of 0 or more is a flag.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vernal.evaluation.calibration import sigmoid
from vernal.evaluation.metrics import FloatArray
from vernal.web.results.comparing import ScoredPair

ONLY_A, ONLY_B, BOTH_RIGHT, BOTH_WRONG = "only A right", "only B right", "both right", "both wrong"
KINDS = (ONLY_A, ONLY_B, BOTH_RIGHT, BOTH_WRONG)
FACTS = (
    "split", "recorder_id", "site", "date", "time", "quality", "call_type", "file_path", "start_s", "label",
)  # fmt: skip


@dataclass(frozen=True)
class ClipQuery:
    """Which clips to list: of a split (empty: all), of a kind (empty: all on which the two flag differently)."""

    split: str = ""
    kind: str = ""


def clip_table(clips: pd.DataFrame, logits: FloatArray, thresholds: tuple[float, float]) -> pd.DataFrame:
    """Every clip with both scores, furthest apart first; none where a point has no threshold to flag from.

    Args:
        clips: one row a clip: `clip_id`, `is_positive` and whatever of `FACTS` is known.
        logits: (2, n), A first.
        thresholds: logits from which A and B flag (`>=`).
    Returns:
        `clip_id`, facts, `is_positive`, `logit_a`, `logit_b`, `score_a`, `score_b` (sigmoids), `is_flagged_a`,
        `is_flagged_b`, `kind` and `gap`, the difference of margins; by falling `gap`, equal ones by `clip_id`.
    """
    if not np.isfinite(thresholds).all():
        clips, logits = clips.iloc[:0], logits[:, :0]
    truth = clips["is_positive"].to_numpy(dtype=bool)
    margins = np.asarray(logits, dtype=float) - np.asarray(thresholds, dtype=float)[:, None]
    flagged = margins >= 0
    right = flagged == truth
    kinds = np.select(
        [right[0] & ~right[1], right[1] & ~right[0], right[0] & right[1]],
        [ONLY_A, ONLY_B, BOTH_RIGHT],
        BOTH_WRONG,
    )
    facts = [name for name in FACTS if name in clips.columns]
    table = clips[["clip_id", *facts]].assign(
        is_positive=truth,
        logit_a=logits[0],
        logit_b=logits[1],
        score_a=sigmoid(logits[0]),
        score_b=sigmoid(logits[1]),
        is_flagged_a=flagged[0],
        is_flagged_b=flagged[1],
        kind=kinds,
        gap=np.abs(margins[0] - margins[1]),
    )
    return table.sort_values(["gap", "clip_id"], ascending=[False, True], kind="stable", ignore_index=True)


def chosen(table: pd.DataFrame, query: ClipQuery) -> pd.DataFrame:
    """The clips that a query means, in the table's order."""
    kinds = [query.kind] if query.kind else [ONLY_A, ONLY_B]
    wanted = table["kind"].isin(kinds)
    if query.split:
        wanted &= table["split"] == query.split
    return table[wanted].reset_index(drop=True)


def counts(table: pd.DataFrame) -> pd.DataFrame:
    """How many clips there are of each kind: a row for each split and truth, columns `KINDS`."""
    grouped = table.groupby(["split", "is_positive", "kind"], observed=True).size()
    counted = grouped.unstack("kind", fill_value=0).reindex(columns=list(KINDS), fill_value=0)
    return counted.reset_index()


def table_of_pair(pair: ScoredPair, thresholds: Sequence[float]) -> pd.DataFrame:
    """`clip_table` of all splits of two scored points together."""
    clips = pd.concat(list(pair.units.values()), ignore_index=True)
    logits = np.concatenate([pair.logits[split] for split in pair.units], axis=1)
    return clip_table(clips, logits, (thresholds[0], thresholds[1]))
