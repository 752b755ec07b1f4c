"""`kedro bench`, as a person types it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from vernal.audio.embedding.windows import EmbeddingOptions, plan_windows
from vernal.commands.bench import bench, make_many_clips
from vernal.commands.benchmarks import embed as bench_embed
from vernal.commands.benchmarks import made_stage
from vernal.commands.benchmarks import stage as bench_stage
from vernal.commands.benchmarks import train as bench_train
from vernal.commands.benchmarks.report import shown, terminal_table
from vernal.common.table_files import read_table


def call(*arguments: str):
    return CliRunner().invoke(bench, list(arguments))


def said(*arguments: str) -> str:
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Measurements that take no time; returns what they were asked for."""
    asked = []
    values = {"ours_s": 1.0, "peer_s": 50.0, "ratio": 50.0}

    def embed(folder, clips, workers, sides="both"):
        asked.append((folder is None, clips, workers, sides))
        return values if sides == "both" else {**values, "peer_s": None, "ratio": None}

    def train(clips, epochs, points, hidden_points, peer_seeds):
        asked.append((clips, epochs, points, hidden_points, peer_seeds))
        own = {**values, "ours_cpu_s": 2.0, "peer_cpu_s": 90.0}
        return {"linear": own, "hidden_512": values, "clips": clips, "epochs": epochs}

    def stage(sizes, workers, scale, peer_points, n_targets, say):
        asked.append((tuple(sizes), workers, scale, peer_points, n_targets))
        return {f"stage5_{size}": {**values, "points": size} for size in sizes}

    monkeypatch.setattr(bench_embed, "bench_embed", embed)
    monkeypatch.setattr(bench_train, "bench_train", train)
    monkeypatch.setattr(bench_stage, "bench_stage", stage)
    return asked


def test_json_is_one_object_of_things_measured(quick):
    for command, names in (
        ("embed", ["48_kHz"]),
        ("train", ["linear", "hidden_512"]),
        ("sweep", ["stage5_30", "stage5_120"]),
    ):
        found = json.loads(said(command, "--json"))
        assert list(found) == names
        for values in found.values():
            assert {"ours_s", "peer_s", "ratio"} <= set(values)
    assert quick == [(True, 400, 2, "both"), (4_800, 10, 120, 10, 5), ((30, 120), 2, 1.0, 4, 0)]


def test_options_reach_the_measurement(quick, tmp_path: Path):
    said("embed", "--folder", str(tmp_path), "--clips", "7", "--workers", "1")
    said("train", "--points", "3", "--clips", "200", "--epochs", "2", "--seeds", "1")
    said(
        "sweep",
        "--points",
        "5",
        "--large",
        "--scale",
        "0.1",
        "--peer-points",
        "0",
        "--workers",
        "1",
        "--targets",
        "3",
    )
    assert quick == [(False, 7, 1, "both"), (200, 2, 3, 3, 1), ((5, 900), 1, 0.1, 0, 3)]


def test_the_table_names_both_sides(quick):
    output = said("train")
    assert "BirdNET-Analyzer, s a point" in output
    assert "linear" in output and "hidden_512" in output
    assert "45" in output  # the ratio of processor time


def test_a_side_that_fails_is_told_without_a_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def fail(*_):
        raise RuntimeError("peer failed in the benchmark:\nno memory")

    monkeypatch.setattr(bench_stage, "bench_stage", fail)
    result = call("sweep")
    assert (result.exit_code, "Traceback" in result.output) == (1, False)
    assert "peer failed in the benchmark" in result.output
    assert "holds no audio" in call("embed", "--folder", str(tmp_path)).output


def test_numbers_are_short_and_missing_ones_are_dashes():
    assert [shown(value) for value in (None, 0.0, 0.0171, 3.14159, 99.96, 1234.5, 1e-6, 7)] == [
        "-", "0", "0.0171", "3.14", "100", "1,234", "1e-06", "7",
    ]  # fmt: skip
    assert terminal_table({"ratio": "ratio"}, {"a": {}}).splitlines()[1].split() == ["a", "-"]


