"""Writing files so that nobody ever reads half of one.

On a disk everything is written to a temporary name in the same folder, flushed, then renamed over its place; in an
object store it is put, which is whole or not at all.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from vernal.common.storage import RemotePath, as_path, local_copy

TEMPORARY_PREFIX = ".partial-"
_ABANDONED_AFTER_S = 3_600.0
# How a file begins that only says where Git LFS keeps the real one.
POINTER = "version https://git-lfs.github.com/spec/"
_LONGEST_NAME = 200  # characters that a path may have everywhere


def printable(name: str) -> str:
    r"""A file's name as every program can write it; what is no UTF-8 in it is shown by its bytes.

    >>> print(printable("H\udcfchn.wav"), printable("Hühn.wav"))
    H\xfchn.wav Hühn.wav
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@contextlib.contextmanager
def writing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the place of `path`, else it is removed."""
    path = as_path(path)
    if isinstance(path, RemotePath):
        with tempfile.TemporaryDirectory(prefix="vernal-put-") as folder:
            yield (local := Path(folder) / f"content{path.suffix}")
            path.put(local)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix is kept because many writers choose a format by it.
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def writing_folder(place: Path) -> Iterator[Path]:
    """Yield a new folder beside `place`, on a disk; on success it takes the place of what is there, else it is removed.

    Parents that are made for it go with it.
    """
    made = [parent for parent in place.parents if not parent.exists()]
    building, old = (place.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}") for _ in range(2))
    try:
        building.mkdir(parents=True)
        yield building
        if had_one := place.exists():
            place.rename(old)
        try:
            building.rename(place)
        except OSError:
            if had_one:
                old.rename(place)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(building, ignore_errors=True)
        with contextlib.suppress(OSError):  # the first one that holds something
            for parent in made:
                parent.rmdir()


def write_bytes(path: Path | str, content: bytes | Iterable[bytes]) -> None:
    """Write `content`, in one piece or in several, whole or not at all."""
    path = as_path(path)
    pieces = [content] if isinstance(content, bytes) else content
    if isinstance(path, RemotePath):
        path.write_bytes(b"".join(pieces))
        return
    with writing(path) as temporary, temporary.open("wb") as file:
        file.writelines(pieces)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text with `\\n` line ends on every system, whole or not at all; what is no UTF-8 by its number."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def abandoned(folder: Path) -> list[Path]:
    """Files below a folder that a writer left when it was killed; young ones may still be written to."""
    too_young = time.time() - _ABANDONED_AFTER_S
    left = sorted(folder.rglob(f"{TEMPORARY_PREFIX}*")) if folder.is_dir() else []
    return [file for file in left if file.stat().st_mtime < too_young]


def sha256_of_file(path: Path | str) -> str:
    """Hex SHA-256 of a file's bytes, read in pieces."""
    with local_copy(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inside(root: Path, name: str) -> Path:
    """The path of `name` in a folder.

    Raises:
        ValueError: it leads out of the folder.
    """
    path = root / name
    if not is_inside(path, root):
        raise ValueError(f"{name!r} leads out of {root}; give a path inside it")
    return path


def is_inside(path: Path, root: Path) -> bool:
    """Whether `path`, with links and `..` resolved, lies in `root`; no file's name lies anywhere if it holds a NUL."""
    place = resolved(path)
    return place is not None and place.is_relative_to(root.resolve())


def resolved(path: Path) -> Path | None:
    """A path with links and `..` resolved; None where no file can have it: NUL, too long, links in a circle."""
    try:
        if len(str(path)) > _LONGEST_NAME:
            path.is_file()  # says so where it is too long for this system
        return None if "\0" in str(path) else path.resolve()
    except (OSError, RuntimeError):
        return None
