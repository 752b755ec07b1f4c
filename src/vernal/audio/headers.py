"""Files whose header says less than they hold: recorders that lost their power, and files beyond what a length can say.

AudioMoth's triggered recordings are of this kind too: where nothing was loud enough, a block of 512 bytes stands for
many. They are read as AudioMoth's own program expands them, with silence in these places, so that times are right.

libsndfile believes a header, so the sound behind it is lost without a word. Here the true length is found by what lies
there, and libsndfile is given the same file with a header that says it. A header that says more than there is needs
no help: what is there is read.
"""

import io
import os
import re
import struct
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vernal.audio.chunks import Chunk, chunks_of
from vernal.audio.decoder_noise import quiet_sound_file
from vernal.common.files import POINTER

# Files of which no decoder complains by itself.
_QUIET = (b"RIFF", b"RF64", b"fLaC", b"FORM", b"OggS")
IS_POINTER = "is a Git LFS pointer, not the recording: `git lfs pull`"
_CHUNK_NAME = re.compile(rb"[A-Za-z0-9][A-Za-z0-9 _\-]{3}")
_LAST_BYTES = 1 << 18  # a FLAC frame is shorter
_ZEROS = 4_096
_BLOCK, _BLOCK_SAMPLES = 512, 256
_MOST_BLOCKS = 1 << 27  # two days at 384 kHz
_MAX_RIFF = 0xFFFFFFFF - 4_096


def open_sound(path: Path | str) -> Any:
    """Open a file with libsndfile, all that it holds.

    Raises:
        soundfile.SoundFileError: not a file that libsndfile can read.
    """
    import soundfile

    path = Path(path)
    with path.open("rb") as file:
        is_quiet = file.read(4) in _QUIET
    return (soundfile.SoundFile if is_quiet else quiet_sound_file())(_mended(path) or path)


def is_pointer(path: Path) -> bool:
    """Whether a file only says where Git LFS keeps the real one."""
    with path.open("rb") as file:
        return file.read(len(POINTER)) == POINTER.encode()


def true_length(path: Path | str) -> tuple[int, int] | None:
    """Bytes of sound (of FLAC: samples) that a header says and that are there, where it says too few; else None."""
    path = Path(path)
    with path.open("rb") as file:
        mark = file.read(4)
        if mark == b"fLaC":
            lengths = _flac_samples(file)
            return lengths if lengths is not None and lengths[1] > lengths[0] else None
        if mark not in (b"RIFF", b"RF64"):
            return None
        found = _riff_data(file)
    if found is not None:
        return found[1], found[2]
    expanded = is_triggered(path)
    return expanded.lengths if expanded is not None else None


def _mended(path: Path) -> "_Pieced | None":
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        mark = file.read(4)
        if mark in (b"RIFF", b"RF64"):
            if (found := _riff_data(file)) is not None:
                header = _riff_header(file, found[2])
                return _Pieced(path, [header, range(found[0], size)])
            if (expanded := is_triggered(path)) is not None:
                return _Pieced(path, [_riff_header(file, expanded.lengths[1]), *expanded.pieces])
            return None
        lengths = _flac_samples(file) if mark == b"fLaC" else None
        if lengths is None or (lengths[1] < lengths[0] and not _breaks_off(path, lengths[0])):
            return None
        file.seek(0)
        head = bytearray(file.read(42))
        said = int.from_bytes(head[18:26], "big")
        head[18:26] = ((said >> 36 << 36) | lengths[1]).to_bytes(8, "big")
        head[26:42] = bytes(16)  # the checksum of other samples
        return _Pieced(path, [bytes(head), range(42, size)])


@dataclass(frozen=True)
class Expanded:
    """A triggered recording: bytes of samples in the file and when expanded, and the pieces of the latter."""

    lengths: tuple[int, int]
    pieces: tuple[range | int, ...]


