"""A project with two stages that were run for real on made scores, and a server over it."""

from __future__ import annotations

import json
import shutil
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.small_stage import split_table
from vernal.common.files import sha256_of_file, write_text
from vernal.common.table_files import write_table
from vernal.evaluation.evaluate import EvaluationOptions, evaluate_stage
from vernal.proof.run_record import data_files
from vernal.sweeps.plans import resolve_points
from vernal.sweeps.spec import parse_spec
from vernal.web.project import NotThere, ProjectContext
from vernal.web.results.stages import LoadedStage, load_stage

OPTIONS = {"n_draws": 100, "curve_points": 40}
SPECS = {
    "made": {
        "stage": "made",
        "description": "Is a <b>hidden</b> layer worth it?",
        "axes": {
            "seed": [1, 2, 3],
            "hidden_units": [0, 64],
            "negative_subsets": [[], ["hardNeg/hardneg_conf_min_50"]],
        },
        "base_params": {"epochs": 20, "quality": ["high", "medium"]},
    },
    "waiting": {"stage": "waiting", "axes": {"seed": [1, 2]}, "base_params": {}},
}
STARTED = "2026-03-01T20:00:00+00:00"


@dataclass
class MadeProject:
    """A project folder and its data folder, ready to be looked at."""

    folder: Path
    data_root: Path
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def sweeps(self) -> Path:
        return self.folder / "conf" / "sweeps"

    def load(self, stage: str = "made") -> LoadedStage:
        return load_stage(self.data_root, self.sweeps, stage, "RADR")

    def context(self) -> ProjectContext:
        clips = pd.read_parquet(self.data_root / "02_intermediate" / "clips.parquet")
        roots = json.loads((self.data_root / "02_intermediate" / "audio_roots.json").read_text())
        datasets = {"clips": clips, "audio_roots": roots}

        def load(name: str) -> Any:
            if name not in datasets:
                raise NotThere(f"{name} is not there yet")
            return datasets[name]

        parameters = {
            "data_root": str(self.data_root),
            "target": "RADR",
            "source": {"season": roots["labelled"]},
        }
        return ProjectContext(self.folder, self.data_root, parameters, load)


def write_spec(folder: Path, content: dict[str, Any]) -> None:
    import yaml

    write_text(folder / f"{content['stage']}.yml", yaml.safe_dump(content, sort_keys=False))


def clips_table() -> pd.DataFrame:
    splits = split_table(clips_per_night=8)
    names = [f"{recorder}_{at:03d}.wav" for at, recorder in enumerate(splits.recorder_id)]
    # Names that a page must escape, as recorders and files may have them.
    recorders = splits.recorder_id.replace("r9", "r9 <script>alert(1)</script>")
    return splits.assign(
        recorder_id=recorders, group=recorders + " " + splits.date, file_path=names, label="RADR", source="labelled",
        start_s=np.nan, end_s=np.nan,
    )  # fmt: skip


def write_tones(folder: Path, clips: pd.DataFrame) -> None:
    import soundfile

    folder.mkdir()
    time_s = np.arange(24_000) / 48_000
    for at, name in enumerate(clips.file_path):
        soundfile.write(
            folder / name, (0.3 * np.sin(2 * np.pi * (400 + 10 * at) * time_s)).astype("float32"), 48_000
        )


