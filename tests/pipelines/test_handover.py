"""The hand-over as a person types it, after a detection run and before one."""

from pathlib import Path

import pytest

from tests.field.detection.conftest import make_season
from tests.field.detection.test_classifier import add_point
from tests.pipelines.test_detection import ran, run
from vernal.pipelines.handover import create_pipeline

pytestmark = pytest.mark.chain


def test_it_stands_on_what_detection_left():
    pipeline = create_pipeline()
    free = {name for name in pipeline.inputs() if not name.startswith("params:")}
    assert all(name.startswith("detection.") or name == "review_log" for name in free)
    assert pipeline.all_outputs() == {"detection.camtrap_dp"}


def test_a_season_is_handed_over(tmp_path):
    root, folder = tmp_path / "out ü", make_season(tmp_path / "season ü")
    words = " ".join(run(root, pipeline="handover").stderr.split())
    assert "Traceback" not in words and "does not exist yet; run the pipeline that writes it" in words
    add_point(root, "stage5", 3, logit=-1e6)
    ran(root, f"detection.recordings={folder}", "workers=1")
    package = root / "08_reporting" / "detection" / "camtrap-dp"
    refused = run(root, pipeline="handover")
    words = " ".join(refused.stderr.split())
    assert refused.returncode == 1 and "Traceback" not in words and not package.exists()
    assert "recorder without coordinates (2): Moth08; SMA01" in words and "handover.title" in words
    sites = tmp_path / "sites.csv"
    sites.write_text(
        "recorder,latitude,longitude,time zone\nMoth08,1,2,UTC\nSMA01,1,2.5,+10\n", encoding="utf-8"
    )
    ran(root, f"detection.recordings={folder}", f"source.sites={sites}", "workers=1")
    said = ran(root, "handover.title=Roosters", "handover.contributors=Ana <ana@example.org>+Bo",
               "handover.sampling_design=targeted", "handover.scientific_names.rooster=Gallus gallus",
               pipeline="handover")  # fmt: skip
    assert str(package) in said.replace("\n", "")
    assert_valid(package)


def assert_valid(package: Path) -> None:
    import json

    from frictionless import Package, system

    descriptor = json.loads((package / "datapackage.json").read_text(encoding="utf-8"))
    with system.use_context(trusted=True):
        tables = {name: value for name, value in descriptor.items() if name != "profile"}
        report = Package.from_descriptor(tables, basepath=str(package)).validate()
    assert report.valid, report.flatten(["rowNumber", "fieldName", "note"])
