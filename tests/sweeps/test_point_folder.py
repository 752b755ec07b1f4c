"""Writing point files: in line with the spec, edits of people left alone."""

from pathlib import Path

import pytest

from vernal.common.problems import InputError
from vernal.sweeps.point_folder import write_point_files
from vernal.sweeps.points import point_to_yaml
from vernal.sweeps.spec import expand, parse_spec


def spec_of(**axes):
    return parse_spec({"stage": "x", "axes": axes}, "x.yml")


TWO = spec_of(seed=[1, 2])
THREE = spec_of(seed=[0, 1, 2])


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def edit(file: Path, old: str = "dropout: 0.25", new: str = "dropout: 0.5") -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_a_new_folder_is_filled_and_a_second_time_changes_nothing(tmp_path: Path):
    folder = tmp_path / "my sweeps" / "x"
    assert write_point_files(folder, TWO).new == ["x_001", "x_002"]
    assert names_in(folder) == ["x_001.yml", "x_002.yml"]
    times = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    again = write_point_files(folder, TWO)
    assert (again.unchanged, again.n_written) == (["x_001", "x_002"], 0)
    assert times == {file: file.stat().st_mtime_ns for file in folder.iterdir()}


def test_edited_files_are_kept_until_reset(tmp_path: Path):
    write_point_files(tmp_path, TWO)
    edit(tmp_path / "x_001.yml")
    edited = (tmp_path / "x_001.yml").read_bytes()
    changes = write_point_files(tmp_path, TWO)
    assert changes.kept == {"x_001": "dropout 0.25 -> 0.5"}
    assert (tmp_path / "x_001.yml").read_bytes() == edited
    assert write_point_files(tmp_path, TWO, reset=True).reset == {"x_001": "dropout 0.25 -> 0.5"}
    assert (tmp_path / "x_001.yml").read_text(encoding="utf-8") == point_to_yaml(expand(TWO)[0])


def test_files_of_an_older_spec_are_brought_up_to_date_and_edits_survive(tmp_path: Path):
    write_point_files(tmp_path, TWO)
    edit(tmp_path / "x_002.yml")
    changes = write_point_files(tmp_path, THREE)
    assert (changes.new, changes.updated) == (["x_003"], ["x_001"])
    assert changes.kept == {"x_002": "seed 1 -> 2, dropout 0.25 -> 0.5"}


def test_respelled_and_crlf_files_are_no_edits(tmp_path: Path):
    write_point_files(tmp_path, TWO)
    edit(tmp_path / "x_001.yml", "epochs: 0", "epochs: 0.0")
    assert write_point_files(tmp_path, TWO).updated == ["x_001"]
    text = (tmp_path / "x_001.yml").read_bytes()
    (tmp_path / "x_001.yml").write_bytes(text.replace(b"\n", b"\r\n"))
    assert write_point_files(tmp_path, TWO).unchanged == ["x_001", "x_002"]


def test_an_edit_that_was_taken_back_is_written_as_the_spec_has_it(tmp_path: Path):
    write_point_files(tmp_path, TWO)
    edit(tmp_path / "x_001.yml", "made_from: ", "made_from: 0")
    assert write_point_files(tmp_path, TWO).updated == ["x_001"]


def test_leftover_files_go_only_when_asked_and_edited_ones_only_with_reset(tmp_path: Path):
    write_point_files(tmp_path, THREE)
    edit(tmp_path / "x_003.yml")
    one = spec_of(seed=[0])
    assert write_point_files(tmp_path, one).leftover == ["x_002", "x_003"]
    changes = write_point_files(tmp_path, one, prune=True)
    assert (changes.removed, changes.leftover) == (["x_002"], ["x_003"])
    assert write_point_files(tmp_path, one, prune=True, reset=True).removed == ["x_003"]
    assert names_in(tmp_path) == ["x_001.yml"]


def test_unreadable_files_stop_everything_before_anything_is_written(tmp_path: Path):
    (tmp_path / "x_001.yml").write_text("dropout: [", encoding="utf-8")
    (tmp_path / "x_009.yml").write_text("drpout: 1", encoding="utf-8")
    with pytest.raises(
        InputError, match=r"cannot be read \(2\): x_001.yml is not valid YAML.*x_009.yml: 1 problem"
    ):
        write_point_files(tmp_path, TWO)
    assert not (tmp_path / "x_002.yml").exists()
    changes = write_point_files(tmp_path, TWO, reset=True)
    assert (changes.reset, changes.new, changes.leftover) == (
        {"x_001": "could not be read"},
        ["x_002"],
        ["x_009"],
    )


def test_a_dry_run_tells_the_same_and_touches_nothing(tmp_path: Path):
    write_point_files(tmp_path, THREE)
    edit(tmp_path / "x_001.yml")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    told = write_point_files(tmp_path, TWO, reset=True, prune=True, dry_run=True)
    assert before == {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert told == write_point_files(tmp_path, TWO, reset=True, prune=True)
