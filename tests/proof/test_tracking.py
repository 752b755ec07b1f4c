"""Points in MLflow: one run a point, logged once; without MLflow a clear word."""

from __future__ import annotations

import builtins
from pathlib import Path

import pytest

from tests.proof.conftest import MadeStage
from vernal.common.problems import InputError
from vernal.common.table_files import write_table
from vernal.proof.tracking import TrackingOptions, log_stage
from vernal.training.models import save_model


@pytest.fixture
def data_root(made: MadeStage, tmp_path: Path) -> Path:
    folder = tmp_path / "08_reporting" / "made"
    write_table(made.points, folder / "points.csv")
    (folder / "report.html").write_text("<p></p>", encoding="utf-8")
    for name, model in made.models.items():
        save_model(tmp_path / "06_models" / "made" / name, model)
    return tmp_path


def test_every_point_is_a_run_with_settings_metrics_and_files_once(made: MadeStage, data_root: Path):
    pytest.importorskip("mlflow")
    options = TrackingOptions(enabled=True)
    assert [log_stage(data_root, "made", options) for _ in range(2)] == [2, 0]
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=(data_root / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("made")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"made_001", "made_002"}
    run = runs["made_001"]
    assert run.info.status == "FINISHED"
    assert run.data.params["seed"] == "1"
    assert run.data.metrics["test_ood_f1"] == made.points.test_ood_f1[0]
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {"report.html", "model"}


def test_changed_results_are_a_new_run(made: MadeStage, data_root: Path):
    pytest.importorskip("mlflow")
    options = TrackingOptions(enabled=True, experiment="mine")
    log_stage(data_root, "made", options)
    write_table(
        made.points.assign(test_ood_f1=[0.5, made.points.test_ood_f1[1]]),
        data_root / "08_reporting" / "made" / "points.csv",
    )
    assert log_stage(data_root, "made", options) == 1


def test_without_mlflow_the_message_says_what_to_do(data_root: Path, monkeypatch: pytest.MonkeyPatch):
    original = builtins.__import__

    def without_mlflow(name, *args, **kwargs):
        if name.split(".")[0] == "mlflow":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_mlflow)
    with pytest.raises(InputError, match=r"MLflow is not installed\. Run `pip install mlflow-skinny`"):
        log_stage(data_root, "made", TrackingOptions(enabled=True))


def test_an_address_that_mlflow_cannot_use_is_named(data_root: Path):
    pytest.importorskip("mlflow")
    with pytest.raises(InputError, match="nonsense"):
        log_stage(data_root, "made", TrackingOptions(enabled=True, uri="nonsense://x"))
