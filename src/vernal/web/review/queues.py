"""Queues: tables of clips that wait for a person, whichever step of the project made them.

A queue is a dataset of the catalog, brought into one form. Each of its rows is an item: a stretch of a recording
and the class that is asked about. What a person narrows down by a filter, or finds by likeness, becomes a
dataset too (`review/<name>`), so that it can be gone on with, and seen.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from vernal.common.hashing import digest
from vernal.common.names import is_reserved
from vernal.common.problems import InputError
from vernal.evaluation.calibration import sigmoid
from vernal.web.project import NotThere, ProjectContext
from vernal.web.review.filters import choose
from vernal.web.review.options import QueueSpec

SAVED = "review/"
LOGITS = ("logit", "score")
ITEM_COLUMNS = (
    "item", "clip_id", "source", "folder", "file_path", "start_s", "end_s", "content_hash", "asked", "score", "model",
    "rank", "reason", "label", "is_positive", "quality", "call_type", "recorder_id", "site", "date", "time",
)  # fmt: skip
_PLACE = ("source", "file_path", "start_s", "end_s")
_KEPT = ("clip_id", "score", "model", "similarity", "reason", "batch")
_TEXT = (
    "clip_id", "content_hash", "reason", "label", "quality", "call_type", "recorder_id", "site", "date", "time",
    "model",
)  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


# eq=False: tables have no single answer to "equal".
@dataclass(frozen=True, eq=False)
class Queue:
    """A queue ready for review.

    `items` have `ITEM_COLUMNS`, then whatever else is known of them; `own` are the columns of the dataset itself.
    `classes`: those that every item is asked for at once (see `classes.ask_for_all`), empty where each asks for one;
    `by_class` then holds the dataset's rows, one an item and class, as far as it has any.
    """

    name: str
    spec: QueueSpec
    items: pd.DataFrame
    own: frozenset[str] = frozenset()
    classes: tuple[str, ...] = ()
    by_class: pd.DataFrame | None = None

    @property
    def rows(self) -> pd.DataFrame:
        """What orders and scores are taken from: `by_class` where there is such, else the items."""
        return self.items if self.by_class is None else self.by_class

    def row(self, item: str) -> dict[str, Any]:
        """One item, missing values as None.

        Raises:
            InputError: no such item.
        """
        found = self.items[self.items["item"] == item]
        if found.empty:
            raise InputError(f"The queue {self.name} has no item {item[:40]!r}; load the page again.")
        return _values(found.iloc[0])


def _values(row: pd.Series) -> dict[str, Any]:
    return {str(name): None if _is_missing(value) else value for name, value in row.to_dict().items()}


def _is_missing(value: Any) -> bool:
    return value is None or (not isinstance(value, str) and bool(np.all(pd.isna(value))))


def check_name(name: str) -> str:
    """Refuse a name that could not be a file.

    Raises:
        InputError: it has other characters than letters, digits, `_`, `.` and `-`, more than 64, or means something
            else to Windows.
    """
    if not _NAME.fullmatch(name) or is_reserved(name):
        raise InputError(
            f"A queue cannot be called {name[:80]!r}; use up to 64 letters, digits, _ . - and no name that Windows "
            "keeps for itself (CON, NUL, COM1, a dot at the end)."
        )
    return name


def load_queue(project: ProjectContext, name: str, spec: QueueSpec, target: str) -> Queue:
    """Bring a dataset into the form of a queue; one that somebody made is titled by how it was made.

    Raises:
        NotThere: no run has written the dataset yet.
        InputError: it has neither clips nor places in recordings, or names clips that nobody knows.
    """
    try:
        table = _one_table(project.load(spec.dataset)).reset_index(drop=True)
    except NotThere as error:
        if spec.made_by is None:
            raise
        raise NotThere(f"{error} That is: {spec.made_by}") from error
    own = frozenset(table.columns)
    if spec.clips and "clip_id" in table:
        table = _with_clips(table, spec, project.clips(spec.clips))
    absent = [column for column in ("file_path", "start_s", "end_s") if column not in table]
    if absent:
        raise InputError(
            f"{spec.dataset} cannot be reviewed: it has no {', '.join(absent)}, and no clips to take them from."
        )
    if spec.dataset.startswith(SAVED) and "made_from" in table and len(table):
        spec = replace(spec, title=str(table.made_from.iloc[0]))
    return Queue(name, spec, _items(table, spec, project, target), own)


def _one_table(data: Any) -> pd.DataFrame:
    """Tables by name (nested subsets) as one: each clip once, at its best place, with the names it is in."""
    if isinstance(data, pd.DataFrame):
        return data
    if not isinstance(data, dict) or not data:
        return pd.DataFrame({"clip_id": pd.Series(dtype="str"), "rank": pd.Series(dtype="float64")})
    parts = pd.concat([table.assign(subset=name) for name, table in data.items()], ignore_index=True)
    names = parts.groupby("clip_id").subset.agg(lambda subset: ", ".join(sorted(set(subset))))
    first = parts.sort_values(["rank", "clip_id"], kind="stable").drop_duplicates("clip_id")
    return first.assign(subset=first.clip_id.map(names), reason=first.clip_id.map(names))


def _with_clips(table: pd.DataFrame, spec: QueueSpec, clips: pd.DataFrame) -> pd.DataFrame:
    """A table of clips with what is known of them and not said by itself."""
    unknown = sorted(set(table.clip_id.astype("str")) - set(clips.clip_id.astype("str")))
    if unknown:
        raise InputError(
            f"{len(unknown):,} of {len(table):,} clips of {spec.dataset} (first: {unknown[0]}) are not in "
            f"{spec.clips} any more. Run the pipeline that makes {spec.dataset} again."
        )
    more = [column for column in clips.columns if column == "clip_id" or column not in table]
    return table.merge(clips[more], on="clip_id", how="left", validate="many_to_one")


def _items(table: pd.DataFrame, spec: QueueSpec, project: ProjectContext, target: str) -> pd.DataFrame:
    def column(name: str | None, default: Any = np.nan) -> pd.Series:
        return table[name] if name in table else pd.Series(default, index=table.index)

    asked = column(spec.asked, target).astype("str")
    items = table.assign(
        source=column("source", "labelled").astype("str"),
        asked=asked,
        score=column(spec.score).astype("float64"),
        model=column("model", spec.model),
        rank=column("rank", np.arange(1, len(table) + 1)).astype("float64"),
        date=column("date" if "date" in table else "night"),
        label=_label_now(table, asked) if spec.asked == "label" else column("label"),
    )
    items = items.assign(folder=_folders(items, spec, project))
    items = items.reindex(columns=[*ITEM_COLUMNS, *(name for name in items if name not in ITEM_COLUMNS)])
    items = items.astype(dict.fromkeys(_TEXT, "str")).astype({"start_s": "float64", "end_s": "float64"})
    places = items[["clip_id", *_PLACE, "asked"]].to_dict("records")
    names = [item_name(stretch_name(row), row["asked"], target) for row in places]
    named = items.assign(item=pd.Series(names, index=items.index, dtype="str"))
    return named.drop_duplicates("item", ignore_index=True)


def _folders(items: pd.DataFrame, spec: QueueSpec, project: ProjectContext) -> pd.Series:
    """The folder that each row's path starts from."""
    if spec.folder is not None:
        return items[spec.folder].astype("str")
    roots = project.load(spec.roots) if len(items) else {}
    strange = sorted(set(items.source) - set(roots))
    if strange:
        raise InputError(f"No folder is known for the recordings of {', '.join(strange)} (see {spec.roots}).")
    return items.source.map(roots).astype("str")


