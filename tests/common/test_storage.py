"""Object storage behaves as a disk does, as far as the project uses either."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import pytest

from tests.object_storage import forget_stores, s3_server
from vernal.audio.reading import AudioError, load_clip, probe_audio
from vernal.common import storage
from vernal.common.files import is_inside, write_bytes, write_text, writing
from vernal.common.problems import InputError
from vernal.common.storage import (
    RemotePath,
    StorageError,
    as_path,
    below,
    is_remote,
    listed,
    local_copy,
    named_copy,
    on_disk,
    remove_tree,
)
from vernal.common.storage_lock import StorageLock
from vernal.common.table_files import read_table, write_table


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture(params=["disk", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The same questions to a disk and to a store; both must give the same answers."""
    if request.param == "disk":
        return tmp_path / "a folder, ä"
    return as_path(f"{request.getfixturevalue('bucket')}/{tmp_path.name}/a folder, ä")


def test_what_is_written_is_there_and_is_listed_alike(folder: Path):
    for name in ("b.txt", "a.txt", "sub/c.txt", "sub/deep/d.npz", "sub/deep/.hidden.npz"):
        write_text(folder / name, name)
    assert [path.name for path in sorted(folder.iterdir())] == ["a.txt", "b.txt", "sub"]
    assert [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.txt"))] == [
        "a.txt",
        "b.txt",
        "sub/c.txt",
    ]
    assert [path.name for path in sorted(folder.glob("*.txt"))] == ["a.txt", "b.txt"]
    assert [path.name for path in sorted(folder.glob("sub/*/[!.]*.npz"))] == ["d.npz"]
    assert sorted(path.name for path in folder.rglob("*") if path.is_dir()) == ["deep", "sub"]
    assert list((folder / "nowhere").glob("*")) == []


def test_facts_about_files_and_folders(folder: Path):
    assert not folder.exists() and not folder.is_dir() and not folder.is_file()
    write_bytes(folder / "x" / "a.bin", b"123")
    file = folder / "x" / "a.bin"
    assert file.exists() and file.is_file() and not file.is_dir()
    assert (folder / "x").is_dir() and not (folder / "x").is_file()
    assert file.stat().st_size == 3 and abs(file.stat().st_mtime - time.time()) < 60
    with pytest.raises(FileNotFoundError):
        (folder / "y").stat()
    with pytest.raises(FileNotFoundError):
        list((folder / "y").iterdir())


def test_size_and_time_of_many_files_are_those_of_each(folder: Path, monkeypatch: pytest.MonkeyPatch):
    files = [folder / name for name in ("a.wav", "night/b.wav")]
    for file in files:
        write_text(file, file.name * 3)
    alone = [file.stat() for file in files]
    path_of = listed([folder.as_posix()])
    if is_remote(folder):

        def refuse(path: str) -> None:
            pytest.fail(f"{path} was asked for alone")

        monkeypatch.setattr(storage._filesystem("s3"), "info", refuse)
    for file, expected in zip(files, alone, strict=True):
        found = path_of(file.as_posix()).stat()
        assert (found.st_size, found.st_mtime_ns) == (expected.st_size, expected.st_mtime_ns)


def test_an_empty_folder_is_there_once_it_is_made(folder: Path):
    folder.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    assert folder.is_dir()
    assert [path for path in folder.iterdir() if path.is_dir()] == []


def test_names_are_those_of_paths(folder: Path):
    path = folder / "a.b" / "c.tar.gz"
    assert (path.name, path.stem, path.suffix) == ("c.tar.gz", "c.tar", ".gz")
    assert (
        path.parent.name == "a.b"
        and path.with_suffix(".x").name == "c.tar.x"
        and path.with_name("q").name == "q"
    )
    assert path.relative_to(folder).as_posix() == "a.b/c.tar.gz"
    assert as_path(str(path)) == path and hash(as_path(str(path))) == hash(path)
    assert pickle.loads(pickle.dumps(path)) == path  # noqa: S301  (its own bytes)
    assert is_inside(path, folder) and not is_inside(folder / ".." / "x", folder)
    assert folder / "b" < folder / "b" / "c" < folder / "b.x"


def test_removing(folder: Path):
    write_text(folder / "a" / "b.txt", "b")
    write_text(folder / "c.txt", "c")
    (folder / "c.txt").unlink()
    (folder / "c.txt").unlink(missing_ok=True)
    assert not (folder / "c.txt").exists() and (folder / "a" / "b.txt").exists()
    remove_tree(folder)
    remove_tree(folder)
    assert not folder.exists()


def test_a_writer_that_fails_leaves_what_was_there(folder: Path):
    write_text(folder / "a.txt", "old")
    with pytest.raises(ValueError, match="half"), writing(folder / "a.txt") as temporary:
        temporary.write_text("new")
        raise ValueError("half")
    assert (folder / "a.txt").read_text(encoding="utf-8") == "old"
    assert [path.name for path in folder.iterdir()] == ["a.txt"]


def test_tables_and_text_come_back(folder: Path):
    table = pd.DataFrame({"a": [1.5, np.nan], "b": ["=x", "ü"]})
    for name in ("t.csv", "t.parquet"):
        write_table(table, folder / name)
        pd.testing.assert_frame_equal(read_table(folder / name), table)
    write_bytes(folder / "bom.csv", b"\xef\xbb\xbfa,b\r\n1,2\r\n")
    with (folder / "bom.csv").open(encoding="utf-8-sig", newline="") as file:
        assert file.read() == "a,b\r\n1,2\r\n"


