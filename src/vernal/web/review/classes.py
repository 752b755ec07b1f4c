"""Queues that ask for several classes at once: each stretch of a recording comes once, with a button a class.

A decision is still one about a class: its item has the name that it has where classes are asked for one by one, so that
every reader of decisions goes on, and what was decided one way is known the other way.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from vernal.common.names import folded
from vernal.web.review.items import decision_fields
from vernal.web.review.queues import Queue, item_name, stretch_name

# What a queue's dataset says of one class of a stretch, not of the stretch.
_OF_CLASS = ("score", "model", "rank", "reason", "label", "is_positive", "quality", "call_type")


def ask_for_all(queue: Queue, classes: Sequence[str], target: str) -> Queue:
    """The same stretches, each once, with these classes asked for at once.

    Args:
        queue: its items ask for one class each; those of other classes are left out where some are of these.
        target: whose items are named by the stretch alone.
    """
    is_asked = queue.items.asked.isin(classes)
    items = queue.items[is_asked] if queue.spec.asked is not None or is_asked.any() else queue.items
    names = [stretch_name(row) for row in items.to_dict("records")]
    by_class = items.assign(item=pd.Series(names, index=items.index, dtype="str")).reset_index(drop=True)
    windows = by_class.drop_duplicates("item", ignore_index=True).assign(asked="")
    return replace(queue, items=windows, classes=tuple(classes), by_class=by_class)


def join_queues(parts: Sequence[Queue]) -> Queue:
    """The queues of several targets as one, the first of each, then the second of each."""
    items = pd.concat([part.items for part in parts], ignore_index=True)
    items = items.sort_values("rank", kind="stable", ignore_index=True)
    return replace(parts[0], items=items, own=frozenset().union(*(part.own for part in parts)))


def of_class(queue: Queue, asked: str) -> Queue:
    """The items of a queue that ask for one class."""
    return replace(queue, items=queue.items[queue.items.asked == asked].reset_index(drop=True))


def in_their_spelling(wanted: Iterable[str], known: Iterable[str]) -> list[str]:
    """Names as they are known, whatever the case they are typed in; others as they are typed.

    >>> in_their_spelling(["owl", "toad"], ["Owl", "frog"])
    ['Owl', 'toad']
    """
    spelled = {folded(name): name for name in known}
    return list(dict.fromkeys(spelled.get(folded(name), name) for name in wanted))


def row_of_class(queue: Queue, window: str, asked: str, target: str) -> dict[str, Any]:
    """What is known of a stretch and one class, as `Queue.row` gives items that ask for one."""
    row = queue.row(window)
    of_it = queue.rows[(queue.rows["item"] == window) & (queue.rows.asked == asked)]
    own = replace(queue, items=of_it).row(window) if len(of_it) else dict.fromkeys(_OF_CLASS)
    told = {name: own[name] for name in _OF_CLASS}
    return row | told | {"item": item_name(window, asked, target), "asked": asked}


def said_by_window(decisions: pd.DataFrame, classes: Sequence[str]) -> dict[tuple[str, int], dict[str, Any]]:
    """What one reviewer said last of each stretch and look, all classes together (see `summary`).

    Args:
        decisions: each reviewer's last words on one queue, as `latest_decisions` gives them.
    """
    found: dict[tuple[str, int], list[Mapping[Any, Any]]] = {}
    for row in decisions[decisions.asked.isin(classes)].to_dict("records"):
        found.setdefault((stretch_name(row), int(row["look"])), []).append(row)
    return {look: summary(rows, classes) for look, rows in found.items()}


def summary(decisions: Sequence[Mapping[Any, Any]], classes: Sequence[str]) -> dict[str, Any]:
    """Decisions on the classes of a stretch as one; `id`, `when` and `note` are the last one's.

    `classes` says each class's own; `is_whole` whether all have one; `decision` is target where any class is there,
    else unsure where any may be, else not_target.
    """
    rows = sorted(decisions, key=lambda row: (row["when"], row["id"]))
    by_class = {str(row["asked"]): decision_fields(row) for row in rows}
    words = {one["decision"] for one in by_class.values()}
    last = decision_fields(rows[-1])
    return {
        "id": last["id"],
        "when": last["when"],
        "note": last["note"],
        "is_score_shown": last["is_score_shown"],
        "decision": next((word for word in ("target", "unsure") if word in words), "not_target"),
        "is_whole": set(by_class) >= set(classes),
        "classes": {
            name: {key: by_class[name][key] for key in ("decision", "quality", "call_type", "box")}
            for name in classes
            if name in by_class
        },
    }
