"""Files and folders wherever they are: on a disk, or as objects of a store such as S3.

`as_path("s3://bucket/season")` has the part of `pathlib.Path`'s interface that this project uses, over fsspec, so
that stores, libraries and tables are written once for both. An object is put whole or not at all, and a put takes
the place of what was there, which is all that `vernal.common.files` promises of a disk. Whatever needs a real file (a
library in another language, a link, another program) gets a copy on this machine (`local_copy`), or says in a
clear message that it needs a folder on a disk.
"""

import atexit
import contextlib
import fnmatch
import functools
import hashlib
import os
import posixpath
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import IO, Any, cast

from vernal.common.problems import InputError

FOLDER_MARK = ".folder"
_COPIES_BYTES = 4 << 30
_COPIES_KEPT = 64
_COPIES = "vernal-copies-"


class StorageError(OSError, InputError):
    """Object storage that did not do what was asked; the message names the object and what to check."""

    def __str__(self) -> str:
        return str(self.strerror)


def is_remote(path: Any) -> bool:
    """Whether a path lies in an object store.

    >>> is_remote("s3://season/out"), is_remote("/data/out"), is_remote("C:/data")
    (True, False, False)
    """
    return isinstance(path, RemotePath) or (isinstance(path, str) and "://" in path)


def as_path(path: Any) -> Path:
    """A path on a disk, or one of an object store with the same methods (typed as `Path` for that)."""
    if isinstance(path, RemotePath):
        return cast(Path, path)
    if isinstance(path, str) and "://" in path:
        protocol, _, rest = path.partition("://")
        return Path(rest) if protocol == "file" else cast(Path, RemotePath(path))
    return Path(path)


def listed(folders: Iterable[str]) -> Callable[[str], Path]:
    """`as_path` for files below some folders of which size and time will be asked.

    In an object store they are taken from one listing of each folder: a request for each of a season's files would
    take hours.
    """
    known = {
        str(found): found for folder in folders if is_remote(folder) for found in as_path(folder).rglob("*")
    }
    return lambda path: known.get(path) or as_path(path)


def below(folder: Path, path: str) -> Path:
    """`path` itself where it is whole, else as it starts from `folder`."""
    return as_path(path) if is_remote(path) else folder / path


def on_disk(path: Any, what: str) -> Path:
    """A path on a disk.

    Raises:
        InputError: it lies in an object store, which `what` cannot use.
    """
    if is_remote(path):
        raise InputError(
            f"{what} needs a folder on a disk, and {path} is object storage. Give a folder with "
            "--params=data_root=... (which steps take object storage: docs/scaling.md)."
        )
    return Path(path)


def remove_tree(path: Path) -> None:
    """Remove a folder with all that is in it; one that is not there is none."""
    if isinstance(path, RemotePath):
        path.remove_all()
    else:
        shutil.rmtree(path, ignore_errors=True)


