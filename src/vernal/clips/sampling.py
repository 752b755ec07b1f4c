"""Choosing the clips of one point: filters, added subsets, caps, balance, and the clips held out.

Every draw follows one list: a clip's place in it is a hash of the seed and its `clip_id`, and a draw of n
takes the first n. So the rows' order changes nothing, a smaller draw is part of a larger one, points of one
seed are compared on the same clips, and a clip that is added later moves at most one other.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vernal.clips.manifest import QUALITIES
from vernal.clips.overlap import LABELLED, held_out, shares_audio, shares_group
from vernal.common.hashing import digest
from vernal.common.problems import InputError, Problems, suggest

TRAIN = "train"
FILTERS = ("quality", "call_type", "recorders", "sites")
VALIDATION_SHARE = 0.2


@dataclass(frozen=True)
class Selection:
    """The training clips of a point, and how they came about.

    `clips`: one row a clip, sorted by `clip_id`; `subset` names the subset that added it and is missing for
    the others. `steps`: one row a step with `step`, `n_positive`, `n_negative` after it.
    """

    clips: pd.DataFrame
    steps: pd.DataFrame


def floor_share(share: float | Fraction, count: int) -> int:
    """`floor(share x count)`, with the share read as the decimal that a person wrote.

    >>> floor_share(0.29, 100), int(0.29 * 100)
    (29, 28)
    """
    exact = share if isinstance(share, Fraction) else Fraction(repr(float(share)))
    return math.floor(exact * int(count))


def priorities(clip_ids: Iterable[str], seed: int, purpose: str) -> np.ndarray:
    """Each clip's place in the draw of one purpose of one seed; lower is drawn first.

    Returns:
        (n_clips,) uint64 that looks uniform, the same on every system, and depends on the clip alone.
    """
    # One short hash a clip: a sweep draws a hundred times from ten thousand clips.
    start = hashlib.sha256(digest(int(seed), purpose, length=64).encode("ascii"))

    def place(clip_id: str) -> int:
        hashed = start.copy()
        hashed.update(clip_id.encode("utf-8"))
        return int.from_bytes(hashed.digest()[:8], "big")

    return np.fromiter((place(clip_id) for clip_id in clip_ids), dtype=np.uint64)


def draw(clips: pd.DataFrame, count: int, seed: int, purpose: str) -> pd.DataFrame:
    """Draw `count` clips (all of them if there are fewer), sorted by `clip_id`."""
    is_drawn = _is_drawn(clips.clip_id.tolist(), count, seed, purpose)
    return clips[is_drawn].sort_values("clip_id", ignore_index=True)


def _is_drawn(clip_ids: Sequence[str], count: int, seed: int, purpose: str) -> np.ndarray:
    """(n_clips,) bool: which clips a draw of `count` takes."""
    is_drawn = np.ones(len(clip_ids), dtype=bool)
    if count < len(clip_ids):
        order = np.argsort(priorities(clip_ids, seed, purpose), kind="stable")
        is_drawn[order[max(0, count) :]] = False
    return is_drawn


def filter_clips(
    clips: pd.DataFrame,
    known: pd.DataFrame,
    quality: list[str] | None = None,
    call_type: list[str] | None = None,
    recorders: list[str] | None = None,
    sites: list[str] | None = None,
) -> pd.DataFrame:
    """Keep the clips that a point asks for.

    Args:
        clips: `is_positive`, and the columns that a filter needs.
        known: clips that hold every value a filter may name: a site that occurs but is held out is a strange
            filter, not a misspelled one.
        quality, call_type: values to keep among positives; negatives have neither and always pass. A positive
            without a quality counts as `high`.
        recorders, sites: values of `recorder_id` and `site` to keep, for positives and negatives.
            An empty list or None lets everything pass.
    Raises:
        InputError: a filter names something that occurs nowhere in `known`, or a quality that does not exist.
    """
    _check_filters(known, quality, call_type, recorders, sites)
    passes = pd.Series(True, index=clips.index)
    negative = ~clips.is_positive.astype(bool)
    if quality and "quality" in clips:
        passes &= negative | clips.quality.fillna("high").isin(quality)
    elif quality:
        passes &= negative | ("high" in quality)
    if call_type:
        passes &= negative | clips.call_type.isin(_texts(call_type))
    if recorders:
        passes &= clips.recorder_id.isin(_texts(recorders))
    if sites:
        passes &= clips.site.isin(_texts(sites))
    return clips[passes]


def _texts(values: list) -> list[str]:
    # YAML reads a recorder named 8 as a number; tables hold text.
    return [str(value) for value in values]


def _check_filters(clips: pd.DataFrame, quality, call_type, recorders, sites) -> None:
    problems = Problems("The point's filters")
    unknown = [
        f"{name!r} ({suggest(str(name), QUALITIES)})" for name in quality or [] if name not in QUALITIES
    ]
    problems.add("unknown quality", unknown, f"Use {', '.join(QUALITIES)}.")
    named = (
        ("call_type", "call_type", call_type),
        ("recorders", "recorder_id", recorders),
        ("sites", "site", sites),
    )
    for setting, column, values in named:
        if not values:
            continue
        present = sorted(clips[column].dropna().astype("str").unique()) if column in clips else []
        absent = [f"{name!r} ({suggest(str(name), present)})" for name in values if str(name) not in present]
        problems.add(
            f"{setting} not in the manifest",
            absent,
            f"Correct the setting {setting!r} or the column {column!r}.",
        )
    problems.raise_if_any()


def training_clips(splits: pd.DataFrame, subsets: Mapping[str, pd.DataFrame], settings: Any) -> pd.DataFrame:
    """The clips that a point trains on; see `select`."""
    return select(splits, subsets, settings).clips


def select(splits: pd.DataFrame, subsets: Mapping[str, pd.DataFrame], settings: Any) -> Selection:
    """Choose a point's training clips: train split, filters, subsets, caps, balance - in this order.

    The filters apply to the train split alone; a named subset is added in full.

    Args:
        splits: labelled clips with `clip_id`, `is_positive`, `split`, and the columns that filters need.
        subsets: tables by name with `clip_id`, `is_positive`; `source`, `origin`, `content_hash`, `group`,
            `recorder_id` and `date` are checked where they are there.
        settings: the point: its `quality`, `call_type`, `recorders`, `sites`, `positive_subsets`,
            `negative_subsets`, `max_per_class`, `neg_ratio`, `balance`, `seed`; None or [] chooses nothing.
    Raises:
        InputError: an unknown subset or filter value; a subset that holds the other class, a clip or the
            sound or night of a validation or test clip, or an unlabelled clip that nobody reviewed; a class
            without clips.
    """
    return draw_selection(eligible_clips(splits, subsets, settings), settings)


@dataclass(frozen=True)
class Eligible:
    """The clips that a point may draw from; see `select`. Points that differ in seed, caps and balance share one."""

    clips: pd.DataFrame
    steps: tuple[tuple[str, int, int], ...]


def eligible_clips(
    splits: pd.DataFrame,
    subsets: Mapping[str, pd.DataFrame],
    settings: Any,
    rows_of: "Callable[..., SubsetRows] | None" = None,
) -> Eligible:
    """The first part of `select`: train split, filters, subsets. It does not depend on the seed.

    Args:
        rows_of: for `add_subsets`.
    """
    _refuse_repeated(splits, "the splits")
    asked = {name: getattr(settings, name) for name in FILTERS}
    _check_filters(splits, **asked)
    filtered = splits[splits.split == TRAIN]
    tables = {"train split": filtered}
    for name, values in asked.items():
        if values:
            filtered = filter_clips(filtered, splits, **{name: values})
        tables[name] = filtered
    named = (settings.positive_subsets or [], settings.negative_subsets or [])
    added = add_subsets(filtered, splits, subsets, *named, rows_of or subset_rows)
    _require_both(added, settings)
    tables["subsets"] = added
    return Eligible(added, tuple((step, *class_counts(table)) for step, table in tables.items()))


def draw_selection(eligible: Eligible, settings: Any) -> Selection:
    """The second part of `select`: caps and balance, by the point's seed."""
    capped = cap(eligible.clips, settings.max_per_class, settings.neg_ratio, settings.seed)
    _require_both(capped, settings)
    clips = balance(capped, settings.seed) if settings.balance else capped
    steps = [*eligible.steps, ("caps", *class_counts(capped)), ("balance", *class_counts(clips))]
    return Selection(
        clips.sort_values("clip_id", ignore_index=True),
        pd.DataFrame(steps, columns=["step", "n_positive", "n_negative"]),
    )


