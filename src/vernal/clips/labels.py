"""What a label says of each of several classes: there, absent, or nothing.

A label names classes (`rooster;dog`), classes that are absent (`not rain`), or `negative` for none at all. What it does
not name is absent where a clip has one class or no other sounds occur, else unknown; an unknown clip neither trains
nor tests its class.
"""

from collections.abc import Iterable, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
import pandas as pd

from vernal.common.formatting import examples
from vernal.common.names import ALL_CLASSES, CLASS_DIVIDER, folded, one_spelling
from vernal.common.problems import Problems, suggest
from vernal.common.settings import one_of, settings

if TYPE_CHECKING:
    from vernal.clips.problem_card import ProblemCard

NOT = "not "
NEGATIVE, POSITIVE = "negative", "positive"
LABELLINGS = SINGLE, MULTI = "single", "multi"
WORLDS = CLOSED, OPEN = "closed", "open"


@settings("labels")
class LabelOptions:
    """What labels leave unsaid.

    `labelling`: `single` (one class a clip) or `multi`; `world`: `closed` (what is not named is absent) or `open` (it
    is unknown). Null: every label but the target's is negative, unless a manifest states absences (see `as_stated`).
    `classes`: the classes that are dealt to splits together; a run of several targets sets it.
    """

    labelling: Annotated[str, one_of(LABELLINGS)] | None = None
    world: Annotated[str, one_of(WORLDS)] | None = None
    classes: list = field(default_factory=list)

    @property
    def is_set(self) -> bool:
        """Whether labels are read class by class; else all but the target's are negative."""
        return bool(self.classes or self.labelling or self.world)

    @property
    def is_single(self) -> bool:
        """Whether a clip has one class."""
        return self.labelling == SINGLE

    def of(self, target: str) -> list[str]:
        """The classes that are dealt together, the target among them."""
        return [str(name) for name in self.classes] or [target]


def words_of(label: str) -> tuple[list[str], list[str]]:
    """The classes that a label names as there, `negative` among them, and those it names as absent.

    >>> words_of("rooster; not rain")
    (['rooster'], ['rain'])
    """
    words = [" ".join(word.split()) for word in label.split(CLASS_DIVIDER)]
    there = [word for word in words if word and not folded(word).startswith(NOT)]
    return there, [word[len(NOT) :] for word in words if folded(word).startswith(NOT)]


def classes_in(labels: Iterable[str]) -> list[str]:
    """Every class that some label names as there, in one spelling, sorted."""
    named = [word for label in labels for word in words_of(label)[0]]
    names = sorted(set(one_spelling(named).values()))
    return [name for name in names if folded(name) not in (NEGATIVE, POSITIVE)]


def as_stated(options: LabelOptions, labels: pd.Series, target: str) -> LabelOptions:
    """The options, with an open world if nothing is set and a label states that the target is absent.

    Who writes `frog;not owl` where an owl was listened for does not mean the same by `frog` alone.
    """
    return options if options.is_set or not _state_absence(labels, [target]) else replace(options, world=OPEN)


def unknown_in_words(labels: pd.Series, target: str, options: LabelOptions) -> str:
    """What an open world leaves out for a target, and how to count it as absent.

    >>> unknown_in_words(pd.Series(["owl", "frog;not owl", "frog"]), "owl", LabelOptions(world="open"))[-98:]
    'clips that do not say are not used (1: frog). If owl is absent there too, set labels.world=closed.'
    """
    unknown = labels[states(labels, target, options).isna()]
    shown = examples(sorted(set(unknown)), ", ")
    return (
        f"Labels state where {target} is absent ('not {target}'), so clips that do not say are not used "
        f"({len(unknown):,}{': ' if shown else ''}{shown}). If {target} is absent there too, set labels.world=closed."
    )


def _state_absence(labels: pd.Series, names: Iterable[str]) -> bool:
    absent = {folded(word) for label in labels.dropna().unique() for word in words_of(label)[1]}
    return not absent.isdisjoint(map(folded, names))


def states(labels: pd.Series, name: str, options: LabelOptions) -> pd.Series:
    """What each label says of one class: 1 there, 0 absent, NaN unknown.

    >>> labels = pd.Series(["owl", "frog", "frog;not owl", "negative"])
    >>> states(labels, "owl", LabelOptions(labelling="multi", world="open")).tolist()
    [1.0, nan, 0.0, 0.0]
    """
    known = {label: _state(label, folded(name), options) for label in labels.dropna().unique()}
    return labels.map(known).astype("float64")


def _state(label: str, name: str, options: LabelOptions) -> float:
    there, absent = ([folded(word) for word in words] for words in words_of(label))
    if name in there or POSITIVE in there:
        return 1.0
    says_absent = name in absent or NEGATIVE in there
    excludes = options.world == CLOSED or (options.is_single and bool(there))
    return 0.0 if says_absent or excludes else float("nan")


def state_table(labels: pd.Series, target: str, options: LabelOptions) -> pd.DataFrame:
    """`states` of every class that is dealt together, one column a class."""
    return pd.DataFrame({name: states(labels, name, options) for name in options.of(target)})


