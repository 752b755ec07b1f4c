"""The sample and tables of a season of nothing but names and times."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from tools.benchmarks.__main__ import main
from tools.benchmarks.page import SECTIONS
from tools.benchmarks.season import CLASSIFIER, bench_season, draw, make_season


def test_a_made_season_has_its_nights_and_two_calls_a_recording():
    listed, found = make_season(9 * 432 * 2)
    assert listed.file_path.is_unique and listed.recorder_id.nunique() == 9
    assert len(found.detections) == 2 * len(listed) and set(found.effort.night) == {
        "2025-04-03",
        "2025-04-04",
    }
    assert found.effort.heard_s.sum() == 60 * len(listed)


def test_windows_to_check_are_drawn_from_its_scores(tmp_path):
    listed, found = make_season(270)
    sample = draw(found.files, CLASSIFIER, tmp_path)
    assert len(sample) == 96 and sample.file_path.isin(listed.file_path).all()
    floor = np.log(0.05 / 0.95)
    assert sample.logit.min() >= floor and 500 < sample.weight.sum() < 270 * 20


def test_its_sample_and_tables_are_measured():
    done = CliRunner().invoke(main, ["season", "--recordings=900"])
    assert done.exit_code == 0, done.output
    (report,) = json.loads(done.stdout).values()
    assert set(SECTIONS["season"].columns) <= set(report) and report["recordings"] == 900
    assert report["n_windows"] == 18_000 and report["hours"] == 15 and report["peer_s"] is None
    assert report["ours_s"] > 0 and report["ours_all_memory_mb"] > 50


@pytest.mark.slow
def test_a_season_takes_little_memory():
    assert bench_season(540_000)["ours_all_memory_mb"] < 1_000
