from pathlib import Path

import pytest

from vernal.common.files import TEMPORARY_PREFIX, is_inside, sha256_of_file, write_text, writing


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
    assert not is_inside(root / "link" / "x.wav", root)
    assert not is_inside(root / ".." / "outside", root)
