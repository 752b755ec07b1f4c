"""The problem card: what is to be detected, for whom, and how good it has to be, on one page.

It is written before anything is collected (`conf/base/problem.yml`), and every report says whether its
target is met. A target is met only when the whole interval says so; a mean above it is not enough.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vernal.clips.labels import LABELLINGS, WORLDS
from vernal.clips.manifest import SPLITS, on_split
from vernal.common.names import folded
from vernal.common.problems import InputError, Problems, is_number, suggest
from vernal.common.safe_yaml import read_yaml

UNITS = ("clip", "recording", "recorder-night", "site-season")
_CARD_NAMES = (
    "title", "target", "labelling", "world", "unit", "performance", "classes", "users", "use", "limits"
)  # fmt: skip
_CLASS_NAMES = ("name", "parent", "audioset", "description", "band_hz", "also_written")
_TARGET_NAMES = ("metric", "split", "at_least", "at_most", "condition")
_MEASURED = tuple(name for name in SPLITS if name != "train")
_HIGHEST_HZ = 1_000_000  # no recorder hears as far
_RESERVED = ("positive", "negative", "none")
NOT_ASKED = "not asked"


@dataclass(frozen=True)
class SoundClass:
    """One class: its name, the class it belongs to, its name in AudioSet, its band in Hertz, other spellings."""

    name: str
    parent: str | None = None
    audioset: str | None = None
    description: str | None = None
    band_hz: tuple[float, float] | None = None
    also_written: tuple[str, ...] = ()

    @property
    def spellings(self) -> tuple[str, ...]:
        """The name and the other spellings."""
        return self.name, *self.also_written


@dataclass(frozen=True)
class PerformanceTarget:
    """What has to be reached: a metric on a split, at least or at most a value, under a condition in words."""

    metric: str
    split: str
    at_least: float | None = None
    at_most: float | None = None
    condition: str | None = None

    def spell(self) -> str:
        """The target in words."""
        limit = f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"
        words = f"{self.metric} of {limit} {on_split(self.split)}"
        return f"{words}, {self.condition}" if self.condition else words


@dataclass(frozen=True)
class Verdict:
    """Whether a target is met. `status` is met, not met, not shown, not measured, or not asked where nothing was
    agreed on; `sentence` says it in words.
    """

    status: str
    sentence: str


@dataclass(frozen=True)
class ProblemCard:
    """A problem, as a group has agreed on it. `labelling`: one class a clip or several; `world`: whether other
    sounds than the classes occur (open) or cannot (closed); `unit`: what a decision is made about; `performance`:
    None where nobody has agreed on it.
    """

    title: str
    target: str
    labelling: str
    world: str
    unit: str
    performance: PerformanceTarget | None
    users: str
    use: str
    limits: str | None = None
    classes: tuple[SoundClass, ...] = field(default=())

    @property
    def wanted(self) -> str:
        """What has to be reached, in words; empty where nothing was agreed on."""
        return self.performance.spell() if self.performance else ""

    @property
    def names(self) -> list[str]:
        """The classes' names, in the card's order."""
        return [sound.name for sound in self.classes]

    @property
    def tops(self) -> list[str]:
        """The classes that belong to no other, in the card's order."""
        return [sound.name for sound in self.classes if sound.parent is None]

    @property
    def spellings(self) -> list[str]:
        """All names and other spellings of the classes, in the card's order."""
        return [name for sound in self.classes for name in sound.spellings]

    def find(self, label: str) -> str | None:
        """The class that a label means, by name or other spelling, whatever the case; None when there is none."""
        wanted = folded(label)
        for sound in self.classes:
            if wanted in map(folded, sound.spellings):
                return sound.name
        return None

    def lineage(self, name: str) -> list[str]:
        """A class and everything it belongs to, nearest first."""
        parents = {sound.name: sound.parent for sound in self.classes}
        return [name, *_above(name, parents)] if name in parents else []

    def band_of(self, name: str) -> tuple[float, float] | None:
        """The band of a class, or of the nearest class above it that has one; Hertz."""
        by_name = {sound.name: sound for sound in self.classes}
        return next((by_name[above].band_hz for above in self.lineage(name) if by_name[above].band_hz), None)

    def spellings_of_target(self) -> list[str]:
        """The target's name and its other spellings."""
        others = [sound.also_written for sound in self.classes if sound.name == self.target]
        return [self.target, *(name for names in others for name in names)]

    def kinds_of_target(self) -> list[str]:
        """The classes below the target, in the card's order: its call types."""
        return [name for name in self.names if name != self.target and self.target in self.lineage(name)]