def test_sound_is_read_from_both(folder: Path, tmp_path: Path, write_tone: Callable[..., Path]):
    tone = write_tone(tmp_path / "tone.wav", seconds=4.0)
    write_bytes(folder / "tone.wav", tone.read_bytes())
    np.testing.assert_array_equal(load_clip(folder / "tone.wav", 1.0, 2.0), load_clip(tone, 1.0, 2.0))
    assert probe_audio(folder / "tone.wav") == probe_audio(tone)
    with pytest.raises(AudioError, match="no such file"):
        probe_audio(folder / "other.wav")


def test_a_copy_is_made_once_and_again_when_the_object_changes(bucket: str):
    path = as_path(f"{bucket}/copies/a.txt")
    write_text(path, "one")
    first = local_copy(path)
    assert first.read_text() == "one" and local_copy(path) == first and first.suffix == ".txt"
    write_text(path, "two!")
    assert local_copy(path).read_text() == "two!"
    with named_copy(path) as copy:
        assert copy.name == "a.txt" and copy.read_text() == "two!"
    assert not copy.exists()


def test_a_path_on_a_disk_is_its_own_copy(tmp_path: Path):
    assert local_copy(tmp_path / "a") == tmp_path / "a"
    assert as_path(f"file://{tmp_path.as_posix()}/a") == tmp_path / "a"
    assert below(tmp_path, "out") == tmp_path / "out" and below(tmp_path, "s3://b/out") == as_path(
        "s3://b/out"
    )


def test_what_needs_a_disk_says_so():
    path = as_path("s3://season/out")
    for attempt in (lambda: open(path), lambda: Path(path), lambda: np.load(path), lambda: pd.read_csv(path)):  # noqa: PTH123, SIM115
        with pytest.raises(
            InputError, match=r"needs a file on a disk, and s3://season/out is object storage"
        ):
            attempt()
    with pytest.raises(
        InputError, match=r"^The lake needs a folder on a disk, and s3://season/out is object storage"
    ):
        on_disk(path, "The lake")
    assert on_disk("/x", "The lake") == Path("/x")


def test_a_store_of_an_unknown_kind_is_named():
    with pytest.raises(InputError, match="Nothing here can read nosuch://"):
        as_path("nosuch://a/b").exists()


def test_a_bucket_that_is_not_there_is_one_message(bucket: str):
    with pytest.raises(StorageError, match=r"failed at s3://other-bucket/a.txt .*bucket.*Check the address"):
        write_text(as_path("s3://other-bucket/a.txt"), "a")
    assert not as_path("s3://other-bucket/a.txt").exists()


@pytest.mark.processes
def test_an_address_where_nobody_answers_is_one_message(monkeypatch: pytest.MonkeyPatch, bucket: str):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    forget_stores()
    try:
        started = time.monotonic()
        with pytest.raises(
            InputError, match=r"Object storage failed at s3://season/a \(EndpointConnectionError"
        ):
            as_path("s3://season/a").read_bytes()
        assert time.monotonic() - started < 30
    finally:
        forget_stores()


def test_the_catalog_names_a_store_and_paths_stay_whole():
    from vernal.framework.config import with_whole_paths

    whole = with_whole_paths(
        {"data_root": "s3://season/out/", "source": {"field": "s3://a/b"}}, Path("/project")
    )
    assert whole == {"data_root": "s3://season/out", "source": {"field": "s3://a/b"}}


# The lock -------------------------------------------------------------------------------------------


def lock(bucket: str, name: str) -> StorageLock:
    return StorageLock(as_path(f"{bucket}/{name}/.vernal.lock"), beat_s=0.2)


def test_one_run_at_a_time(bucket: str):
    first = lock(bucket, "one")
    first.acquire()
    with pytest.raises(InputError, match=r"Another run is at work in s3://season/one \(process \d+ on .*\)"):
        lock(bucket, "one").acquire()
    first.release()
    second = lock(bucket, "one")
    second.acquire()
    second.release()
    assert not as_path(f"{bucket}/one/.vernal.lock").exists()


def test_the_lock_of_a_killed_run_is_taken_over(bucket: str):
    gone = lock(bucket, "two")
    gone.acquire()
    gone._ended.set()  # no sign of life any more, and no release
    gone._thread.join()
    heir = lock(bucket, "two")
    heir.acquire()
    gone.release()  # it does not take away what is no longer its own
    assert as_path(f"{bucket}/two/.vernal.lock").exists()
    heir.release()


def test_of_many_that_begin_at_once_one_has_the_lock(bucket: str):
    locks = [lock(bucket, "many") for _ in range(4)]
    outcomes: list[str] = []

    def attempt(one: StorageLock) -> None:
        try:
            one.acquire()
            outcomes.append("taken")
        except InputError:
            outcomes.append("refused")

    threads = [threading.Thread(target=attempt, args=(one,)) for one in locks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused"] * 3 + ["taken"]
    for one in locks:
        one.release()


def test_a_remote_path_shows_itself():
    assert repr(as_path("s3://b/a b")) == "RemotePath('s3://b/a b')"
    assert isinstance(as_path("s3://b/a").relative_to("s3://b"), PurePosixPath)
    assert isinstance(as_path("s3://b/a"), RemotePath)
