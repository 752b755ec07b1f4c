"""The measurement of Dask workers, in small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tools.benchmarks.cluster import bench_cluster, make_recordings

pytestmark = pytest.mark.processes


def test_a_small_measurement_has_all_it_promises():
    found = bench_cluster(minutes=3, workers=(1,), repeats=1)["1_worker"]
    assert found["ours_s"] == found["peer_s"] > 0 and found["ratio"] == found["cpu_ratio"] == 1
    assert found["hours"] == pytest.approx(0.05)
    assert found["hours_a_core_hour"] == pytest.approx(0.05 * 3_600 / found["ours_cpu_s"], rel=0.01)
    assert found["read_bytes_an_hour"] == pytest.approx(3_600 * 48_000 * 2, rel=0.001)
    # 1,200 windows of 1,024 float32 an hour, and a little around them.
    assert 1_200 * 4_096 < found["kept_bytes_an_hour"] < 1.2 * 1_200 * 4_096
    assert 0 <= found["others_share"] <= 1


def test_recordings_are_all_different(tmp_path: Path):
    assert make_recordings(tmp_path / "r", 3).content_hash.is_unique


def test_the_command_measures_and_writes_the_page(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from tools.benchmarks import cluster
    from tools.benchmarks.__main__ import main
    from tools.benchmarks.scaling import END, START

    values = {
        "workers": 2,
        "hours": 1.0,
        "ours_s": 10.0,
        "peer_s": 19.0,
        "ratio": 1.9,
        "hours_a_core_hour": 180.0,
        "read_bytes_an_hour": 345_600_000,
        "kept_bytes_an_hour": 5_000_000,
    }
    monkeypatch.setattr(cluster, "bench_cluster", lambda *args, **kwargs: {"2_workers": values})
    monkeypatch.chdir(project)
    page = tmp_path / "scaling.md"
    page.write_text(f"{START}\n{END}\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["cluster", "--scaling", str(page)])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["2_workers"]["ratio"] == 1.9
    assert "| one season |" in page.read_text(encoding="utf-8")
