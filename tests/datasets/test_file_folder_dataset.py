"""Files that are saved together are made beside one another, and an error of one is the save's."""

import threading
from pathlib import Path

import pytest

from vernal.datasets import file_folder_dataset
from vernal.datasets.file_folder_dataset import FileFolderDataset


def test_files_are_made_beside_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(file_folder_dataset, "cores", lambda: 2)
    both = threading.Barrier(2, timeout=10)
    names = {"a.txt": lambda: b"%d" % both.wait(), "b/c.txt": lambda: b"%d" % both.wait()}
    folder = FileFolderDataset(path=str(tmp_path / "out"))
    folder.save(names)
    assert {(tmp_path / "out" / name).read_bytes() for name in names} == {b"0", b"1"}


def test_an_error_of_one_file_is_the_saves(tmp_path: Path):
    def fails() -> bytes:
        raise ValueError("no sound")

    with pytest.raises(Exception, match="no sound"):
        FileFolderDataset(path=str(tmp_path / "out")).save({"a.txt": lambda: b"1", "b.txt": fails})
    assert not list((tmp_path / "out").rglob("*b.txt"))
