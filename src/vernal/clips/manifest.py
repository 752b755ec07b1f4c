"""The manifest: one row a labelled clip or a part of a recording, as a person wrote it.

Reading accepts CSV and Parquet. Checking reports every problem of every kind in one message, before
any audio is opened; what comes out has plain types and one spelling of everything.
"""

import logging
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from vernal.clips import labels, nights
from vernal.clips.labels import LabelOptions
from vernal.common.files import is_inside, resolved
from vernal.common.formatting import examples
from vernal.common.names import CLASS_DIVIDER, folded, one_spelling
from vernal.common.problems import InputError, Problems, suggest
from vernal.common.storage import as_path, local_copy
from vernal.common.tables import plain_csv_text, read_foreign_parquet, read_numbered_cells

logger = logging.getLogger(__name__)

_LONGEST = 300  # characters of a cell that messages show
_LONGEST_S = 1e7  # into a recording: four months
QUALITIES = ("high", "medium", "low")
# `sealed` is no stage's to look at: only `kedro run --pipeline=final` scores it, once a model.
SEALED = "sealed"
SPLITS = ("train", "val", "test_iid", "test_ood", SEALED)
SPLIT_NAMES = {
    "train": "training",
    "val": "validation",
    "test_iid": "same sites (test)",
    "test_ood": "new site (test)",
}
REQUIRED_COLUMNS = ("file_path", "label")
OPTIONAL_TEXT_COLUMNS = (
    "quality",
    "call_type",
    "site",
    "recorder_id",
    "date",
    "time",
    "night",
    "group",
    "split",
)
PART_COLUMNS = ("start_s", "end_s")
NAMES_OF_PLACES = ("site", "recorder_id", "group")
POSITIVE_LABELS = ("positive",)
# What people write who do not know; as a class it would count as a negative.
_UNSURE = {
    "unsure", "uncertain", "unclear", "unknown", "undecided", "maybe", "possible", "possibly", "doubtful", "na", "n/a",
    "unsicher", "unklar", "unbekannt", "incertain", "inconnu", "dudoso", "desconocido", "incierto", "incerto",
    "onzeker",
}  # fmt: skip
# What the project computes itself; a manifest that brings its own would be overwritten silently.
RESERVED_COLUMNS = ("clip_id", "source", "content_hash", "is_positive", "night_from")


def split_name(split: str) -> str:
    """A split in words; one that has none keeps its name.

    >>> split_name("test_ood"), split_name("sealed")
    ('new site (test)', 'sealed')
    """
    return SPLIT_NAMES.get(split, split)


def on_split(split: str) -> str:
    """Where something was measured, within a sentence.

    >>> on_split("test_ood"), on_split("val"), on_split("sealed")
    ('at a new site (test)', 'on validation', 'on sealed')
    """
    places = {"test_iid": "at the same sites (test)", "test_ood": "at a new site (test)"}
    return places.get(split, f"on {split_name(split)}")


def read_manifest(path: Path | str) -> pd.DataFrame:
    """Read a manifest as text.

    Args:
        path: a `.csv` (UTF-8, or UTF-16 with its mark; comma, semicolon or tab) or `.parquet` file.
    Returns:
        One row a line of the file, in its order, with the file's columns as text; empty cells are missing. The index
        counts rows from 0, blank ones too.
    Raises:
        InputError: not there, not readable, of another kind, or without rows.
    """
    path = as_path(path)
    if path.suffix.lower() == ".csv":
        frame = plain_csv_text(read_numbered_cells(path, "The manifest", "source.manifest"))
        return frame.where(frame != "").astype("str")
    if path.suffix.lower() != ".parquet":
        raise InputError(
            f"The manifest {path} ends in {path.suffix!r}; give a .csv or .parquet file as source.manifest. "
            "Spreadsheet programs save one as CSV UTF-8."
        )
    if not path.is_file():
        raise InputError(
            f"The manifest {path} does not exist. Give the path of a CSV or Parquet file as source.manifest."
        )
    frame = read_foreign_parquet(local_copy(path), f"The manifest {path}")
    if frame.empty:
        raise InputError(
            f"The manifest {path} has no rows. It needs one row a clip, with file_path and label."
        )
    return frame.assign(**{name: _as_text(frame[name]) for name in frame.columns})


