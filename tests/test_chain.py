"""The whole chain, run as a person runs it: `kedro run` in a process of its own, on the tiny demo season."""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.runners.stage_runs import results
from tests.tiny_season import kedro_run, run_once
from vernal.audio.encoders.base import encoder_version

pytestmark = pytest.mark.chain

RESULTS = ("points.csv", "leaderboard.csv", "effects.csv")
MODEL_FILES = {"head.npz", "labels.txt", "history.csv", "parameters.yml"}


def digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in RESULTS}


@pytest.fixture(scope="session")
def stage5(project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A data folder (with a space in its path) after `kedro run --pipeline=stage5`, and what the run said."""
    folder = run_once(project, tmp_path_factory)
    return folder / "run", (folder / "stderr.txt").read_text(encoding="utf-8")


def test_stage5_ends_with_120_evaluated_points(stage5):
    data_root, _ = stage5
    points = pd.read_csv(data_root / "08_reporting" / "stage5" / "points.csv")
    assert points.point.tolist() == [f"stage5_{number:03d}" for number in range(1, 121)]
    assert points.error.isna().all()
    for column in (
        "test_ood_f1",
        "test_ood_auroc",
        "val_average_precision",
        "threshold_logit",
        "n_train_positive",
    ):
        assert points[column].notna().all(), column
    assert set(points.encoder) == {"birdnet_v2.4"}
    assert set(points.encoder_version) == {encoder_version("birdnet_v2.4")}
    assert set(points.trained_by) == {"vernal"}
    known = {file.stem for file in (data_root / "06_models" / "heads").glob("*.npz")}
    assert set(points.fit_key) <= known
    assert len(pd.read_csv(data_root / "08_reporting" / "stage5" / "leaderboard.csv")) == 40


def test_every_file_of_the_contract_is_there(stage5):
    data_root, _ = stage5
    for name in ("points.csv", "leaderboard.csv", "effects.csv", "report.html"):
        assert (data_root / "08_reporting" / "stage5" / name).stat().st_size > 0, name
    model = data_root / "06_models" / "stage5" / "stage5_001"
    assert {file.name for file in model.iterdir()} == MODEL_FILES
    scores = pd.read_parquet(data_root / "07_model_output" / "stage5" / "scores.parquet")
    assert scores.columns.tolist() == ["point", "clip_id", "split", "logit", "is_positive"]
    assert scores.groupby("point", observed=True).size().nunique() == 1


def test_every_clip_of_every_split_is_scored_by_every_point(stage5):
    data_root, _ = stage5
    splits = pd.read_parquet(data_root / "03_primary" / "splits.parquet")
    scores = pd.read_parquet(data_root / "07_model_output" / "stage5" / "scores.parquet")
    evaluated = set(splits.clip_id[splits.split != "train"])
    first = scores[scores.point == "stage5_001"]
    assert set(first.clip_id) == evaluated
    assert len(scores) == 120 * len(evaluated)


def test_the_run_names_the_files_to_look_at_and_draws_the_leaderboard(stage5):
    data_root, said = stage5
    assert str(data_root / "08_reporting" / "stage5" / "report.html") in said
    assert "DEMO: synthetic recordings" in said
    assert "deprecat" not in said.lower()
    assert said.isascii()


def test_a_second_run_trains_nothing_and_gives_the_same_bytes(project: Path, stage5):
    data_root, _ = stage5
    before = digests(data_root / "08_reporting" / "stage5")
    heads = {file: file.stat().st_mtime_ns for file in (data_root / "06_models" / "heads").iterdir()}
    kedro_run(project, "--pipeline=stage5", f"--params=data_root={data_root}")
    assert digests(data_root / "08_reporting" / "stage5") == before
    assert {file: file.stat().st_mtime_ns for file in (data_root / "06_models" / "heads").iterdir()} == heads


def test_what_stands_is_what_a_full_run_gives_and_what_is_deleted_is_made_again(project: Path, stage5):
    data_root, said = stage5
    params = f"--params=data_root={data_root}"
    assert " stands" not in said
    before = results(data_root)
    said = kedro_run(project, "--pipeline=stage5", params).stderr
    for node in ("balance", "fold", "score", "evaluate", "draw", "prove", "report"):
        assert re.search(rf"stage5\.{node} +stands", said), node
    assert results(data_root) == before
    for note in data_root.rglob(".*.stands"):
        note.unlink()
    (data_root / "08_reporting" / "stage5" / "plots" / "roc.svg").unlink()
    assert " stands" not in kedro_run(project, "--pipeline=stage5", params).stderr
    assert results(data_root) == before


def test_rejected_rows_of_the_demo_are_none_and_excluded_pool_clips_have_reasons(stage5):
    data_root, _ = stage5
    assert len(pd.read_csv(data_root / "02_intermediate" / "rejects.csv")) == 0
    excluded = pd.read_csv(data_root / "03_primary" / "mining" / "excluded.csv")
    assert excluded.reason.notna().all()


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX signal")
def test_one_point_alone_killed_and_continued_is_the_point_of_the_whole_stage(
    project: Path, stage5, tmp_path: Path
):
    reference, _ = stage5
    only = f"data_root={tmp_path},points=stage5_007"
    kill_repeatedly(project, only, times=2, seed=1, longest_s=14)
    kedro_run(project, "--pipeline=stage5", f"--params={only}")
    found, expected = (
        pd.read_csv(root / "08_reporting" / "stage5" / "points.csv", dtype="str").set_index("point")
        for root in (tmp_path, reference)
    )
    assert found.index[found.error.isna()].tolist() == ["stage5_007"]
    pd.testing.assert_series_equal(found.loc["stage5_007"], expected.loc["stage5_007"])
    model = Path("06_models") / "stage5" / "stage5_007"
    for file in (Path("03_primary") / "splits.parquet", *(model / name for name in MODEL_FILES)):
        assert (tmp_path / file).read_bytes() == (reference / file).read_bytes(), file


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX signal")
def test_a_run_killed_many_times_is_continued_to_the_same_results(project: Path, stage5, tmp_path: Path):
    reference, _ = stage5
    kill_repeatedly(project, f"data_root={tmp_path}", times=12, seed=2, longest_s=30)
    kedro_run(project, "--pipeline=stage5", f"--params=data_root={tmp_path}")
    assert digests(tmp_path / "08_reporting" / "stage5") == digests(reference / "08_reporting" / "stage5")


def kill_repeatedly(project: Path, params: str, times: int, seed: int, longest_s: float) -> None:
    """Start the stage and kill it, with all its children, at random moments."""
    draw = random.Random(seed)
    for _ in range(times):
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "kedro",
                "run",
                "--env=test",
                "--pipeline=stage5",
                f"--params={params}",
            ],
            cwd=project,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(draw.uniform(2, longest_s))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_real_recordings_run_through_the_same_command(project: Path, shared_data: Path, tmp_path: Path):
    metadata = pd.read_csv(shared_data / "esc10" / "metadata.csv")
    chosen = metadata[metadata.category.isin(["rooster", "dog_bark", "rain"])]
    manifest = tmp_path / "my manifest.csv"
    pd.DataFrame(
        {
            "file_path": chosen.filename,
            "label": chosen.category,
            "site": chosen.fold,
            "group": chosen.source_id,
        }
    ).to_csv(manifest, index=False)
    field = tmp_path / "field"
    field.mkdir()
    for path in sorted((shared_data / "field").glob("*.flac"))[:3]:
        (field / path.name).write_bytes(path.read_bytes())
    params = f"source.manifest={manifest},source.audio_root={shared_data / 'esc10'},source.field={field},target=rooster"
    out = tmp_path / "out"
    result = kedro_run(project, "--pipeline=baseline", f"--params={params},data_root={out}")
    points = pd.read_csv(out / "08_reporting" / "baseline" / "points.csv")
    splits = pd.read_parquet(out / "03_primary" / "splits.parquet")
    assert set(splits.site[splits.split == "test_ood"]) == {"3"}
    assert points.test_ood_auroc[0] > 0.95
    assert "demo season" not in result.stderr.lower()
    assert (
        "demo season"
        not in (out / "08_reporting" / "baseline" / "report.html").read_text(encoding="utf-8").lower()
    )


def test_bad_input_is_one_message_before_any_long_work(project: Path, tmp_path: Path):
    manifest = tmp_path / "m.csv"
    manifest.write_text("file_path,label,quality\nnone.wav,positive,hihg\n../x.wav,frog,\n")
    result = kedro_run(
        project,
        "--pipeline=stage5",
        f"--params=source.manifest={manifest},data_root={tmp_path / 'out'}",
        check=False,
    )
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    for expected in (
        "unknown quality (1): row 1: 'hihg'",
        "file not found (1)",
        "path leaves the audio root (1)",
    ):
        assert expected in result.stderr
    assert not (tmp_path / "out" / "04_feature").exists()


def test_two_runs_on_one_folder_do_not_meet(project: Path, tmp_path: Path):
    from vernal.framework.hooks import take_lock

    lock = take_lock(tmp_path)
    try:
        result = kedro_run(project, "--pipeline=demo", f"--params=data_root={tmp_path}", check=False)
    finally:
        lock.release()
    assert result.returncode != 0
    assert "Another run is at work" in result.stderr
    assert "Traceback" not in result.stderr
