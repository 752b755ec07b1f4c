"""What a recording is, found out once: its content, and how much of it can be decoded.

No tables are loaded here, because every worker process would wait for them.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import PurePosixPath

from vernal.audio.checks import check_not_cut_off, length_in_words
from vernal.audio.reading import MIN_TAIL_S, AudioError, AudioReader, why_not_found
from vernal.clips.recording_facts import UNREADABLE_SUFFIXES
from vernal.common.files import sha256_of_file
from vernal.common.storage import as_path, local_copy

# A header that announces more is not believed; the file is decoded and counted instead.
_LONGEST_S = 14 * 86_400


@dataclass(frozen=True)
class FileFacts:
    """A file as it was found.

    `size`, `mtime_ns`: by which an unchanged file is known again. `can_seek`: any part of it can be read by itself.
    `reason` is empty, or says why it cannot be read (one of `audio.REASONS`), or that it breaks off. `failure` is
    empty, or says what kept the last run from scoring it; the next one tries again.
    """

    size: int = -1
    mtime_ns: int = -1
    content_hash: str = ""
    n_frames: int = 0
    sample_rate_hz: int = 0
    channels: int = 0
    can_seek: bool = True
    reason: str = ""
    message: str = ""
    failure: str = ""

    @property
    def duration_s(self) -> float:
        return self.n_frames / self.sample_rate_hz if self.sample_rate_hz else 0.0

    @property
    def is_readable(self) -> bool:
        """Whether anything of it can be heard."""
        return bool(self.content_hash) and self.duration_s >= MIN_TAIL_S

    def n_samples(self, rate: int) -> int:
        """Samples at another rate; a started one counts."""
        return -(-self.n_frames * rate // self.sample_rate_hz)


def identify(path: str) -> FileFacts:
    """Open a file, hash it, and see how much of it there is. What is wrong with it is a fact like any other."""
    facts = FileFacts()
    try:
        stat = as_path(path).stat()
        facts = dataclasses.replace(facts, size=stat.st_size, mtime_ns=stat.st_mtime_ns)
        facts = dataclasses.replace(facts, content_hash=sha256_of_file(path))
        suffix = PurePosixPath(path).suffix.lower()
        if suffix in UNREADABLE_SUFFIXES:
            raise AudioError("unreadable", f"{suffix} cannot be read; convert it to WAV or FLAC")
        return _opened(path, facts)
    except AudioError as error:
        return dataclasses.replace(facts, n_frames=0, reason=error.reason, message=error.message)
    except OSError as error:
        # Not the file's content but its disk: it has no hash, so that the next run tries again.
        message = why_not_found(as_path(path)) if isinstance(error, FileNotFoundError) else words(error)
        return dataclasses.replace(facts, content_hash="", n_frames=0, reason="unreadable", message=message)


def _opened(path: str, facts: FileFacts) -> FileFacts:
    with AudioReader(path) as reader:
        header, can_seek = reader.facts, reader.can_seek
    rate, n_frames, reason, message = header.sample_rate_hz, header.n_frames, "", ""
    if not can_seek or n_frames > _LONGEST_S * rate:
        can_seek, (n_frames, reason, message) = False, _count(path, rate)
    if not reason and header.n_frames <= _LONGEST_S * rate:
        reason, cut_off = _cut_off(path, n_frames, header.n_frames, rate)
        message = cut_off or message
    found = dataclasses.replace(
        facts,
        n_frames=n_frames,
        sample_rate_hz=rate,
        channels=header.channels,
        can_seek=can_seek,
        reason=reason,
        message=message,
    )
    if found.duration_s < MIN_TAIL_S and reason != "truncated":
        message = f"{found.duration_s:.3g} s long; at least {MIN_TAIL_S:g} s are needed"
        return dataclasses.replace(found, reason="too_short", message=message)
    return found


def _count(path: str, rate: int) -> tuple[int, str, str]:
    """Frames that can be decoded, and why there are no more."""
    n_frames = 0
    with AudioReader(path, rate) as reader:
        try:
            for piece in reader.stream():
                n_frames += len(piece)
        except AudioError as error:
            return n_frames, error.reason, error.message
        return n_frames, "", reader.note


def _cut_off(path: str, n_frames: int, announced: int, rate: int) -> tuple[str, str]:
    """Reason and message where a file holds less than it says; it is heard as far as it goes. One that holds more is
    heard whole, and the message says so.
    """
    try:
        check_not_cut_off(local_copy(path), n_frames, announced, rate)
    except AudioError as error:
        return error.reason, error.message
    return "", length_in_words(local_copy(path), n_frames, announced, rate)


def words(error: OSError) -> str:
    """An error of the system in its own words."""
    return str(error.strerror or error)
