import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.fresh_python import loaded_by
from vernal.pipelines.features import create_pipeline


def test_the_pipeline_stands_under_its_own_name():
    pipeline = create_pipeline()
    assert {node.namespace for node in pipeline.nodes} == {"features"}
    free = {name for name in pipeline.inputs() if not name.startswith("params:")}
    assert free == {
        "source_manifest",
        "known_embeddings",
        "problem_card",
        "features.known_store",
        "features.known_networks",
    }
    assert {
        "features.report",
        "features.gallery",
        "features.runtime",
        "features.failures",
    } <= pipeline.all_outputs()


def test_its_nodes_load_nothing_heavy():
    heavy = ("tensorflow", "keras", "librosa", "matplotlib", "sklearn")
    assert loaded_by("import vernal.pipelines.features", heavy) == []


def _run(project: Path, data_root: Path, *params: str) -> None:
    command = [sys.executable, "-m", "kedro", "run", "--env=test", "--pipeline=features"]
    subprocess.run(
        [*command, "--params=" + ",".join([f"data_root={data_root}", "workers=1", *params])],
        cwd=project,
        check=True,
        capture_output=True,
        text=True,
    )


RESULTS = ("points.csv", "leaderboard.csv", "classification.csv", "comparisons.csv")


@pytest.mark.slow
def test_the_study_runs_on_the_companion_set_and_two_runs_give_the_same_bytes(project, tmp_path):
    _run(project, tmp_path / "one run")
    _run(project, tmp_path / "another")
    first, second = (tmp_path / name / "08_reporting" / "features" for name in ("one run", "another"))
    for name in RESULTS:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    page = (first / "report.html").read_text(encoding="utf-8")
    assert "DEMO COMPANION SET" in page and "march" in page
    assert {path.name for path in (first / "gallery").glob("*.png")} == {
        f"{name}.png" for name in ("drone", "lament", "march", "stroll", "waltz")
    }
    assert (first / "runtime.csv").is_file()
    library = tmp_path / "one run" / "06_models" / "features"
    before = {path.name: path.stat().st_mtime_ns for path in library.glob("*.npz")}
    _run(project, tmp_path / "one run")
    assert before == {path.name: path.stat().st_mtime_ns for path in library.glob("*.npz")}


@pytest.mark.slow
def test_the_study_runs_on_esc10_far_above_chance(project, shared_data, tmp_path):
    metadata = pd.read_csv(shared_data / "esc10" / "metadata.csv", dtype=str)
    manifest = pd.DataFrame(
        {
            "file_path": metadata.filename,
            "label": metadata.category,
            "site": "fold " + metadata.fold,
            "group": metadata.source_id,
        }
    )
    manifest.to_csv(tmp_path / "esc10.csv", index=False)
    command = [sys.executable, "-m", "kedro", "run", "--pipeline=features"]
    params = (
        f"source.manifest={tmp_path / 'esc10.csv'},source.audio_root={shared_data / 'esc10'},data_root={tmp_path / 'out'},"
        "points=features_001;features_025;features_028"
    )
    subprocess.run([*command, f"--params={params}"], cwd=project, check=True, capture_output=True, text=True)
    board = pd.read_csv(tmp_path / "out" / "08_reporting" / "features" / "leaderboard.csv")
    best = board.set_index("model").sort_values("accuracy_mean")
    assert {"lstm", "conv", "linear"} == set(best.index)
    assert (best.accuracy_low > 4 * best.chance).all()
    assert best.accuracy_mean["linear"] > 0.9
    roots = json.loads((tmp_path / "out" / "02_intermediate" / "features" / "audio_roots.json").read_text())
    assert roots == {"labelled": str(shared_data / "esc10")}
    assert "DEMO" not in (tmp_path / "out" / "08_reporting" / "features" / "report.html").read_text(
        encoding="utf-8"
    )