def _as_text(column: pd.Series) -> pd.Series:
    """Any column as text, missing stays missing; whole floats lose their `.0` and dates their midnight."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return column.dt.strftime("%Y-%m-%d").astype("str")
    if pd.api.types.is_float_dtype(column):
        known = column.dropna().astype("float64")  # a half-precision column knows no 2**63
        if (known % 1 == 0).all() and (known.abs() < 2**63).all():
            column = column.astype("Int64")
    return column.map(str, na_action="ignore").astype("str")


def check_manifest(
    frame: pd.DataFrame,
    target: str | None,
    audio_root: Path | str,
    where: str = "The manifest",
    options: LabelOptions | None = None,
) -> pd.DataFrame:
    """Check a manifest whole and give it plain types.

    Args:
        frame: as `read_manifest` gives it.
        target: the label of interest; `positive` counts as it too. None: every label is a class of its own, and none
            is positive.
        audio_root: the folder that `file_path` starts from.
        where: how messages call the manifest.
        options: how labels of several classes are read; None, or where nothing is set: all but the target's are
            negative.
    Returns:
        A row each clip, sorted by file and part: the manifest's columns, the optional ones added as
        missing, `date` and `time` filled from the file's name where it tells, `start_s` and `end_s` as float
        seconds (NaN: the whole file), `is_positive` bool, and `manifest_row`, the row's number counted from 1 below
        the header.
    Raises:
        InputError: lists all problems of all kinds with their rows.
    """
    problems = Problems(where)
    missing = [name for name in REQUIRED_COLUMNS if name not in frame.columns]
    near = [f"{name} ({suggest(name, frame.columns)})" for name in missing]
    problems.add("missing column", near, "Every manifest has the columns file_path and label.")
    reserved = [name for name in RESERVED_COLUMNS if name in frame.columns]
    problems.add("reserved column", reserved, "The project computes these itself; rename or drop them.")
    remedy = "Rename it as said, or to another name if it is something else; as it is, it would not be used."
    problems.add("column that is nearly a known one", _near_columns(frame), remedy)
    problems.raise_if_any()

    root = as_path(audio_root)
    by_class = options if options is not None and options.is_set else None
    clips = _with_all_columns(frame)
    _check_values(clips, target, problems)
    clips["file_path"] = _spelled_paths(clips.file_path, root)
    if by_class is not None:
        clips = labels.joined_rows(clips, ["file_path", *PART_COLUMNS], target, problems)
        labels.check_words(clips, by_class, problems)
    if target is not None and clips.label.notna().any():
        _check_classes(clips, target, by_class, problems)
    _check_files(clips, root, problems)
    problems.raise_if_any()
    if by_class is not None:
        clips = labels.with_class_words(clips)
    known = {folded(name): name for name in (*POSITIVE_LABELS, "negative", *([target] if target else []))}
    words = clips.label.map(lambda label: known.get(folded(label), label), na_action="ignore").astype("str")
    clips = nights.fill_from_names(with_one_spelling(clips.assign(label=words), ("label", *NAMES_OF_PLACES)))
    return clips.sort_values(["file_path", "start_s", "end_s"], na_position="first", ignore_index=True)


def with_one_spelling(clips: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """The same table where names that differ in letter case, composition or spaces alone are spelled alike.

    What is taken for one is logged, for two sites called alike would become one as well.
    """
    for column in columns:
        spelling = one_spelling(clips[column].dropna())
        changed = [f"{name!r} as {known!r}" for name, known in sorted(spelling.items()) if name != known]
        if changed:
            logger.warning("%s: read %s.", column, examples(changed, ", "))
            clips = clips.assign(**{column: clips[column].map(spelling).astype("str")})
    return clips


def _near_columns(frame: pd.DataFrame) -> list[str]:
    """Columns that look like a misspelt optional one: carried along unread, they would cost quality or blocks."""
    absent = [name for name in (*OPTIONAL_TEXT_COLUMNS, *PART_COLUMNS) if name not in frame.columns]
    others = set(frame.columns) - {*REQUIRED_COLUMNS, *OPTIONAL_TEXT_COLUMNS, *PART_COLUMNS}
    plain = {column: re.sub(r"[\s-]+", "_", str(column).strip().lower()) for column in sorted(others)}
    near = {column: get_close_matches(name, absent, n=1, cutoff=0.84) for column, name in plain.items()}
    return [f"{column} (did you mean {match[0]!r}?)" for column, match in near.items() if match]


def _with_all_columns(frame: pd.DataFrame) -> pd.DataFrame:
    clips = frame.drop(columns=[name for name in ("manifest_row",) if name in frame.columns])
    clips = clips.assign(manifest_row=frame.index.to_numpy() + 1)
    for name in (*REQUIRED_COLUMNS, *OPTIONAL_TEXT_COLUMNS):
        column = clips[name] if name in clips else pd.Series(np.nan, index=clips.index, dtype="str")
        stripped = _as_text(column).str.strip()
        clips[name] = stripped.where(stripped != "").astype("str")
    for name in ("quality", "split"):
        clips[name] = clips[name].str.lower()
    for name in PART_COLUMNS:
        if name not in clips:
            clips[name] = np.nan
    return clips


def _check_values(clips: pd.DataFrame, target: str | None, problems: Problems) -> None:
    problems.add("missing file_path", _rows(clips, clips.file_path.isna()), "Fill them in or drop the rows.")
    problems.add("missing label", _rows(clips, clips.label.isna()), "Fill them in or drop the rows.")
    for name, known in (("quality", QUALITIES), ("split", SPLITS)):
        bad = clips[name].notna() & ~clips[name].isin(known)
        problems.add(f"unknown {name}", _rows(clips, bad, name), f"Use {', '.join(known)} or leave it empty.")
    for name in ("date", "night"):
        bad = clips[name].notna() & ~clips[name].map(_is_iso_date, na_action="ignore").isin([True])
        problems.add(f"{name} not understood", _rows(clips, bad, name), "Write dates as 2025-04-03.")
    clips["time"] = clips["time"].str.replace(r"^\d{4}-\d{2}-\d{2}[T ]", "", regex=True).astype("str")
    bad_time = clips["time"].notna() & ~clips["time"].str.fullmatch(nights.TIME_PATTERN).eq(True)
    problems.add("time not understood", _rows(clips, bad_time, "time"), "Write times as 21:30 or 21:30:00.")
    has_commas = _has_decimal_commas(clips)
    for name in PART_COLUMNS:
        cells = clips[name].map(_with_point, na_action="ignore") if has_commas else clips[name]
        numbers = pd.to_numeric(cells, errors="coerce")
        bad = clips[name].notna() & ~numbers.between(0, _LONGEST_S)
        problems.add(
            f"{name} is not a time",
            _rows(clips, bad, name),
            "Give seconds from the file's start, 0 or more, such as 1.5.",
        )
        clips[name] = numbers.astype("float64").mask(bad)
    backwards = clips.end_s <= clips.start_s.fillna(0)
    problems.add("end_s not after start_s", _rows(clips, backwards), "Each part ends after it starts.")
    clips["is_positive"] = is_positive(clips.label, target)


def _has_decimal_commas(clips: pd.DataFrame) -> bool:
    """Whether times are written as `4,5`; `1,200` alone may be 1.2 s or 1,200 s."""
    cells = pd.concat([clips[name] for name in PART_COLUMNS]).dropna().astype(str).str.strip()
    commas = cells[cells.str.fullmatch(r"\d+,\d+")]
    return bool((~commas.str.fullmatch(r"[1-9]\d{0,2},\d{3}")).any())


def _with_point(cell: object) -> str:
    return re.sub(r"^(\s*\d+),(\d+\s*)$", r"\1.\2", str(cell))


def is_positive(words: pd.Series, target: str | None) -> pd.Series:
    """Which labels mean the target, alone or with other classes, by its name or as `positive`; letters' case is one."""
    positive = set() if target is None else {folded(name) for name in (*POSITIVE_LABELS, target)}

    def names_it(label: str) -> bool:
        return not positive.isdisjoint(folded(part) for part in (label, *label.split(CLASS_DIVIDER)))

    return words.fillna("").map(names_it).astype(bool)


