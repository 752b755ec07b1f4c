"""One project's review: its queues, sounds, neighbours and log of decisions.

The pages ask a `ReviewService` and hand its answers on; it knows nothing of the web. In a blind review it does not give
away what a model thinks: score, rank and reason never leave this machine's memory.
"""

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from vernal.audio.bandpass import band_of
from vernal.audio.excerpts import Excerpt, Sounds, place_excerpt, shown_top_hz
from vernal.audio.reading import SAMPLE_RATE_HZ
from vernal.collection.agreement import AgreementOptions
from vernal.common.problems import InputError, suggest
from vernal.web.project import NotThere, ProjectContext
from vernal.web.review import queues
from vernal.web.review.at_hand import ClassesAtHand
from vernal.web.review.classes import row_of_class, said_by_window, summary
from vernal.web.review.decisions import DecisionLog, latest_decisions
from vernal.web.review.items import (
    DECISION_FIELDS,
    LOGGED,
    as_json,
    decision_fields,
    describe_item,
    describe_scores,
    describe_sound,
    recording_of,
)
from vernal.web.review.loop_files import begin_loop, is_loop
from vernal.web.review.loops import WEIGHTS, Loop
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
from vernal.web.review.queue_making import choose_clips
from vernal.web.review.queues import Queue
from vernal.web.review.taking_up import command_of, pipeline_of

