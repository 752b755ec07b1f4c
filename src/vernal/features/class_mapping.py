"""From labels as written to the classes that are told apart: some merged, some dropped, everything counted."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from vernal.problems import Problems, suggest


@dataclass(frozen=True)
class ClassMapping:
    """What becomes of the manifest's labels.

    `merge`: class -> the labels that make it, at least one. `drop`: labels whose clips are left out. Every other
    label is a class under its own name. `min_clips`: fewest clips that a class may have.
    """

    merge: dict = field(default_factory=dict)
    drop: list = field(default_factory=list)
    min_clips: int = 6

    @property
    def class_of(self) -> dict[str, str]:
        """Class by label, for labels that are merged."""
        return {str(label): str(name) for name, labels in self.merge.items() for label in _listed(labels)}


def _listed(labels: object) -> list:
    return list(labels) if isinstance(labels, list | tuple) else [labels]


def map_classes(clips: pd.DataFrame, mapping: ClassMapping) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give every clip its class.

    Args:
        clips: one row a clip, with `label`.
    Returns:
        The clips that are kept, with `class`, in the order given; and the counts before and after: one row a
        label, `label`, `class` (missing where dropped), `clips`, sorted by label.
    Raises:
        InputError: a label named in the mapping does not occur, is named twice, or too little is left.
    """
    check_mapping(clips, mapping)
    classes = clips.label.map(lambda label: mapping.class_of.get(label, label)).astype("str")
    classes = classes.mask(clips.label.isin([str(label) for label in mapping.drop]))
    counts = clips.assign(**{"class": classes}).groupby(["label", "class"], dropna=False).size()
    kept = clips.assign(**{"class": classes})[classes.notna()]
    _check_what_is_left(kept, mapping)
    return kept, counts.rename("clips").reset_index().sort_values("label", ignore_index=True)


def check_mapping(clips: pd.DataFrame, mapping: ClassMapping) -> None:
    """Compare a mapping with the labels that occur.

    Raises:
        InputError: a label that does not occur, or that is named twice.
    """
    problems = Problems("features.classes")
    wrong = [
        f"{name!r}: {labels!r}"
        for name, labels in mapping.merge.items()
        if not _listed(labels) or labels is None
    ]
    problems.add("class without labels", wrong, "List the labels that it is made of.")
    present = sorted(set(clips.label))
    named = [
        str(label) for labels in mapping.merge.values() for label in _listed(labels) if labels is not None
    ]
    named += [str(label) for label in mapping.drop]
    unknown = [f"{label!r} ({suggest(label, present)})" for label in sorted(set(named) - set(present))]
    problems.add("label that no clip has", unknown, "Correct merge and drop.")
    twice = sorted({label for label in named if named.count(label) > 1})
    problems.add(
        "label named more than once", map(repr, twice), "A label is merged into one class, or dropped."
    )
    problems.raise_if_any()


def _check_what_is_left(kept: pd.DataFrame, mapping: ClassMapping) -> None:
    problems = Problems("features.classes")
    sizes = kept["class"].value_counts().sort_index()
    if len(sizes) < 2:
        left = f"left: {', '.join(sizes.index) or 'none'}"
        problems.add("fewer than two classes", [left], "Classes are told apart; drop or merge fewer labels.")
    few = [f"{name}: {size}" for name, size in sizes.items() if size < mapping.min_clips]
    problems.add(
        f"class with fewer than {mapping.min_clips} clips",
        few,
        "Merge it into another, drop it, or lower min_clips.",
    )
    problems.raise_if_any()
