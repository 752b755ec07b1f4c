"""From listed files to clips that can be trusted: every file is opened, nothing is dropped silently.

Labelled rows stay one clip each. Field and unlabelled recordings are cut into clips of three seconds (or as
long as the encoder's window, where that is longer), which is what mining chooses from. A clip is known by the hash of
its audio's bytes and its part of the file, never by its name.
"""

import re
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from vernal.audio.checks import AudioChecks, check_audio
from vernal.audio.reading import CLIP_S, AudioError, cut_windows
from vernal.clips import nights, recording_names
from vernal.common.files import is_inside, printable, sha256_of_file
from vernal.common.formatting import count, examples
from vernal.common.hashing import digest
from vernal.common.problems import InputError
from vernal.common.settings import Share, settings
from vernal.common.storage import as_path, is_remote
from vernal.common.workers import as_they_finish, n_workers, on_cluster, worker_pool

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
SOURCES = ("labelled", "field", "unlabelled")
_FILES_REMEMBERED = 100_000
_BATCH_FILES = 32
DUPLICATE = "duplicate_audio"
CONTRADICTION = "contradicting_labels"
_CONTRADICTING = "the same audio is listed as positive and as negative, so decide which it is: "
# A card's bin holds recordings that somebody threw away.
_HIDDEN = re.compile(r"(?:^|/)(?:\.|\$RECYCLE\.BIN/|System Volume Information/)", re.IGNORECASE)
REJECT_COLUMNS = ("source", "file_path", "manifest_row", "start_s", "end_s", "reason", "message")
FACT_COLUMNS = ("content_hash", "duration_s", "sample_rate_hz", "channels")


@settings("ingest")
class IngestOptions(AudioChecks):
    """What audio is accepted, and how much may be refused.

    `max_rejected_share`: the run stops when more than this share of the labelled rows is rejected, in [0, 1].
    """

    max_rejected_share: Share = 0.2


def list_recordings(
    folder: Path | str,
    suffixes: Collection[str] = AUDIO_SUFFIXES,
    setting: str = "source.field or source.unlabelled",
    recorder_pattern: str | None = None,
) -> pd.DataFrame:
    """List the audio files of a folder and its subfolders.

    Args:
        suffixes: endings of the files to list, small letters.
        setting: the parameter that named the folder, for messages.
        recorder_pattern: what tells the recorder, instead of the file's name (`recorders.pattern`).
    Returns:
        `file_path` (relative, `/`), `recorder_id`, `date`, `time`, as far as the file's name tells them (see
        `collection.recording_names`); sorted by path. Hidden files and folders, the bin of a card among them,
        and links that lead out of the folder are left out. A name that is no UTF-8 is listed with its bytes
        (`H\\xfchn.wav`); no such file is found later, and the reason says why.
    Raises:
        InputError: no such folder, or no audio in it.
    """
    folder = as_path(folder)
    if not folder.is_dir():
        raise InputError(f"The folder of recordings {folder} does not exist. Correct {setting}.")
    files = [path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file()]
    paths = sorted(
        printable(path.relative_to(folder).as_posix())
        for path in files
        if is_inside(path, folder) and not _HIDDEN.search(path.relative_to(folder).as_posix())
    )
    if not paths:
        raise InputError(f"The folder {folder} has no audio ({', '.join(suffixes)}).")
    listed = pd.DataFrame({"file_path": paths}).join(
        pd.DataFrame([read_name(path) for path in paths], dtype="str")
    )
    recorders = recording_names.recorders_of(paths, recorder_pattern)
    return listed.assign(recorder_id=pd.Series(recorders, dtype="str"))


def read_name(path: str) -> dict[str, str | float]:
    """Recorder, date and time from a file's name, missing where it does not tell.

    >>> read_name("a/S4A03895_20190522_013000.flac")
    {'recorder_id': 'S4A03895', 'date': '2019-05-22', 'time': '01:30:00'}
    """
    facts = recording_names.read_name(path)
    started_at = facts.started_at
    return {
        "recorder_id": facts.recorder_id or np.nan,
        "date": started_at.strftime("%Y-%m-%d") if started_at else np.nan,
        "time": started_at.strftime("%H:%M:%S") if started_at else np.nan,
    }


def inspect_files(
    paths: Iterable[Path], checks: AudioChecks, progress: Callable[[int], None] | None = None
) -> dict[Path, dict]:
    """Open every file once: content hash and audio facts, or the reason why it cannot be used.

    Returns:
        For each path a dict with `content_hash`, `duration_s`, `sample_rate_hz`, `channels`, or with
        `reason` and `message`.
    """
    distinct = sorted(set(paths), key=str)  # a disk's and a store's may be among them
    if on_cluster():
        return _inspect_on_cluster(distinct, checks, progress)
    facts: dict[Path, dict] = {}
    # Decoding and hashing release the interpreter lock, so threads use both cores without a copy of anything.
    with ThreadPoolExecutor() as pool:
        for path, fact in zip(distinct, pool.map(lambda path: _inspect(path, checks), distinct), strict=True):
            facts[path] = fact
            if progress is not None:
                progress(1)
    return facts


