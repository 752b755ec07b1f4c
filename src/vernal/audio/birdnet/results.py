"""Folders of result files as BirdNET-Analyzer writes them, read as one table of detections.

One audio file has one result file, named after it (`x/A.wav` -> `x/A.BirdNET.results.csv`), or all share a
combined table. Five formats are read: CSV, Raven selection tables, Kaleidoscope CSV, CSV for R and Audacity
labels. Where a file has several, the first of these is taken, so that nothing counts twice. Raven tables hold a
row `nocall` with score 1.0 where nothing was found; it is no detection.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from vernal.common.names import lies_elsewhere, n_shared_last, path_parts
from vernal.common.problems import InputError
from vernal.common.tables import delimiter_of, plain_text

PARAMETERS = ("BirdNET_analysis_params.csv", "birdnet.analyze-params.csv")
# Ending -> format, in the order of preference; the longest ending comes first where one contains another.
ENDINGS = {
    ".birdnet.results.kaleidoscope.csv": "kaleidoscope",
    ".birdnet.results.csv": "csv",
    ".birdnet.results.r.csv": "r",
    ".birdnet.selection.table.txt": "raven",
    ".birdnet.results.txt": "audacity",
}
PREFERRED = ("csv", "raven", "kaleidoscope", "r", "audacity")
COMBINED = {
    "birdnet_combinedtable.csv": "csv",
    "birdnet_selectiontable.txt": "raven",
    "birdnet_kaleidoscope.csv": "kaleidoscope",
    "birdnet_rtable.csv": "r",
}
COLUMNS = {
    "csv": {
        "start_s": "Start (s)",
        "end_s": "End (s)",
        "scientific": "Scientific name",
        "common": "Common name",
        "score": "Confidence",
        "audio": "File",
    },
    "raven": {
        "start_s": "Begin Time (s)",
        "end_s": "End Time (s)",
        "scientific": "Species Code",
        "common": "Common Name",
        "score": "Confidence",
        "audio": "Begin Path",
    },
    "kaleidoscope": {
        "start_s": "OFFSET",
        "duration_s": "DURATION",
        "scientific": "scientific_name",
        "common": "common_name",
        "score": "confidence",
        "audio": "IN FILE",
    },
    "r": {
        "start_s": "start",
        "end_s": "end",
        "scientific": "scientific_name",
        "common": "common_name",
        "score": "confidence",
        "audio": "filepath",
    },
}
# What versions of 2026 call a column instead.
ALSO_CALLED = {"scientific_name": "TOP1MATCH", "common_name": "TOP1MATCH"}
NEEDED = ("start_s", "scientific", "common", "score")
NO_CALL = "nocall"
WINDOW_S = 3.0
DETECTION_COLUMNS = ["result_file", "audio", "start_s", "end_s", "scientific", "common", "score", "decimals"]


@dataclass(frozen=True)
class ResultFolder:
    """What a folder of result files holds.

    Attributes:
        files: one row a result file that was read: `result_file` (relative, POSIX), `format`, `is_combined`,
            and `key`: the audio file's path as the result's name tells it, without ending; missing for
            combined tables.
        detections: one row a detection: `result_file`, `audio` (path as written in the file, may be missing),
            `start_s`, `end_s`, `scientific`, `common`, `score`, `decimals` (as printed).
        unreadable: result file -> why it could not be read.
        settings: recorded settings of the analysis -> their different values, from Kaleidoscope columns and
            parameter files.
    """

    files: pd.DataFrame
    detections: pd.DataFrame
    unreadable: dict[str, str]
    settings: dict[str, tuple[str, ...]]


def read_results(folder: Path | str) -> ResultFolder:
    """Read every result file below a folder.

    Raises:
        InputError: no folder, or not one readable result file in it.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise InputError(
            f"The results folder {folder} does not exist or is no folder. Give the output folder of "
            "BirdNET-Analyzer as audit.results."
        )
    unreadable: dict[str, str] = {}
    files, tables = [], []
    settings: dict[str, set[str]] = {}
    for path, kind, is_combined in _choose(folder):
        name = path.relative_to(folder).as_posix()
        try:
            table, recorded = _read(path, kind)
        except (ValueError, OSError, csv.Error) as error:
            unreadable[name] = str(error)
            continue
        files.append((name, kind, is_combined, None if is_combined else name[: -len(_ending(name))]))
        tables.append(table.assign(result_file=name))
        for setting, values in recorded.items():
            settings.setdefault(setting, set()).update(values)
    for path in sorted(path for name in PARAMETERS for path in folder.rglob(name)):
        for setting, value in _parameters(path).items():
            settings.setdefault(setting, set()).add(value)
    if not files:
        raise _nothing_to_audit(folder, unreadable)
    detections = pd.concat([t for t in tables if len(t)] or tables[:1], ignore_index=True)[DETECTION_COLUMNS]
    return ResultFolder(
        files=pd.DataFrame(files, columns=["result_file", "format", "is_combined", "key"]),
        detections=detections,
        unreadable=unreadable,
        settings={name: tuple(sorted(values)) for name, values in sorted(settings.items())},
    )