def class_counts(clips: pd.DataFrame) -> tuple[int, int]:
    """Number of positive and of negative clips."""
    n_positive = int(clips.is_positive.sum())
    return n_positive, len(clips) - n_positive


def _refuse_repeated(clips: pd.DataFrame, what: str) -> None:
    is_repeated = clips.clip_id.duplicated()
    if is_repeated.any():
        repeated = clips.clip_id[is_repeated]
        raise ValueError(
            f"{len(repeated):,} of {len(clips):,} rows of {what} repeat a clip_id (first: {repeated.iloc[0]})"
        )


def _require_both(clips: pd.DataFrame, settings: Any) -> None:
    n_positive, n_negative = class_counts(clips)
    if n_positive and n_negative:
        return
    absent = "positive" if not n_positive else "negative"
    names = ("quality", "call_type", "recorders", "sites", "positive_subsets", "negative_subsets")
    chosen = [
        f"{name} {', '.join(map(str, getattr(settings, name)))}" for name in names if getattr(settings, name)
    ]
    chosen += [
        f"{name} {getattr(settings, name)}"
        for name in ("max_per_class", "neg_ratio")
        if getattr(settings, name)
    ]
    raise InputError(
        f"No {absent} clip is left to train on ({n_positive:,} positive, {n_negative:,} negative). "
        f"The point's filters: {'; '.join(chosen) or 'none'}. "
        "Widen them, or label more clips of the train split."
    )