def _check_classes(
    clips: pd.DataFrame, target: str, options: LabelOptions | None, problems: Problems
) -> None:
    names = (
        sorted(clips.label.dropna().unique()) if options is None else labels.classes_in(clips.label.dropna())
    )
    shown = f"The labels are: {examples(names, ', ')}." if names else "No row has a label."
    near = [name for name in get_close_matches(target, names, cutoff=0.85) if folded(name) != folded(target)]
    if near:
        logger.warning(
            "label: %s counts as another class than the target %r.", ", ".join(map(repr, near)), target
        )
    unsure = [name for name in names if name.endswith("?") or folded(name) in _UNSURE]
    if unsure and (options is None or options.world != labels.OPEN):
        logger.warning(
            "label: %s counts as without %r, like every other class. Leave out rows of which nobody is sure.",
            ", ".join(map(repr, unsure)), target,
        )  # fmt: skip
    if not clips.is_positive.any():
        remedy = f"{shown} Name the label of interest with target=..."
        problems.add("no positive clip", [f"no label is 'positive' or the target {target!r}"], remedy)
    if options is not None and not (labels.states(clips.label, target, options) == 0).any():
        remedy = (
            f"Where what is not named is unknown, a class learns from clips that say so: label some 'not {target}' "
            "or 'negative', or set labels.world=closed."
        )
        problems.add("class that is absent from no clip", [target], remedy)
    elif clips.is_positive[clips.label.notna()].all():
        remedy = f"{shown} A detector learns from clips without the target too: list some as 'negative'."
        problems.add("no negative clip", [f"every label is 'positive' or the target {target!r}"], remedy)


