"""Point files: small, readable, and read back as what they were."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings

from tests.sweeps.test_point_settings import any_settings
from vernal.common.problems import InputError
from vernal.common.safe_yaml import parse_yaml
from vernal.sweeps.point_settings import SETTINGS
from vernal.sweeps.points import (
    make_point,
    point_record,
    point_to_yaml,
    read_point_records,
    read_records,
)
from vernal.sweeps.spec import expand, find_specs, read_stage


def test_a_point_file_holds_every_setting_a_line():
    text = point_to_yaml(make_point("stage5_017", {"quality": ["medium", "high"], "learning_rate": 1e-5}))
    lines = text.splitlines()
    assert (
        lines[0]
        == "# stage5_017 of conf/sweeps/stage5.yml. A setting changed here holds for this point alone."
    )
    assert "quality: [high, medium]" in lines
    assert "positive_subsets: []" in lines
    assert "learning_rate: 1.0e-05" in lines
    assert [line.split(":")[0] for line in lines[2:]] == [
        "point",
        *(name for name in SETTINGS if name != "encoder"),
        "made_from",
    ]


@given(any_settings())
@settings(max_examples=100, deadline=None)
def test_a_point_file_gives_its_point_back(raw):
    point = make_point("x_001", raw)
    text = point_to_yaml(point)
    record = parse_yaml(text)
    assert record == yaml.safe_load(text) == point_record(point)
    file = read_records({"x_001": record}, "x")["x_001"]
    assert make_point("x_001", file.settings) == point
    assert file.is_as_written


@given(any_settings())
def test_a_file_spelled_otherwise_is_as_written_and_a_changed_one_is_not(raw):
    record = point_record(make_point("x_001", raw))
    respelled = {
        name.replace("_", "-") if name in SETTINGS else name: value for name, value in record.items()
    }
    respelled["epochs"] = float(record["epochs"])
    respelled["quality"] = list(reversed(record["quality"]))
    assert read_records({"x_001": respelled}, "x")["x_001"].is_as_written
    changed = {**record, "epochs": record["epochs"] % 10_000 + 1}
    assert not read_records({"x_001": changed}, "x")["x_001"].is_as_written
    # An idle setting is still a person's edit, though the run is the same.
    idle = {**record, "focal_loss_gamma": record["focal_loss_gamma"] / 2 + 1.5}
    if idle != record:
        assert not read_records({"x_001": idle}, "x")["x_001"].is_as_written


def test_a_copied_file_is_not_taken_for_a_written_one():
    record = point_record(make_point("x_001", {}))
    with pytest.raises(InputError, match=r"under another name \(1\): x_002.yml says point: 'x_001'"):
        read_records({"x_002": record}, "conf/sweeps/x")
    renamed = {**record, "point": "x_002"}
    assert not read_records({"x_002": renamed}, "conf/sweeps/x")["x_002"].is_as_written


def test_wrong_point_files_are_all_named():
    records = {
        "x_001": {"drpout": 0.1},
        "x_002": {"dropout": 7},
        "x_003": [1],
        "x_004": None,
        "x_005": {"dropout": 0.1},
    }
    with pytest.raises(InputError) as caught:
        read_records(records, "conf/sweeps/x")
    for expected in (
        "conf/sweeps/x: 3 problems", "x_001.yml: 'drpout' (did you mean 'dropout'?)", "x_002.yml: dropout: 7",
        "x_003.yml: [1]; x_004.yml: None",
    ):  # fmt: skip
        assert expected in str(caught.value)
    assert "x_005" not in str(caught.value)


def test_a_folder_is_read_whole_and_its_broken_files_are_all_named(tmp_path: Path):
    folder = tmp_path / "my stage"
    assert read_point_records(folder) == {}
    folder.mkdir()
    (folder / "x_001.yml").write_text("dropout: 0.5\n", encoding="utf-8")
    (folder / ".partial-123.yml").write_text("dropout: [", encoding="utf-8")
    (folder / "notes.txt").write_text("dropout: [", encoding="utf-8")
    assert read_point_records(folder) == {"x_001": {"dropout": 0.5}}
    records = read_records(read_point_records(folder), "my stage")
    assert records["x_001"].settings == {"dropout": 0.5}
    (folder / "x_002.yml").write_text("dropout: [", encoding="utf-8")
    (folder / "x_003.yml").write_text("a: !!python/name:os.system ''", encoding="utf-8")
    with pytest.raises(
        InputError, match=r"cannot be read \(2\): x_002.yml is not valid YAML.*x_003.yml uses the tag"
    ):
        read_point_records(folder)


def test_shipped_point_files_are_what_their_specs_expand_to(project: Path):
    sweeps = project / "conf" / "sweeps"
    specs = find_specs(sweeps)
    folders = {folder.name: folder for folder in sweeps.iterdir() if folder.is_dir()}
    assert set(folders) == set(specs)
    for stage, folder in folders.items():
        expected = {f"{point.name}.yml": point_to_yaml(point) for point in expand(read_stage(sweeps, stage))}
        found = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}
        assert found.keys() == expected.keys()
        wrong = [name for name, text in expected.items() if found[name] != text]
        assert not wrong, f"{stage}: run `kedro sweep expand {stage}` ({wrong[:3]})"
