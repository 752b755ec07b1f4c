"""The tables of a season of nothing but names and times."""

import pytest

from vernal.commands.benchmarks.season import bench_season, make_season


def test_a_made_season_has_its_nights_and_two_calls_a_recording():
    listed, found = make_season(9 * 432 * 2)
    assert listed.file_path.is_unique and listed.recorder_id.nunique() == 9
    assert len(found.detections) == 2 * len(listed) and set(found.effort.night) == {
        "2025-04-03",
        "2025-04-04",
    }
    assert found.effort.heard_s.sum() == 60 * len(listed)


def test_its_tables_are_measured():
    report = bench_season(900)
    assert report["n_windows"] == 18_000 and report["hours"] == 15 and report["peer_s"] is None
    assert report["ours_s"] > 0 and report["ours_all_memory_mb"] > 50


@pytest.mark.slow
def test_a_season_takes_little_memory():
    assert bench_season(540_000)["ours_all_memory_mb"] < 1_000
