"""What the page is told of an item and of a decision; in a blind review nothing that gives a model's opinion away."""

import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import numpy as np

from vernal.audio.excerpts import Excerpt
from vernal.evaluation.calibration import sigmoid
from vernal.web.review.decisions import BOX_COLUMNS
from vernal.web.review.queues import ITEM_COLUMNS, LOGITS, Queue
from vernal.web.review.wording import in_words, name_of

DECISION_FIELDS = ("id", "when", "decision", "quality", "call_type", "note")
LOGGED = (
    "clip_id",
    "source",
    "file_path",
    "start_s",
    "end_s",
    "content_hash",
    "asked",
    "model",
    "score",
    "rank",
)
_ALWAYS_SHOWN = (
    "item", "clip_id", "source", "file_path", "start_s", "end_s", "recorder_id", "site", "date", "time", "asked",
)  # fmt: skip
_HIDDEN_IF_BLIND = ("score", "model", "rank", "reason", "label", "is_positive", "quality", "call_type")
_FURTHER = ("annotator", "collector", "device", "licence")
_TECHNICAL = (
    "duration_s", "pool", "subset", "night", "audio_root", "confidence", "clip_file", "made_from", "recording",
)  # fmt: skip
_MAX_MORE = 12


def describe_item(row: Mapping[str, Any], queue: Queue, is_blind: bool) -> dict[str, Any]:
    """A row of a queue as the page shows it."""
    names = _ALWAYS_SHOWN if is_blind else (*_ALWAYS_SHOWN, *_HIDDEN_IF_BLIND)
    shown = {name: as_json(row[name]) for name in names}
    if not is_blind:
        shown["confidence"] = _confidence(row, queue)
        shown["more"] = _more(row, queue)
    return shown | {
        "recording": recording_of(row),
        "can_search": queue.spec.clips == "clips" and row["clip_id"] is not None,
    }


def describe_scores(queue: Queue, window: str) -> list[dict[str, Any]]:
    """What models say of the classes of a stretch, one entry a class that has a row of its own."""
    own = queue.rows[queue.rows["item"] == window].to_dict("records")
    told = [{name: as_json(row[name]) for name in ("asked", "score", "model", "reason")} for row in own]
    return [entry | {"confidence": _confidence(entry, queue)} for entry in told]


def _confidence(row: Mapping[str, Any], queue: Queue) -> float | None:
    has_logit = row["score"] is not None and queue.spec.score in LOGITS
    return float(sigmoid(row["score"])) if has_logit else None


def recording_of(row: Mapping[str, Any]) -> Any:
    """What people call the recording, where its path is only a place in the lake."""
    return row.get("recording") or row["file_path"]


def describe_sound(excerpt: Excerpt) -> dict[str, float]:
    """Times of an excerpt for the page, seconds: where the clip lies in the sound, and the sound in the file."""
    return {
        "from_s": excerpt.from_s,
        "before_s": excerpt.start_s - excerpt.from_s,
        "clip_s": excerpt.end_s - excerpt.start_s,
        "after_s": excerpt.to_s - excerpt.end_s,
    }


def decision_fields(decision: Mapping[Any, Any]) -> dict[str, Any]:
    """A decision as the page knows it: a line of the log, or a row of its table."""
    known = {key: as_json(decision[key]) for key in (*DECISION_FIELDS, "is_score_shown")}
    return known | {"box": _box_of(decision)}


def _box_of(decision: Mapping[Any, Any]) -> list[float] | None:
    box = decision.get("box") or [as_json(decision.get(name)) for name in BOX_COLUMNS]
    return None if None in box else box


def _more(row: Mapping[str, Any], queue: Queue) -> dict[str, Any]:
    """What else the queue's dataset says of an item, short values only."""
    hidden = {*ITEM_COLUMNS, *_TECHNICAL, queue.spec.score}
    more = {name_of(name): as_json(row[name]) for name in row if name in {*queue.own, *_FURTHER} - hidden}
    short = {
        name: in_words(value) for name, value in more.items() if value is not None and len(str(value)) <= 80
    }
    return dict(list(short.items())[:_MAX_MORE])


def as_json(value: Any) -> Any:
    """A value as JSON has it; missing and not finite as None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