LOG_FOLDER = "01_raw/review"
_AGREEMENT_DRAWS = 200


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
        self.at_hand = ClassesAtHand(project, self.target)
        self._near_targets: dict[str, Neighbours] = {}
        self._queues: dict[str, Queue] = {}
        self._loops: dict[str, Loop] = {}
        self._excerpts: dict[tuple[str, str], Excerpt] = {}
        self._lock = threading.RLock()

    def warm_up(self) -> None:
        """Load what the first page, sound and neighbours would wait for; what is not there is said when asked for."""
        with contextlib.suppress(InputError):
            self.call_types()
            self.project.band_of(self.target)
            band_of(np.zeros(SAMPLE_RATE_HZ, dtype=np.float32), 200.0, 1_200.0)
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
                self._queues[name] = self.at_hand.load(name, specs[name])
            return self._queues[name]

    def is_always_blind(self, queue: Queue) -> bool:
        """Whether a queue's scores are hidden, whatever a page asks for."""
        return self.is_blind or queue.spec.blind

    def taken_up_by(self, queue: Queue) -> str:
        """The command that makes the decisions on a queue count (see `taking_up.command_of`)."""
        return command_of(self.project, queue, self.target)

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
        decided = _of_queue(decisions, queue)
        met = self._met(queue, reviewer, self._order(queue, QUEUED))
        said = self._said(queue, decisions, reviewer)
        return entry | {
            "title": queue.spec.title,
            "n": len(met),
            "n_done": sum(_is_whole(said.get((shown.item, shown.look))) for shown in met),
            "reviewers": sorted(decided.reviewer.unique()),
            "taken_up_by": pipeline_of(queue.spec),
        }

    def _said(
        self, queue: Queue, decisions: pd.DataFrame, reviewer: str
    ) -> dict[tuple[str, int], dict[str, Any]]:
        """What a reviewer said last of each item and look of a queue."""
        last = latest_decisions(decisions)
        last = last[(last.queue == queue.name) & (last.reviewer == reviewer)]
        if queue.classes:
            return said_by_window(last, queue.classes)
        return {(row["item"], int(row["look"])): decision_fields(row) for row in last.to_dict("records")}

    def orders(self, queue: Queue) -> dict[str, str]:
        """The orders that a queue can be gone through in, each in words; a blind review has none that tells a score."""
        offered = [RANDOM, PLACE]
        if not self.is_always_blind(queue):
            offered = [QUEUED, *offered, *([SCORE, UNCERTAIN] if queue.rows.score.notna().any() else [])]
        return {name: ORDERS[name] for name in offered}

    def _order(self, queue: Queue, asked: str) -> str:
        """The order asked for, or the first that is offered."""
        offered = self.orders(queue)
        return asked if asked in offered else next(iter(offered))

    def _met(self, queue: Queue, reviewer: str, order: str) -> list[Presentation]:
        """What a reviewer meets in a queue, second looks included."""
        queued = queue.items["item"].tolist()
        rows = queue.rows[queue.rows["item"].isin(queued)]
        # Of several classes of a stretch, the first in the order counts.
        ordered = list(dict.fromkeys(ordered_items(rows, order, queue.name, reviewer, self.options.seed)))
        return presentation_order(queued, ordered, queue.name, reviewer, self.options)

    def make_queue(self, asked: Mapping[str, Any]) -> str:
        """Choose clips by filter or likeness, keep them as a dataset, and give the new queue's name.

        Args:
            asked: `filter`, `like` (a clip), `n` (how many at most), `name`, `scores` (`STAGE/POINT`); all but one of
                `filter` and `like` may be empty.
        """
        if self.project.targets:
            raise InputError(
                f"A queue is made of the clips of one target; name it: kedro review {self.at_hand.command_of_one()}"
            )
        chosen, made_from, stem = choose_clips(self.project, self.near, asked)
        name = str(asked.get("name") or "").strip() or self._free_name(stem)
        if name in self.options.queues:
            raise InputError(f"{name} is a queue of the project already; choose another name.")
        queues.save_queue(self.project, name, chosen, made_from)
        with self._lock:
            self._queues.pop(name, None)
        return name

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
                all may be empty (see `loop_files.begin_loop`).
        """
        if self.at_hand.are_several:
            raise InputError(
                "A loop of listening is about one class, and several are asked for; name one: "
                f"kedro review --loop {self.at_hand.command_of_one()}"
            )
        examples = asked.get("examples") or ""
        if not isinstance(examples, str | list | tuple):
            raise InputError("Give examples as texts, such as a.wav@12.5.")
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
        curve = [{key: as_json(value) for key, value in point.items()} for point in told["curve"]]
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
        known = self._said(queue, self.log.read(), reviewer)
        nights = _nights_of(queue) if queue.spec.one_a_night else {}
        return {
            "is_blind": self.is_always_blind(queue),
            "order": order,
            "prepare": self.options.prepare,
            "presentations": [
                asdict(shown) | {"said": known.get((shown.item, shown.look)), "night": nights.get(shown.item)}
                for shown in self._met(queue, reviewer, order)
            ],
        }

    def call_types(self, asked: str | None = None) -> list[str]:
        """Call types of a class (the target where none is named) to choose from: the configured ones, else those that
        labelled clips with it have."""
        asked = self.target if asked is None else asked
        configured = self.options.call_types_of(asked, self.target)
        if configured is not None:
            return list(configured)
        clips = self.project.targets.get(asked, self.project).load_or_none("clips")
        is_its_own = asked in (self.target, *self.project.targets)
        if clips is None or "call_type" not in clips or not is_its_own:
            return []
        its = clips[clips.is_positive.astype(bool)] if "is_positive" in clips else clips
        return sorted(its.call_type.dropna().astype("str").unique().tolist())[:9]

    def item(self, name: str, item: str, is_blind: bool) -> dict[str, Any]:
        """One item as the page shows it."""
        queue = self.queue(name)
        row = queue.row(item)
        blind = is_blind or self.is_always_blind(queue)
        shown = describe_item(row, queue, blind) | {"sound": describe_sound(self.excerpt(name, item))}
        if queue.classes:
            return shown | {"scores": [] if blind else describe_scores(queue, item)}
        return shown | self.asked_about(row["asked"])

    def asked_about(self, asked: str) -> dict[str, Any]:
        """What helps to hear a class: its band, the frequencies worth seeing, and its call types."""
        band = self.project.band_of(asked)
        return {"band_hz": band, "top_hz": shown_top_hz(band), "call_types": self.call_types(asked)}

    def asked_about_all(self, queue: Queue) -> list[dict[str, Any]]:
        """The same of each class that a queue asks for at once, with its `name`."""
        return [{"name": name, **self.asked_about(name)} for name in queue.classes]

    def excerpt(self, queue: str, item: str) -> Excerpt:
        """Where the sound of an item is, with context."""
        if (queue, item) not in self._excerpts:
            found = self.queue(queue)
            row = found.row(self._window(found, item))
            path = self.project.audio_file(row["folder"], row["file_path"])
            made = place_excerpt(path, row["start_s"], row["end_s"], self.options.context_s)
            self._excerpts[queue, item] = made
        return self._excerpts[queue, item]

    def clip_excerpt(self, clips: str, clip_id: str) -> Excerpt:
        """Where the sound of a clip of `clips` or `collection.clips` is, without context."""
        if clips not in ("clips", "collection.clips"):
            raise NotThere(f"There are no clips called {clips[:40]!r}.")
        for project in (self.project, *self.project.targets.values()):
            with contextlib.suppress(NotThere):
                table = project.clips(clips)
                found = table[table.clip_id == clip_id]
                if len(found):
                    return _place_clip(project, clips, found.iloc[0])
        raise NotThere(f"There is no clip {clip_id[:40]!r}.")

    def neighbours(self, name: str, item: str) -> dict[str, Any]:
        """The labelled clips most like an item, to compare with; a reason where there are none."""
        queue = self.queue(name)
        row = queue.row(item)
        excerpt = self.excerpt(name, item) if queue.spec.clips is None else None
        near = self._near_to(row) if queue.classes else self.near
        return near.of(row, queue.spec.clips, self.options.neighbours, excerpt)

    def _near_to(self, row: Mapping[str, Any]) -> Neighbours:
        """Labelled clips to compare a stretch with: those of this data folder, else those of one of its targets."""
        target = self.at_hand.target_with(row["clip_id"])
        if target is None:
            return self.near
        with self._lock:
            return self._near_targets.setdefault(target, Neighbours(self.project.targets[target], target))

    # Decisions

    def decide(self, name: str, said: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a decision; it is on the disk when this returns.

        Args:
            said: `item`, `look`, `reviewer`, `decision`, and optional `quality`, `call_type`, `box`, `note`,
                `is_blind`. Where a queue asks for several classes, `classes` has `decision`, `quality`, `call_type` and
                `box` of each that is decided on; or `asked` names the one class that `decision` is about.
        """
        queue = self.queue(name)
        if queue.classes:
            return self._decide_classes(queue, said)
        return decision_fields(self.log.add(self._line(queue, queue.row(str(said.get("item"))), said)))

    def _decide_classes(self, queue: Queue, said: Mapping[str, Any]) -> dict[str, Any]:
        window = self._window(queue, str(said.get("item")))
        answers = said.get("classes") or {said.get("asked"): said}
        if not isinstance(answers, Mapping) or not all(isinstance(one, Mapping) for one in answers.values()):
            raise InputError("Say of each class whether it is in the clip.")
        if unknown := [str(name)[:40] for name in answers if name not in queue.classes]:
            raise InputError(f"{queue.name} does not ask for {', '.join(unknown)}; load the page again.")
        shared = {key: said.get(key) for key in ("look", "reviewer", "note", "is_blind")}
        lines = [
            self._line(queue, row_of_class(queue, window, name, self.target), {**answer, **shared})
            for name, answer in answers.items()
        ]
        return summary(self.log.add_together(lines), queue.classes)

    def _line(self, queue: Queue, row: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
        """A line of the log: what was shown, and what is said of it."""
        shown = {key: as_json(row[key]) for key in ("item", *LOGGED)}
        spoken = {key: said.get(key) or None for key in ("reviewer", *DECISION_FIELDS[2:])}
        return shown | spoken | {
            "queue": queue.name,
            "look": 2 if said.get("look") == 2 else 1,
            "is_score_shown": not (bool(said.get("is_blind")) or self.is_always_blind(queue)),
            "recording": recording_of(row),
            "box": said.get("box"),
        }  # fmt: skip

    def _window(self, queue: Queue, item: str) -> str:
        """The item of a queue that an item is about: itself, or where that is of one class, the stretch of it."""
        if not queue.classes or (queue.items["item"] == item).any():
            return item
        past = self.log.read()
        lines = past[past["item"] == item].to_dict("records")
        return queues.stretch_name(lines[0]) if lines else item

    def undo(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Take one's own decision back; `said` is the one before on the same look, which stands again."""
        identity = str(said.get("id"))
        before = self.log.read()
        self.log.undo(identity, str(said.get("reviewer")))
        is_taken = before["id"] == identity
        line = before[is_taken].to_dict("records")[0]
        queue = self._queues.get(line["queue"])
        if queue is not None and queue.classes:
            known = self._said(queue, self.log.read(), line["reviewer"])
            return {"undone": identity, "said": known.get((queues.stretch_name(line), int(line["look"])))}
        about = before.loc[is_taken, ["reviewer", "queue", "item", "look"]]
        last = latest_decisions(before[~is_taken].merge(about)).to_dict("records")
        return {"undone": identity, "said": decision_fields(last[0]) if last else None}

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


def _nights_of(queue: Queue) -> Mapping[str, str | dict[str, str]]:
    """The recorder's night and the class that each item is asked for; of several, by class."""
    rows = queue.rows
    named = rows.recorder_id + " " + rows.date + " " + rows.asked
    if not queue.classes:
        return dict(zip(rows["item"], named, strict=True))
    nights: dict[str, dict[str, str]] = {}
    for item, asked, night in zip(rows["item"], rows.asked, named, strict=True):
        nights.setdefault(item, {})[asked] = night
    return nights


def _of_queue(decisions: pd.DataFrame, queue: Queue) -> pd.DataFrame:
    """The decisions on what a queue holds now."""
    own = decisions[decisions.queue == queue.name]
    if not queue.classes:
        return own[own["item"].isin(queue.items["item"])]
    names = pd.Series([queues.stretch_name(row) for row in own.to_dict("records")], own.index, dtype="str")
    return own[names.isin(queue.items["item"]) & own.asked.isin(queue.classes)]


def _is_whole(said: Mapping[str, Any] | None) -> bool:
    return said is not None and said.get("is_whole", True)


def _place_clip(project: ProjectContext, clips: str, row: pd.Series) -> Excerpt:
    folder = project.load(f"{clips.removesuffix('clips')}audio_roots")[str(row.source)]
    path = project.audio_file(folder, str(row.file_path))
    return place_excerpt(path, float(row.start_s), float(row.end_s), 0.0)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"{str(value)[:40]!r} is no weight; give a number of 0 or more.") from None