def test_many_clips_are_all_different(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vernal.commands.bench._STAMPED", 2)
    make_many_clips(tmp_path, 5)
    contents = [path.read_bytes() for path in sorted(tmp_path.rglob("*.wav"))]
    assert len(set(contents)) == 5
    assert len({len(content) for content in contents}) == 1


def test_the_made_stage_trains_and_reports_every_point(tmp_path: Path):
    """In this process and small; the command runs each step in its own."""
    made_stage.prepare(tmp_path, scale=0.02, n_targets=2)
    _, plan = bench_stage._plan(130)
    assert plan.seed.nunique() == 4
    assert len(plan) == 130
    assert (plan.head(40).seed == 123).all()
    clips, splits, subsets = bench_stage._tables(made_stage.target_folder(tmp_path, 0))
    assert set(subsets) == set(made_stage.subsets_of(made_stage.published_stage(0.02)))
    assert set(splits.split) == {"train", "val", "test_iid", "test_ood"}
    assert splits.groupby(["recorder_id", "night"]).split.nunique().max() == 1
    assert set(subsets["hardNeg/hardneg_conf_min_50"].clip_id) <= set(clips.clip_id)
    assert not set(subsets["hardNeg/hardneg_conf_min_50"].clip_id) & set(splits.clip_id)
    x, jobs = bench_stage._peer_jobs(tmp_path, plan.head(40))
    assert x.shape == (len(clips), 1024) and len({job.key for job in jobs}) == 40
    windows = plan_windows(clips, EmbeddingOptions())
    split = clips.set_index("clip_id").split[windows.clip_id]
    train = set(np.flatnonzero(split.eq("train") | split.isna()))
    for job in jobs:
        assert set(job.rows) | set(job.val_rows) <= train
        assert not set(job.rows) & set(job.val_rows)
        assert len(job.rows) == len(job.y) > len(job.val_rows) == len(job.val_y)
    assert jobs[0].y.mean() == pytest.approx(0.5, abs=0.01)
    # The second target is in other clips of the same splits, as many, and its subsets are its own.
    others, other_splits, other_subsets = bench_stage._tables(made_stage.target_folder(tmp_path, 1))
    assert (others.is_positive != clips.is_positive).any()
    counted = splits.groupby(["split", "is_positive"]).size()
    pd.testing.assert_series_equal(other_splits.groupby(["split", "is_positive"]).size(), counted)
    for name, table in other_subsets.items():
        assert len(table) == len(subsets[name])
        assert table.is_positive.eq(name.startswith("bestLowQuality")).all()


@pytest.mark.slow
def test_a_small_stage_runs_on_both_sides():
    found = bench_stage.bench_stage((3,), workers=1, scale=0.02, peer_points=1)["stage5_3"]
    assert found["trained"] == 3
    assert found["ours_s"] > 0 and found["peer_s"] > 0 and found["ratio"] > 0
    assert 50 < found["peak_memory_mb"] < 3_000


@pytest.mark.slow
def test_several_targets_run_together_and_each_has_its_own_calls(tmp_path: Path):
    """Heads learn little from 31 positives; a solved regression tells that labels and sounds belong together."""
    made_stage.prepare(tmp_path, scale=0.02, n_targets=2)
    found = bench_stage.run(tmp_path, 2, workers=1, n_targets=2)
    assert found["points"] == found["trained"] == 4 and found["together_s"] > 0
    for number in range(2):
        folder = tmp_path / "out_2" / f"target_{number:02d}" / "evaluation"
        assert read_table(folder / "points.parquet").val_reference_auroc.astype(float).min() > 0.7


def test_targets_are_measured_after_the_sizes(monkeypatch: pytest.MonkeyPatch):
    asked = []

    def step(module, name, folder, *arguments):
        asked.append((name, folder.name, *arguments))
        return {"peak_memory_mb": 1.0}

    monkeypatch.setattr(bench_stage, "in_own_process", step)
    found = bench_stage.bench_stage((3,), workers=1, scale=0.5, peer_points=0, n_targets=2)
    assert list(found) == ["stage5_3", "targets_2"] and found["targets_2"]["ratio"] is None
    assert [one for one in asked if one[0] == "run"][-1] == ("run", "targets", 120, 1, 2)
    assert ("prepare", "targets", 0.5, 2) in asked


@pytest.mark.parametrize("command", ["embed", "train", "sweep"])
def test_help_has_an_example(command: str):
    assert f"Example:  kedro bench {command}" in said(command, "--help")
