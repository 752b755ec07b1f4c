"""What the lake holds: each recording once, with all that is known of it, and what speaks against using it.

Several statements about one content are laid together; where they differ the first path's word is taken and
the difference is listed, except for the licence, where a difference holds the recording back, and the role,
where the most careful one counts. Time and recorder come from a person, the header, or the name, in this
order; which it was is kept.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from vernal.clips.manifest import with_one_spelling
from vernal.clips.recording_names import by_a_set_clock, read_name, recorders_of, recorders_of_folders
from vernal.collection import licences
from vernal.common.settings import settings

RECORDING_COLUMNS = (
    "content_hash", "recording", "object_path", "n_names", "collector", "source", "licence", "is_licence_known", "site",
    "device", "recorder_id", "recorder_from", "date", "time", "time_from", "role", "mined_by", "format", "n_frames",
    "sample_rate_hz", "channels", "duration_s", "sound_hash", "is_heard", "held_back",
)  # fmt: skip
INVENTORY_COLUMNS = (
    "file_path", "kind", "collector", "source", "licence", "role", "site", "mined_by", "content_hash", "state", "reason"
)  # fmt: skip
REPLACED, WITHDRAWN = "a later file was added under this path", "withdrawn"
# The most careful word wins: what is kept for testing or deployment is never trained on.
_ROLE_ORDER = ("adversarial", "deployment", "training")
_DESCRIBING = (
    "collector", "source", "site", "device", "recorder_id", "date", "time", "utc_offset", "mined_by"
)  # fmt: skip
_MEASURED = ("format", "n_frames", "sample_rate_hz", "channels", "duration_s", "sound_hash")
_CLOCK_TOLERANCE = timedelta(seconds=2)


@settings("collection.lake")
class LakeOptions:
    """What a recording needs to be used. `require_licence`: those without one stay out of every manifest."""

    require_licence: bool = True


def describe_recordings(
    statements: pd.DataFrame, facts: pd.DataFrame, options: LakeOptions, recorder_pattern: str | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each content once.

    Args:
        statements: the lake's, of recordings, without the superseded, with `object_path`.
        facts: the lake's, one row a content.
        options: what is required.
        recorder_pattern: what tells the recorder, instead of files' names (`recorders.pattern`).
    Returns:
        `recordings` with `RECORDING_COLUMNS`, sorted by `recording` (its first path): `is_heard` tells
        whether it holds sound that no other has, `held_back` in words why it is not used, missing when it
        is; `differences`: `recording`, `about`, `words`, where statements, header and name differ.
    """
    rows: list[dict[str, Any]] = []
    differences: list[tuple[str, str, str]] = []
    if recorder_pattern:
        facts = facts.assign(recorder_id=None)  # a header has a serial number where people want another name
    by_content = facts.set_index("content_hash", drop=False).to_dict("index")
    paths = sorted(set(statements.file_path))
    recorders = dict(zip(paths, recorders_of(paths, recorder_pattern), strict=True))
    folders = dict(zip(paths, recorders_of_folders(paths), strict=True))
    for content_hash, said in statements.sort_values("file_path").groupby("content_hash", sort=True):
        row, differing = _describe(
            str(content_hash), said, by_content[content_hash], (recorders, folders), options
        )
        rows.append(row)
        differences += [(row["recording"], *difference) for difference in differing]
    described = with_one_spelling(
        _typed(pd.DataFrame(rows, columns=list(RECORDING_COLUMNS))), ("site", "recorder_id")
    )
    recordings = _hold_back_doubles(described)
    listed = pd.DataFrame(differences, columns=["recording", "about", "words"]).astype("str")
    return recordings, listed.sort_values(["recording", "about"], ignore_index=True)


def _typed(recordings: pd.DataFrame) -> pd.DataFrame:
    numbers = ("n_names", "n_frames", "sample_rate_hz", "channels", "duration_s")
    kinds: dict[str, str] = {name: "float64" if name in numbers else "str" for name in RECORDING_COLUMNS}
    return recordings.astype(kinds | {"is_licence_known": "bool", "is_heard": "bool", "n_names": "int64"})