def verdict(card: ProblemCard, value: float, low: float, high: float) -> Verdict:
    """Whether the card's target is met by a measured value with its interval.

    Args:
        card: the problem card.
        value: the measured metric; NaN when it could not be measured.
        low: lower end of its interval; NaN when none could be given.
        high: upper end of its interval; NaN when none could be given.

    >>> card = ProblemCard("t", "RADR", "multi", "open", "clip", PerformanceTarget("recall", "test_ood", 0.8), "u", "u")
    >>> verdict(card, 0.85, 0.78, 0.9).status
    'not shown'
    """
    target, wanted = card.performance, card.wanted
    if target is None:
        return Verdict(NOT_ASKED, f"No problem card says how good a detector of {card.target} has to be.")
    if math.isnan(value):
        return Verdict("not measured", f"The target ({wanted}) was not measured.")
    if math.isnan(low) or math.isnan(high):
        measured = f"{value:.3g} was measured, with too little data for an interval"
        return Verdict("not shown", f"Whether the target ({wanted}) is met is not clear: {measured}.")
    measured = f"{value:.3g} was measured, interval {low:.3g} to {high:.3g}"
    is_met = low >= target.at_least if target.at_least is not None else high <= (target.at_most or 0.0)
    is_missed = high < target.at_least if target.at_least is not None else low > (target.at_most or 0.0)
    if is_met:
        return Verdict("met", f"The target ({wanted}) is met: {measured}.")
    if is_missed:
        return Verdict("not met", f"The target ({wanted}) is not met: {measured}.")
    return Verdict("not shown", f"Whether the target ({wanted}) is met is not clear: {measured}.")


def card_of(target: str, *others: str) -> ProblemCard:
    """What is looked for where nobody has written a problem card: one class, or several, among other sounds."""
    return ProblemCard(
        title=f"Where does {target} call?",
        target=target,
        labelling="multi",
        world="open",
        unit="recorder-night",
        performance=None,
        users="",
        use="",
        classes=tuple(map(SoundClass, dict.fromkeys((target, *others)))),
    )


def read_problem_card(path: Path | str) -> ProblemCard:
    """Read and check a problem card.

    Raises:
        InputError: no such file, not YAML, or anything wrong with the card; all at once.
    """
    content = read_yaml(path)
    if not isinstance(content, Mapping):
        raise InputError(f"The problem card {path} is empty. It needs {', '.join(_CARD_NAMES[:-1])}.")
    return make_problem_card(content, f"The problem card {path}")


def make_problem_card(content: Mapping[str, Any], where: str = "The problem card") -> ProblemCard:
    """Make a card from plain values.

    Raises:
        InputError: lists everything that is wrong with it.
    """
    problems = Problems(where)
    _check_names(problems, "name", content, _CARD_NAMES)
    texts = {name: _text(content.get(name)) for name in _CARD_NAMES if name not in ("performance", "classes")}
    missing = [name for name in _CARD_NAMES if name != "limits" and not content.get(name)]
    problems.add("missing entry", missing, "A group agrees on these before it collects; fill them in.")
    for name, known in (("labelling", LABELLINGS), ("world", WORLDS), ("unit", UNITS)):
        value = texts[name]
        unknown = [f"{value!r} ({suggest(value, known)})"] if value and value not in known else []
        problems.add(f"unknown {name}", unknown, f"Use {', '.join(known)}.")
    classes = list(_classes(content.get("classes"), problems))
    _check_hierarchy(classes, texts["target"], problems)
    performance = _performance(content.get("performance"), problems)
    problems.raise_if_any()
    assert performance is not None
    filled = {name: texts[name] for name in ("title", "target", "labelling", "world", "unit", "users", "use")}
    return ProblemCard(
        **filled, limits=texts["limits"] or None, performance=performance, classes=tuple(classes)
    )


def _text(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split())