def _inspect_on_cluster(
    paths: list[Path], checks: AudioChecks, progress: Callable[[int], None] | None
) -> dict[Path, dict]:
    batches = [paths[at : at + _BATCH_FILES] for at in range(0, len(paths), _BATCH_FILES)]
    facts: dict[Path, dict] = {}
    with worker_pool(n_workers()) as pool:
        for some in as_they_finish(pool, partial(_inspect_some, checks=checks), batches, n_workers()):
            facts |= some
            if progress is not None:
                progress(len(some))
    return {path: facts[path] for path in paths}


def _inspect_some(paths: list[Path], checks: AudioChecks) -> dict[Path, dict]:
    return {path: _inspect(path, checks) for path in paths}


def _inspect(path: Path, checks: AudioChecks) -> dict:
    """What is found in a file; a run of several targets opens each of them once."""
    if is_remote(path):
        return _open(path, checks)
    try:
        now = path.stat()
    except (OSError, ValueError):
        return _open(path, checks)
    return dict(_open_once(path, checks, (now.st_size, now.st_mtime_ns, now.st_ctime_ns)))


@lru_cache(maxsize=_FILES_REMEMBERED)
def _open_once(path: Path, checks: AudioChecks, as_it_is: tuple[int, ...]) -> dict:
    return _open(path, checks)


def _open(path: Path, checks: AudioChecks) -> dict:
    try:
        audio = check_audio(path, checks)
        content_hash = sha256_of_file(path)
    except AudioError as error:
        return {"reason": error.reason, "message": error.message}
    except OSError as error:
        return {"reason": "unreadable", "message": str(error.strerror or error)}
    return {
        "content_hash": content_hash,
        "duration_s": audio.duration_s,
        "sample_rate_hz": audio.sample_rate_hz,
        "channels": audio.channels,
        "n_passed_over": audio.n_passed_over,
    }


def passed_over_in_words(facts: dict[Path, dict]) -> str:
    """Files with places that are no sound, and how many; empty where there are none."""
    told = [f"{path.name} ({n:,})" for path, fact in facts.items() if (n := fact.get("n_passed_over", 0))]
    if not told:
        return ""
    files = count(len(told), "file has", "files have")
    return f"{files} places that are no sound, which the decoder passed over: {examples(told, ', ')}."


