"""Valid files, damaged: by bits, by pieces, and by what a writer of bad will would put there."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from random import Random

from tools.fuzzing.structure import restructured

MOST_BYTES = 1 << 20
_NUMBERS = (0, 1, -1, 127, 128, 255, 256, 32_767, 65_535, 2**31 - 1, -(2**31), 2**32 - 1, 2**62, -(2**63))
_FORMATS = ("<b", "<h", ">h", "<i", ">i", "<q", ">q")
_WORDS = (
    b"9" * 400, b"1e999", b"-1", b"0", b"NaN", b"-inf", b"1e19", b"9223372036854775808", b"true", b"null", b"[]", b"{}",
    b"[" * 200, b'{"a":' * 200, b"a: &a [*a, *a]\n", b"!!python/object:os.system", b"\0", b"\xff\xfe", b"\xed\xa0\x80",
    b"\xef\xbb\xbf", b"\xe2\x80\xae", b"\x1b[2J", b'"', b"'", b"\t", b",", b";", b"\r", b"\n", b":", b"- ", b"=1+1",
    b"../" * 40, b"/etc/passwd", b"C:\\CON", b"a" * 5_000, b"12:99:99", b"9999-99-99", b"0001-01-01",
)  # fmt: skip
_NO_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    NotImplementedError,
    RuntimeError,
    OSError,
    EOFError,
    IndexError,
)
Change = Callable[[bytes, Random, Sequence[bytes]], bytes]


def mutated(content: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """A damaged copy: one change or a few, or a whole file of absurd contents; of a zip file often in what it holds.

    Args:
        others: valid files to take pieces from.
    """
    if content[:4] == b"PK\x03\x04" and rng.random() < 0.7:
        with contextlib.suppress(*_NO_ARCHIVE):
            return _member_mutated(content, rng)
    if rng.random() < 0.4:
        return restructured(content, rng)[:MOST_BYTES]
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        content = rng.choice(_CHANGES)(content, rng, others)[:MOST_BYTES]
    return content


def _flip(content: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(content) or 1)
    return (
        content[:at]
        + bytes([(content[at : at + 1] or b"\0")[0] ^ (1 << rng.randrange(8))])
        + content[at + 1 :]
    )


def _number(content: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    form, number = rng.choice(_FORMATS), rng.choice(_NUMBERS)
    size = struct.calcsize(form)
    raw = struct.pack(form.upper(), number % 256**size)
    # Headers stand at the beginning, or, as Parquet's and that of a zip file, at the end.
    end = rng.choice((64, 1_024, len(content)))
    at = min(rng.randrange(end or 1), len(content))
    at = at if rng.random() < 0.5 else max(len(content) - at, 0)
    return content[:at] + raw + content[at + size :]


def _word(content: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.choice(_WORDS) + content[at + rng.choice((0, 0, 1, 4)) :]


def _value(content: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """Another word in the place of one."""
    found = list(re.finditer(rb"[-+.\w]+", content[:100_000]))
    if not found:
        return content
    one = rng.choice(found)
    return content[: one.start()] + rng.choice(_WORDS) + content[one.end() :]


def _cut(content: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    at, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return rng.choice((content[:at], content[at:], content[:at] + content[end:]))


def _repeat(content: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    at, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:end] + content[at:end] * rng.choice((1, 2, 50)) + content[end:]


def _line(content: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """A line left out, twice or elsewhere."""
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    line = lines.pop(at)
    for _ in range(rng.choice((0, 1, 2))):
        lines.insert(rng.randrange(len(lines) + 1), line)
    return b"\n".join(lines)


def _splice(content: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    other = rng.choice(others or [content])
    return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other) + 1) :]


_CHANGES: tuple[Change, ...] = (_flip, _number, _number, _word, _value, _value, _cut, _repeat, _line, _splice)


def _member_mutated(content: bytes, rng: Random) -> bytes:
    """A zip file whole but for one of its members, whose checksum holds."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(sorted(members))
    members[name] = mutated(members[name], rng)
    if rng.random() < 0.1:
        members[rng.choice(("../x.npy", "x.npy", "meta.json"))] = members.pop(name)
    packing = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", packing) as archive:
        for member, held in members.items():
            archive.writestr(member, held)
    return made.getvalue()