def _describe(
    content_hash: str,
    said: pd.DataFrame,
    facts: dict[Any, Any],
    recorders: tuple[Mapping[str, str | None], Mapping[str, str | None]],
    options: LakeOptions,
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """One content's row, and where the words about it differ; `recorders` by the names, and by the folders of all."""
    facts = {name: None if pd.isna(value) else value for name, value in facts.items()}
    # Of several names the one that tells something is the recording's.
    said = said.assign(is_mute=[not read_name(path).scheme for path in said.file_path])
    said = said.sort_values(["is_mute", "file_path"], kind="stable")
    differing: list[tuple[str, str]] = []
    words = _words(said, differing)
    licence, is_known, licence_problem = _licence(said, facts, options, differing)
    role = _role(said, differing)
    if facts.get("length"):
        differing.append(("length", facts["length"]))
    path = said.file_path.iloc[0]
    by_name, by_folder = (told[path] for told in recorders)
    # Such recorders name files by the time alone; a phone's or a person's folder is no recorder.
    by_folder = by_folder if read_name(path).scheme.startswith("AudioMoth") else None
    recorder_from, recorder_id = _recorder(words, facts, by_name, by_folder)
    (date, time), time_from = _start(words, facts, read_name(path).started_at, differing)
    row = {
        "content_hash": content_hash,
        "recording": path,
        "object_path": said.object_path.iloc[0],
        "n_names": said.file_path.nunique(),
        **{name: words[name] for name in ("collector", "source", "site", "mined_by")},
        "licence": licence,
        "is_licence_known": is_known,
        "device": words["device"] or facts["device"],
        "recorder_id": recorder_id,
        "recorder_from": recorder_from,
        "date": date,
        "time": time,
        "time_from": time_from,
        "role": role,
        **{name: facts[name] for name in _MEASURED},
        "is_heard": facts["problem"] is None,
        "held_back": facts["problem"] or licence_problem,
    }
    return row, differing


def _words(said: pd.DataFrame, differing: list[tuple[str, str]]) -> dict[str, Any]:
    """What the statements describe, the first path's word first; None where nobody says it."""
    words: dict[str, Any] = {}
    for name in _DESCRIBING:
        values = list(dict.fromkeys(said[name].dropna()))
        words[name] = values[0] if values else None
        if len(values) > 1:
            differing.append((name, f"{', '.join(values)}; the first is used"))
    return words


def _role(said: pd.DataFrame, differing: list[tuple[str, str]]) -> str:
    roles = {role if isinstance(role, str) else "training" for role in said.role}
    role = next(role for role in _ROLE_ORDER if role in roles)
    if len(roles) > 1:
        differing.append(("role", f"{', '.join(sorted(roles))}; {role} is used"))
    return role


def _recorder(
    words: dict[str, Any], facts: dict[str, Any], by_name: str | None, by_folder: str | None
) -> tuple[str, str]:
    """Who tells which recorder it was, and which; without any word its collector's device is one."""
    device = f"{words['device'] or 'device'} of {words['collector'] or 'unknown collector'}"
    told = {
        "statement": words["recorder_id"],
        "header": facts["recorder_id"],
        "name": by_name,
        "folder": by_folder,
        "collector": device,
    }
    return next((source, recorder_id) for source, recorder_id in told.items() if recorder_id is not None)


def _licence(
    said: pd.DataFrame, facts: dict[str, Any], options: LakeOptions, differing: list[tuple[str, str]]
) -> tuple[str | None, bool, str | None]:
    """The licence, whether it is a known one, and what is wrong with it. A header's counts only where nobody spoke."""
    given = [text for text in said.licence if not licences.is_missing(text)]
    header = facts["copyright"]
    if not given and not licences.is_missing(header) and licences.normalise(header)[1]:
        given = [header]
    named = list(dict.fromkeys(licences.normalise(text) for text in given))
    if not named:
        return None, False, "no licence" if options.require_licence else None
    if len(named) > 1:
        names = ", ".join(name for name, _ in named)
        differing.append(("licence", names))
        return None, False, f"licences contradict each other: {names}"
    return *named[0], None


def _start(
    words: dict[str, Any], facts: dict[str, Any], by_name: datetime | None, differing: list[tuple[str, str]]
) -> tuple[tuple[str | None, str | None], str | None]:
    """Local date and time of the recording's start, and who tells; times with a zone are moved to the place's.

    A person's date without a time takes the recorder's time only where both name the same day: a clock that is a
    year off is not right about the hour.
    """
    header = by_a_set_clock(datetime.fromisoformat(facts["started_at"])) if facts["started_at"] else None
    if header is not None and by_name is not None and not _agree(header, by_name):
        told = f"header {header.isoformat(sep=' ')}, name {by_name.isoformat(sep=' ')}; the header is used"
        differing.append(("time", told))
    started = header or by_name
    source = "header" if header else "name" if by_name else None
    date, time = _local(started, words)
    said_date, said_time = words["date"], _in_full(words["time"])
    if said_date is None and (said_time is None or date is None):
        return (date, time), source
    if date is not None and (said_date not in (None, date) or said_time not in (None, time)):
        told = f"{source} {date} {time}, a person {said_date or date} {said_time or ''}".rstrip()
        differing.append(("time", f"{told}; the person's word is used"))
    is_same_day = said_date in (None, date)
    return (said_date or date, said_time or (time if is_same_day else None)), "statement"


def _local(started: datetime | None, words: dict[str, Any]) -> tuple[str | None, str | None]:
    """Date and time of day at the place."""
    if started is None:
        return None, None
    if words["utc_offset"] is not None and started.tzinfo is not None:
        zone = datetime.fromisoformat(f"2000-01-01T00:00:00{words['utc_offset']}").tzinfo
        started = started.astimezone(zone)
    return started.strftime("%Y-%m-%d"), started.strftime("%H:%M:%S")


def _in_full(said: str | None) -> str | None:
    """A time of day as a person writes it, with its seconds."""
    return None if said is None else f"{said}:00" if said.count(":") == 1 else said


def _agree(header: datetime, by_name: datetime) -> bool:
    """Names often have the recorder's clock and headers the world's: whole quarters of an hour are a zone."""
    if header.tzinfo is not None and by_name.tzinfo is not None:
        return abs(header - by_name) <= _CLOCK_TOLERANCE
    apart = header.replace(tzinfo=None) - by_name.replace(tzinfo=None)
    quarters = timedelta(minutes=15)
    rest = abs(apart - quarters * round(apart / quarters))
    return rest <= _CLOCK_TOLERANCE and abs(apart) <= timedelta(hours=14, seconds=2)


def _hold_back_doubles(recordings: pd.DataFrame) -> pd.DataFrame:
    """Keep one of each sound: the one that can be used, that most is known of, then the first by path."""
    order = _by_usefulness(recordings)
    sounds = order.groupby("sound_hash")
    repeated = order.sound_hash.duplicated() & order.is_heard
    held_back = order.held_back.mask(repeated, "the same sound as " + sounds.recording.transform("first"))
    # A copy must not carry a test sound into training.
    care = order.role.map({role: place for place, role in enumerate(_ROLE_ORDER)})
    most_careful = care.groupby(order.sound_hash).transform("min").fillna(care).astype(int)
    role = pd.Series([_ROLE_ORDER[place] for place in most_careful], index=order.index, dtype="str")
    kept = order.assign(held_back=held_back, is_heard=order.is_heard & ~repeated, role=role)
    return kept.sort_values("recording", ignore_index=True)


def _by_usefulness(recordings: pd.DataFrame) -> pd.DataFrame:
    """Recordings in the order in which one of several equal sounds is kept."""
    unknown = recordings[["date", "time", "site"]].isna().sum(axis=1)
    rank = unknown + recordings.recorder_from.eq("collector") + 10 * recordings.held_back.notna()
    return recordings.assign(rank=rank).sort_values(["rank", "recording"]).drop(columns="rank")


def keepers(recordings: pd.DataFrame) -> pd.Series:
    """The content that is kept of each sound, by `sound_hash`."""
    sounds = _by_usefulness(recordings[recordings.sound_hash.notna()])
    return sounds.drop_duplicates("sound_hash").set_index("sound_hash").content_hash


def list_doubles(statements: pd.DataFrame, recordings: pd.DataFrame) -> pd.DataFrame:
    """Files that are there more than once.

    Returns:
        `recording` (the one that is kept), `file_path` of a double, `kind`: `same bytes`, or `same sound`
        in other bytes.
    """
    by_content = recordings.set_index("content_hash")
    names = statements.drop_duplicates(["content_hash", "file_path"])
    kept = names.content_hash.map(by_content.sound_hash).map(keepers(recordings))
    kinds = pd.Series(
        np.where(names.content_hash == kept, "same bytes", "same sound"), names.index, dtype="str"
    )
    named = names.assign(recording=kept.map(by_content.recording), kind=kinds)
    doubles = named[named.recording.notna() & (named.file_path != named.recording)]
    table = doubles[["recording", "file_path", "kind"]]
    return table.sort_values(["recording", "file_path"], ignore_index=True)


def take_stock(statements: pd.DataFrame, recordings: pd.DataFrame) -> pd.DataFrame:
    """The inventory: one row a file that was ever added, with what became of it.

    Returns:
        `INVENTORY_COLUMNS`, the licence as it was said; `state`: `used`, `held back`, `double`, `labels`,
        `superseded` (a later file was added under the same path, or it was withdrawn), or `not sound`, and `reason`.
    """
    by_content = recordings.set_index("content_hash")
    reason = statements.content_hash.map(by_content.held_back)
    is_first = statements.file_path == statements.content_hash.map(by_content.recording)
    is_recording = statements.kind == "recording"
    states = np.select(
        [
            statements.is_superseded,
            statements.kind == "labels",
            ~is_recording,
            ~is_first | reason.str.startswith("the same sound", na=False),
            reason.notna(),
        ],
        ["superseded", "labels", "not sound", "double", "held back"],
        "used",
    )
    others = statements.content_hash.map(by_content.recording)
    reason = reason.mask(is_recording & ~is_first & reason.isna(), "the same bytes as " + others)
    reason = reason.mask(statements.is_superseded, REPLACED).mask(statements.withdrawn.eq(True), WITHDRAWN)
    role = statements.role.fillna("training").where(is_recording)
    table = statements.assign(role=role, state=states, reason=reason)
    return table[list(INVENTORY_COLUMNS)].sort_values("file_path", ignore_index=True)