def with_class_words(clips: pd.DataFrame) -> pd.DataFrame:
    """The same rows with each class in one spelling, classes sorted within a label and absent ones last."""
    named = [word for label in clips.label.dropna() for words in words_of(label) for word in words]
    spelling = one_spelling(named)

    def spelled(label: str) -> str:
        there, absent = (sorted({spelling[word] for word in words}) for words in words_of(label))
        return CLASS_DIVIDER.join([*there, *(NOT + word for word in absent)])

    return clips.assign(label=clips.label.map(spelled, na_action="ignore").astype("str"))


def joined_rows(
    clips: pd.DataFrame, keys: Sequence[str], target: str | None, problems: Problems
) -> pd.DataFrame:
    """One row a clip where a manifest has one a class: labels are joined, all else is as its row for the target says.

    Args:
        keys: columns that make a clip.
        target: whose row gives quality and call type; those of another class are not the target's.
    """
    repeated = clips.duplicated(list(keys), keep=False) & clips[keys[0]].notna()
    if not repeated.any():
        return clips
    wanted = folded(target or "")
    places = ("site", "recorder_id", "date", "time", "night", "group", "split")
    parts, apart = [clips[~repeated]], []
    for _, rows in clips[repeated].groupby(list(keys), dropna=False, sort=False):
        apart += [
            f"rows {', '.join(map(str, rows.manifest_row))}: {column}"
            for column in places
            if rows[column].dropna().nunique() > 1
        ]
        names_it = [wanted in map(folded, words_of(str(label))[0]) for label in rows.label]
        kept = rows[names_it].head(1) if any(names_it) else rows.head(1)
        filled = {column: rows[column].bfill().iloc[0] for column in places}
        label = CLASS_DIVIDER.join(dict.fromkeys(rows.label.dropna()))
        blank = {} if any(names_it) else {"quality": np.nan, "call_type": np.nan}
        parts.append(kept.assign(**filled, **blank, label=label))
    problems.add(
        "clip whose rows differ", apart, "Rows of one clip, one a class, agree in place, time and split."
    )
    joined = pd.concat(parts).sort_values("manifest_row", ignore_index=True)
    return joined.astype({column: clips[column].dtype for column in clips.columns})


def check_words(clips: pd.DataFrame, options: LabelOptions, problems: Problems) -> None:
    """Note labels that contradict themselves, or the labelling."""
    contradicting, several, nameless = [], [], []
    for row, label in zip(clips.manifest_row, clips.label, strict=True):
        if pd.isna(label):
            continue
        there, absent = ({folded(word) for word in words} for words in words_of(label))
        case = f"row {row}: {label!r}"
        if there & absent or (NEGATIVE in there and len(there) > 1):
            contradicting.append(case)
        if options.is_single and len(there) > 1 and NEGATIVE not in there:
            several.append(case)
        if POSITIVE in there and len(options.classes) > 1:
            nameless.append(case)
    problems.add(
        "label that says a class is there and absent", contradicting, "Name each class once in a label."
    )
    problems.add(
        "several classes in one clip, but one a clip is labelled",
        several,
        "Set labelling: multi in the problem card, or labels.labelling=multi.",
    )
    problems.add(
        "label that names no class", nameless, "With several targets, name the class instead of 'positive'."
    )


def settled(
    asked: Sequence[str] | str,
    labels: pd.Series,
    card: "ProblemCard | None",
    options: LabelOptions,
    where: str,
    are_folders: bool = False,
) -> LabelOptions:
    """The classes that targets mean, and what labels leave unsaid of them.

    What `options` leave open is as the problem card says if it lists every class; else several classes in any label
    mean `multi`, and one that states that a class is absent means `multi` and an open world; else it is closed.

    Args:
        asked: class names, or `all` for every class that a label names.
        are_folders: whether the labels are those of class folders, where every other class is a negative.
    Raises:
        InputError: a class that no label names, or fewer than two of them.
    """
    known = classes_in(labels.dropna())
    spelled = {folded(name): name for name in known}
    wanted = known if asked == ALL_CLASSES else [" ".join(str(name).split()) for name in asked]
    problems = Problems(where)
    unknown = [f"{name!r} ({suggest(name, known)})" for name in wanted if folded(name) not in spelled]
    problems.add("target that no label names", unknown, "Correct targets, or the labels.")
    found = list(dict.fromkeys(spelled.get(folded(name), name) for name in wanted))
    if len(found) < 2 and not unknown:
        remedy = "Several targets are two classes or more; for one alone, set target."
        problems.add("too few targets", [", ".join(found) or "no label names a class"], remedy)
    problems.raise_if_any()
    is_about = card is not None and all(card.find(name) is not None for name in found)
    is_multi = any(len(words_of(label)[0]) > 1 for label in labels.dropna().unique())
    is_open = _state_absence(labels, found) and not are_folders
    of_labels = (MULTI if is_multi or is_open else SINGLE, OPEN if is_open else CLOSED)
    labelling, world = (card.labelling, card.world) if card is not None and is_about else of_labels
    return LabelOptions(options.labelling or labelling, options.world or world, found)