def add_subsets(
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    subsets: Mapping[str, pd.DataFrame],
    positive: Iterable[str],
    negative: Iterable[str],
    rows_of: "Callable[..., SubsetRows] | None" = None,
) -> pd.DataFrame:
    """Add the clips of named subsets that are not there yet.

    Args:
        rows_of: in place of `subset_rows`, where one subset is asked for many times.
    Returns:
        `clips` and the added rows sorted by `clip_id`, with `subset`, the first subset that added the row. A
        labelled clip brings its row of `splits`; others bring what the subset's table says and `split` =
        train.
    Raises:
        InputError: see `select`; every problem of every subset at once.
    """
    wanted = [(name, True) for name in positive] + [(name, False) for name in negative]
    unknown = [f"{name!r} ({suggest(name, subsets)})" for name, _ in wanted if name not in subsets]
    problems = Problems("The point's subsets")
    problems.add(
        "unknown subset", unknown, "Name subsets as mining.best_low_quality and mining.hard_negatives do."
    )
    parts = [clips.assign(subset=pd.Series(np.nan, index=clips.index, dtype="str"))]
    for name, is_positive in wanted:
        if name in subsets and len(subsets[name]):
            found = (rows_of or subset_rows)(name, subsets[name], is_positive, splits)
            parts.append(found.rows)
            for kind, cases, remedy in found.wrong:
                problems.add(kind, cases, remedy)
    table = pd.concat(parts) if len(parts) > 1 else parts[0]
    is_repeated = table.clip_id.duplicated(keep=False)
    if is_repeated.any():
        classes = table[is_repeated].groupby("clip_id").is_positive.nunique()
        problems.add(
            "clip given as positive and as negative", classes.index[classes > 1], "Decide which it is."
        )
    problems.raise_if_any()
    table = table.drop_duplicates("clip_id").astype({"is_positive": "bool"})
    return table.sort_values("clip_id", ignore_index=True)


class SubsetRows(NamedTuple):
    """The clips that a subset adds, and what is wrong with them: kind, cases, remedy."""

    rows: pd.DataFrame
    wrong: list[tuple[str, list[str], str]]


def subset_rows(name: str, subset: pd.DataFrame, is_positive: bool, splits: pd.DataFrame) -> SubsetRows:
    """The clips of one subset, labelled ones as `splits` has them; what may not be trained on is noted."""
    subset = subset.drop_duplicates("clip_id")
    labelled = splits[splits.clip_id.isin(subset.clip_id)]
    external = subset[~subset.clip_id.isin(labelled.clip_id)]
    sides = ("positive", "negative") if is_positive else ("negative", "positive")
    contrary = pd.concat(
        [table[table.is_positive.astype(bool) != is_positive] for table in (subset, labelled)]
    )
    tested = labelled[labelled.split != TRAIN]
    wrong = [
        (kind, [f"{name}: {clip}" for clip in sorted(set(bad.clip_id))], remedy)
        for kind, bad, remedy in (
            (f"{sides[1]} clip in a {sides[0]} subset", contrary, "Name the subset on the other side."),
            ("clip of a validation or test split", tested, "Mine the train split only."),
            *_external_problems(external, held_out(splits)),
        )
    ]
    parts = [part for part in (labelled, external.assign(split=TRAIN)) if len(part)]
    return SubsetRows(pd.concat(parts).assign(subset=name), wrong)


