"""The pipeline as a person types it: on a folder, on the demo season, stopped in the middle, on a full disk."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pyarrow.dataset
import pytest

from tests.field.detection.conftest import make_season, write_noise
from tests.field.detection.test_classifier import add_point
from tests.fresh_python import loaded_by
from tests.warm_kedro import warm_kedro
from vernal.commands.benchmarks.detect import make_recordings
from vernal.field.confusers import SPECIES_COLUMNS
from vernal.pipelines.detection import create_pipeline
from vernal.web.review.decisions import DecisionLog

pytestmark = pytest.mark.chain

PROJECT = Path(__file__).resolve().parents[2]


def command(data_root: Path, *params: str, pipeline: str = "detection") -> list[str]:
    values = ",".join([f"data_root={data_root}", *params])
    return [
        sys.executable,
        "-m",
        "kedro",
        "run",
        "--env=test",
        f"--pipeline={pipeline}",
        f"--params={values}",
    ]


def run(data_root: Path, *params: str, pipeline: str = "detection") -> subprocess.CompletedProcess:
    warm = [warm_kedro(), *command(data_root, *params, pipeline=pipeline)[3:]]
    return subprocess.run(warm, cwd=PROJECT, capture_output=True, text=True)


def ran(data_root: Path, *params: str, pipeline: str = "detection") -> str:
    done = run(data_root, *params, pipeline=pipeline)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    return done.stdout + done.stderr


def results(data_root: Path) -> dict[str, bytes]:
    """Every file that a run leaves for people, by name."""
    folders = [data_root / "07_model_output" / "detection", data_root / "08_reporting" / "detection"]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    kept = [
        file for file in files if "/runs/" not in file.as_posix() and not file.name.startswith(".partial-")
    ]
    return {file.relative_to(data_root).as_posix(): file.read_bytes() for file in kept}


def test_the_pipeline_stands_under_its_own_name():
    pipeline = create_pipeline()
    assert {node.namespace for node in pipeline.nodes} == {"detection"}
    free = {name for name in pipeline.inputs() if not name.startswith("params:")}
    assert free == {
        "known_embeddings",
        "problem_card",
        "review_log",
        "detection.demo_field",
        "detection.known_files",
        "detection.known_sample",
        "detection.known_strata",
        "detection.known_scores",
    }
    assert {
        "detection.report",
        "detection.detections",
        "detection.nights",
        "detection.top",
        "detection.sample",
        "detection.call_density",
    } <= pipeline.all_outputs()


def test_its_nodes_load_nothing_heavy():
    heavy = (
        "tensorflow",
        "keras",
        "librosa",
        "matplotlib",
        "sklearn",
        "scipy",
        "soundfile",
        "pyarrow.parquet",
    )
    assert loaded_by("import vernal.pipelines.detection", heavy) == []


def test_a_folder_in_which_nothing_can_be_heard_is_no_success(tmp_path):
    root, folder = tmp_path / "out", make_season(tmp_path / "season", 0.1)
    add_point(root, "stage5", 3, logit=-1e6)
    done = run(root, f"detection.recordings={folder}", "detection.model=stage5/3")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "0 of 6 recordings could be heard: 0.1 s long" in done.stderr.replace("\n", " ")
    page = (root / "08_reporting/detection/report.html").read_text(encoding="utf-8").replace("&#39;", "'")
    assert "0 of 6 recordings could be heard" in page and "No recording's name" not in page


def test_a_folder_is_searched_and_everything_comes_out(tmp_path):
    root, folder = tmp_path / "out ü", make_season(tmp_path / "season ü")
    (folder / "east" / "SMA01_20250405_210000.wav").write_bytes(b"no sound")
    add_point(root, "stage5", 3, logit=-1e6)
    sites = tmp_path / "sites.csv"
    sites.write_text(
        "recorder,site,latitude,longitude,time zone\nSMA01,Pond,-27.47,153.03,+10\n", encoding="utf-8"
    )
    said = ran(root, f"detection.recordings={folder}", "detection.model=stage5/3", "detection.formats=raven+audacity",
               "detection.merge_gap_s=null", "detection.keep_embeddings=true", "workers=1", "detection.confusers=true",
               f"source.sites={sites}")  # fmt: skip
    out = root / "08_reporting" / "detection"
    assert str(out / "report.html") in said.replace("\n", "")
    table = pyarrow.dataset.dataset(
        root / "07_model_output" / "detection" / "detections", partitioning="hive"
    )
    assert table.count_rows() == 18
    assert {"recorder", "date"} <= set(table.schema.names)
    assert [name for name in table.schema.names if name not in ("recorder", "date")][-2:] == list(
        SPECIES_COLUMNS
    )
    assert table.to_table(list(SPECIES_COLUMNS)).to_pandas().notna().all(axis=None)
    nights = pd.read_csv(out / "nights.csv")
    assert nights.groupby("recorder_id").n_detections.sum().to_dict() == {"Moth08": 9, "SMA01": 9}
    assert nights.set_index(["recorder_id", "night"]).state["SMA01", "2025-04-05"] == "not heard"
    assert nights.set_index(["recorder_id", "night"]).state["Moth08", "2025-04-05"] == "no recordings"
    pond = nights.set_index(["recorder_id", "night"]).loc["SMA01", "2025-04-03"]
    assert (
        pond.site == "Pond"
        and pond.sunset.startswith("2025-04-03T17:43")
        and pond.model == "stage5/stage5_003"
    )
    hours = pd.read_csv(out / "hours.csv")
    assert hours[hours.site == "Pond"].hours_from_sunset.round(1).tolist() == [2.8, 3.8, 4.8]
    assert hours[hours.recorder_id == "Moth08"].hours_from_sunset.isna().all()
    history = pd.read_csv(out / "occupancy" / "rooster" / "history_thresholded.csv", index_col="site")
    assert history.loc["Pond"].fillna(-1).tolist() == [1, -1, -1]
    assert (out / "occupancy" / "unmarked.R").is_file()
    broken = pd.read_csv(out / "broken.csv")
    assert broken.file_path.tolist() == ["east/SMA01_20250405_210000.wav"] and broken.reason.tolist() == [
        "unreadable"
    ]
    assert len(pd.read_csv(out / "top.csv")) == 10 and len(list((out / "clips").glob("*.wav"))) == 3
    assert len(list((out / "label_tables").rglob("*.txt"))) == 12
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "What BirdNET hears" in page
    assert "stage5/stage5_003" in page and "1 recording of 7 could not be heard" in page
    assert (root / "04_feature" / "embeddings").is_dir()
    verdict = "18 of 18 windows were flagged: more than false alarms alone would explain (3 at the most)."
    assert verdict in " ".join(said.split()) and verdict in page


def test_a_bad_table_of_sites_stops_before_anything_is_heard(tmp_path):
    root, folder = tmp_path / "out", make_season(tmp_path / "season")
    add_point(root, "stage5", 3)
    sites = tmp_path / "sites.csv"
    sites.write_text("recorder,latitude,longitude,time zone\nSMA1,95,153,Mars\n", encoding="utf-8")
    done = run(root, f"detection.recordings={folder}", f"source.sites={sites}", "workers=1")
    words = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1 and "Traceback" not in words
    assert ": 3 problems" in words and "unknown recorder (1): row 1: 'SMA1', did you mean 'SMA01'?" in words
    assert not (root / "07_model_output" / "detection" / "scores").exists()


def test_a_night_that_a_person_confirmed_is_present_in_the_next_run(tmp_path):
    root, folder = tmp_path / "out", make_season(tmp_path / "season")
    add_point(root, "stage5", 3, logit=-1e6)
    ran(root, f"detection.recordings={folder}", "workers=1")
    out = root / "08_reporting" / "detection"
    assert pd.read_csv(out / "nights.csv").is_present.isna().all()
    first = pd.read_csv(out / "top.csv").iloc[0]
    place = first[["file_path", "start_s", "end_s", "content_hash"]].to_dict()
    DecisionLog(root / "01_raw" / "review").add(
        {"reviewer": "Ana", "queue": "detections", "item": "1", "look": 1, "asked": "rooster"}
        | {"decision": "target", "is_score_shown": True}
        | place
    )
    before = (out / "report.html").read_text(encoding="utf-8")
    ran(root, f"detection.recordings={folder}", "workers=1")
    after = (out / "report.html").read_text(encoding="utf-8")
    assert "that they checked" not in before
    assert "People confirmed 1 of 1 detection that they checked (100\xa0%)." in after
    verified = pd.read_csv(out / "verified.csv")
    assert verified.file_path.tolist() == [first.file_path] and verified.reviewed_by.tolist() == ["Ana"]
    nights = pd.read_csv(out / "nights.csv").dropna(subset="is_present")
    assert nights[["recorder_id", "night", "is_present"]].to_numpy().tolist() == [
        [first.recorder_id, first.night, True]
    ]


def test_a_checked_sample_tells_precision_in_the_next_run(tmp_path):
    root, folder = tmp_path / "out", make_season(tmp_path / "season", 13.0)
    add_point(root, "stage5", 3, logit=0.0)
    settings = (
        f"detection.recordings={folder}",
        "workers=1",
        "detection.sample=20",
        "detection.sample_floor=0.001",
    )
    ran(root, *settings)
    out = root / "08_reporting" / "detection"
    page = (out / "report.html").read_text(encoding="utf-8")
    sample = pd.read_csv(out / "sample.csv")
    assert len(sample) == 20 and set(sample.review_state) == {"unchecked"}
    assert (out / "answer.txt").read_text(encoding="utf-8").splitlines()[1].startswith("kedro review sample")
    assert "20 windows were drawn at random from all scores and nights" in page
    log = DecisionLog(root / "01_raw" / "review")
    place = ["file_path", "start_s", "end_s", "content_hash"]
    for row in sample.to_dict("records"):
        log.add(
            {"reviewer": "Ana", "queue": "sample", "item": "1", "look": 1, "asked": row["label"]}
            | {"decision": "target" if row["logit"] >= 0 else "not_target", "is_score_shown": False}
            | {name: row[name] for name in place}
        )
    ran(root, *settings)
    again = pd.read_csv(out / "sample.csv")
    columns = [name for name in sample if not name.startswith("review")]
    pd.testing.assert_frame_equal(again[columns], sample[columns])
    assert set(again.review_state) == {"confirmed", "rejected"}
    told = pd.read_csv(out / "validation.csv").iloc[0]
    assert told.n_checked == 20 and told.precision == 1 and told.share_of_calls == 1
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "By the checked sample, 100\xa0% of the flagged windows are right" in page
    assert (
        (out / "answer.txt").read_text(encoding="utf-8").splitlines()[1].startswith("kedro review detections")
    )
    assert pd.read_csv(out / "precision.csv").precision.notna().any()
    assert pd.read_csv(out / "call_density.csv").call_density.between(0, 1).all()


def test_where_nothing_is_to_be_done_the_message_says_what_to_do(tmp_path):
    done = run(tmp_path / "empty")
    words = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1 and "Traceback" not in words
    assert "There is no trained classifier" in words or "No folder of recordings was named" in words
    add_point(tmp_path / "trained", "baseline", 1)
    done = run(tmp_path / "trained")
    assert "No folder of recordings was named, and there is no demo season here" in " ".join(
        done.stderr.split()
    )
    done = run(tmp_path / "trained", "detection.overlap=7", f"detection.recordings={tmp_path}")
    assert done.returncode == 1 and "overlap is 7" in " ".join((done.stdout + done.stderr).split())


@pytest.mark.slow
def test_a_killed_run_goes_on_and_gives_the_same_bytes(tmp_path):
    folder = tmp_path / "night"
    make_recordings(folder, 60, seconds=20)
    for name in ("killed", "whole"):
        add_point(tmp_path / name, "stage5", 1, logit=0.0)
    client = subprocess.Popen(
        command(tmp_path / "killed", f"detection.recordings={folder}", "workers=2"),
        cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    scores = tmp_path / "killed" / "07_model_output" / "detection" / "scores"
    until = time.monotonic() + 200
    while len(list(scores.glob("*/*/*.parquet"))) < 10 and client.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    children = psutil.Process(client.pid).children(recursive=True)
    client.send_signal(signal.SIGKILL)
    client.wait()
    assert 10 <= len(list(scores.glob("*/*/[!.]*.parquet"))) < 60
    assert not psutil.wait_procs(children, timeout=10)[1]
    ran(tmp_path / "killed", f"detection.recordings={folder}", "workers=2")
    ran(tmp_path / "whole", f"detection.recordings={folder}", "workers=1")
    assert results(tmp_path / "killed") == results(tmp_path / "whole")


@pytest.mark.slow
def test_a_night_of_432_minutes_with_broken_files(tmp_path):
    folder = tmp_path / "night"
    make_recordings(folder, 432)
    files = sorted(folder.iterdir())
    files[10].write_bytes(b"")
    files[20].write_bytes(files[20].read_bytes()[:1_000_000])
    files[30].write_bytes(b"RIFF" + bytes(5_000))
    files[40].write_bytes(files[41].read_bytes())
    write_noise(files[50], 60, level=0.0)
    add_point(tmp_path / "out", "stage5", 1, logit=0.0)
    ran(tmp_path / "out", f"detection.recordings={folder}")
    broken = pd.read_csv(tmp_path / "out" / "08_reporting" / "detection" / "broken.csv")
    assert dict(zip(broken.file_path, broken.reason, strict=True)) == {
        files[10].name: "empty", files[20].name: "truncated", files[30].name: "unreadable",
        files[41].name: "duplicate_audio", files[50].name: "silent",
    }  # fmt: skip
    nights = pd.read_csv(tmp_path / "out" / "08_reporting" / "detection" / "nights.csv")
    assert nights.night.tolist() == ["2025-04-03", "2025-04-04"]
    assert nights.heard_h.sum() == pytest.approx((432 - 4 - 1) / 60 + 10 / 3_600, abs=0.01)
    started = time.monotonic()
    ran(tmp_path / "out", f"detection.recordings={folder}", "detection.min_confidence=0.9")
    assert time.monotonic() - started < 60


@pytest.mark.slow
def test_the_demo_season_and_real_recordings(tmp_path, shared_data):
    root = tmp_path / "out"
    demo = [sys.executable, "-m", "kedro", "run", "--env=test", f"--params=data_root={root}"]
    subprocess.run(demo, cwd=PROJECT, check=True, capture_output=True)
    ran(root)
    page = (root / "08_reporting" / "detection" / "report.html").read_text(encoding="utf-8")
    assert "DEMO SEASON" in page and "baseline/baseline_001" in page
    ran(
        root,
        f"detection.recordings={shared_data / 'field'}",
        "detection.model=baseline",
        "detection.min_confidence=0.1",
    )
    files = pd.read_csv(root / "08_reporting" / "detection" / "files.csv")
    assert len(files) == 48 and set(files.state) == {"heard"} and set(files.recorder_id) == {"S4A03895"}
    assert files.heard_s.sum() == 480
    page = (root / "08_reporting" / "detection" / "report.html").read_text(encoding="utf-8")
    assert "DEMO SEASON" not in page
    record = sorted((root / "08_reporting" / "detection" / "runs").glob("*.json"))[-1]
    assert json.loads(record.read_text(encoding="utf-8"))
