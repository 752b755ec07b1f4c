"""What a recording's file name tells: the recorder and when it started.

Names are read as AudioMoth and Song Meter write them, and as phones do. Times are local to the recorder's
clock, without a zone, unless the name has one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath


@dataclass(frozen=True)
class NameFacts:
    """What one file name tells. `scheme` is empty when it tells nothing; `started_at` has a zone if the name has."""

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
    >>> read_name("song of my frog.mp3").scheme
    ''
    """
    stem = PurePosixPath(path.replace("\\", "/")).stem
    for scheme, pattern in _SCHEMES:
        match = pattern.match(stem)
        if match is None:
            continue
        started_at = _started_at(match.groupdict())
        if started_at is None:
            continue
        recorder = (match.groupdict().get("recorder") or "").strip(" _-")
        return NameFacts(scheme, None if recorder.lower() in _PHONE_WORDS else recorder or None, started_at)
    return NameFacts()


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