def is_triggered(path: Path) -> Expanded | None:
    """How AudioMoth's triggered recording expands; None where the file is none, or was expanded already."""
    stat = path.stat()
    return _expand(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _expand(path: Path, size: int, _: int) -> Expanded | None:
    with path.open("rb") as file:
        data = next((chunk for chunk in chunks_of(file) if chunk.name == b"data"), None)
        file.seek(0)
        head = file.read(data.start) if data is not None and data.start < 8_192 else b""
        # Its comment says so; the name may have been changed.
        if data is None or b"AudioMoth" not in head or not re.search(rb"[Tt]hreshold|[Tt]rigger", head):
            return None
        end = min(size, data.start + (data.length or 0))
        first = -(-data.start // _BLOCK) * _BLOCK
        pieces: list[range | int] = []
        n_silent, at, since = 0, first, data.start
        file.seek(first)
        while at + _BLOCK <= end:
            blocks = np.frombuffer(file.read(_BLOCK * 4_096), dtype="<i2")
            blocks = blocks[: len(blocks) // _BLOCK_SAMPLES * _BLOCK_SAMPLES].reshape(-1, _BLOCK_SAMPLES)
            if not len(blocks):
                break
            is_code = (np.abs(blocks[:, :32]) == 1).all(axis=1) & ~blocks[:, 32:].any(axis=1)
            for number in np.flatnonzero(is_code):
                place = at + int(number) * _BLOCK
                n_blocks = sum(1 << bit for bit in np.flatnonzero(blocks[number, :32] == 1).tolist())
                if place + _BLOCK <= end and 0 < n_blocks <= _MOST_BLOCKS:
                    pieces += [range(since, place), n_blocks * _BLOCK]
                    n_silent, since = n_silent + (n_blocks - 1) * _BLOCK, place + _BLOCK
            at += len(blocks) * _BLOCK
    if not pieces:
        return None
    said = end - data.start
    return Expanded((said, said + n_silent), (*pieces, range(since, end)))


def _riff_data(file: BinaryIO) -> tuple[int, int, int] | None:
    """Start of the samples, their bytes by the header, and those that are there, where these are more; else None."""
    size = file.seek(0, os.SEEK_END)
    chunks: dict[bytes, Chunk] = {}
    for chunk in chunks_of(file):
        chunks.setdefault(chunk.name, chunk)
    data = chunks.get(b"data")
    if data is None or b"fmt " not in chunks:
        return None
    said = 0xFFFFFFFF if data.length is None else data.length
    end = data.start + said
    if end + 8 >= size or any(_are_chunks(file, at, size) for at in (end, end + said % 2)):
        return None
    file.seek(end)
    if said and not any(file.read(_ZEROS)):
        return None  # space that was set aside and never written to
    return data.start, said, size - data.start


def _are_chunks(file: BinaryIO, position: int, size: int) -> bool:
    """Whether chunks follow one another from a position to about the file's end."""
    while position + 8 <= size:
        file.seek(position)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        if not _CHUNK_NAME.fullmatch(head[:4]) or position + 8 + length > size + 1:
            return False
        position += 8 + length + length % 2
    return True


def _riff_header(file: BinaryIO, n_bytes: int) -> bytes:
    """A header for so many bytes of samples, with the form that the file's own one gives them."""
    form = next(chunk for chunk in chunks_of(file) if chunk.name == b"fmt ")
    file.seek(form.start)
    body = b"fmt " + struct.pack("<I", form.length or 0) + file.read(form.length or 0)
    if n_bytes < _MAX_RIFF:
        return (
            b"RIFF"
            + struct.pack("<I", len(body) + n_bytes + 12)
            + b"WAVE"
            + body
            + b"data"
            + struct.pack("<I", n_bytes)
        )
    long = b"ds64" + struct.pack("<IQQQI", 28, len(body) + n_bytes + 48, n_bytes, 0, 0)
    return b"RF64\xff\xff\xff\xffWAVE" + long + body + b"data\xff\xff\xff\xff"


def announced_samples(path: Path) -> int:
    """How many samples a FLAC file's header says."""
    with path.open("rb") as file:
        return int.from_bytes(file.read(26)[18:26], "big") & ((1 << 36) - 1)


def _breaks_off(path: Path, n_samples: int) -> bool:
    """Whether libsndfile finds no such last sample."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            file.seek(n_samples - 1)
            return len(file.read(1)) == 0
    except (soundfile.SoundFileError, RuntimeError):
        return True


def _flac_samples(file: BinaryIO) -> tuple[int, int] | None:
    """Samples by the header, and those that are there where these are others; None where they agree.

    Where there are fewer, those of the last frame are not counted: it may be cut off itself.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(42)
    if len(head) < 42:
        return None
    said = int.from_bytes(head[18:26], "big") & ((1 << 36) - 1)
    start = max(42, size - _LAST_BYTES)
    file.seek(start)
    tail = file.read()
    block = int.from_bytes(head[8:10], "big")
    frames = [
        _frame(tail[at.start() : at.start() + 16], block) for at in re.finditer(rb"\xff[\xf8\xf9]", tail)
    ]
    spans = {span for span in frames if span is not None}
    # What looks like a frame by chance has none before it.
    ends = {0} | {end for _, end in spans}
    first, there = max(((first, end) for first, end in spans if first in ends), default=(0, 0))
    if there < said:
        there = first
    return (said, there) if there not in (0, said) else None


def _frame(head: bytes, block: int) -> tuple[int, int] | None:
    """First sample of a FLAC frame, and the first behind it, by the frame's header; None where that is none."""
    if len(head) < 16 or head[3] & 1:
        return None
    # The number is written as UTF-8 writes a sign; how many ones it begins with says how many bytes it has.
    n_ones = 8 - (head[4] ^ 0xFF).bit_length()
    if n_ones == 1 or n_ones == 8:
        return None
    n_more = max(0, n_ones - 1)
    if any(byte >> 6 != 2 for byte in head[5 : 5 + n_more]):
        return None
    number = head[4] & (0x7F if not n_more else (1 << (6 - n_more)) - 1)
    for byte in head[5 : 5 + n_more]:
        number = number << 6 | byte & 0x3F
    at, code = 5 + n_more, head[2] >> 4
    n_size = {6: 1, 7: 2}.get(code, 0)
    n_rate = {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    size = int.from_bytes(head[at : at + n_size], "big") + 1 if n_size else _block_size(code)
    at += n_size + n_rate
    if size is None or at >= len(head) or _crc8(head[:at]) != head[at]:
        return None
    first = number if head[1] & 1 else number * block  # blocks of several sizes are counted by samples
    return first, first + size


def _block_size(code: int) -> int | None:
    if code == 1:
        return 192
    if 2 <= code <= 5:
        return 576 << (code - 2)
    return 256 << (code - 8) if code >= 8 else None


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07 if crc & 0x80 else crc << 1) & 0xFF
    return crc


class _Pieced(io.RawIOBase):
    """A file that is put together: from bytes, from stretches of a file, and from zeros (how many)."""

    def __init__(self, path: Path, pieces: list[bytes | range | int]) -> None:
        self._file = path.open("rb")
        self._pieces = [piece for piece in pieces if piece if isinstance(piece, int) or len(piece)]
        lengths = [piece if isinstance(piece, int) else len(piece) for piece in self._pieces]
        self._starts = [0, *accumulate(lengths)]
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._starts[-1]}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        n_done = 0
        while n_done < len(view) and self._at < self._starts[-1]:
            number = bisect_right(self._starts, self._at) - 1
            piece, skipped = self._pieces[number], self._at - self._starts[number]
            n = min(len(view) - n_done, self._starts[number + 1] - self._at)
            into = view[n_done : n_done + n]
            if isinstance(piece, range):
                self._file.seek(piece.start + skipped)
                n = self._file.readinto(into)
            else:
                into[:] = bytes(n) if isinstance(piece, int) else piece[skipped : skipped + n]
            if not n:
                break
            self._at, n_done = self._at + n, n_done + n
        return n_done

    def close(self) -> None:
        self._file.close()
        super().close()
