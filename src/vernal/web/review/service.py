"""One project's review: its queues, sounds, neighbours and log of decisions.

The pages ask a `ReviewService` and hand its answers on; it knows nothing of the web. In a blind review it does not give
away what a model thinks: score, rank and reason never leave this machine's memory.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from vernal.audio.excerpts import Excerpt, Sounds, place_excerpt, shown_top_hz
from vernal.audio.reading import SAMPLE_RATE_HZ, bandpass
from vernal.collection.agreement import AgreementOptions
from vernal.common.problems import InputError, suggest
from vernal.evaluation.calibration import sigmoid
from vernal.proof.run_record import read_records
from vernal.web.project import NotThere, ProjectContext
from vernal.web.review import queues
from vernal.web.review.decisions import DecisionLog, latest_decisions
from vernal.web.review.filters import choose
from vernal.web.review.loops import WEIGHTS, Loop, begin_loop, is_loop
from vernal.web.review.neighbours import Neighbours
from vernal.web.review.options import QueueSpec, ReviewOptions
from vernal.web.review.past_decisions import SHOWN, choose_past
from vernal.web.review.presentation_order import (
    ORDERS,
    PLACE,
    QUEUED,
    RANDOM,
    SCORE,
    UNCERTAIN,
    Presentation,
    ordered_items,
    presentation_order,
    reviewers_agree,
)
from vernal.web.review.queues import ITEM_COLUMNS, Queue
from vernal.web.review.wording import in_words, name_of

LOG_FOLDER = "01_raw/review"
_AGREEMENT_DRAWS = 200
_ALWAYS_SHOWN = (
    "item", "clip_id", "source", "file_path", "start_s", "end_s", "recorder_id", "site", "date", "time", "asked",
)  # fmt: skip
_HIDDEN_IF_BLIND = ("score", "model", "rank", "reason", "label", "is_positive", "quality", "call_type")
_FURTHER = ("annotator", "collector", "device", "licence")
_TECHNICAL = (
    "duration_s", "pool", "subset", "night", "audio_root", "confidence", "clip_file", "made_from", "recording",
)  # fmt: skip
_DECISION_FIELDS = ("id", "when", "decision", "quality", "call_type", "note")
_LOGGED = (
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
_MAX_MORE = 12


class ReviewService:
    """Everything a review of one project needs. Methods may be called from several threads.

    Args:
        reviewer: the name that is offered to whoever opens the page.
        is_blind: hide the scores from everybody, whatever a page asks for; else only until a decision is made.
    """

    def __init__(
        self, project: ProjectContext, options: ReviewOptions, reviewer: str = "", is_blind: bool = False
    ) -> None:
        self.project = project
        self.options = options
        self.reviewer = reviewer
        self.is_blind = is_blind
        self.target = str(project.setting("target"))
        self.log = DecisionLog(project.data_root / LOG_FOLDER)
        self.sounds = Sounds()
        self.near = Neighbours(project, self.target)
        self._queues: dict[str, Queue] = {}
        self._loops: dict[str, Loop] = {}
        self._excerpts: dict[tuple[str, str], Excerpt] = {}
        self._lock = threading.RLock()

    def warm_up(self) -> None:
        """Load what the first page, sound and neighbours would wait for; what is not there is said when asked for."""
        with contextlib.suppress(InputError):
            self.call_types()
            self.project.band_of(self.target)
            bandpass(np.zeros(SAMPLE_RATE_HZ, dtype=np.float32), 200.0, 1_200.0)
            self.near.index("clips")
            for loop in filter(None, map(self.loop, self.specs())):
                loop.detector()

    # Queues

    def specs(self) -> dict[str, QueueSpec]:
        """All queues there may be: those of the parameters, then those that people kept."""
        folder = self.project.data_root / "03_primary" / "review"
        kept = sorted(path.stem for path in folder.glob("*.parquet") if not path.name.startswith("."))
        return {**self.options.queues, **{name: queues.saved_spec(name) for name in kept}}

    def queue(self, name: str) -> Queue:
        """A queue by name; loaded once.

        Raises:
            NotThere: no such queue, or its dataset is not made yet.
        """
        with self._lock:
            if name not in self._queues:
                specs = self.specs()
                if name not in specs:
                    raise NotThere(f"There is no queue {name[:80]!r}; {suggest(name, specs)}")
                self._queues[name] = queues.load_queue(self.project, name, specs[name], self.target)
            return self._queues[name]

    def is_always_blind(self, queue: Queue) -> bool:
        """Whether a queue's scores are hidden, whatever a page asks for."""
        return self.is_blind or queue.spec.blind

    def taken_up_by(self, queue: Queue) -> str:
        """The command that makes the decisions on a queue count: the last of its kind, where there was one."""
        root = self.project.data_root
        pipeline = _taken_up_by(queue.spec)
        if pipeline == "curation":
            return f'kedro run --pipeline=curation --params="target={self.target},data_root={root}"'
        commands = [record.get("command") for record in read_records(root, pipeline)]
        return next(filter(None, reversed(commands)), f"kedro run --pipeline={pipeline}")

    def narrow(self, queue: Queue) -> None:
        """Put a narrowed queue in the place of the one of its name, for this server only."""
        with self._lock:
            self._queues[queue.name] = queue

    def list_queues(self, reviewer: str) -> list[dict[str, Any]]:
        """Every queue with its length and how far a reviewer is; those without a dataset say why."""
        decisions = self.log.read()
        specs = self.specs() | {name: queue.spec for name, queue in self._queues.items()}
        return [self._listed(name, spec, decisions, reviewer) for name, spec in specs.items()]

    def _listed(self, name: str, spec: QueueSpec, decisions: pd.DataFrame, reviewer: str) -> dict[str, Any]:
        entry: dict[str, Any] = {"name": name, "title": spec.title, "dataset": spec.dataset}
        try:
            queue = self.queue(name)
        except InputError as error:
            return entry | {"n": None, "problem": str(error)}
        decided = decisions[(decisions.queue == name) & decisions["item"].isin(queue.items["item"])]
        met = self._met(queue, reviewer, self._order(queue, QUEUED))
        looks = {
            (row["item"], int(row["look"]))
            for row in decided[decided.reviewer == reviewer].to_dict("records")
        }
        return entry | {
            "title": queue.spec.title,
            "n": len(met),
            "n_done": sum((shown.item, shown.look) in looks for shown in met),
            "reviewers": sorted(decided.reviewer.unique()),
            "taken_up_by": _taken_up_by(queue.spec),
        }

    def orders(self, queue: Queue) -> dict[str, str]:
        """The orders that a queue can be gone through in, each in words; a blind review has none that tells a score."""
        offered = [RANDOM, PLACE]
        if not self.is_always_blind(queue):
            offered = [QUEUED, *offered, *([SCORE, UNCERTAIN] if queue.items.score.notna().any() else [])]
        return {name: ORDERS[name] for name in offered}

    def _order(self, queue: Queue, asked: str) -> str:
        """The order asked for, or the first that is offered."""
        offered = self.orders(queue)
        return asked if asked in offered else next(iter(offered))

    def _met(self, queue: Queue, reviewer: str, order: str) -> list[Presentation]:
        """What a reviewer meets in a queue, second looks included."""
        ordered = ordered_items(queue.items, order, queue.name, reviewer, self.options.seed)
        queued = queue.items["item"].tolist()
        return presentation_order(queued, ordered, queue.name, reviewer, self.options)

    def make_queue(self, asked: Mapping[str, Any]) -> str:
        """Choose clips by filter or likeness, keep them as a dataset, and give the new queue's name.

        Args:
            asked: `filter`, `like` (a clip), `n` (how many at most), `name`, `scores` (`STAGE/POINT`); all but one of
                `filter` and `like` may be empty.
        """
        texts = {key: str(asked.get(key) or "").strip() for key in ("filter", "like", "name", "scores")}
        expression, like = texts["filter"], texts["like"]
        if not expression and not like:
            raise InputError("Give a filter, or a clip to be like.")
        count = _whole_number(100 if asked.get("n") in (None, "") else asked["n"])
        table = queues.with_confidence(queues.all_clips(self.project, texts["scores"]))
        chosen = choose(table, expression) if expression else table
        words = [expression] if expression else []
        if like:
            chosen = self._most_like(like, chosen, count)
            words.insert(0, f"the {len(chosen):,} clips most like {like}")
        else:
            chosen = chosen.sort_values(["score", "clip_id"], ascending=[False, True]).head(count)
        made_from = " where ".join(words)
        name = texts["name"] or self._free_name(f"like-{like[:8]}" if like else "filter")
        if name in self.options.queues:
            raise InputError(f"{name} is a queue of the project already; choose another name.")
        queues.save_queue(self.project, name, chosen.assign(reason=made_from), made_from)
        with self._lock:
            self._queues.pop(name, None)
        return name

    def _most_like(self, clip_id: str, clips: pd.DataFrame, count: int) -> pd.DataFrame:
        """Those of some clips that are most like one, the most alike first."""
        _, index = self.near.index("clips")
        near = index.nearest(clip_id, count, clips.clip_id)
        return near.merge(clips.drop(columns="similarity", errors="ignore"), on="clip_id", how="left")

    def _free_name(self, stem: str) -> str:
        taken = self.specs()
        return next(name for number in range(1, len(taken) + 2) if (name := f"{stem}-{number}") not in taken)

    # Loops of listening

    def loop(self, name: str) -> Loop | None:
        """The loop behind a queue, if there is one."""
        with self._lock:
            if name not in self._loops and is_loop(self.project, name):
                self._loops[name] = Loop(self.project, self.near, self.log, name)
            return self._loops.get(name)

    def begin_loop(self, asked: Mapping[str, Any]) -> str:
        """Begin a loop and choose its first batch; the name of its queue.

        Args:
            asked: `examples` (texts, or one a line), `filter`, `name`, and weights `likely`, `uncertain`, `random`;
                all may be empty (see `loops.begin_loop`).
        """
        examples = asked.get("examples") or ""
        lines = examples.splitlines() if isinstance(examples, str) else examples
        name = str(asked.get("name") or "").strip() or self._free_name("loop")
        if name in self.specs():
            raise InputError(f"There is a queue {name} already; choose another name.")
        found = [text for line in lines if (text := str(line).strip())]
        expression = str(asked.get("filter") or "").strip()
        begin_loop(self.project, self.near, name, found, expression, self.options.loop)
        self._loops.pop(name, None)
        self.advance(name, asked)
        return name

    def advance(self, name: str, weights: Mapping[str, Any]) -> dict[str, Any]:
        """Refit, rank again and add the next batch, where the last one is decided on; `n_added` says whether.

        Args:
            weights: `likely`, `uncertain` and `random` from here on; those that are absent stay.
        """
        loop = self._loop(name)
        given = {key: _number(weights[key]) for key in WEIGHTS if weights.get(key) not in (None, "")}
        is_added = loop.advance(given)
        with self._lock:
            self._queues.pop(name, None)
        return {"is_added": is_added}

    def loop_summary(self, name: str) -> dict[str, Any]:
        """How good the detector of a loop is, and whether more listening pays (see `Loop.summary`)."""
        told = self._loop(name).summary()
        curve = [{key: _as_json(value) for key, value in point.items()} for point in told["curve"]]
        return told | {"curve": curve}

    def finish_loop(self, name: str) -> dict[str, Any]:
        """Write manifests and the detector (see `Loop.finish`)."""
        return self._loop(name).finish()

    def _loop(self, name: str) -> Loop:
        loop = self.loop(name)
        if loop is None:
            raise NotThere(f"There is no loop {name[:80]!r}.")
        return loop

    # One reviewer's way through a queue

    def state(self, name: str, reviewer: str, order: str = QUEUED) -> dict[str, Any]:
        """What one reviewer will meet, in one of `orders`, and what they have decided so far."""
        queue = self.queue(name)
        order = self._order(queue, order)
        last = latest_decisions(self.log.read())
        last = last[(last.queue == name) & (last.reviewer == reviewer)]
        known = {(row["item"], int(row["look"])): _decision_fields(row) for row in last.to_dict("records")}
        nights = _nights_of(queue.items) if queue.spec.one_a_night else {}
        return {
            "is_blind": self.is_always_blind(queue),
            "order": order,
            "prepare": self.options.prepare,
            "presentations": [
                asdict(shown) | {"said": known.get((shown.item, shown.look)), "night": nights.get(shown.item)}
                for shown in self._met(queue, reviewer, order)
            ],
        }

    def call_types(self) -> list[str]:
        """Call types to choose from: the configured ones, else those that labelled clips have."""
        if self.options.call_types:
            return list(self.options.call_types)
        clips = self.project.load_or_none("clips")
        if clips is None or "call_type" not in clips:
            return []
        return sorted(clips.call_type.dropna().astype("str").unique().tolist())[:9]

    def item(self, name: str, item: str, is_blind: bool) -> dict[str, Any]:
        """One item as the page shows it."""
        queue = self.queue(name)
        row = queue.row(item)
        blind = is_blind or self.is_always_blind(queue)
        shown = {
            key: _as_json(row[key])
            for key in (_ALWAYS_SHOWN if blind else (*_ALWAYS_SHOWN, *_HIDDEN_IF_BLIND))
        }
        if not blind:
            has_confidence = row["score"] is not None and queue.spec.score in queues.LOGITS
            shown["confidence"] = float(sigmoid(row["score"])) if has_confidence else None
            shown["more"] = _more(row, queue)
        return shown | {
            "recording": row.get("recording") or row["file_path"],
            "can_search": queue.spec.clips == "clips" and row["clip_id"] is not None,
            "sound": describe_sound(self.excerpt(name, item)),
            **self.asked_about(row["asked"]),
        }

    def asked_about(self, asked: str) -> dict[str, Any]:
        """What helps to hear a class: its band, the frequencies worth seeing, and the target's call types."""
        band = self.project.band_of(asked)
        call_types = self.call_types() if asked == self.target else []
        return {"band_hz": band, "top_hz": shown_top_hz(band), "call_types": call_types}

    def excerpt(self, queue: str, item: str) -> Excerpt:
        """Where the sound of an item is, with context."""
        if (queue, item) not in self._excerpts:
            row = self.queue(queue).row(item)
            path = self.project.audio_file(row["folder"], row["file_path"])
            made = place_excerpt(path, row["start_s"], row["end_s"], self.options.context_s)
            self._excerpts[queue, item] = made
        return self._excerpts[queue, item]

    def clip_excerpt(self, clips: str, clip_id: str) -> Excerpt:
        """Where the sound of a clip of `clips` or `collection.clips` is, without context."""
        if clips not in ("clips", "collection.clips"):
            raise NotThere(f"There are no clips called {clips[:40]!r}.")
        table = self.project.clips(clips)
        found = table[table.clip_id == clip_id]
        if found.empty:
            raise NotThere(f"There is no clip {clip_id[:40]!r}.")
        row = found.iloc[0]
        folder = self.project.load(f"{clips.removesuffix('clips')}audio_roots")[str(row.source)]
        path = self.project.audio_file(folder, str(row.file_path))
        return place_excerpt(path, float(row.start_s), float(row.end_s), 0.0)

    def neighbours(self, name: str, item: str) -> dict[str, Any]:
        """The labelled clips most like an item, to compare with; a reason where there are none."""
        queue = self.queue(name)
        row = queue.row(item)
        excerpt = self.excerpt(name, item) if queue.spec.clips is None else None
        return self.near.of(row, queue.spec.clips, self.options.neighbours, excerpt)

    # Decisions

    def decide(self, name: str, said: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a decision; it is on the disk when this returns.

        Args:
            said: `item`, `look`, `reviewer`, `decision`, and optional `quality`, `call_type`, `note`, `is_blind`.
        """
        queue = self.queue(name)
        row = queue.row(str(said.get("item")))
        shown = {key: _as_json(row[key]) for key in ("item", *_LOGGED)}
        spoken = {key: said.get(key) or None for key in ("reviewer", *_DECISION_FIELDS[2:])}
        line = self.log.add(shown | spoken | {
            "queue": name,
            "look": 2 if said.get("look") == 2 else 1,
            "is_score_shown": not (bool(said.get("is_blind")) or self.is_always_blind(queue)),
            # What people call the recording, where its path is only a place in the lake.
            "recording": row.get("recording") or row["file_path"],
        })  # fmt: skip
        return _decision_fields(line)

    def undo(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Take one's own decision back; `said` is the one before on the same look, which stands again."""
        identity = str(said.get("id"))
        before = self.log.read()
        self.log.undo(identity, str(said.get("reviewer")))
        is_taken = before["id"] == identity
        about = before.loc[is_taken, ["reviewer", "queue", "item", "look"]]
        last = latest_decisions(before[~is_taken].merge(about)).to_dict("records")
        return {"undone": identity, "said": _decision_fields(last[0]) if last else None}

    def past(self, reviewer: str, wanted: Mapping[str, str]) -> pd.DataFrame:
        """One reviewer's standing decisions, the latest first.

        Args:
            wanted: `queue` and `decision`, and a `text` that occurs in what is known of the clip; empty ones are any.
        """
        last = latest_decisions(self.log.read())
        past = choose_past(last[last.reviewer == reviewer], wanted)
        return past.drop(columns=list(SHOWN)) if self.is_blind else past

    def agreement(self) -> pd.DataFrame:
        """How far the reviewers agree (see `presentation_order.reviewers_agree`)."""
        options = AgreementOptions(n_draws=_AGREEMENT_DRAWS, seed=self.options.seed)
        return reviewers_agree(self.log.read(), options)


def _nights_of(items: pd.DataFrame) -> dict[str, str]:
    """The recorder's night and the class that each item is asked for."""
    named = items.recorder_id + " " + items.date + " " + items.asked
    return dict(zip(items["item"], named, strict=True))


def describe_sound(excerpt: Excerpt) -> dict[str, float]:
    """Times of an excerpt for the page, seconds: where the clip lies in the sound, and the sound in the file."""
    return {
        "from_s": excerpt.from_s,
        "before_s": excerpt.start_s - excerpt.from_s,
        "clip_s": excerpt.end_s - excerpt.start_s,
        "after_s": excerpt.to_s - excerpt.end_s,
    }


def _taken_up_by(spec: QueueSpec) -> str:
    """The pipeline that reads the decisions on a queue."""
    if spec.clips == "collection.clips":
        return "collection"
    return "detection" if spec.dataset.startswith("detection.") else "curation"


def _decision_fields(decision: Mapping[Any, Any]) -> dict[str, Any]:
    return {key: _as_json(decision[key]) for key in (*_DECISION_FIELDS, "is_score_shown")}


def _more(row: Mapping[str, Any], queue: Queue) -> dict[str, Any]:
    """What else the queue's dataset says of an item, short values only."""
    hidden = {*ITEM_COLUMNS, *_TECHNICAL, queue.spec.score}
    more = {name_of(name): _as_json(row[name]) for name in row if name in {*queue.own, *_FURTHER} - hidden}
    short = {
        name: in_words(value) for name, value in more.items() if value is not None and len(str(value)) <= 80
    }
    return dict(list(short.items())[:_MAX_MORE])


def _as_json(value: Any) -> Any:
    """A value as JSON has it; missing and not finite as None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"{str(value)[:40]!r} is no weight; give a number of 0 or more.") from None


def _whole_number(value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{str(value)[:40]!r} is no number of clips.") from None
    if not 1 <= number <= 100_000:
        raise InputError(f"{number:,} clips cannot be queued; give 1 to 100,000.")
    return number