def _nothing_to_audit(folder: Path, unreadable: dict[str, str]) -> InputError:
    if unreadable:
        why = "; ".join(f"{name}: {reason}" for name, reason in list(unreadable.items())[:5])
        told = f"None of its {len(unreadable)} result files can be read ({why})."
    else:
        endings = ", ".join(ending.replace("birdnet", "BirdNET") for ending in ENDINGS)
        told = f"It holds no file that ends in {endings}, and no combined table."
    return InputError(
        f"The results folder {folder} has nothing to audit. {told} Give the output folder of "
        "BirdNET-Analyzer as audit.results."
    )


def _ending(name: str) -> str:
    return next((ending for ending in ENDINGS if name.lower().endswith(ending)), "")


def _choose(folder: Path) -> list[tuple[Path, str, bool]]:
    """The result files to read: one a recording; a combined table only where recordings have none."""
    own: dict[str, tuple[Path, str]] = {}
    combined: dict[str, Path] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if path.name.lower() in COMBINED:
            combined.setdefault(COMBINED[path.name.lower()], path)
        elif _ending(name):
            kind, key = ENDINGS[_ending(name)], name[: -len(_ending(name))]
            if key not in own or PREFERRED.index(kind) < PREFERRED.index(own[key][1]):
                own[key] = (path, kind)
    if own or not combined:
        return [(path, kind, False) for path, kind in own.values()]
    kind = min(combined, key=PREFERRED.index)
    return [(combined[kind], kind, True)]


def _read(path: Path, kind: str) -> tuple[pd.DataFrame, dict[str, set[str]]]:
    """The detections of one file, and the settings that its rows record.

    Raises:
        ValueError: no result file of this kind.
    """
    text = plain_text(path.read_text(encoding="utf-8-sig")).lstrip("\r\n")
    delimiter = "\t" if kind in ("raven", "audacity") else delimiter_of(text.split("\n", 1)[0])
    rows = [
        row
        for row in csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
        if any(cell.strip() for cell in row)
    ]
    if kind == "audacity":
        return _audacity(rows), {}
    if not rows:
        raise ValueError("it is empty, without even a header")
    rows = rows[:1] + [row for row in rows if row != rows[0]]  # tables are often pasted together
    header = [cell.strip() for cell in rows[0]]
    named = {ours: (theirs, ALSO_CALLED.get(theirs, theirs)) for ours, theirs in COLUMNS[kind].items()}
    columns = {
        ours: next(name for name in names if name in header)
        for ours, names in named.items()
        if set(names) & set(header)
    }
    missing = [named[name][0] for name in NEEDED if name not in columns]
    if missing:
        raise ValueError(f"it has no column {', '.join(missing)}; its columns are {', '.join(header)[:200]}")
    cells = {name: [_cell(row, header.index(theirs)) for row in rows[1:]] for name, theirs in columns.items()}
    recorded: dict[str, set[str]] = {
        name: {_cell(row, header.index(name)) for row in rows[1:]}
        for name in ("overlap", "sensitivity", "week")
        if kind == "kaleidoscope" and name in header
    }
    if kind == "kaleidoscope" and {"FOLDER", "INDIR"} <= set(header):
        cells["audio"] = [
            str(
                PurePosixPath(
                    _cell(row, header.index("INDIR")),
                    _cell(row, header.index("FOLDER")),
                    _cell(row, header.index("IN FILE")),
                )
            )
            for row in rows[1:]
        ]
    return _detections(cells), recorded


def _cell(row: list[str], position: int) -> str:
    return row[position].strip() if position < len(row) else ""


def _audacity(rows: list[list[str]]) -> pd.DataFrame:
    bad = [number for number, row in enumerate(rows, 1) if len(row) < 4]
    if bad:
        raise ValueError(f"line {bad[0]} has not the four cells start, end, label, score")
    parts = [row[2].split(", " if ", " in row[2] else "_", 1) for row in rows]
    return _detections(
        {
            "start_s": [row[0] for row in rows],
            "end_s": [row[1] for row in rows],
            "scientific": [part[0] for part in parts],
            "common": [part[-1] for part in parts],
            "score": [row[3] for row in rows],
        }
    )


