"""A spec is saved whole, only in its folder, and over nothing that a person did not see."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vernal.common.problems import InputError
from vernal.sweeps.spec import Spec, parse_spec, read_spec
from vernal.web.results.drafts import spec_text
from vernal.web.results.spec_writer import save_spec


def spec_of(stage: str = "made", **axes: list) -> Spec:
    return parse_spec({"stage": stage, "axes": axes or {"seed": [1, 2]}}, "x")


def test_a_new_spec_is_written_whole(tmp_path: Path):
    saved = save_spec(tmp_path / "sweeps", spec_of())
    assert saved.is_written and read_spec(saved.path) == spec_of()
    assert [path.name for path in (tmp_path / "sweeps").iterdir()] == ["made.yml"]


def test_a_file_that_is_there_is_not_touched_unless_it_was_seen(tmp_path: Path):
    path = tmp_path / "made.yml"
    path.write_text("# mine\nstage: made\naxes: {seed: [7]}\n", encoding="utf-8")
    before = path.read_bytes()
    stopped = save_spec(tmp_path, spec_of())
    assert not stopped.is_written and path.read_bytes() == before
    assert "-# mine" in stopped.changes and "+  seed: [1, 2]" in stopped.changes
    path.write_text("stage: made\naxes: {seed: [8]}\n", encoding="utf-8")  # somebody changes it meanwhile
    again = save_spec(tmp_path, spec_of(), confirmed=stopped.digest)
    assert not again.is_written and again.digest != stopped.digest
    other = save_spec(tmp_path, spec_of(seed=[1, 2, 3]), confirmed=again.digest)  # agreed to for another text
    assert not other.is_written and b"[8]" in path.read_bytes()
    assert save_spec(tmp_path, spec_of(), confirmed=again.digest).is_written
    assert path.read_text(encoding="utf-8") == spec_text(spec_of())


def test_the_same_text_needs_no_question(tmp_path: Path):
    save_spec(tmp_path, spec_of())
    assert save_spec(tmp_path, spec_of()).is_written


@pytest.mark.parametrize("stage", ["../made", "a/b", "/tmp/made"])
def test_nothing_is_written_outside_the_folder(tmp_path: Path, stage: str):
    folder = tmp_path / "conf" / "sweeps"
    folder.mkdir(parents=True)
    with pytest.raises(InputError, match="does not lie in"):
        save_spec(folder, Spec(stage, {"seed": (1,)}, {}))
    assert list(tmp_path.rglob("*.yml")) == []


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_that_leads_out_is_refused(tmp_path: Path):
    folder, other = tmp_path / "sweeps", tmp_path / "other.yml"
    folder.mkdir()
    other.write_text("keep me", encoding="utf-8")
    (folder / "made.yml").symlink_to(other)
    with pytest.raises(InputError, match="does not lie in"):
        save_spec(folder, spec_of())
    assert other.read_text(encoding="utf-8") == "keep me"


def test_a_folder_in_its_place_is_refused(tmp_path: Path):
    (tmp_path / "made.yml").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        save_spec(tmp_path, spec_of())


def test_text_that_yaml_would_misread_survives(tmp_path: Path):
    names = [
        "yes",
        "007",
        "null",
        "1e5",
        "a: b",
        "# no comment",
        "[x]",
        "'quoted'",
        "ümlaut",
        "- dash",
        "@at",
    ]
    spec = parse_spec(
        {"stage": "made", "description": "a: 'b' # c", "axes": {"recorders": [names, ["x"]]}}, "x"
    )
    assert read_spec(save_spec(tmp_path, spec).path) == spec
