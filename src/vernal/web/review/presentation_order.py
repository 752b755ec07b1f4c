"""The order in which one reviewer meets the items, and which of them come a second time.

A second look, mixed in unseen, tells how far a person agrees with themselves. Whether an item comes again is a
property of item and reviewer, so that a longer queue tomorrow changes nothing for what was heard today.
"""

from dataclasses import dataclass

import pandas as pd

from vernal.collection.agreement import AgreementOptions, measure_agreement
from vernal.common.hashing import unit_hash
from vernal.common.problems import InputError
from vernal.web.review.decisions import latest_decisions
from vernal.web.review.options import ReviewOptions

QUEUED, RANDOM, PLACE, SCORE, UNCERTAIN = "queued", "random", "place", "score", "uncertain"
ORDERS = {
    QUEUED: "as queued",
    RANDOM: "at random",
    PLACE: "by recorder and time",
    SCORE: "highest score first",
    UNCERTAIN: "least certain first",
}


@dataclass(frozen=True)
class Presentation:
    """One item as it is met: `look` is 1, or 2 where it comes again."""

    item: str
    look: int


def ordered_items(items: pd.DataFrame, order: str, queue: str, reviewer: str, seed: int) -> list[str]:
    """The names of a queue's items in one of `ORDERS`; equal ones stay as they are queued.

    Raises:
        InputError: no such order.
    """
    if order == RANDOM:
        return sorted(items["item"], key=lambda item: unit_hash(seed, "blind order", queue, reviewer, item))
    keys = {
        QUEUED: [],
        PLACE: ["source", "recorder_id", "date", "time", "file_path", "start_s"],
        SCORE: ["_score"],
        UNCERTAIN: ["_uncertain"],
    }
    if order not in keys:
        raise InputError(f"A queue has no order {order[:40]!r}; use {', '.join(ORDERS)}.")
    measured = items.assign(_score=-items.score, _uncertain=(items.score - _undecided(items.score)).abs())
    ordered = measured.sort_values(keys[order], kind="stable") if keys[order] else measured
    return ordered["item"].tolist()


def _undecided(scores: pd.Series) -> float:
    """The score that says nothing: a half of probabilities, 0 of logits."""
    return 0.5 if scores.between(0, 1).all() else 0.0


def presentation_order(
    items: list[str], ordered: list[str], queue: str, reviewer: str, options: ReviewOptions
) -> list[Presentation]:
    """Every item once, and a share of them again some places later.

    Args:
        items: in the order of the queue, which says what comes again, so that every order has as many.
        ordered: the same in the order that the reviewer wants.
    """

    def draw(purpose: str, item: str) -> float:
        return unit_hash(options.seed, purpose, queue, reviewer, item)

    early = items[: max(0, len(items) - options.repeat_after)]
    again = {item for item in early if draw("repeat", item) < options.repeats}
    ordered = _with_room_behind(ordered, again, options.repeat_after)
    places: list[tuple[int, int, Presentation]] = []
    last = len(ordered) - 1
    for at, item in enumerate(ordered):
        places.append((at, 1, Presentation(item, 1)))
        if item in again:
            # Spread over as many places again, so that nobody learns to count.
            further = int(draw("repeat place", item) * options.repeat_after)
            places.append((min(at + options.repeat_after + further, last), 2, Presentation(item, 2)))
    return [shown for _, _, shown in sorted(places, key=lambda place: place[:2])]


def _with_room_behind(ordered: list[str], again: set[str], count: int) -> list[str]:
    """Move what comes again before the last `count` items that do not."""
    once = [at for at, item in enumerate(ordered) if item not in again]
    if not again:
        return ordered
    first = once[-count]
    tail = ordered[first:]
    moved = [item for item in tail if item in again]
    return [*ordered[:first], *moved, *(item for item in tail if item not in again)]


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
