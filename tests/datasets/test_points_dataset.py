"""The folder of point files as a catalog dataset."""

from pathlib import Path

import pytest
from kedro.io import DatasetError

from vernal.datasets.points_dataset import PointsDataset
from vernal.sweeps.plans import resolve_points
from vernal.sweeps.points import point_record, point_to_yaml
from vernal.sweeps.spec import expand, read_stage


def test_a_round_trip_keeps_every_point_and_writes_what_expand_writes(tmp_path: Path, project: Path):
    points = expand(read_stage(project / "conf" / "sweeps", "imbalance"))
    records = {point.name: point_record(point) for point in points}
    dataset = PointsDataset(path=(tmp_path / "a b").as_posix())
    dataset.save(records)
    assert dataset.load() == records
    assert (tmp_path / "a b" / "imbalance_001.yml").read_text(encoding="utf-8") == point_to_yaml(points[0])


def test_shipped_point_files_load_into_a_plan(project: Path):
    sweeps = project / "conf" / "sweeps"
    loaded = PointsDataset(path=(sweeps / "stage5").as_posix()).load()
    assert len(resolve_points(read_stage(sweeps, "stage5"), loaded)) == len(loaded) == 120


def test_no_folder_is_no_points(tmp_path: Path):
    dataset = PointsDataset(path=(tmp_path / "none").as_posix())
    assert not dataset.exists()
    assert dataset.load() == {}


def test_names_that_leave_the_folder_are_refused(tmp_path: Path):
    dataset = PointsDataset(path=(tmp_path / "x").as_posix())
    for name in ("../x_001", "/x_001", ".x_001", ""):
        with pytest.raises(DatasetError, match="is not the name of a point"):
            dataset.save({name: {}})
    assert not list(tmp_path.rglob("*.yml"))


def test_a_broken_file_is_named(tmp_path: Path):
    (tmp_path / "x_001.yml").write_text("a: [", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"x_001.yml is not valid YAML"):
        PointsDataset(path=tmp_path.as_posix()).load()
