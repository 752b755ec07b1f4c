"""The order in which one reviewer meets the items, and which of them come a second time.

A second look, mixed in unseen, tells how far a person agrees with himself. Whether an item comes again is a
property of item and reviewer, so that a longer queue tomorrow changes nothing for what was heard today.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from vernal.collection.agreement import AgreementOptions, measure_agreement
from vernal.common.hashing import unit_hash
from vernal.web.review.decisions import latest_decisions
from vernal.web.review.options import ReviewOptions


@dataclass(frozen=True)
class Look:
    """One item as it is met: `look` is 1, or 2 where it comes again."""

    item: str
    look: int


def plan_looks(
    items: list[str], queue: str, reviewer: str, is_blind: bool, options: ReviewOptions
) -> list[Look]:
    """Every item once, and a share of them again some places later.

    Args:
        items: in the order of the queue. A blind review shuffles them, since the order tells the score.
    """
    ordered = list(items)
    if is_blind:
        ordered.sort(key=lambda item: unit_hash(options.seed, "blind order", queue, reviewer, item))
    places: list[tuple[float, int, Look]] = []
    last = len(ordered) - 1
    for at, item in enumerate(ordered):
        places.append((at, 0, Look(item, 1)))
        draw = unit_hash(options.seed, "repeat", queue, reviewer, item)
        if draw < options.repeats and at + options.repeat_after <= last:
            # Spread over as many places again, so that nobody learns to count.
            further = int(
                unit_hash(options.seed, "repeat place", queue, reviewer, item) * options.repeat_after
            )
            places.append((min(at + options.repeat_after + further, last), 1, Look(item, 2)))
    return [look for _, _, look in sorted(places, key=lambda place: (place[0], place[1]))]


def reviewers_agree(decisions: pd.DataFrame, options: AgreementOptions) -> pd.DataFrame:
    """Agreement between reviewers, and of each with himself where items came twice.

    Returns:
        As `collection.agreement.measure_agreement`; the values compared are target, not target and unsure, and
        intervals are drawn over recordings.
    """
    last = latest_decisions(decisions)
    last = last.drop_duplicates(["item", "reviewer", "look"], keep="last")
    ratings = pd.DataFrame({
        "clip_id": last["item"], "label": last.asked, "annotator": last.reviewer, "value": last.decision,
        "session": [f"{look:.0f}" for look in last["look"].fillna(1)],
    })  # fmt: skip
    recording = last.content_hash.where(last.content_hash.notna(), last.file_path)
    blocks = pd.Series(recording.to_numpy(), index=last["item"].to_numpy())
    return measure_agreement(ratings, blocks[~blocks.index.duplicated()], options)
