"""The order in which one reviewer meets the items, and which of them come a second time.

A second look, mixed in unseen, tells how far a person agrees with themselves. Whether an item comes again is a
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
class Presentation:
    """One item as it is met: `look` is 1, or 2 where it comes again."""

    item: str
    look: int


def presentation_order(
    items: list[str], queue: str, reviewer: str, is_blind: bool, options: ReviewOptions
) -> list[Presentation]:
    """Every item once, and a share of them again some places later.

    Args:
        items: in the order of the queue. A blind review shuffles them, since the order tells the score.
    """

    def draw(purpose: str, item: str) -> float:
        return unit_hash(options.seed, purpose, queue, reviewer, item)

    ordered = sorted(items, key=lambda item: draw("blind order", item)) if is_blind else items
    places: list[tuple[int, int, Presentation]] = []
    last = len(ordered) - 1
    for at, item in enumerate(ordered):
        places.append((at, 1, Presentation(item, 1)))
        if draw("repeat", item) < options.repeats and at + options.repeat_after <= last:
            # Spread over as many places again, so that nobody learns to count.
            further = int(draw("repeat place", item) * options.repeat_after)
            places.append((min(at + options.repeat_after + further, last), 2, Presentation(item, 2)))
    return [shown for _, _, shown in sorted(places, key=lambda place: place[:2])]


def reviewers_agree(decisions: pd.DataFrame, options: AgreementOptions) -> pd.DataFrame:
    """Agreement between reviewers, and of each with themselves where items came twice.

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
    recording = last.content_hash.fillna(last.file_path)
    blocks = pd.Series(recording.to_numpy(), index=last["item"].to_numpy())
    return measure_agreement(ratings, blocks[~blocks.index.duplicated()], options)
