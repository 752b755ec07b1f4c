"""From labels as written to the classes that are told apart: some merged, some dropped, everything counted."""

from typing import Annotated

import pandas as pd
from pydantic import Field

from vernal.common.problems import Problems, suggest
from vernal.common.settings import settings


@settings("features.classes")
class ClassMapping:
    """What becomes of the manifest's labels.

    `merge`: class -> the labels that make it, at least one. `drop`: labels whose clips are left out. Every other
    label is a class under its own name. `min_clips`: fewest clips that a class may have, 2 or more. One label may
    stand without brackets, and an empty setting is none.

    Raises:
        InputError: settings of another form.
    """

    merge: Annotated[dict, Field(description="class: [labels that make it]")] | None = None
    drop: list | str | int | None = None
    min_clips: Annotated[int, Field(ge=2)] = 6

    @property
    def merged(self) -> dict[str, list[str]]:
        """Labels by the class that they make."""
        return {
            str(name): [str(label) for label in _listed(labels)]
            for name, labels in (self.merge or {}).items()
        }

    @property
    def dropped(self) -> list[str]:
        """Labels whose clips are left out."""
        return [str(label) for label in _listed(self.drop)]


def _listed(labels: object) -> list:
    if labels is None:
        return []
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
    _check_labels(clips, mapping)
    class_of = {label: name for name, labels in mapping.merged.items() for label in labels}
    classes = clips.label.map(lambda label: class_of.get(label, label)).astype("str")
    classes = classes.mask(clips.label.isin(mapping.dropped))
    counts = clips.assign(**{"class": classes}).groupby(["label", "class"], dropna=False).size()
    kept = clips.assign(**{"class": classes})[classes.notna()]
    _check_what_is_left(kept, mapping)
    return kept, counts.rename("clips").reset_index().sort_values("label", ignore_index=True)


def _check_labels(clips: pd.DataFrame, mapping: ClassMapping) -> None:
    """Compare a mapping with the labels that occur."""
    problems = Problems("features.classes")
    wrong = [repr(name) for name, labels in mapping.merged.items() if not labels]
    problems.add("class without labels", wrong, "List the labels that it is made of.")
    present = sorted(set(clips.label))
    named = [label for labels in [*mapping.merged.values(), mapping.dropped] for label in labels]
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