def _detections(cells: dict[str, list[str]]) -> pd.DataFrame:
    table = pd.DataFrame(cells, dtype="str")
    table["decimals"] = table["score"].str.extract(r"[.,](\d+)$")[0].str.len().fillna(0).astype(int)
    for name in ("start_s", "end_s", "duration_s", "score"):
        if name in table:
            # Spreadsheets of half the world write decimal commas.
            values = pd.to_numeric(
                table[name].str.replace(r"^(-?\d*),(\d+)$", r"\1.\2", regex=True), errors="coerce"
            )
            if values.isna().any():
                raise ValueError(
                    f"{int(values.isna().sum())} of its rows have no number for {name} (first: "
                    f"{table[name][values.isna()].iloc[0]!r})"
                )
            table[name] = values.astype(float)
    if "end_s" not in table:
        table["end_s"] = table["start_s"] + table.get("duration_s", WINDOW_S)
    if "audio" not in table:
        table["audio"] = pd.Series("", index=table.index, dtype="str")
    # A class of one name has no common one in some versions.
    table["common"] = table["common"].where(table["common"] != "", table["scientific"])
    is_call = table["common"].str.lower() != NO_CALL
    return table.assign(audio=table["audio"].map(tidy_path).astype("str"), result_file="")[is_call][
        DETECTION_COLUMNS
    ].reset_index(drop=True)


def _parameters(path: Path) -> dict[str, str]:
    """BirdNET-Analyzer's record of its settings: names over values, or one pair a line."""
    try:
        rows = [row for row in csv.reader(path.read_text(encoding="utf-8-sig").splitlines()) if row]
    except (OSError, ValueError, csv.Error):
        return {}
    if len(rows) == 2 and len(rows[0]) == len(rows[1]) > 2:
        return dict(zip(rows[0], rows[1], strict=True))
    return {row[0]: row[1] for row in rows if len(row) == 2}


def tidy_path(path: str) -> str:
    r"""One spelling of a path: forward slashes, nothing doubled.

    >>> tidy_path(r"C:\audio\\A.wav")
    'C:/audio/A.wav'
    """
    return re.sub(r"[\\/]+", "/", str(path).strip())


def without_ending(path: str) -> str:
    """A tidy path without its file's ending, as result files are named.

    >>> without_ending("a/b.1/rec_01.flac")
    'a/b.1/rec_01'
    """
    folder, slash, name = tidy_path(path).rpartition("/")
    return folder + slash + (name.rsplit(".", 1)[0] if "." in name[1:] else name)


def match_audio(
    wanted: Iterable[str], found: Iterable[tuple[str, str]]
) -> tuple[dict[tuple[str, str], str], dict[tuple[str, str], list[str]]]:
    """Which recording each result is of.

    Args:
        wanted: paths of recordings without ending, as a manifest has them.
        found: for each result, its own path and the audio path written in it, both without ending; either may
            be empty.
    Returns:
        result -> recording, for those that fit exactly one; and result -> recordings, for those that fit
        several equally well. A result fits a recording when one path is the other's end; failing that, when
        their file names alone are the only ones and no folder says otherwise (`names.lies_elsewhere`).
    """
    by_name: dict[str, list[str]] = {}
    for path in sorted(filter(path_parts, set(wanted))):
        by_name.setdefault(path_parts(path)[-1], []).append(path)
    all_folders = {name for paths in by_name.values() for path in paths for name in path_parts(path)[:-1]}
    candidates = {
        result: [
            path
            for path in by_name.get((path_parts(result[0] or result[1]) or ("",))[-1], [])
            if not _contradicts(path, result, all_folders)
        ]
        for result in sorted(set(found))
    }
    matched: dict[tuple[str, str], str] = {}
    doubtful: dict[tuple[str, str], list[str]] = {}
    for result, paths in candidates.items():
        scored = {path: max(_shared(path, result[0]), _shared(path, result[1])) for path in paths}
        best = max(scored.values(), default=0)
        fitting = [path for path, score in scored.items() if score == best and best > 0]
        if len(fitting) == 1:
            matched[result] = fitting[0]
        elif fitting:
            doubtful[result] = fitting
    taken, alone = set(matched.values()), Counter(path for paths in candidates.values() for path in paths)
    for result, paths in candidates.items():
        is_open = result not in matched and result not in doubtful
        if is_open and len(paths) == 1 and alone[paths[0]] == 1 and paths[0] not in taken:
            matched[result] = paths[0]
    return matched, doubtful


def _contradicts(path: str, result: tuple[str, str], all_folders: set[str]) -> bool:
    """Whether either path of a result says that it is of another recording than the one at `path`.

    The folder of the result itself need not be named after a recorder, unless nothing else names one.
    """
    *known, stem = path_parts(path)
    own, written = path_parts(result[0])[:-1], path_parts(result[1])[:-1]
    stem_of_own = "" if written else stem
    return lies_elsewhere(own, known, stem_of_own, all_folders) or lies_elsewhere(
        written, known, stem, all_folders
    )


def _shared(path: str, other: str) -> int:
    """How many last parts two paths share when one is the other's end, else 0."""
    a, b = path_parts(path), path_parts(other)
    shorter = min(len(a), len(b))
    return shorter if n_shared_last(a, b) == shorter else 0
