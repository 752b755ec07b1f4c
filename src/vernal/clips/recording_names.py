"""What a recording's file name tells: the recorder and when it started.

Names are read as AudioMoth and Song Meter write them, and as phones do. Times are local to the recorder's
clock, without a zone, unless the name has one.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from vernal.common.formatting import count as counted
from vernal.common.names import is_generic
from vernal.common.problems import InputError
from vernal.common.settings import settings


@settings("recorders")
class RecorderOptions:
    """How recorders are read from paths. `pattern`: a regular expression that is looked for in each recording's path
    below its folder; its group `recorder`, else its first group or all of it, is the recorder. None: names and folders.
    """

    pattern: str | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            raise ValueError(f"pattern {self.pattern!r} is no regular expression: {error}") from None


@dataclass(frozen=True)
class NameFacts:
    """What one file name tells. `scheme` is empty when it tells nothing; `started_at` has a zone if the name has, and
    is None where the clock was not set (see `by_a_set_clock`).
    """

    scheme: str = ""
    recorder_id: str | None = None
    started_at: datetime | None = None


_STAMP = r"(?P<date>\d{8})[_$T-]?(?P<time>\d{6})(?P<zone>Z|[+-]\d{4})?"
# The first that matches decides; each is called after who writes such names.
_SCHEMES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("AudioMoth, old firmware", re.compile(r"^(?P<hex>[0-9A-F]{8})$")),
    ("AudioMoth", re.compile(rf"^{_STAMP}(?:T|[_ -].*)?$")),
    # Song Meters put their channels or a letter between name and date, and counters behind.
    ("Song Meter", re.compile(rf"^(?P<recorder>.+?)(?:_[01A]\+?[01]?)?[_-]{_STAMP}(?:T|[_ .-].*)?$")),
    ("phone", re.compile(
        r"^[A-Za-z]+(?: recording)?[ _-]+(?P<date>\d{8})[ _-]+(?P<time>\d{4}(?:\d{2})?)(?:[ _-].*)?$"
    )),
    ("date and time", re.compile(
        r"^(?P<recorder>.*?)[ _-]*(?P<date>\d{4}-\d{2}-\d{2})[ _T-]+"
        r"(?P<time>\d{2}[-.:_h]?\d{2}(?:[-.:_m]?\d{2})?)s?(?:[ _-].*)?$"
    )),
)  # fmt: skip
# An id that an archive gives a file; recorders are numbered with fewer digits.
_FILE_NUMBER = re.compile(r"^(?P<stem>.*[^\d_ -].*?)[_ -](?P<number>\d{4,})$")
_FILES_PER_NUMBER = 2.5  # a recorder that is numbered so has more files than that
# A clip that BirdNET-Analyzer cut out: its score and number before the recording's name, its seconds behind.
_CUT_OUT = re.compile(r"^(?:[01]\.\d+_\d+_)?(?P<stem>.+?)_(?P<start_s>\d+(?:\.\d+)?)s_\d+(?:\.\d+)?s$")
# What voice recorders on phones call everything; no recorder's name.
_PHONE_WORDS = {
    "rec", "recording", "new recording", "voice", "voice recording", "audio", "aud", "ptt", "memo", "voice memo",
    "sound",
}  # fmt: skip


def read_name(path: str) -> NameFacts:
    """Recorder and start of a recording, as far as its name tells.

    >>> facts = read_name("site3/SMA00471_20250403_210000.wav")
    >>> facts.recorder_id, facts.started_at.isoformat()
    ('SMA00471', '2025-04-03T21:00:00')
    >>> read_name("5E90A4D4.WAV").started_at.isoformat()
    '2020-04-10T16:54:44+00:00'
    >>> read_name("0.912_1_SMA00471_20250403_210000_12.0s_15.0s.wav").started_at.isoformat()
    '2025-04-03T21:00:12'
    >>> read_name("song of my frog.mp3").scheme
    ''
    """
    stem = PurePosixPath(path.replace("\\", "/")).stem
    if cut_out := _CUT_OUT.match(stem):
        facts = read_name(cut_out["stem"] + ".wav")
        later = timedelta(seconds=float(cut_out["start_s"]))
        return replace(facts, started_at=facts.started_at and facts.started_at + later)
    for scheme, pattern in _SCHEMES:
        match = pattern.match(stem)
        if match is None:
            continue
        started_at = _started_at(match.groupdict())
        if started_at is None:
            continue
        recorder = (match.groupdict().get("recorder") or "").strip(" _-")
        known = None if recorder.lower() in _PHONE_WORDS else recorder or None
        return NameFacts(scheme, known, by_a_set_clock(started_at))
    return NameFacts()


def by_a_set_clock(moment: datetime | None) -> datetime | None:
    """A recorder's time, or None in 1970, where clocks begin that were never set or lost their battery.

    >>> by_a_set_clock(datetime(1970, 1, 1, 3)), by_a_set_clock(datetime(2025, 4, 3)).year
    (None, 2025)
    """
    # West of Greenwich the first hours of 1970 are of 1969.
    return None if moment is None or moment.year in (1969, 1970) else moment


def recorders_of(paths: Sequence[str], pattern: str | None = None) -> list[str | None]:
    """The recorder of each file of a collection, by its name; a pattern goes before (see `RecorderOptions`).

    Archives write an id of the file behind the recorder's name. A number at the end that changes from file to file is
    no part of a recorder's name: where the files of one stem have nearly as many numbers as files, the stem is the
    recorder.

    >>> recorders_of(["hill_2980_702775_20210101_210000.wav", "hill_2980_703204_20210102_210000.wav"])
    ['hill_2980', 'hill_2980']
    >>> recorders_of(["pond_2_20210101_210000.wav", "pond_3_20210101_210000.wav"])
    ['pond_2', 'pond_3']
    """
    if pattern:
        return _by_pattern(paths, pattern)
    facts = [read_name(_uncut(path)) for path in paths]
    names = [fact.recorder_id for fact in facts]
    parts = [_FILE_NUMBER.match(name) if name else None for name in names]
    # Clips that were cut out of one recording have its number and time, and are one file here.
    files = {
        (part["stem"], part["number"], fact.started_at or path)
        for part, fact, path in zip(parts, facts, paths, strict=True)
        if part
    }
    files_of: dict[str, Counter[str]] = {}
    for stem, number, _ in files:
        files_of.setdefault(stem, Counter())[number] += 1
    few = {stem for stem, numbers in files_of.items() if numbers.total() <= _FILES_PER_NUMBER * len(numbers)}
    # Where some stems have several numbers, another's only one of as many digits is an id too.
    digits = {len(number) for stem in few if len(files_of[stem]) > 1 for number in files_of[stem]}
    return [
        part["stem"] if part and part["stem"] in few and len(part["number"]) in digits else name
        for part, name in zip(parts, names, strict=True)
    ]


def _uncut(path: str) -> str:
    """The name of the recording that BirdNET-Analyzer cut a clip out of; any other name as it is."""
    cut_out = _CUT_OUT.match(PurePosixPath(path.replace("\\", "/")).stem)
    return f"{cut_out['stem']}.wav" if cut_out else path


def _by_pattern(paths: Sequence[str], pattern: str) -> list[str | None]:
    """What the pattern finds in each path.

    Raises:
        InputError: it finds nothing in any of them.
    """
    looked_for = re.compile(pattern)
    group: str | int = "recorder" if "recorder" in looked_for.groupindex else min(1, looked_for.groups)
    found = [looked_for.search(path) for path in paths]
    if paths and not any(found):
        raise InputError(
            f"recorders.pattern is {pattern!r}, which is found in none of {counted(len(paths), 'path')} (such as "
            f"{paths[0]}). Correct it, or leave it empty."
        )
    return [(match[group] or None) if match else None for match in found]


def recorders_of_folders(paths: Sequence[str], root: str = "") -> list[str | None]:
    """The recorder of each path by its folders: the nearest that can be one's name, up to the root; else None.

    Cards of recorders that name files by date alone are copied into a folder each. Folders of one name below different
    ones are different recorders, and are called with those above them.

    >>> recorders_of_folders(["Moth08/2025-04-03/a.WAV", "Pond/Week 1/a.wav", "data/a.wav"])
    ['Moth08', 'Pond', None]
    >>> recorders_of_folders(["Pond/A/a.wav", "Creek/A/a.wav", "Creek/B/a.wav"])
    ['Pond/A', 'Creek/A', 'B']
    """
    top = (root,) if root and not is_generic(root) else ()
    named = [
        tuple(name for name in PurePosixPath(path).parts[:-1] if not is_generic(name)) or top
        for path in paths
    ]
    places: dict[str, set[tuple[str, ...]]] = {}
    for names in filter(None, named):
        places.setdefault(names[-1], set()).add(names)
    return [
        None if not names else names[-1] if len(places[names[-1]]) == 1 else "/".join(names)
        for names in named
    ]


def recorders_in_words(recorders: Sequence[str | None], paths: Sequence[str], most: int = 5) -> str:
    """Which recorders were read from names, each with its number of files and the first of them.

    >>> recorders_in_words(["R1", "R1", None], ["R1_a.wav", "R1_b.wav", "c.wav"])
    '1 recorder by the names of files and folders: R1 (2 files, first R1_a.wav); 1 file names none'
    """
    counts = Counter(name for name in recorders if name)
    first: dict[str | None, str] = {}
    for name, path in zip(recorders, paths, strict=True):
        first.setdefault(name, path)
    shown = [
        f"{name} ({counted(n, 'file')}, first {first[name]})" for name, n in sorted(counts.items())[:most]
    ]
    more = [f"and {len(counts) - most:,} more"] if len(counts) > most else []
    n_none = sum(not name for name in recorders)
    said = (
        f"{counted(len(counts), 'recorder')} by the names of files and folders: {', '.join([*shown, *more])}"
    )
    return said + (f"; {counted(n_none, 'file')} {'names' if n_none == 1 else 'name'} none" if n_none else "")


def _started_at(parts: dict[str, str | None]) -> datetime | None:
    if parts.get("hex"):
        # Firmware 1.0 named files by the hexadecimal seconds since 1970, which lie after the recorder's
        # invention.
        seconds = int(parts["hex"] or "", 16)
        started = datetime.fromtimestamp(seconds, UTC)
        return started if 2017 <= started.year <= 2037 else None
    digits = re.sub(r"\D", "", parts["date"] or "") + re.sub(r"\D", "", parts["time"] or "").ljust(6, "0")
    zone = (parts.get("zone") or "").replace("Z", "+0000")
    try:
        return datetime.strptime(digits + zone, "%Y%m%d%H%M%S%z" if zone else "%Y%m%d%H%M%S")
    except ValueError:
        return None
