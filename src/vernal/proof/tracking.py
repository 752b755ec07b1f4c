"""Points as runs of MLflow, for people who look at experiments there. Off by default; nothing else depends on it.

One MLflow run a point, through MLflow's own API. A point that is logged already, with the same settings and
the same results, is not logged again.
"""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vernal.common.hashing import digest
from vernal.common.problems import InputError
from vernal.common.settings import settings
from vernal.common.storage import named_copy, on_disk
from vernal.sweeps.stage_folder import StageFolder

_KEY = "vernal.key"


@settings("tracking")
class TrackingOptions:
    """Whether and where points are logged.

    uri: MLflow's tracking address (a folder as `file:///...`, `sqlite:///...` where SQLAlchemy is installed, or a
    server); null is the folder `mlruns` below the data folder. experiment: its name; null is the stage's.
    """

    enabled: bool = False
    uri: str | None = None
    experiment: str | None = None


def log_stage(data_root: Path, stage: str, options: TrackingOptions) -> int:
    """Log every point of a stage that has results.

    Returns:
        How many were logged now; those of equal settings and results were there before.
    Raises:
        InputError: MLflow is not installed or does not answer.
    """
    from vernal.common.table_files import read_table

    client, exceptions = _client(data_root, options)
    folder = StageFolder(data_root, stage)
    table = read_table(folder.points_table)
    try:
        experiment = _experiment(client, options.experiment or stage)
        n_logged = 0
        for row in table[table.error.isna()].to_dict("records"):
            n_logged += _log_point(
                client, experiment, folder, {str(name): value for name, value in row.items()}
            )
    except exceptions as error:
        raise InputError(
            f"MLflow at {_uri(data_root, options)} did not take the points ({error}). Set tracking.uri, or "
            "tracking.enabled: false."
        ) from error
    return n_logged


def _uri(data_root: Path, options: TrackingOptions) -> str:
    return options.uri or on_disk(data_root / "mlruns", "MLflow without tracking.uri").resolve().as_uri()


def _client(data_root: Path, options: TrackingOptions) -> tuple[Any, type[Exception]]:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    if _uri(data_root, options).startswith("file:"):
        # MLflow wants to hear that a folder is meant; it is the one store that needs no further package.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise InputError(
            "tracking.enabled is true, but MLflow is not installed. Run `pip install mlflow-skinny`, "
            "or set tracking.enabled: false."
        ) from error
    try:
        return MlflowClient(tracking_uri=_uri(data_root, options)), MlflowException
    except (MlflowException, ImportError) as error:
        raise InputError(
            f"MLflow cannot use {_uri(data_root, options)} ({error}). Set tracking.uri."
        ) from error


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(client.create_experiment(name) if found is None else found.experiment_id)


def _log_point(client: Any, experiment: str, folder: StageFolder, row: Mapping[str, Any]) -> bool:
    from mlflow.entities import Metric, Param, RunTag

    key = digest(
        "mlflow", {name: None if _is_missing(value) else value for name, value in row.items()}, length=32
    )
    if client.search_runs([experiment], f"tags.`{_KEY}` = '{key}'", max_results=1):
        return False
    run = client.create_run(experiment, run_name=row["point"], tags={"vernal.stage": folder.stage})
    settings, metrics = _divided(row)
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(name, value, run.info.start_time, 0) for name, value in metrics.items()],
        params=[Param(name, text) for name, text in settings.items()],
        tags=[RunTag("vernal.config_hash", str(row["config_hash"]))],
    )
    files = [folder.report, folder.certificate, folder.model_card, folder.data_card]
    model = folder.models / row["point"]
    for file in [*files, *(sorted(model.iterdir()) if model.is_dir() else [])]:
        if file.is_file():
            with named_copy(file) as on_this_disk:
                client.log_artifact(
                    run.info.run_id, str(on_this_disk), "model" if file.parent == model else None
                )
    # Last of all, so that a run that broke off here is not taken for a logged one.
    client.set_tag(run.info.run_id, _KEY, key)
    client.set_terminated(run.info.run_id)
    return True


def _divided(row: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, float]]:
    """Settings as text, results as numbers; what is undefined is left out."""
    from vernal.sweeps.point_settings import SETTINGS

    settings, metrics = {}, {}
    for name, value in row.items():
        if _is_missing(value):
            continue
        if name in SETTINGS:
            settings[name] = str(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            metrics[name] = float(value)
    return settings, metrics


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))
