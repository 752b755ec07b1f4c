"""From label files to annotations that fit: the right recording, a class of the card, a place inside the sound.

Whatever does not fit is listed with the reason; nothing is guessed. A file names its recordings itself, or
is called like the recording it belongs to.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from vernal.clips.annotation_formats import FORMATS, recognise
from vernal.clips.annotation_formats.lines import first_line
from vernal.clips.annotations import annotation_table
from vernal.clips.labels import NEGATIVE
from vernal.clips.problem_card import ProblemCard
from vernal.collection import class_words
from vernal.collection.inventory import keepers
from vernal.common.formatting import MOST_EXAMPLES
from vernal.common.names import lies_elsewhere, n_shared_last, path_parts
from vernal.common.problems import InputError, on_one_line, suggest

PROBLEM_COLUMNS = ("file_path", "line", "line_label", "recording", "n_rows", "reason")
FILE_COLUMNS = (
    "file_path", "format", "annotator", "session", "is_complete", "n_annotations", "n_others", "n_refused"
)  # fmt: skip
REVIEW_COLUMNS = ("content_hash", "annotator", "session")
_BEHIND_STEM = (".", "_", "-", " ")
_END_TOLERANCE_S = 0.1
# Formats of the marks in one recording, which may name neither it nor what was heard.
_OF_ONE = ("audacity", "raven")
UNKNOWN_ANNOTATOR = "unknown"


@dataclass(frozen=True, eq=False)
class ReadLabels:
    """What the label files of a collection say.

    `annotations`: people's, `detections`: models'; both with `content_hash`, `duration_s`, `label_file`,
    `label` (a class of the card) and `label_as_written`. `reviews`: `REVIEW_COLUMNS`, the recordings that
    were marked completely. `problems`: `PROBLEM_COLUMNS`, what was refused: `n_rows` rows, the first in `line`; both
    are missing for a file as a whole. `files`: `FILE_COLUMNS`; `n_others` counts a model's detections of what is no
    class of the card, which nobody asked about.
    """

    annotations: pd.DataFrame
    detections: pd.DataFrame
    reviews: pd.DataFrame
    problems: pd.DataFrame
    files: pd.DataFrame


class RecordingNames:
    """Finds the recording that a label file means, among all names that contents have.

    A name is looked for regardless of letter case and composition. Where the path in a label file names folders,
    they decide: a recording of the same name in another recorder's folder is not meant.
    """

    def __init__(self, statements: pd.DataFrame, recordings: pd.DataFrame) -> None:
        sounds = recordings.set_index("content_hash").sound_hash.to_dict()
        keeper = keepers(recordings).to_dict()
        self._places: dict[str, list[_Place]] = {}
        self._stems: dict[str, set[str]] = {}
        for path, content_hash in zip(statements.file_path, statements.content_hash, strict=True):
            # Labels of a copy are labels of the sound that is kept.
            kept = keeper.get(sounds.get(content_hash), content_hash)
            *folders, name = path_parts(path)
            self._places.setdefault(name, []).append(_Place(path, tuple(folders), kept))
            self._stems.setdefault(PurePosixPath(name).stem, set()).add(name)
        self._folders = {
            name for places in self._places.values() for place in places for name in place.folders
        }

    def named(self, name: str, near: str) -> tuple[str | None, str]:
        """The content of a recording named in a label file at `near`; or None and the reason."""
        *folders, wanted = path_parts(name) or ("",)
        stem = PurePosixPath(wanted).stem
        names = {wanted} if wanted in self._places else self._stems.get(stem, set())
        places = self._called(names or self._stems.get(wanted, set()))
        fitting = [
            place for place in places if not lies_elsewhere(folders, place.folders, stem, self._folders)
        ]
        shared = [n_shared_last(folders, place.folders) for place in fitting]
        most = max(shared, default=0)
        closest = [place for place, count in zip(fitting, shared, strict=True) if count == most]
        return self._nearest(closest, near, name, places)

    def called_like(self, label_file: str) -> tuple[str | None, str]:
        """The content of the recording that a label file is called after; or None and the reason."""
        *folders, name = path_parts(label_file)
        longest = self._stem_of(name)
        if not longest:
            reason = "is called like no recording; call it like its recording, or name the recording in it"
            return None, reason
        places = self._called(self._stems[longest])
        fitting = [place for place in places if not lies_elsewhere(folders, place.folders, "", self._folders)]
        return self._nearest(fitting, label_file, longest, places)

    def rest_of_name(self, label_file: str) -> str:
        """What a label file's name says beside the recording that it is called after."""
        name = path_parts(label_file)[-1]
        return name[len(self._stem_of(name)) :]

    def _stem_of(self, name: str) -> str:
        return max((known for known in self._stems if _continues(name, known)), key=len, default="")

    def _called(self, names: set[str]) -> "list[_Place]":
        return [place for name in sorted(names) for place in self._places[name]]

    def _nearest(
        self, fitting: "list[_Place]", near: str, name: str, called_so: "list[_Place]"
    ) -> tuple[str | None, str]:
        """Of several recordings of one name the one whose folder shares most with the label file's."""
        if not fitting:
            others = " or ".join(repr(place.path) for place in called_so[:3])
            elsewhere = f"; {others} is called so, but lies in another folder than is named"
            return None, f"no recording {name!r} was added" + (elsewhere if called_so else "")
        folder = path_parts(near)[:-1]
        shared = [_n_shared(place.folders, folder) for place in fitting]
        best = {place.content for place, count in zip(fitting, shared, strict=True) if count == max(shared)}
        if len(best) > 1:
            advice = "name them with their folders, or put the labels beside theirs"
            return None, f"{len(best)} recordings are called {name!r}; {advice}"
        return best.pop(), ""