def _external_problems(
    external: pd.DataFrame, reserved: pd.DataFrame
) -> Iterator[tuple[str, pd.DataFrame, str]]:
    """What is wrong with clips that are no clips of the manifest: kind, clips, remedy."""
    nothing = pd.Series(np.nan, index=external.index)
    source, origin = (external.get(column, nothing) for column in ("source", "origin"))
    yield "clip unknown to the splits", external[source == LABELLED], "Mine and curate again."
    is_unreviewed = (source == "unlabelled") & (origin != "reviewed")
    remedy = "Review it first; until then nobody knows its class."
    yield "unlabelled clip that nobody reviewed", external[is_unreviewed], remedy
    # Whatever the table says of its source, here it is known to be no clip of the manifest.
    heard = shares_audio(external.assign(source="external"), reserved)
    related = shares_group(external, reserved) & ~heard
    remedy = "Take the recording out of the field folder."
    yield "same audio as a validation or test clip", external[heard], remedy
    yield "group or night of a validation or test clip", external[related], remedy


def cap(clips: pd.DataFrame, max_per_class: int | None, neg_ratio: float | None, seed: int) -> pd.DataFrame:
    """Limit the size of the classes: `max_per_class` clips each, then `neg_ratio` negatives a positive.

    Returns:
        The drawn clips sorted by `clip_id`; None or 0 limits nothing. `neg_ratio` rounds down.
    Raises:
        ValueError: a limit below 0.
    """
    if (max_per_class or 0) < 0 or not 0 <= (neg_ratio or 0) < math.inf:
        raise ValueError(
            f"max_per_class is {max_per_class} and neg_ratio {neg_ratio}; give limits above 0, or 0 for none"
        )
    n_positive, n_negative = class_counts(clips)
    if max_per_class:
        n_positive, n_negative = min(n_positive, max_per_class), min(n_negative, max_per_class)
    if neg_ratio:
        n_negative = min(n_negative, floor_share(neg_ratio, n_positive))
    return _draw_classes(clips, n_positive, n_negative, seed)


def balance(clips: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Drop the larger class to the size of the smaller, by a draw that depends on the seed and the clips
    alone.

    Returns:
        As many positives as negatives, sorted by `clip_id`: 800 and 3,000 become 800 and 800.
    Raises:
        InputError: a class has no clip.
    """
    n_positive, n_negative = class_counts(clips)
    if not n_positive or not n_negative:
        absent = "positive" if not n_positive else "negative"
        raise InputError(
            f"Balancing {n_positive:,} positive and {n_negative:,} negative clips would leave none: "
            f"there is no {absent} clip. Widen the point's filters, or set balance: false."
        )
    smaller = min(n_positive, n_negative)
    return _draw_classes(clips, smaller, smaller, seed)


def _draw_classes(clips: pd.DataFrame, n_positive: int, n_negative: int, seed: int) -> pd.DataFrame:
    # One purpose for caps and balance: their draws follow one list, so that one is part of the other.
    is_drawn = _of_classes(clips, n_positive, n_negative, seed, "training clips")
    return clips[is_drawn].sort_values("clip_id", ignore_index=True)


def _of_classes(clips: pd.DataFrame, n_positive: int, n_negative: int, seed: int, purpose: str) -> np.ndarray:
    """(n_clips,) bool: which clips are drawn, so many of each class."""
    ids, is_positive = clips.clip_id.to_numpy(dtype=object), clips.is_positive.to_numpy(dtype=bool)
    is_drawn = np.empty(len(clips), dtype=bool)
    for side, count in ((is_positive, n_positive), (~is_positive, n_negative)):
        is_drawn[side] = _is_drawn(ids[side], count, seed, purpose)
    return is_drawn


def validation_split(
    clips: pd.DataFrame, seed: int, fraction: float = VALIDATION_SHARE
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Hold out a share of the training clips to decide when training stops.

    Per class and per clip, as BirdNET does: of n clips, `floor((1 - fraction) x n)` but at least one stay to
    train. Clips of one night land on both sides, so the held-out score is optimistic; it may end training and
    nothing else.

    Returns:
        (train, held_out), each sorted by `clip_id`; together they hold every clip once.
    Raises:
        ValueError: `fraction` outside (0, 1).
        InputError: a class has fewer than two clips.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"the held-out fraction is {fraction}; give a share above 0 and below 1")
    n_positive, n_negative = class_counts(clips)
    if min(n_positive, n_negative) < 2:
        raise InputError(
            f"Of {n_positive:,} positive and {n_negative:,} negative clips, one of each cannot be held out "
            "to end training. Add clips, or set use_validation: true if the split val has both classes."
        )
    _refuse_repeated(clips, "the training clips")
    share = 1 - Fraction(repr(float(fraction)))
    n_positive, n_negative = (n - max(1, floor_share(share, n)) for n in (n_positive, n_negative))
    is_held = _of_classes(clips, n_positive, n_negative, seed, "validation clips")
    train, held = (clips[rows].sort_values("clip_id", ignore_index=True) for rows in (~is_held, is_held))
    return train, held
