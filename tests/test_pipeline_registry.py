import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kedro.pipeline import Pipeline

from vernal.pipeline_registry import (
    DATA_PREPARATION,
    STUDIES,
    LazyPipelines,
    register_pipelines,
    stages_on_disk,
)

HEAVY = (
    "tensorflow",
    "keras",
    "librosa",
    "sklearn",
    "scipy",
    "imblearn",
    "matplotlib",
    "pandera",
    "pandas",
    "pyarrow",
)


def test_a_pipeline_is_built_when_it_is_asked_for_and_once():
    calls = []
    pipelines = LazyPipelines({"a": lambda: calls.append("a") or Pipeline([])})
    assert list(dict(pipelines)) == ["a"]
    assert calls == []
    assert pipelines["a"] is pipelines["a"]
    assert calls == ["a"]


def test_listing_imports_nothing_heavy(project: Path):
    code = (
        "import sys; from kedro.framework.startup import bootstrap_project; from pathlib import Path\n"
        "bootstrap_project(Path.cwd()); from kedro.framework.project import pipelines\n"
        f"names = list(pipelines); print(len(names), [name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True
    )
    count, loaded = result.stdout.strip().splitlines()[-1].split(" ", 1)
    assert int(count) > 10
    assert loaded == "[]"


def test_every_spec_file_is_a_stage(tmp_path: Path):
    (tmp_path / "b.yml").write_text("")
    (tmp_path / "a.yml").write_text("")
    (tmp_path / "a").mkdir()
    assert stages_on_disk(tmp_path) == ["a", "b"]


def test_every_dataset_of_every_pipeline_is_in_the_catalog(project: Path):
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(project)
    with KedroSession.create(project_path=project) as session:
        catalog = session.load_context().catalog
        for name, pipeline in dict(register_pipelines()).items():
            pipeline = register_pipelines()[name]
            missing = [dataset for dataset in pipeline.datasets() if dataset not in catalog]
            assert not missing, f"{name}: {missing}"


def test_a_stage_is_a_handful_of_nodes_under_its_name():
    nodes = [node for node in register_pipelines()["stage5"].nodes if node.namespace == "stage5"]
    assert 5 <= len(nodes) <= 11
    assert {node.name.removeprefix("stage5.") for node in nodes} >= {
        "plan",
        "balance",
        "train",
        "score",
        "evaluate",
        "report",
    }


def test_the_default_run_prepares_the_data_and_runs_the_baseline():
    names = {node.name for node in register_pipelines()["__default__"].nodes}
    assert {
        "ingest.check_audio",
        "quality_splitting.split_clips",
        "baseline.train",
        "baseline.report",
    } <= names


def test_the_layers_of_a_stage_read_from_left_to_right(project: Path):
    """Kedro-Viz draws no layers at all where one layer both feeds another and is fed by it."""
    from graphlib import TopologicalSorter

    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(project)
    pipeline = register_pipelines()["stage5"]
    with KedroSession.create(project_path=project) as session:
        catalog = session.load_context().catalog
        layer_of = {
            name: ((catalog[name].metadata or {}).get("kedro-viz") or {}).get("layer")
            for name in pipeline.datasets()
            if not name.startswith("params:")
        }
    fed_by: dict[str, set[str]] = {}
    for node in pipeline.nodes:
        for source in node.inputs:
            for target in node.outputs:
                before, after = layer_of.get(source), layer_of.get(target)
                if before and after and before != after:
                    fed_by.setdefault(after, set()).add(before)
    order = list(TopologicalSorter(fed_by).static_order())
    assert order[0] == "raw"
    assert order[-1] == "reporting"


def test_each_part_folds_under_its_name_and_shares_its_datasets():
    pipelines = register_pipelines()
    assert {node.namespace for node in pipelines["stage5"].nodes} == {*DATA_PREPARATION, "stage5"}
    for name in DATA_PREPARATION:
        assert {node.namespace for node in pipelines[name].nodes} == {name}
        assert not [dataset for dataset in pipelines[name].datasets() if dataset.startswith(f"{name}.")]


def test_data_preparation_is_recorded_as_no_stage(tmp_path: Path):
    from vernal.framework.hooks import start_record

    def stages(name: str) -> tuple[str, ...]:
        run = {"run_id": "r", "pipeline_names": [name]}
        return start_record(tmp_path, tmp_path, {}, run, register_pipelines()[name]).stages

    assert stages("ingest") == ()
    assert stages("stage5") == ("stage5",)


@pytest.fixture(scope="module")
def without_studies(project: Path, tmp_path_factory) -> Callable[..., str]:
    """Run a module in a copy of the project from which somebody deleted the studies: `run("kedro", "run")`."""
    copy = tmp_path_factory.mktemp("without studies") / "project"
    unwanted = shutil.ignore_patterns(".git", ".venv*", "data", "site", "__pycache__", ".*_cache")
    shutil.copytree(project, copy, ignore=unwanted)
    for folder in ("src/vernal/studies", "tests/studies"):
        shutil.rmtree(copy / folder)
    paths = os.pathsep.join([str(copy / "src"), str(copy)])

    def run(*module: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *module],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_without_the_studies_their_pipelines_are_not_listed(without_studies):
    listed = without_studies("kedro", "registry", "list")
    assert "- stage5" in listed and "- detection" in listed
    assert not any(f"- {name}\n" in listed for name in STUDIES)


@pytest.mark.slow
def test_without_the_studies_a_stage_runs_and_the_other_tests_pass(without_studies):
    without_studies("kedro", "run", "--pipeline=baseline", "--env=test")
    passed = without_studies(
        "pytest",
        "-n0",
        "tests/test_cli.py",
        "tests/pipelines",
        "tests/datasets",
        "tests/sweeps",
    )
    assert "passed" in passed