@dataclass(frozen=True)
class _Place:
    """Where a recording lies: its path, its folders as they are compared, and its content."""

    path: str
    folders: tuple[str, ...]
    content: str


def _continues(name: str, stem: str) -> bool:
    """Whether a label file's name goes on from a recording's; one that goes on with a number is another's."""
    rest = name[len(stem) :]
    return name.startswith(stem) and rest[:1] in _BEHIND_STEM and not rest[1:2].isdigit()


def _n_shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def read_all(
    statements: pd.DataFrame, recordings: pd.DataFrame, card: ProblemCard, text_of: Callable[[str, str], str]
) -> ReadLabels:
    """Read every label file of the lake.

    Args:
        statements: all of the lake's statements.
        recordings: as `inventory.describe_recordings` gives them.
        card: the classes.
        text_of: gives a label file's text by content hash and path; raises InputError when it is no text.
    """
    sounds = statements[(statements.kind == "recording") & ~statements.is_superseded]
    names = RecordingNames(sounds, recordings)
    said, files, unreadable = _read_files(statements, text_of, names, card)
    by_folder = _told(class_words.said_by_folders(sounds, card))
    placed, misplaced = _place(_join([said, by_folder]), names)
    placed, contradicting = class_words.without_contradictions(
        placed, placed.label_file.isin(by_folder.label_file), card
    )
    files = pd.concat([files, _folders(by_folder, placed)], ignore_index=True)
    placed = _who(placed)
    durations = dict(zip(recordings.content_hash, recordings.duration_s, strict=True))
    fitting, others, unfit, unclear = _fit(placed, card, durations)
    reviews, homeless = _reviews(files, placed, names)
    # Where a mark may be a misspelt class, or lie elsewhere, silence about the class means nothing.
    reviewed = pd.DataFrame(sorted(reviews - unclear), columns=list(REVIEW_COLUMNS)).astype("str")
    refused = [*unreadable, *misplaced, *contradicting, *unfit, *homeless]
    problems = _counted(pd.DataFrame(refused, columns=list(PROBLEM_COLUMNS)))
    by_people = fitting.model.isna()
    return ReadLabels(
        fitting[by_people].reset_index(drop=True),
        fitting[~by_people].reset_index(drop=True),
        reviewed,
        problems.sort_values(["file_path", "line", "line_label"], na_position="first", ignore_index=True),
        _count(files, fitting, others),
    )