def _check_names(problems: Problems, kind: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    unknown = [f"{name!r} ({suggest(str(name), known)})" for name in given if name not in known]
    problems.add(f"unknown {kind}", unknown, "Correct or remove them.")


def _classes(given: Any, problems: Problems) -> Iterator[SoundClass]:
    if given is not None and not isinstance(given, list):
        problems.add("classes are no list", [repr(given)[:60]], "Write one `- name: ...` for each.")
        return
    for number, entry in enumerate(given or [], start=1):
        values = {"name": entry} if isinstance(entry, str) else entry
        if not isinstance(values, Mapping) or not _text(values.get("name")):
            problems.add("class without name", [f"number {number}"], "Give each class a name.")
            continue
        _check_names(problems, f"entry of class {values['name']}", values, _CLASS_NAMES)
        spellings = values.get("also_written") or []
        spellings = spellings if isinstance(spellings, list) else [spellings]
        yield SoundClass(
            _text(values["name"]),
            _text(values.get("parent")) or None,
            _text(values.get("audioset")) or None,
            _text(values.get("description")) or None,
            _band(values.get("band_hz"), str(values["name"]), problems),
            tuple(_text(spelling) for spelling in spellings),
        )


def _band(given: Any, name: str, problems: Problems) -> tuple[float, float] | None:
    if given is None:
        return None
    is_pair = isinstance(given, list) and len(given) == 2 and all(isinstance(hz, int | float) for hz in given)
    if is_pair and 0 <= given[0] < given[1] <= _HIGHEST_HZ:
        return float(given[0]), float(given[1])
    remedy = "Write [lowest, highest] in Hertz, as in [200, 1200]."
    problems.add("band not understood", [f"{name}: {given!r}"], remedy)
    return None


def _check_hierarchy(classes: list[SoundClass], target: str, problems: Problems) -> None:
    names = [sound.name for sound in classes]
    spelled = [folded(text) for sound in classes for text in sound.spellings]
    twice = sorted({text for text in spelled if spelled.count(text) > 1})
    problems.add("spelling of two classes", twice, "Each spelling, whatever its case, means one class.")
    reserved = [name for name in names if folded(name) in _RESERVED]
    problems.add("reserved name", reserved, "The manifest uses it; call it otherwise.")
    if target and names and target not in names:
        absent = f"{target!r} ({suggest(target, names)})"
        problems.add("target is no class", [absent], "List it among the classes.")
    parents = {sound.name: sound.parent for sound in classes}
    orphans = [
        f"{name}: {parent!r} ({suggest(parent, names)})"
        for name, parent in parents.items()
        if parent and parent not in names
    ]
    problems.add("unknown parent", orphans, "A parent is a class of the card.")
    loops = [name for name in names if name in _above(name, parents)]
    problems.add("class above itself", loops, "The hierarchy is a tree.")


def _above(name: str, parents: Mapping[str, str | None]) -> list[str]:
    """What a class belongs to, nearest first; in a loop, until it closes."""
    above: list[str] = []
    parent = parents.get(name)
    while parent is not None and parent not in above:
        above.append(parent)
        parent = parents.get(parent)
    return above


def _performance(given: Any, problems: Problems) -> PerformanceTarget | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        problems.add("performance not understood", [repr(given)[:60]], "Give metric, split and at_least.")
        return None
    _check_names(problems, "entry of performance", given, _TARGET_NAMES)
    limits = {name: given.get(name) for name in ("at_least", "at_most") if given.get(name) is not None}
    are_numbers = all(map(is_number, limits.values()))
    if len(limits) != 1 or not are_numbers or not _text(given.get("metric")) or not _text(given.get("split")):
        remedy = "Give metric, split and one of at_least and at_most, a number."
        problems.add("performance incomplete", [str(dict(given))[:120]], remedy)
        return None
    split = _text(given["split"])
    unknown = [] if split in _MEASURED else [f"{split!r} ({suggest(split, _MEASURED)})"]
    problems.add("unknown split of performance", unknown, f"Use {', '.join(_MEASURED)}.")
    return PerformanceTarget(
        _text(given["metric"]),
        split,
        condition=_text(given.get("condition")) or None,
        **{name: float(value) for name, value in limits.items() if value is not None},
    )
