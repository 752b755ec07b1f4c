"""What was marked where a label file does not name it, and what folders of classes say of their recordings.

Tables of people who study one species have an empty label column, or none. Then a statement (`label:` in a
`source.yml`), the table's own name or the folder that it lies in says what was boxed.
"""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from vernal.clips.annotations import annotation_table
from vernal.clips.class_folders import label_of_folder
from vernal.clips.labels import NEGATIVE, POSITIVE
from vernal.clips.problem_card import ProblemCard
from vernal.common.names import folded
from vernal.common.problems import InputError, suggest

FOLDER = "folder"
"""The format of what folders say, in the list of label files."""


def class_meant(word: str, card: ProblemCard) -> str | None:
    """The class that a word means, `negative` for a word that means none; None where it means nothing here.

    `positive` is the target.
    """
    known = card.find(word)
    plain = label_of_folder(word)
    return known or (card.target if plain == POSITIVE else NEGATIVE if plain == NEGATIVE else None)


def looks_misspelt(label: str, card: ProblemCard) -> bool:
    """Whether a label that is no class is written much like one."""
    return suggest(label, card.spellings).startswith("did you mean")


def name_marks(
    table: pd.DataFrame,
    path: str,
    said: Mapping[str, Any],
    rest_of_name: str,
    card: ProblemCard,
    columns: str = "",
) -> pd.DataFrame:
    """Give marks without a label what else says what they are.

    Args:
        table: annotations of one label file; `label` is missing where the file names nothing.
        path: the file's.
        said: the statement about it; its `label` goes before all else, and speaks for single rows too.
        rest_of_name: the part of the file's name that is not its recording's.
        card: the classes.
        columns: what a message says of the file's columns.
    Returns:
        The table with every label filled, or with some left missing where the others are named.
    Raises:
        InputError: nothing says what was marked.
    """
    unnamed = table.label.isna()
    if not unnamed.any():
        return table
    label = said.get("label")
    if isinstance(label, str):
        return table.assign(label=table.label.fillna(class_meant(label, card) or label))
    if not unnamed.all():
        return table
    implied = _class_in_name(rest_of_name, card) or _folder_of_class(path, card)[1]
    if implied is None:
        raise InputError(
            f"{path}: none of its {len(table):,} marks names what was heard{columns}. Write `label: {card.target}`, or "
            "another class, into a source.yml beside it, or put it into a folder of the class."
        )
    return table.assign(label=implied)


def _class_in_name(name: str, card: ProblemCard) -> str | None:
    plain = f" {re.sub(r'[._ -]+', ' ', folded(name))} "
    for sound in card.classes:
        words = [re.sub(r"[._ -]+", " ", folded(word)) for word in sound.spellings]
        if any(f" {word} " in plain for word in words):
            return sound.name
    return None


def _folder_of_class(path: str, card: ProblemCard) -> tuple[str, str | None]:
    """The nearest folder of a path that is called like a class, and the class it means."""
    for folder in PurePosixPath(path).parents:
        meant = class_meant(folder.name, card) if folder.name else None
        if meant is not None:
            return f"{folder.as_posix()}/", meant
    return "", None


def said_by_folders(sounds: pd.DataFrame, card: ProblemCard) -> pd.DataFrame:
    """What is said of whole recordings by the folder that they lie in, or by `label: negative` in its `source.yml`.

    Args:
        sounds: the statements about recordings that count, one row a path.
        card: the classes; a negative recording has nothing of the target.
    Returns:
        Weak annotations, with `label_file` (the folder, with a `/`), `collector`, `annotator` and `session` as said.
    """
    rows = []
    for said in sounds.to_dict("records"):
        path = str(said["file_path"])
        folder, meant = _folder_of_class(path, card)
        if isinstance(said.get("label"), str):
            # What was boxed says nothing of recordings that nobody boxed anything in.
            is_negative = class_meant(str(said["label"]), card) == NEGATIVE
            folder, meant = f"{PurePosixPath(path).parent.as_posix()}/", NEGATIVE if is_negative else None
        if meant is not None:
            is_present = meant != NEGATIVE
            row = {"recording": path, "label": meant if is_present else card.target, "is_present": is_present}
            rows.append((row, folder, said))
    return annotation_table(row for row, _, _ in rows).assign(
        label_file=pd.Series([folder for _, folder, _ in rows], dtype="str"),
        **{
            name: pd.Series([said.get(name) for _, _, said in rows], dtype="str")
            for name in ("collector", "annotator", "session")
        },
    )


def without_contradictions(
    placed: pd.DataFrame, by_folder: pd.Series, card: ProblemCard
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Leave out what folders say of recordings that are marked more closely, and tell what contradicts the marks.

    Where two folders contradict each other and nobody marked anything, neither counts.

    Args:
        placed: annotations with `content_hash`, `label` as written and `label_file`.
        by_folder: which of them a folder says; bool.
        card: the classes.
    Returns:
        The rows that stay, and a refusal for each recording that a folder calls negative and something else does not.
    """
    known = [card.find(str(label)) or "" for label in placed.label]
    named = placed.assign(by_folder=by_folder, known=known)
    present = named[named.is_present & named.model.isna()]
    # A mark says more than a folder, so it goes first.
    present = present.assign(row=present.index, known=present.known.map(card.lineage)).explode("known")
    of_folders = present[present.by_folder].groupby(["content_hash", "known"]).row.agg(list)
    present = present.sort_values("by_folder", kind="stable").drop_duplicates(["content_hash", "known"])
    saying = {(row["content_hash"], row["known"]): row for row in present.to_dict("records")}
    dropped, told = [], []
    for index, row in named[named.by_folder].to_dict("index").items():
        other = saying.get((row["content_hash"], row["known"]))
        if other is None or (row["is_present"] and other["by_folder"]):
            continue
        dropped.append(index)
        if not row["is_present"]:
            path = other["recording"] if other["by_folder"] else other["label_file"]
            lies = f"lies in {row['label_file']}, which has nothing of {row['known']}"
            where = {"file_path": row["recording"], "line_label": row["label"], "recording": row["recording"]}
            neither = "; neither counts" if other["by_folder"] else ""
            told.append(where | {"reason": f"{lies}, but {path} says that it is there{neither}"})
            dropped += of_folders[row["content_hash"], row["known"]] if neither else []
    return placed.drop(index=list(set(dropped))), told