def _told(by_folder: pd.DataFrame) -> pd.DataFrame:
    """What folders say, with who says it as for label files."""
    speakers = [_speaker(row) for row in by_folder[["annotator", "collector", "session"]].to_dict("records")]
    who, session = (pd.Series([speaker[at] for speaker in speakers], dtype="str") for at in (0, 1))
    return by_folder.drop(columns="collector").assign(
        line=pd.Series(pd.NA, by_folder.index, dtype="Int64"), told_by=who, told_session=session
    )


def _folders(by_folder: pd.DataFrame, placed: pd.DataFrame) -> pd.DataFrame:
    """The class folders, listed as label files are."""
    first = by_folder.drop_duplicates("label_file")
    said = placed[placed.label_file.isin(first.label_file)]
    n_rows = first.label_file.map(said.label_file.value_counts()).fillna(0).astype("int64")
    told = {"annotator": first.told_by, "session": first.told_session, "is_complete": False}
    listed = pd.DataFrame(
        {"file_path": first.label_file, "format": class_words.FOLDER, **told, "n_rows": n_rows}
    )
    return listed.assign(is_of_one=False)


def _read_files(
    statements: pd.DataFrame, text_of: Callable[[str, str], str], names: RecordingNames, card: ProblemCard
) -> tuple[pd.DataFrame, pd.DataFrame, list[dict[str, Any]]]:
    """Every row of every current label file as it is written, the files, and those that are none."""
    current = (statements.kind == "labels") & ~statements.is_superseded
    tables: list[pd.DataFrame] = []
    files: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    for row in statements[current].to_dict("records"):
        path = str(row["file_path"])
        try:
            text = text_of(str(row["content_hash"]), path)
            form = recognise(text, path)
            table = _parse(form, text, path, names, row, card)
        except InputError as error:
            refused.append({"file_path": path, "reason": on_one_line(error)})
            continue
        who, session = _speaker(row)
        told = {"format": form, "annotator": who, "session": session, "is_complete": row["complete"] is True}
        is_of_one = bool(table.recording.isna().all())
        files.append({"file_path": path, **told, "n_rows": len(table), "is_of_one": is_of_one})
        tables.append(table.assign(label_file=path, told_by=who, told_session=session))
    columns = ["file_path", "format", "annotator", "session", "is_complete", "n_rows", "is_of_one"]
    return _join(tables), pd.DataFrame(files, columns=columns), refused


def _parse(
    form: str, text: str, path: str, names: RecordingNames, said: Mapping[Any, Any], card: ProblemCard
) -> pd.DataFrame:
    """The annotations of a label file, each with what was marked, whoever says it."""
    parse = FORMATS[form].parse
    if form not in _OF_ONE:
        return parse(text, path)
    table = parse(text, path, needs_label=False)
    header = [cell.strip() for cell in first_line(text).split("\t")]
    columns = "" if form == "audacity" else f", in no column of {', '.join(header)}"
    table = class_words.name_marks(table, path, said, names.rest_of_name(path), card, columns)
    return parse(text, path) if table.label.isna().any() else table  # says in which lines a label is missing