def _spelled_paths(paths: pd.Series, root: Path) -> pd.Series:
    """Paths tidied, those that lead to no file as they are spelled on the disk."""
    tidy = paths.map(_tidy, na_action="ignore").astype("str")
    if not root.is_dir():
        return tidy
    absent = _misplaced(sorted(set(tidy.dropna())), root.resolve())[2]
    spelled = spelled_on_disk(absent, root)
    return tidy.map(lambda path: spelled.get(path, path), na_action="ignore").astype("str")


def _check_files(clips: pd.DataFrame, root: Path, problems: Problems) -> None:
    is_named = clips.file_path.notna()
    repeated = clips.duplicated(["file_path", *PART_COLUMNS], keep=False) & is_named
    remedy = "Keep one row each, or give the parts start_s and end_s."
    problems.add("duplicate file_path", _rows(clips, repeated, "file_path"), remedy)
    if not root.is_dir():
        remedy = "Set source.audio_root to the folder that file_path starts from."
        problems.add("audio root not found", [str(root)], remedy)
        return
    whole, outside, absent = _misplaced(sorted(set(clips.file_path[is_named])), root.resolve())
    for kind, paths, remedy in (
        ("path that is not relative", whole, f"Write only what comes after {root}/ (source.audio_root)."),
        (
            "path leaves the audio root",
            outside,
            f"All audio must lie in {root}; links that lead out count as outside.",
        ),
        ("file not found", absent, f"Paths start from {root}."),
    ):
        problems.add(kind, _rows(clips, clips.file_path.isin(paths), "file_path"), remedy)


def _misplaced(paths: list[str], root: Path) -> tuple[list[str], list[str], list[str]]:
    """Those that are absolute, those that lead out of the root, and those that lead to no file."""
    whole, outside, absent = [], [], []
    for path in paths:
        if resolved(root / path) is None:
            absent.append(path)
        elif PurePosixPath(path).is_absolute() or re.match(r"^[A-Za-z]:", path):
            whole.append(path)
        elif not is_inside(root / path, root):
            outside.append(path)
        elif not (root / path).is_file():
            absent.append(path)
    return whole, outside, absent


def spelled_on_disk(paths: list[str], root: Path) -> dict[str, str]:
    """Paths that lead to no file -> the one that differs from them only in letter case, composition or spaces."""
    entries: dict[Path, dict[str, list[str]]] = {}

    def find(folder: Path, parts: tuple[str, ...]) -> list[str]:
        if folder not in entries:
            entries[folder] = {}
            for child in folder.iterdir() if folder.is_dir() else ():
                entries[folder].setdefault(folded(child.name), []).append(child.name)
        names = entries[folder].get(folded(parts[0]), [])
        if len(parts) == 1:
            return [name for name in names if (folder / name).is_file()]
        return [f"{name}/{rest}" for name in names for rest in find(folder / name, parts[1:])]

    readable = [path for path in paths if resolved(root / path) is not None and PurePosixPath(path).parts]
    found = {path: find(root, PurePosixPath(path).parts) for path in readable}
    return {path: places[0] for path, places in found.items() if len(places) == 1}


def _tidy(path: str) -> str:
    """One spelling a path: `/`, no `./`, no double slashes; `..` stays, to be refused later."""
    return str(PurePosixPath(path.replace("\\", "/")))


def _is_iso_date(text: str) -> bool:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return False
    return not pd.isna(pd.to_datetime(text, format="%Y-%m-%d", errors="coerce"))


def _rows(clips: pd.DataFrame, is_bad: pd.Series, column: str | None = None) -> list[str]:
    bad = clips[is_bad.astype(bool)]
    if column is None:
        return [f"row {row}" for row in bad.manifest_row]
    return [f"row {row}: {_quoted(value)}" for row, value in zip(bad.manifest_row, bad[column], strict=True)]


def _quoted(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