class RemotePath(os.PathLike):
    """An object or a folder of objects, by its URL. Objects of other programs in the same place are left alone."""

    def __init__(self, url: str, info: dict[str, Any] | None = None) -> None:
        self._protocol, _, rest = str(url).partition("://")
        self._key = PurePosixPath(rest)
        self._info = info

    def __reduce__(self) -> Any:
        return RemotePath, (str(self),)

    # Names -----------------------------------------------------------------------------------------

    def __str__(self) -> str:
        return f"{self._protocol}://{self._key.as_posix()}"

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __lt__(self, other: "RemotePath") -> bool:
        # Part by part, as paths on a disk are ordered.
        return (self._protocol, self._key) < (other._protocol, other._key)

    def __fspath__(self) -> str:
        raise InputError(
            f"This step needs a file on a disk, and {self} is object storage. Give a folder with "
            "--params=data_root=... (which steps take object storage: docs/scaling.md)."
        )

    def __truediv__(self, name: str | PurePosixPath) -> "RemotePath":
        return self._with(self._key / str(name))

    def joinpath(self, *names: str) -> "RemotePath":
        return self._with(self._key.joinpath(*names))

    def _with(self, key: PurePosixPath, info: dict[str, Any] | None = None) -> "RemotePath":
        return RemotePath(f"{self._protocol}://{key.as_posix()}", info)

    @property
    def name(self) -> str:
        return self._key.name

    @property
    def stem(self) -> str:
        return self._key.stem

    @property
    def suffix(self) -> str:
        return self._key.suffix

    @property
    def parts(self) -> tuple[str, ...]:
        return self._key.parts

    @property
    def parent(self) -> "RemotePath":
        return self._with(self._key.parent)

    def with_name(self, name: str) -> "RemotePath":
        return self._with(self._key.with_name(name))

    def with_suffix(self, suffix: str) -> "RemotePath":
        return self._with(self._key.with_suffix(suffix))

    def as_posix(self) -> str:
        return str(self)

    def is_absolute(self) -> bool:
        return True

    def expanduser(self) -> "RemotePath":
        return self

    def resolve(self) -> "RemotePath":
        return self._with(PurePosixPath(posixpath.normpath(self._key.as_posix())))

    def relative_to(self, other: Any) -> PurePosixPath:
        return self._key.relative_to(RemotePath(str(other))._key)

    def is_relative_to(self, other: Any) -> bool:
        return is_remote(other) and self._key.is_relative_to(RemotePath(str(other))._key)

    # What is there ----------------------------------------------------------------------------------

    @property
    def _fs(self) -> Any:
        return _filesystem(self._protocol)

    def _about(self) -> dict[str, Any] | None:
        if self._info is None:
            with _clear(self):
                try:
                    return self._fs.info(self._key.as_posix())
                except FileNotFoundError:
                    return None
        return self._info

    def exists(self) -> bool:
        return self._about() is not None

    def is_file(self) -> bool:
        about = self._about()
        return about is not None and about["type"] == "file"

    def is_dir(self) -> bool:
        about = self._about()
        return about is not None and about["type"] == "directory"

    def is_symlink(self) -> bool:
        return False

    def stat(self) -> Any:
        """`st_size` and times in whole seconds; the time is 0 where the store does not tell."""
        about = self._about()
        if about is None:
            raise FileNotFoundError(2, "No such file", str(self))
        changed = about.get("LastModified") or about.get("mtime") or about.get("created") or 0
        # Asked about one object, S3 tells whole seconds; in a listing some servers tell more.
        seconds = int(changed.timestamp() if hasattr(changed, "timestamp") else changed)
        return SimpleNamespace(
            st_size=about["size"], st_mtime=float(seconds), st_mtime_ns=seconds * 1_000_000_000
        )

    def version(self) -> str:
        """What changes when the object does; empty where there is none."""
        about = self._about()
        return (
            ""
            if about is None
            else repr([about.get(name) for name in ("ETag", "size", "LastModified", "created")])
        )

    def iterdir(self) -> "Iterator[RemotePath]":
        with _clear(self):
            try:
                listed = self._fs.ls(self._key.as_posix(), detail=True)
            except FileNotFoundError:
                raise FileNotFoundError(2, "No such folder", str(self)) from None
        yield from (found for found in self._found(listed) if found != self)

    def glob(self, pattern: str) -> "Iterator[RemotePath]":
        depth = len(PurePosixPath(pattern).parts)
        yield from (found for found in self._below(depth) if _fits(found.relative_to(self), pattern, depth))

    def rglob(self, pattern: str) -> "Iterator[RemotePath]":
        yield from (found for found in self._below(None) if fnmatch.fnmatchcase(found.name, pattern))

    def _below(self, depth: int | None) -> "list[RemotePath]":
        with _clear(self):
            listed = self._fs.find(self._key.as_posix(), maxdepth=depth, withdirs=True, detail=True)
        return [found for found in self._found(listed.values()) if found != self]

    def _found(self, listed: Any) -> "list[RemotePath]":
        return sorted(self._with(PurePosixPath(self._fs._strip_protocol(one["name"])), one) for one in listed)

    # Reading and writing ----------------------------------------------------------------------------

    def open(
        self,
        mode: str = "r",
        encoding: str | None = None,
        newline: str | None = None,
        errors: str | None = None,
    ) -> IO[Any]:
        """Open for reading; what is written goes through `vernal.common.files`, which puts it whole."""
        if not set(mode) <= set("rbt"):
            raise ValueError(f"{self} is opened with mode {mode!r}; write through vernal.common.files")
        content = self.read_bytes()
        import io

        if "b" in mode:
            return io.BytesIO(content)
        return io.TextIOWrapper(
            io.BytesIO(content), encoding=encoding or "utf-8", errors=errors, newline=newline
        )

    def read_bytes(self) -> bytes:
        with _clear(self):
            return self._fs.cat_file(self._key.as_posix())

    def read_text(self, encoding: str = "utf-8") -> str:
        with self.open("r", encoding=encoding) as file:
            return file.read()

    def write_bytes(self, content: bytes) -> int:
        with _clear(self, writing=True):
            self._fs.pipe_file(self._key.as_posix(), content)
        return len(content)

    def create(self, content: bytes) -> bool:
        """Put an object that is not there yet; False where one is. Two that try at once cannot both succeed."""
        with _clear(self, writing=True):
            try:
                self._fs.pipe_file(self._key.as_posix(), content, mode="create")
            except FileExistsError:
                return False
        return True

    def put(self, file: Path) -> None:
        """Put a file's content here."""
        with _clear(self, writing=True):
            self._fs.put_file(str(file), self._key.as_posix())

    def get(self, file: Path) -> None:
        """Copy the object to a file."""
        with _clear(self):
            self._fs.get_file(self._key.as_posix(), str(file))

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Mark a folder, which a store does not have as such, so that an empty one is there too."""
        mark = self / FOLDER_MARK
        if not mark.exists():
            mark.write_bytes(b"")

    def unlink(self, missing_ok: bool = False) -> None:
        with _clear(self):
            try:
                self._fs.rm_file(self._key.as_posix())
            except FileNotFoundError:
                if not missing_ok:
                    raise

    def remove_all(self) -> None:
        """Remove this folder with all its objects."""
        with _clear(self), contextlib.suppress(FileNotFoundError):
            self._fs.rm(self._key.as_posix(), recursive=True)


def _fits(relative: PurePosixPath, pattern: str, depth: int) -> bool:
    wanted = PurePosixPath(pattern).parts
    parts = relative.parts
    return len(parts) == depth and all(map(fnmatch.fnmatchcase, parts, wanted))


@functools.cache
def _filesystem(protocol: str) -> Any:
    """The store behind a protocol. Listings are never cached: other processes write, too.

    Raises:
        InputError: the protocol is unknown, or its package is not installed.
    """
    import fsspec

    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if protocol in ("s3", "s3a"):
        # Without these an address where nobody answers is tried for minutes.
        options["config_kwargs"] = {"connect_timeout": 10, "retries": {"mode": "standard", "max_attempts": 4}}
    try:
        return fsspec.filesystem(protocol, **options)
    except (ImportError, ValueError) as error:
        raise InputError(
            f'Nothing here can read {protocol}:// ({error}). S3 comes with: pip install "vernal[cluster]"; other '
            "stores with their fsspec package."
        ) from error


@contextlib.contextmanager
def _clear(path: RemotePath, writing: bool = False) -> Iterator[None]:
    """Say in one message what went wrong with an object; one that is to be read and missing is no such case."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if isinstance(error, FileNotFoundError) and not writing:
            raise
        # Every store has errors of its own; all of them end here, with their cause.
        said = str(error).strip().splitlines()
        raise StorageError(
            5,
            f"Object storage failed at {path} ({type(error).__name__}: {said[0] if said else ''}). Check the address "
            "(AWS_ENDPOINT_URL), the credentials and the bucket; what was stored before is whole, so run again",
            str(path),
        ) from error