def _count(files: pd.DataFrame, fitting: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """The files with how many of their rows are annotations, how many are others, and how many were refused."""
    n_annotations, n_others = (
        files.file_path.map(table.label_file.value_counts()).fillna(0).astype("int64")
        for table in (fitting, others)
    )
    n_refused = files.n_rows - n_annotations - n_others
    counted = files.assign(n_annotations=n_annotations, n_others=n_others, n_refused=n_refused)
    return counted[list(FILE_COLUMNS)]


_TOLD = ("label_file", "told_by", "told_session")


def _join(tables: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    if filled:
        return pd.concat(filled, ignore_index=True)
    told = {name: pd.Series(dtype="str") for name in _TOLD}
    return annotation_table([]).assign(line=pd.Series(dtype="Int64"), **told)


def _place(said: pd.DataFrame, names: RecordingNames) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Give each row the content of its recording; rows without one are refused, with the reason."""
    keys = list(zip(said.label_file, said.recording.fillna(""), strict=True))
    found = {
        (path, name): names.named(name, path) if name else names.called_like(path)
        for path, name in dict.fromkeys(keys)
    }
    contents = pd.Series([found[key][0] for key in keys], index=said.index, dtype="str")
    placed = said.assign(content_hash=contents)
    missing = placed[contents.isna()]
    lines = zip(missing.label_file, missing.line, missing.label, missing.recording.fillna(""), strict=True)
    refused = [
        {
            "file_path": path,
            "line": line,
            "line_label": label,
            "recording": name or np.nan,
            "reason": found[path, name][1],
        }
        for path, line, label, name in lines
    ]
    return placed[contents.notna()], _of_lost_tables(refused, said)


def _of_lost_tables(refused: list[dict[str, Any]], said: pd.DataFrame) -> list[dict[str, Any]]:
    """The refusals, but only one of a table with many rows of which no recording was found: the table is wrong."""
    n_rows = said.label_file.value_counts()
    n_lost = Counter(row["file_path"] for row in refused)
    lost = {path for path, n in n_lost.items() if n == n_rows[path] and n > MOST_EXAMPLES}
    first = {row["file_path"]: row for row in reversed(refused)}
    words = "of none of its {:,} rows the recording was found, the first because {}"
    return [row for row in refused if row["file_path"] not in lost] + [
        {"file_path": path, "reason": words.format(n_lost[path], first[path]["reason"])}
        for path in sorted(lost)
    ]


def _counted(refused: pd.DataFrame) -> pd.DataFrame:
    """Rows of one file that were refused for the same reason as one row, with their number."""
    texts = dict.fromkeys(("file_path", "line_label", "recording", "reason"), "str")
    grouped = refused.astype(texts | {"line": "Int64"}).groupby(
        ["file_path", "line_label", "reason"], dropna=False, sort=False
    )
    counts = grouped.agg(line=("line", "min"), n_rows=("line", "count"), recording=("recording", "first"))
    counts["recording"] = counts.recording.where(grouped.recording.nunique() == 1)
    counts["n_rows"] = counts.n_rows.where(counts.line.notna()).astype("Int64")
    return counts.reset_index()[list(PROBLEM_COLUMNS)].astype(texts)


def _reviews(
    files: pd.DataFrame, placed: pd.DataFrame, names: RecordingNames
) -> tuple[set[tuple], list[dict[str, Any]]]:
    """Which recordings who marked completely, and empty files that belong to none.

    A file that names no recording speaks for the one it is called after, even when nothing is marked in it;
    a table over many speaks for those it names.
    """
    complete = set(files.file_path[files.is_complete])
    people = placed[placed.model.isna() & placed.label_file.isin(complete)]
    reviews = set(people[list(REVIEW_COLUMNS)].itertuples(index=False, name=None))
    homeless = []
    for file in files[files.is_of_one & files.format.isin(_OF_ONE)].itertuples():
        content, reason = names.called_like(str(file.file_path))
        if content is not None and file.is_complete:
            reviews.add((content, file.annotator, file.session))
        if content is None and file.n_rows == 0:
            homeless.append({"file_path": file.file_path, "reason": reason})
    return reviews, homeless


def _speaker(statement: Mapping[Any, Any]) -> tuple[str, str]:
    said = [statement[name] for name in ("annotator", "collector") if isinstance(statement[name], str)]
    session = statement["session"] if isinstance(statement["session"], str) else "1"
    return said[0] if said else UNKNOWN_ANNOTATOR, session


def _who(placed: pd.DataFrame) -> pd.DataFrame:
    """Fill in annotator and session where the rows do not give them; a model's rows have none."""
    by_people = placed.model.isna()
    annotator = placed.annotator.fillna(placed.told_by).where(by_people)
    session = placed.session.fillna(placed.told_session).where(by_people)
    return placed.assign(annotator=annotator.astype("str"), session=session.astype("str"))


def _fit(
    placed: pd.DataFrame, card: ProblemCard, durations: dict[str, float]
) -> tuple[pd.DataFrame, pd.DataFrame, list[dict[str, Any]], set[tuple]]:
    """Keep rows that name a class of the card and lie inside the recording.

    Returns:
        The rows kept, what is no class and nobody's mistake (a model's other detections, boxes of `negative`), the
        refusals, and the reviews in which a refused
        mark may have meant a class or lies where nobody knows.
    """
    classes = {label: card.find(label) for label in placed.label.unique()}
    duration = placed.content_hash.map(durations).astype("float64")
    by_model = placed.model.notna()
    # A model's last window may reach beyond the end; a person's mark there belongs to another recording.
    is_rounding = (placed.end_s > duration) & (by_model | (placed.end_s <= duration + _END_TOLERANCE_S))
    named = placed.assign(
        label_as_written=placed.label,
        label=placed.label.map(classes).astype("str"),
        duration_s=duration,
        end_s=placed.end_s.mask(is_rounding, duration),
    )
    is_other = by_model | (named.label_as_written == NEGATIVE)
    others = named[named.label.isna() & is_other]
    unknown = named.label.isna() & ~is_other
    outside = named.label.notna() & ((named.start_s >= duration) | (named.end_s > duration))
    stray = named.label.notna() & ~outside & ~by_model & (_is_empty_box(named) | _is_off_band(named, card))
    strange = {
        label: f"{label!r} is no class that is looked for; {suggest(label, card.spellings)}"
        for label in named.label_as_written[unknown].unique()
    }
    unfit = [_refusal(row, strange[row["label_as_written"]]) for row in named[unknown].to_dict("records")]
    unfit += [_outside(row) for row in named[outside].to_dict("records")]
    unfit += [_stray(row, card) for row in named[stray].to_dict("records")]
    may_mean = {label for label in strange if _may_mean_a_class(label, card)}
    unclear = named.loc[named.label_as_written.isin(may_mean) & unknown | outside, list(REVIEW_COLUMNS)]
    kept = named[named.label.notna() & ~outside & ~stray].drop(columns=["line", "told_by", "told_session"])
    return kept, others, unfit, set(unclear.itertuples(index=False, name=None))


def _may_mean_a_class(label: str, card: ProblemCard) -> bool:
    """In a closed world every label should be a class; in an open one, only one that looks like it."""
    return card.world == "closed" or class_words.looks_misspelt(label, card)


def _is_empty_box(marks: pd.DataFrame) -> pd.Series:
    """Boxes without length, as a click leaves them; a label track's point has no band."""
    return (marks.start_s == marks.end_s) & marks[["low_hz", "high_hz"]].notna().any(axis=1)


def _is_off_band(marks: pd.DataFrame, card: ProblemCard) -> pd.Series:
    """Boxes that lie wholly above or below the band of their class, where the card names one."""
    bands = {name: card.band_of(name) or (0.0, np.inf) for name in card.names}
    low, high = (
        marks.label.map({name: band[at] for name, band in bands.items()}).astype("float64") for at in (0, 1)
    )
    return (marks.high_hz <= low) | (marks.low_hz >= high)


def _stray(row: dict[Any, Any], card: ProblemCard) -> dict[str, Any]:
    where = f"the box at {row['start_s']:g} s, {row['low_hz']:g} to {row['high_hz']:g} Hz,"
    if row["start_s"] == row["end_s"]:
        return _refusal(row, f"{where} has no length, as a stray click leaves it")
    low, high = card.band_of(row["label"]) or (0.0, np.inf)
    return _refusal(row, f"{where} lies outside the band of {row['label']}, {low:g} to {high:g} Hz")


def _outside(row: dict[Any, Any]) -> dict[str, Any]:
    reason = f"{row['start_s']:g} to {row['end_s']:g} s lies outside a recording of {row['duration_s']:g} s"
    return _refusal(row, reason)


def _refusal(row: dict[Any, Any], reason: str) -> dict[str, Any]:
    where = {"file_path": row["label_file"], "line": row["line"], "line_label": row["label_as_written"]}
    return where | {"recording": row["recording"], "reason": reason}