def _label_now(table: pd.DataFrame, asked: pd.Series) -> pd.Series:
    """Where `label` is the class in question: whether people found it present so far."""
    if "is_positive" not in table:
        return pd.Series(np.nan, index=table.index)
    return asked.where(table.is_positive.astype(bool), "not " + asked)


def stretch_name(row: Mapping[Any, Any]) -> str:
    """The same stretch has the same name in every queue and for every class."""
    place = [None if _is_missing(row[name]) else row[name] for name in _PLACE]
    clip = row["clip_id"]
    return digest("place", place) if _is_missing(clip) else str(clip)


def item_name(stretch: str, asked: str, target: str) -> str:
    """The name of a stretch and the class that is asked about."""
    return stretch if asked == target else digest("asked", stretch, asked)


def filter_queue(queue: Queue, expression: str) -> Queue:
    """The items of a queue that an expression is true for; `confidence` is the sigmoid of a score that is a logit.

    Raises:
        InputError: the expression cannot be read (see `filters.choose`), or nothing is left.
    """
    table = queue.rows.drop(columns="folder")
    if queue.spec.score in LOGITS:
        table = with_confidence(table)
    chosen = choose(table, expression)
    if chosen.empty:
        raise InputError(f"No item of {queue.name} ({len(table):,}) passes the filter {expression!r}.")
    is_chosen = queue.items["item"].isin(chosen["item"])
    return replace(queue, items=queue.items[is_chosen].reset_index(drop=True))


