"""A trained point of a stage, with its row of results: what an export or a detection starts from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.common.problems import InputError, suggest
from vernal.evaluation.deployment import deployed_point, leading_points
from vernal.evaluation.operating_points import why_none
from vernal.sweeps.point_settings import PointSettings, config_hash
from vernal.sweeps.stage_folder import StageFolder
from vernal.training.models import Model, load_model

ENCODER = "birdnet_v2.4"


@dataclass(frozen=True)
class ExportPoint:
    """What is exported: a trained point with the threshold that its stage chose, if it could choose one.

    `results` is its row of `points.csv`.
    """

    name: str
    stage: str
    model: Model
    settings: PointSettings
    audio: EmbeddingOptions
    results: dict[str, Any]

    @property
    def no_threshold(self) -> str:
        """Why it has no threshold; empty where it has one."""
        if self.results["threshold_logit"] is not None:
            return ""
        return why_none(self.results.get("val_n_positive"), self.results.get("val_n_negative"))

    @property
    def threshold_logit(self) -> float:
        """The logit from which it flags; NaN where validation could not choose one."""
        return float("nan") if self.no_threshold else float(self.results["threshold_logit"])


def trained_point(data_root: Path, stage: str, point: str) -> ExportPoint:
    """A trained point with its results, of any encoder.

    Raises:
        InputError: not there, or not finished.
    """
    folder = StageFolder(data_root, stage).models
    name = _point_name(folder, stage, point)
    model = load_model(folder / name)
    settings = PointSettings.from_row(model.parameters["settings"])
    audio = audio_of_model(model, str(folder / name))
    return ExportPoint(
        name,
        stage,
        model,
        settings,
        audio,
        _results(data_root, stage, name, settings, model.parameters.get("fit_key")),
    )


def deployed_of_stage(data_root: Path, stage: str) -> str:
    """The name of a stage's point to deploy.

    Raises:
        InputError: it has no results.
    """
    folder = StageFolder(data_root, stage)
    file = folder.points_table
    if not file.is_file():
        raise InputError(
            f"Stage {stage!r} has no results in {data_root} ({file} does not exist). Run it to its end first, name a "
            "point of another stage as STAGE/POINT, or give an exported .tflite file."
        )
    board = folder.leaderboard
    leading = leading_points(folder.read_table(board)) if board.is_file() else []
    point = deployed_point(folder.read_table(file), leading)
    if point is None:
        raise InputError(f"No point of stage {stage!r} in {file} has results. Run the stage to its end.")
    return point


def audio_of_model(model: Model, where: str) -> EmbeddingOptions:
    """The audio settings that a model was trained with.

    Raises:
        InputError: they are not there.
    """
    audio = model.parameters.get("audio")
    names = ("encoder", "fmin", "fmax", "overlap")
    if not isinstance(audio, dict) or any(name not in audio for name in names):
        raise InputError(f"{where} does not say how its audio has to be read ({', '.join(names)}).")
    return EmbeddingOptions.from_settings(audio)


def _point_name(folder: Path, stage: str, point: str) -> str:
    names = sorted(one.parent.name for one in folder.glob("*/parameters.yml")) if folder.is_dir() else []
    if not names:
        known = [one.name for one in folder.parent.glob("*/") if any(one.glob("*/parameters.yml"))]
        hint = f"; {suggest(stage, known)}" if known else "."
        raise InputError(
            f"There are no trained points of stage {stage!r} in {folder}{hint} Run the stage first."
        )
    by_number = {int(name.rpartition("_")[2]): name for name in names if name.rpartition("_")[2].isdigit()}
    if point in names:
        return point
    number = point.removeprefix(f"{stage}_")
    if number.isdigit() and int(number) in by_number:
        return by_number[int(number)]
    raise InputError(
        f"{point!r} is no trained point of stage {stage!r} in {folder}; trained: {names[0]} .. {names[-1]} "
        f"({len(names)})."
    )


def _results(data_root: Path, stage: str, name: str, settings: PointSettings, fit_key: Any) -> dict[str, Any]:
    files = StageFolder(data_root, stage)
    table = files.points_table
    if not table.is_file():
        raise InputError(f"{table} does not exist, so {name} has no threshold. Run the stage to its end.")
    points = files.read_table(table)
    rows = points[points.point == name].to_dict("records")
    if not rows or isinstance(rows[0].get("error"), str):
        because = f" ({rows[0]['error']})" if rows else ""
        raise InputError(f"{table} has no threshold for {name}{because}. Run the stage to its end.")
    if rows[0].get("config_hash") != config_hash(settings):
        raise InputError(
            f"{table} and the model of {name} belong to different settings. Run the stage again."
        )
    if rows[0].get("fit_key") != fit_key:
        raise InputError(
            f"{table} and the model of {name} belong to different trainings, so the threshold is not of these weights. "
            "Run the stage to its end."
        )
    return {str(column): None if pd.isna(value) else value for column, value in rows[0].items()}