def accept(
    listed: pd.DataFrame, roots: dict[str, str], facts: dict[Path, dict], clip_s: float = CLIP_S
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide listed rows into clips and rejects.

    Args:
        listed: rows of all sources with `source`, `file_path`, `start_s`, `end_s` and, for labelled ones, the
            manifest's columns.
        roots: folder of each source.
        facts: what `inspect_files` found, by absolute path.
        clip_s: length of the clips that field and unlabelled recordings are cut into, seconds.
    Returns:
        `clips`, one row a clip with a unique `clip_id`, sorted by it; `rejects`, one row a listed row that was
        not used, with `reason` and `message`, sorted by source and path. Together they hold every listed row.
    """
    found = pd.DataFrame(
        [
            facts[as_path(roots[source]) / path]
            for source, path in zip(listed.source, listed.file_path, strict=True)
        ],
        index=listed.index,
    )
    for name in (*FACT_COLUMNS, "reason", "message"):
        if name not in found:
            found[name] = np.nan
    rows = listed.assign(**{name: found[name] for name in (*FACT_COLUMNS, "reason", "message")})
    rows = _mark(
        rows,
        rows.reason.isna() & (rows.start_s.fillna(0) >= rows.duration_s),
        "part_outside",
        "start_s lies after the end of the recording",
    )
    rows = _mark(
        rows,
        rows.reason.isna() & (rows.end_s > rows.duration_s + 0.01),
        "part_outside",
        "end_s lies after the end of the recording",
    )

    good = rows[rows.reason.isna()].drop(columns=["reason", "message"])
    labelled = good[good.source == "labelled"]
    pieces = cut_into_clips(good[good.source != "labelled"], clip_s)
    clips = pd.concat([labelled, pieces]) if len(pieces) else labelled
    clips = clips.assign(
        clip_id=[clip_id(*part) for part in zip(clips.content_hash, clips.start_s, clips.end_s, strict=True)]
    )
    clips, doubles = _drop_doubles(clips)
    rejects = pd.concat([rows[rows.reason.notna()], doubles])
    rejects = rejects.reindex(columns=list(REJECT_COLUMNS))
    rejects = rejects.sort_values(["source", "file_path", "start_s"], na_position="first", ignore_index=True)
    clips = clips.astype({"sample_rate_hz": "int64", "channels": "int64", "is_positive": "bool"})
    return clips.sort_values("clip_id", ignore_index=True), rejects


def _mark(rows: pd.DataFrame, is_bad: pd.Series, reason: str, message: str) -> pd.DataFrame:
    return rows.assign(
        reason=rows.reason.astype("object").mask(is_bad, reason),
        message=rows.message.astype("object").mask(is_bad, message),
    )


def clip_id(content_hash: str, start_s: float, end_s: float) -> str:
    """A clip's identity: 16 hex digits from its audio's hash and its part of the file (NaN = whole file).

    >>> clip_id("ab", float("nan"), float("nan")) == clip_id("ab", 0.0, float("nan"))
    True
    """
    part = [
        0.0 if pd.isna(start_s) else round(float(start_s), 6),
        None if pd.isna(end_s) else round(float(end_s), 6),
    ]
    return digest(content_hash, *part)


def cut_into_clips(recordings: pd.DataFrame, clip_s: float = CLIP_S) -> pd.DataFrame:
    """Cut recordings that nobody labelled clip by clip into clips of one length, three seconds if nothing is said.

    Returns:
        One row a clip with `start_s` and `end_s` filled, and `date` and `time` of the clip's own start; the
        recording's other columns are repeated.
    """
    starts = [cut_windows(duration, window_s=clip_s) for duration in recordings.duration_s]
    counts = [len(piece) for piece in starts]
    pieces = recordings.loc[recordings.index.repeat(counts)].reset_index(drop=True)
    pieces["start_s"] = np.concatenate(starts) if starts else np.empty(0)
    pieces["end_s"] = np.minimum(pieces.start_s + clip_s, pieces.duration_s)
    return nights.later(pieces, pieces.start_s)


def _drop_doubles(clips: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep the first of clips with the same audio; reject all of them where people disagree on the label.

    A labelled clip wins over the same sound in a field or unlabelled recording, whole-file doubles included:
    otherwise a test clip could come back as a hard negative.
    """
    rank = clips.source.map({name: position for position, name in enumerate(SOURCES)})
    clips = clips.assign(rank=rank).sort_values(["rank", "file_path", "start_s"], na_position="first")
    labelled_hashes = set(clips.content_hash[clips.source == "labelled"])
    relisted = (clips.source != "labelled") & clips.content_hash.isin(labelled_hashes)
    first = clips.groupby("clip_id").file_path.transform("first")
    is_labelled = clips.source == "labelled"
    disagreeing = is_labelled & (
        clips[is_labelled].groupby("clip_id").is_positive.transform("nunique").reindex(clips.index) > 1
    )
    paths = clips[disagreeing].groupby("clip_id").file_path.agg(" and ".join)
    repeated = clips.duplicated("clip_id") | relisted
    clips = clips.drop(columns="rank")
    doubles = clips[disagreeing | repeated].assign(
        reason=np.where(disagreeing, CONTRADICTION, DUPLICATE)[disagreeing | repeated],
        message=np.where(
            disagreeing,
            _CONTRADICTING + clips.clip_id.map(paths).astype("str"),
            "the same audio as " + first.where(~relisted, "a labelled clip"),
        )[disagreeing | repeated],
    )
    return clips[~(disagreeing | repeated)], doubles


def contradictions(rejects: pd.DataFrame) -> str:
    """Which sounds have labels that contradict each other, with their paths; empty where none has."""
    said = rejects.message[rejects.reason == CONTRADICTION].drop_duplicates()
    paths = [message.removeprefix(_CONTRADICTING) for message in said]
    told = f"Counted not at all ({len(paths)}), {_CONTRADICTING}{examples(paths)}."
    return told if paths else ""


def refuse_too_many(listed: pd.DataFrame, rejects: pd.DataFrame, options: IngestOptions) -> None:
    """Stop when too much of the labelled audio is broken to be an accident.

    Raises:
        InputError: counts each reason and names the first rows.
    """
    n_listed = int((listed.source == "labelled").sum())
    # A copy counts once and loses nothing.
    broken = rejects[(rejects.source == "labelled") & (rejects.reason != DUPLICATE)]
    if n_listed == 0 or len(broken) <= options.max_rejected_share * n_listed:
        return
    counts = broken.reason.value_counts().sort_index()
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in counts.items())
    shown = "; ".join(f"{row.file_path}: {row.message}" for row in broken.head(5).itertuples())
    raise InputError(
        f"{len(broken):,} of {n_listed:,} labelled rows cannot be used ({reasons}), more than "
        f"ingest.max_rejected_share = {options.max_rejected_share:g} allows. First: {shown}. "
        "Mend or drop them, or raise the share."
    )