def with_confidence(table: pd.DataFrame) -> pd.DataFrame:
    """Add `confidence`, the sigmoid of the score as a logit."""
    return table.assign(confidence=sigmoid(table.score))


def all_clips(project: ProjectContext, scores_of: str = "") -> pd.DataFrame:
    """Every clip with what is known of it, to choose from.

    Args:
        scores_of: `STAGE/POINT` whose scores are meant; empty: the miner's.
    Returns:
        The clips, with `split` where they have one, `score` and `model` (missing where nothing scored them).
    Raises:
        InputError: that point has no scores.
    """
    clips = project.clips()
    splits = project.load_or_none("splits")
    split = clips.clip_id.map(splits.set_index("clip_id").split) if splits is not None else np.nan
    scores = _scores_of(project, scores_of) if scores_of else project.load_or_none("pool_scores")
    logit = scores.set_index("clip_id").logit if scores is not None else pd.Series(dtype="float64")
    score = clips.clip_id.map(logit).astype("float64")
    model = pd.Series(scores_of or "miner", index=clips.index).where(score.notna())
    return clips.assign(split=split, score=score, model=model)


def _scores_of(project: ProjectContext, name: str) -> pd.DataFrame:
    stage, _, point = name.partition("/")
    if _NAME.fullmatch(stage):
        scores = project.load(f"{stage}.scores")
        scores = scores[scores.point.astype("str") == point]
        if len(scores):
            return scores
    raise InputError(f"{name[:80]!r} has no scores; name them as STAGE/POINT, such as stage5/stage5_001.")


def save_queue(project: ProjectContext, name: str, chosen: pd.DataFrame, made_from: str) -> None:
    """Keep chosen clips as the dataset `review/<name>`.

    Args:
        chosen: `clip_id`, `score`, `model`, and optional `reason` and `similarity`; in the order of review.
        made_from: how they were chosen, in words.
    Raises:
        InputError: nothing was chosen, or the name cannot be used.
    """
    check_name(name)
    if chosen.empty:
        raise InputError(f"No clip is left ({made_from}); loosen the filter.")
    table = chosen[[column for column in _KEPT if column in chosen]].reset_index(drop=True)
    ranks = np.arange(1, len(table) + 1, dtype=np.int64)
    project.save(f"{SAVED}{name}", table.assign(rank=ranks, made_from=made_from))


def saved_spec(name: str) -> QueueSpec:
    """How a kept queue is read."""
    return QueueSpec(f"{SAVED}{name}", title="A queue somebody made", score="score")
