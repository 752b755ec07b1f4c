from pathlib import Path

import pytest

from vernal.common.files import (
    TEMPORARY_PREFIX,
    is_inside,
    sha256_of_file,
    write_bytes,
    write_text,
    writing,
    writing_folder,
)


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path: Path):
    file = tmp_path / "a b.txt"
    write_text(file, "old")
    with pytest.raises(RuntimeError, match="torn"), writing(file) as temporary:
        temporary.write_text("half")
        raise RuntimeError("torn")
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a b.txt"]


def test_the_temporary_name_is_hidden_and_keeps_the_ending(tmp_path: Path):
    with writing(tmp_path / "table.parquet") as temporary:
        assert temporary.name.startswith(TEMPORARY_PREFIX)
        assert temporary.suffix == ".parquet"
        temporary.write_bytes(b"x")
    assert (tmp_path / "table.parquet").read_bytes() == b"x"


def test_a_folder_takes_the_place_of_another_whole_or_not_at_all(tmp_path: Path):
    place = tmp_path / "deep" / "place"
    for content in ("first", "second"):
        with writing_folder(place) as folder:
            (folder / content).touch()
        assert [file.name for file in place.iterdir()] == [content]
    with pytest.raises(ValueError, match="broke"), writing_folder(place) as folder:
        (folder / "third").touch()
        raise ValueError("broke")
    assert [file.relative_to(tmp_path).as_posix() for file in sorted(tmp_path.rglob("*"))] == [
        "deep", "deep/place", "deep/place/second"
    ]  # fmt: skip


def test_what_was_there_comes_back_where_a_new_folder_cannot_take_its_place(tmp_path: Path, monkeypatch):
    place, rename = tmp_path / "place", Path.rename
    place.mkdir()
    (place / "old").touch()

    def refused(self: Path, to: Path) -> Path:
        if to == place and (self / "new").exists():
            raise PermissionError("in use")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(PermissionError, match="in use"), writing_folder(place) as folder:
        (folder / "new").touch()
    assert [file.relative_to(tmp_path).as_posix() for file in sorted(tmp_path.rglob("*"))] == [
        "place",
        "place/old",
    ]


def test_parents_of_a_folder_that_came_to_nothing_go_with_it(tmp_path: Path):
    with pytest.raises(ValueError), writing_folder(tmp_path / "a" / "b" / "place"):
        raise ValueError
    assert list(tmp_path.iterdir()) == []


def test_text_has_one_kind_of_line_end(tmp_path: Path):
    write_text(tmp_path / "a.csv", "a\nb\n")
    assert (tmp_path / "a.csv").read_bytes() == b"a\nb\n"


def test_sha256_golden(tmp_path: Path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of_file(tmp_path / "abc").startswith("ba7816bf8f01cfea")


def test_a_link_that_leads_out_is_not_inside(tmp_path: Path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    try:
        (root / "link").symlink_to(outside)
    except OSError:
        pytest.skip("this system does not allow symbolic links")
    assert is_inside(root / "x.wav", root)
    assert not is_inside(root / "a\0b.wav", root)
    assert not is_inside(root / "link" / "x.wav", root)
    assert not is_inside(root / ".." / "outside", root)


def test_pieces_are_written_whole_or_not_at_all(tmp_path):
    write_bytes(tmp_path / "a.csv", (bytes([number]) for number in range(3)))
    assert (tmp_path / "a.csv").read_bytes() == b"\x00\x01\x02"

    def broken():
        yield b"x"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_bytes(tmp_path / "a.csv", broken())
    assert (tmp_path / "a.csv").read_bytes() == b"\x00\x01\x02"