def made_scores(plan: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Scores in which a hidden layer helps, and some point flags nothing at all of a split."""
    clips = splits[splits.split != "train"]
    heard = np.random.default_rng(1).normal(size=len(clips)) + 2.0 * clips.is_positive - 1
    parts = []
    for row in plan.to_dict("records"):
        rng = np.random.default_rng([5, int(row["config_hash"], 16)])
        gain = 0.8 if row["hidden_units"] else 0.0
        logit = heard + gain * (clips.is_positive - 0.5) + rng.normal(0, 0.1) + rng.normal(0, 0.4, len(clips))
        parts.append(clips[["clip_id", "split", "is_positive"]].assign(point=row["point"], logit=logit))
    table = pd.concat(parts, ignore_index=True)
    return table[["point", "clip_id", "split", "logit", "is_positive"]]


def write_stage(project: Path, root: Path, content: dict[str, Any], splits: pd.DataFrame) -> None:
    """What a run of a stage leaves, through the project's own evaluation."""
    stage = content["stage"]
    spec = parse_spec(content, f"{stage}.yml")
    write_spec(project / "conf" / "sweeps", content)
    plan = resolve_points(spec, {}).assign(is_selected=True)
    scores = made_scores(plan, splits)
    counts = pd.DataFrame({"point": plan.point, "n_train_positive": 30, "n_train_negative": 40})
    tables = evaluate_stage(
        plan, scores, splits, counts, EvaluationOptions(**OPTIONS), {}, list(spec.axes)
    ).tables()
    write_table(plan, root / "05_model_input" / stage / "plan.parquet")
    write_table(scores, root / "07_model_output" / stage / "scores.parquet")
    write_table(
        pd.DataFrame(columns=["point", "step", "message"]), root / "07_model_output" / stage / "failures.csv"
    )
    for name in ("points", "leaderboard", "effects"):
        write_table(tables[name], root / "08_reporting" / stage / f"{name}.csv")
    evaluation = root / "07_model_output" / stage / "evaluation"
    for name, table in tables.items():
        write_table(table, evaluation / f"{name}.parquet")
    write_text(evaluation / ".whole", "whole\n")
    write_record(root, stage, plan)


def write_record(root: Path, stage: str, plan: pd.DataFrame, **changes: Any) -> dict[str, Any]:
    """A record of a whole run; what it trained lies beside it as heads."""
    import os
    from datetime import datetime

    from vernal import __version__

    heads, models = root / "06_models" / "heads", root / "06_models" / stage
    for row in plan.to_dict("records"):
        write_text(models / row["point"] / "parameters.yml", f"fit_key: '{row['fit_hash']}'\n")
        write_text(heads / f"{row['fit_hash']}.npz", "a head")
        began = datetime.fromisoformat(STARTED).timestamp()
        os.utime(heads / f"{row['fit_hash']}.npz", (began + 30, began + 30))
    nodes = {
        "ingest.check_audio": 3.0, "embedding.embed_clips": 7.0, "mining.train_miner": 2.0, f"{stage}.plan": 0.5,
        f"{stage}.balance": 1.0, f"{stage}.train": 14.0, f"{stage}.score": 2.0, f"{stage}.evaluate": 9.0,
        f"{stage}.draw": 4.0, f"{stage}.report": 1.5,
    }  # fmt: skip
    record = {
        "stage": stage, "format": 1, "run": "2026-03-01T20.00.00.000Z", "command": f"kedro run --pipelines={stage}",
        "outcome": "finished", "error": None, "started": STARTED, "ended": "2026-03-01T20:01:00+00:00",
        "duration_s": 60.0, "environment": {"code": {"version": __version__}},
        "parameters": {"evaluation": OPTIONS, "target": "RADR"}, "seeds": {},
        "data": {name: {"sha256": sha256_of_file(path)} for name, path in data_files(root).items() if path.is_file()},
        "nodes": [{"node": name, "started": STARTED, "duration_s": took} for name, took in nodes.items()],
        "settings": {}, "results": "5c270189beee6a30", "verdict": "pass",
        "points": {row["point"]: {str(k): v for k, v in row.items() if k != "point"} for row in plan.to_dict("records")},
    } | changes  # fmt: skip
    path = root / "08_reporting" / stage / "runs" / f"{record['run']}.json"
    write_text(path, json.dumps(record, default=lambda value: value.item()))
    return record


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeProject:
    """The project, to be looked at only."""
    return write_project(tmp_path_factory.mktemp("a project with ümlauts"), clips_table())


def write_project(folder: Path, splits: pd.DataFrame) -> MadeProject:
    root = folder / "out"
    write_table(splits, root / "03_primary" / "splits.parquet")
    write_table(splits.drop(columns="split"), root / "02_intermediate" / "clips.parquet")
    write_table(splits.iloc[:0][["clip_id"]], root / "02_intermediate" / "rejects.csv")
    audio = folder / "audio"
    write_text(root / "02_intermediate" / "audio_roots.json", json.dumps({"labelled": audio.as_posix()}))
    write_tones(audio, splits[splits.split != "train"])
    write_stage(folder, root, SPECS["made"], splits)
    write_spec(folder / "conf" / "sweeps", SPECS["waiting"])
    return MadeProject(folder, root)


@pytest.fixture(scope="session")
def loaded(made_once: MadeProject) -> LoadedStage:
    """The stage `made` as it was read."""
    return made_once.load()


@pytest.fixture
def made(made_once: MadeProject, tmp_path: Path) -> MadeProject:
    """A copy of the project that a test may change."""
    folder = tmp_path / "project"
    shutil.copytree(made_once.folder, folder)
    return MadeProject(folder, folder / "out")


# A server over it ---------------------------------------------------------------------------------


@dataclass
class Served:
    """A running server; `get` and `post` carry the token unless told not to."""

    project: MadeProject
    address: str
    token: str

    def get(
        self, path: str, accept: str = "text/html", token: str | None = None
    ) -> tuple[int, str, dict[str, str]]:
        headers = {"x-vernal-token": self.token if token is None else token, "accept": accept}
        return _ask(urllib.request.Request(self.address + path, headers=headers))

    def post(
        self,
        path: str,
        fields: dict[str, str] | list[tuple[str, str]],
        accept: str = "application/json",
        **headers: str,
    ) -> tuple[int, str, dict[str, str]]:
        body = urllib.parse.urlencode(fields).encode()
        given = {
            "x-vernal-token": self.token,
            "accept": accept,
            "content-type": "application/x-www-form-urlencoded",
        }
        return _ask(urllib.request.Request(self.address + path, body, given | headers, method="POST"))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> None:
        return None


def _ask(request: urllib.request.Request) -> tuple[int, str, dict[str, str]]:
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return answer.status, answer.read().decode("utf-8", "replace"), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace"), dict(error.headers)


def serve(project: MadeProject, context: ProjectContext | None = None) -> Iterator[Served]:
    import socket

    from vernal.web.app import create_app
    from vernal.web.review.options import ReviewOptions
    from vernal.web.review.service import ReviewService
    from vernal.web.security import served_names
    from vernal.web.serving import make_server

    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    port = bound.getsockname()[1]
    service = ReviewService(context or project.context(), ReviewOptions(), "Ana")
    app = create_app(service, "a-token", served_names("127.0.0.1", port))
    server = make_server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started and time.monotonic() < until:
        time.sleep(0.05)
    yield Served(project, f"http://127.0.0.1:{port}", "a-token")
    server.should_exit = True
    thread.join(10)
    bound.close()


@pytest.fixture(scope="module")
def served(made_once: MadeProject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over a copy of the project."""
    folder = tmp_path_factory.mktemp("served") / "project"
    shutil.copytree(made_once.folder, folder)
    yield from serve(MadeProject(folder, folder / "out"))
