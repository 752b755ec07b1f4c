"""Clips for a queue of one's own: those that a filter is true for, or those that are most like one."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from vernal.common.problems import InputError
from vernal.web.project import ProjectContext
from vernal.web.review import queues
from vernal.web.review.filters import choose
from vernal.web.review.neighbours import Neighbours


def choose_clips(
    project: ProjectContext, near: Neighbours, asked: Mapping[str, Any]
) -> tuple[pd.DataFrame, str, str]:
    """Clips in the order of review, how they were chosen in words, and what a queue of them may be called.

    Args:
        asked: `filter`, `like` (a clip), `n` (how many at most), `scores` (`STAGE/POINT`); all but one of `filter` and
            `like` may be empty.
    Raises:
        InputError: neither is given, or one of them cannot be used.
    """
    expression, like, scores = (str(asked.get(key) or "").strip() for key in ("filter", "like", "scores"))
    if not expression and not like:
        raise InputError("Give a filter, or a clip to be like.")
    count = _whole_number(100 if asked.get("n") in (None, "") else asked["n"])
    table = queues.with_confidence(queues.all_clips(project, scores))
    chosen = choose(table, expression) if expression else table
    words = [expression] if expression else []
    if like:
        chosen = _most_like(near, like, chosen, count)
        words.insert(0, f"the {len(chosen):,} clips most like {like}")
    else:
        chosen = chosen.sort_values(["score", "clip_id"], ascending=[False, True]).head(count)
    made_from = " where ".join(words)
    return chosen.assign(reason=made_from), made_from, f"like-{like[:8]}" if like else "filter"


def _most_like(near: Neighbours, clip_id: str, clips: pd.DataFrame, count: int) -> pd.DataFrame:
    """Those of some clips that are most like one, the most alike first."""
    _, index = near.index("clips")
    alike = index.nearest(clip_id, count, clips.clip_id)
    return alike.merge(clips.drop(columns="similarity", errors="ignore"), on="clip_id", how="left")


def _whole_number(value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{str(value)[:40]!r} is no number of clips.") from None
    if not 1 <= number <= 100_000:
        raise InputError(f"{number:,} clips cannot be queued; give 1 to 100,000.")
    return number
