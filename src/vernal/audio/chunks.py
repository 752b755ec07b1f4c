"""The chunks of a RIFF, RF64 or AIFF file: where each lies and how long it is. Their content is not read."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

MAX_CHUNKS = 1_000
_NOT_KNOWN = 0xFFFFFFFF
# What programs write for a length that they do not know yet, and cannot come back to.
STREAMED = {0x7FFFFFFF, 0x7FFFF000, 0x7FFFFFDB, 0x80000000, 0xFFFFFFFE, 0xFFFFF000, 0xFFFFFFDB}


class Chunk(NamedTuple):
    """One chunk: its four-letter name, the position of its first byte, and its length in bytes; None = not known."""

    name: bytes
    start: int
    length: int | None


def chunks_of(file: BinaryIO) -> Iterator[Chunk]:
    """The chunks in the file's order, of the first thousand at most; a header that claims more than there is ends them.

    Args:
        file: a RIFF, RF64, BW64 or FORM file; it may be read and moved between two chunks.
    """
    end = file.seek(0, 2)
    file.seek(0)
    order = "big" if file.read(4) == b"FORM" else "little"
    position, long_length = 12, None
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        header = file.read(8)
        if len(header) < 8:
            return
        name = header[:4]
        length: int | None = int.from_bytes(header[4:], order)  # type: ignore[arg-type]
        if name == b"ds64":
            long_length = int.from_bytes(file.read(16)[8:], "little")
        if length == _NOT_KNOWN:
            # Not known when the header was written, or given in `ds64`.
            length = long_length
        yield Chunk(name, position + 8, length)
        if length is None:
            return
        position += 8 + length + length % 2
        if position >= end:  # not by moving there, which no system does as far as a header may claim
            return
