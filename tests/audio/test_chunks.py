"""Chunks are found by their lengths alone, whatever stands in them."""

import io
import struct

from vernal.audio.chunks import Chunk, chunks_of


def riff(*chunks: tuple[bytes, int, bytes], kind: bytes = b"RIFF", order: str = "<") -> io.BytesIO:
    """A file of these chunks: name, announced length, and what is there."""
    body = b"".join(name + struct.pack(f"{order}I", length) + content for name, length, content in chunks)
    return io.BytesIO(kind + struct.pack(f"{order}I", 4 + len(body)) + b"WAVE" + body)


def test_odd_lengths_are_padded_and_the_file_may_be_moved_meanwhile():
    file = riff((b"LIST", 3, b"abc\x00"), (b"data", 2, b"xy"))
    found = []
    for chunk in chunks_of(file):
        found.append(chunk)
        file.seek(0)
    assert found == [Chunk(b"LIST", 20, 3), Chunk(b"data", 32, 2)]


def test_a_length_that_was_not_known_is_that_of_ds64_or_none():
    ds64 = (b"ds64", 28, struct.pack("<QQQI", 90, 6, 3, 0))
    *_, sound, last = chunks_of(riff(ds64, (b"data", 0xFFFFFFFF, b"sixbyt"), (b"guan", 0, b""), kind=b"RF64"))
    assert sound.length == 6 and last.name == b"guan"
    (alone,) = chunks_of(riff((b"data", 0xFFFFFFFF, b"sound"), (b"LIST", 0, b"")))
    assert alone.length is None


def test_aiff_counts_from_the_other_end_and_a_cut_header_ends_the_list():
    file = riff((b"SSND", 4, b"abcd"), kind=b"FORM", order=">")
    assert [chunk.length for chunk in chunks_of(file)] == [4]
    assert list(chunks_of(io.BytesIO(b"RIFF\x00\x00\x00\x00WAVEdat"))) == []