# Copies on this machine -----------------------------------------------------------------------------


def local_copy(path: Any) -> Path:
    """A file with the content of `path`: itself on a disk, a copy that is kept for a while otherwise.

    An object that is not there gives a file that is not there.
    """
    path = as_path(path)
    return _copies().of(path) if isinstance(path, RemotePath) else path


@contextlib.contextmanager
def named_copy(path: Any) -> Iterator[Path]:
    """A file of the same name and content: itself on a disk, a copy for the time being otherwise."""
    path = as_path(path)
    if not isinstance(path, RemotePath):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="vernal-copy-") as folder:
        path.get(Path(folder) / path.name)
        yield Path(folder) / path.name


class _Copies:
    """Copies of objects by their version; the oldest go when there are many and they take much room."""

    def __init__(self) -> None:
        _remove_abandoned()
        self._folder = Path(tempfile.mkdtemp(prefix=f"{_COPIES}{os.getpid()}-"))
        self._sizes: OrderedDict[Path, int] = OrderedDict()
        self._lock = threading.Lock()
        self._one_at_a_time: dict[Path, threading.Lock] = {}
        atexit.register(shutil.rmtree, self._folder, ignore_errors=True)

    def of(self, path: RemotePath) -> Path:
        version = path.version()
        named = hashlib.sha256(f"{path} {version}".encode()).hexdigest()[:32]
        copy = self._folder / f"{named}{path.suffix}"
        if not version:
            return copy
        with self._lock:
            own = self._one_at_a_time.setdefault(copy, threading.Lock())
        with own:
            if not copy.is_file():
                arriving = copy.with_name(f"arriving-{copy.name}")
                path.get(arriving)
                arriving.replace(copy)
        with self._lock:
            self._sizes[copy] = copy.stat().st_size
            self._sizes.move_to_end(copy)
            self._make_room()
        return copy

    def _make_room(self) -> None:
        while len(self._sizes) > _COPIES_KEPT and sum(self._sizes.values()) > _COPIES_BYTES:
            oldest, _ = self._sizes.popitem(last=False)
            self._one_at_a_time.pop(oldest, None)
            with contextlib.suppress(OSError):  # on Windows, a file that is being read
                oldest.unlink()


@functools.cache
def _copies() -> _Copies:
    return _Copies()


def _remove_abandoned() -> None:
    """Copies of processes that were killed."""
    import psutil

    for folder in Path(tempfile.gettempdir()).glob(f"{_COPIES}*-*"):
        number = folder.name.removeprefix(_COPIES).partition("-")[0]
        if number.isdigit() and not psutil.pid_exists(int(number)):
            shutil.rmtree(folder, ignore_errors=True)
