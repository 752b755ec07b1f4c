"""Inputs that once went wrong, as a person gives them: every case of `shared/cases`, with what is right asserted."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import PROJECT, SHARED
from tests.field.test_export import NAME, add_point, make_head, peer_like
from tests.warm_kedro import warm_kedro
from vernal.field.export import programs
from vernal.field.export.folder import export_point
from vernal.sweeps.point_settings import PointSettings

pytestmark = [
    pytest.mark.chain,
    pytest.mark.skipif(os.name == "nt", reason="the cases are scripts for a POSIX shell"),
    pytest.mark.skipif(
        not (SHARED / "cases").is_dir(), reason="the shared folder of cases is not beside this checkout"
    ),
]

CASES = SHARED / "cases"
PLAIN = str(Path(sys.executable).parent)
CARD = """\
title: Where is the frog?
target: frog
labelling: multi
world: open
unit: recorder-night
performance: {metric: auroc, split: test_iid, at_least: 0.9}
classes:
  - name: frog
    band_hz: [300, 1000]
users: us
use: lists
"""


def names(kind: str) -> list[str]:
    return sorted(path.name for path in (CASES / kind).glob("[0-9]*-*"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported classifier that flags every window: what it is not shown, it cannot flag."""
    root = tmp_path_factory.mktemp("point")
    add_point(root, PointSettings(), make_head(), logit=-500.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programs, "analyze_folder", peer_like)
        patch.setattr(programs, "birdnet_version", lambda: None)
        return export_point(root, "stage5", NAME, root / "export", n_clips=2)


def environment(**more: str) -> dict[str, str]:
    where = os.pathsep.join([str(Path(warm_kedro()).parent), PLAIN, os.environ["PATH"]])
    return {**os.environ, "PATH": where, "PYTHONPATH": str(PROJECT / "src"), "KEDRO_ENV": "test", **more}


def kedro_run(*arguments: str) -> tuple[int, str]:
    """Exit status and words of `kedro run`."""
    command = [warm_kedro(), "run", *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, env=environment())
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def table(folder: Path, name: str) -> pd.DataFrame:
    """The one table of this name below a folder."""
    (path,) = (
        path for path in folder.rglob(name) if path.parent.name not in ("clips", "features", "baseline")
    )
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


@pytest.mark.slow
def test_two_folders_of_published_clips_train_with_one_command(tmp_path: Path):
    """Crowing roosters and rain of ESC-10, as `docs/your-recordings.md` has them."""
    for name in ("rooster", "rain"):
        shutil.copytree(SHARED / "data" / "esc10" / name, tmp_path / "clips" / name)
    out = tmp_path / "out"
    status, said = kedro_run(f"--params=source.folder={tmp_path / 'clips'},target=rooster,data_root={out}")
    assert status == 0 and "looking for rooster in recordings of" in said, said
    assert "demo." not in said
    assert re.search(
        r"Chosen: baseline_001\. On test_iid it finds (\d) of the \1 clips with the target", said
    ), said
    (point,) = pd.read_csv(out / "08_reporting/baseline/points.csv").to_dict("records")
    assert point["n_train_positive"] >= 10 and point["test_iid_auroc"] == 1.0
    command = f"kedro export baseline baseline_001 --out DIR --params=data_root={out}"
    assert command in (out / "08_reporting/baseline/report.html").read_text("utf-8")


# Whole commands ---------------------------------------------------------------------------------------


def check_01(out: Path, said: str) -> None:
    assert said.count("[exit 0]") == 2
    for kind, words in (
        ("recordings", "Nothing is labelled yet."),
        ("weak", "All labels are about whole recordings"),
    ):
        assert words in (out / f"out_{kind}" / "08_reporting/collection/report.html").read_text("utf-8")


def check_02(out: Path, _: str) -> None:
    recordings = table(out, "recordings.parquet").set_index("content_hash").recording
    marks = table(out, "strong_annotations.parquet")
    given = sorted(zip(marks.start_s, marks.content_hash.map(recordings), strict=True))
    assert [(start, path.split("/")[0]) for start, path in given] == [(0.5, "Moth08")] * 2 + [
        (3.5, "Moth09")
    ] * 2
    assert table(out, "label_problems.csv").empty


def check_05(out: Path, _: str) -> None:
    clips = pd.read_parquet(out / "out/02_intermediate/clips.parquet")
    assert clips.groupby("label").is_positive.sum().to_dict() == {"other": 0, "positive": 4, "rooster": 6}


def check_06(out: Path, _: str) -> None:
    state = table(out, "nights.csv").set_index(["recorder_id", "night"]).state
    assert set(state.index.get_level_values(0)) == {"Cole Creek", "Mill Pond", "Upper Marsh", "Lower Marsh"}
    assert (
        state["Mill Pond", "2025-04-04"] == "no recordings" and state["Cole Creek", "2025-04-04"] == "calls"
    )


def check_08(out: Path, _: str) -> None:
    assert table(out, "manifest.csv").label.value_counts().to_dict() == {"RADR": 5, "negative": 4}


def check_10(out: Path, _: str) -> None:
    assert table(out, "label_files.csv")[["n_annotations", "n_refused"]].values.tolist() == [[4, 0]]


def check_11(out: Path, _: str) -> None:
    files = table(out, "files.csv")
    assert files.heard_s.tolist() == [12.0, 12.0] and files.message.str.contains("its header says 3 s").all()


def check_12(out: Path, _: str) -> None:
    files = table(out / "out", "files.csv")
    assert files.duration_s.tolist() == [12.0, 12.0] and files.state.eq("heard").all()
    assert files.message.str.contains("its header says 0 s").sum() == 1
    assert table(out / "out_c", "inventory.csv").state.tolist() == ["used"] * 2


def check_15(out: Path, said: str) -> None:
    assert said.count("[exit 0]") == 2 and "Traceback" not in said
    files = table(out / "out_d", "files.csv").set_index("file_path")
    assert files.state["SMA1_20250403_220000.wav"] == "heard"
    assert "no UTF-8" in files.message[r"H\xfchnerhof_20250403_210000.wav"]
    assert table(out / "out_c", "left_out.csv").file_path.tolist() == [r"H\xfchnerhof_20250403_210000.wav"]


def check_16(out: Path, said: str) -> None:
    assert said.count("[exit 0]") == 3 and re.search(r"finished", said)
    assert re.findall(r"/(2025\w+)$", said, re.MULTILINE) == ["2025_04", "2025_04_03"]
    assert table(out / "out", "files.csv").state.tolist() == ["heard"]


def check_17(_: Path, said: str) -> None:
    assert said.count("[exit 1]") == 2 and said.count("cannot be run with --async") == 2
    assert "Traceback" not in said


def check_19(out: Path, said: str) -> None:
    assert "0 of 3 recordings could be heard: Permission denied" in said and "[exit 1]" in said
    page = (out / "out/08_reporting/detection/report.html").read_text("utf-8")
    assert "s name tells" not in page
    assert table(out, "nights.csv").state.tolist() == ["not heard"]


def check_20(out: Path, said: str) -> None:
    assert said.count("[exit 0]") == 2 and table(out / "out", "label_problems.csv").empty
    assert len(table(out / "out", "strong_annotations.parquet")) == 2
    assert table(out / "out_m", "listed_clips.parquet").is_positive.sum() == 1


def check_21(out: Path, _: str) -> None:
    assert table(out, "label_files.csv").n_annotations.tolist() == [1] * 5


def check_23(out: Path, said: str) -> None:
    (row,) = table(out / "out", "label_files.csv").itertuples()
    assert row.n_annotations == 1 and said.count("[exit 0]") == 4
    for kind in ("csv", "kal", "sem"):
        findings = table(out / f"out_{kind}", "findings.csv")
        assert "error" not in set(findings.severity)
        assert findings.message[findings.check == "result_coverage"].str.contains("10").all()


def check_24(_: Path, said: str) -> None:
    assert said.count("[exit 1]") == 2 and "All 14 clips are of one night (R1 2025-04-03)" in said
    assert "Only one of 9 clips is positive" in said


def check_27(out: Path, _: str) -> None:
    found = pd.read_parquet(out / "out/07_model_output/detection/detections").groupby("file_path").end_s.max()
    assert found.to_dict() == {
        "S4A03895_20190522_000000.wav": 12.0,
        "S4A03895_20190523_000000.wav": 60.0,
    }


def check_29(_: Path, said: str) -> None:
    assert said.count("did you mean source.yml?") == 3 and "[exit 1]" in said


@pytest.mark.parametrize("name", names("runs"))
def test_a_command_that_went_wrong_does_what_is_right(name: str, model: Path, copy: Path, tmp_path: Path):
    variables = environment(VERNAL=str(copy), OUT=str(tmp_path), MODEL=str(model), SHARED=str(SHARED))
    if "setpriv" in (script := CASES / "runs" / name / "run.sh").read_text("utf-8"):
        if not shutil.which("setpriv"):
            pytest.skip("setpriv, by which the case takes rights away, is not on this system")
        variables["PATH"] = variables["PATH"].partition(os.pathsep)[
            2
        ]  # Only what it starts itself loses them.
    done = subprocess.run(["bash", str(script)], capture_output=True, text=True, env=variables)
    said = done.stdout + done.stderr
    try:
        globals()[f"check_{name[:2]}"](tmp_path / name, said)
    except BaseException:
        print(said)
        raise


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, since a case writes beside it, and takes away what it wrote."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(PROJECT / name, folder)
    for name in ("conf", "src"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(PROJECT / name, folder / name, ignore=ignored)
    return folder


# Inputs -----------------------------------------------------------------------------------------------


@pytest.fixture
def inbox(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The input of the case that a test is called after, with its recordings made."""
    (case,) = (CASES / "inputs").glob(request.node.name.split("_")[1] + "-*")
    maker = CASES / "inputs" / "make_recordings.py"
    subprocess.run([sys.executable, str(maker), str(case), str(tmp_path / "in")], check=True)
    return tmp_path / "in"


def collect(inbox: Path) -> tuple[Path, str]:
    """What a collection of the inbox gave, and the text of its page."""
    (inbox.parent / "card.yml").write_text(CARD, encoding="utf-8")
    out = inbox.parent / "out"
    problem = f"collection.problem={inbox.parent / 'card.yml'}"
    status, said = kedro_run(
        "--pipeline=collection", f"--params=collection.inbox={inbox},{problem},data_root={out}"
    )
    assert status == 0, said
    return out, (out / "08_reporting/collection/report.html").read_text("utf-8")


def test_01_tables_that_name_nothing_are_told_and_read_once_it_is_said_what_was_boxed(inbox: Path):
    out, page = collect(inbox)
    problems = table(out, "label_problems.csv")
    assert len(problems) == 2 and problems.reason.str.contains("`label: frog`").all()
    assert "No label could be used" in page
    with (inbox / "source.yml").open("a", encoding="utf-8") as file:
        file.write("label: frog\n")
    out, _ = collect(inbox)
    assert len(table(out, "strong_annotations.parquet")) == 3
    assert table(out, "manifest.csv").label.tolist() == ["frog"] * 3


def test_02_a_first_day_without_labels_ends_with_a_report(inbox: Path):
    out, page = collect(inbox)
    assert "Nothing is labelled yet." in page and "kedro review label-next" in page
    assert table(out, "inventory.csv").kind.tolist() == ["recording"] * 2


def test_03_absences_are_negatives_and_presences_wait(inbox: Path):
    out, page = collect(inbox)
    assert table(out, "manifest.csv").label.tolist() == ["negative"] * 4
    assert "2 recordings without frog give 4 negative clips; 2 recordings with it wait" in page


def test_04_each_row_finds_its_recording_by_its_path(inbox: Path):
    out, _ = collect(inbox)
    assert table(out, "label_problems.csv").empty
    marks, recordings = table(out, "strong_annotations.parquet"), table(out, "recordings.parquet")
    paths = marks.content_hash.map(recordings.set_index("content_hash").recording)
    assert sorted(paths) == ["moth01/20240501_210000.WAV", "moth02/20240502_210000.WAV"]


def test_05_a_click_is_no_box(inbox: Path):
    out, _ = collect(inbox)
    assert table(out, "manifest.csv").start_s.tolist() == [0.0]
    assert table(out, "label_problems.csv").reason.str.contains("has no length").tolist() == [True]


def test_06_short_clips_are_kept_and_copies_count_once(inbox: Path, tmp_path: Path):
    manifest = f"source.manifest={inbox / 'manifest.csv'}"
    status, said = kedro_run(
        "--pipeline=ingest", f"--params={manifest},target=frog,data_root={tmp_path / 'out'}"
    )
    assert status == 0, said
    clips, rejects = (table(tmp_path / "out", f"{name}") for name in ("clips.parquet", "rejects.csv"))
    assert sorted(clips.file_path) == ["a/again.wav", "a/call_1.wav", "b/noise_1.wav", "b/noise_2.wav"]
    assert len(rejects) == 2 and rejects.message.str.contains("a/again.wav|b/noise_2.wav").all()


def test_07_a_night_goes_over_midnight_and_is_never_divided(inbox: Path, tmp_path: Path):
    manifest = f"source.manifest={inbox / 'manifest.csv'}"
    status, said = kedro_run(
        "--pipelines=ingest,quality_splitting",
        f"--params={manifest},target=positive,data_root={tmp_path / 'out'}",
    )
    assert status == 0, said
    clips = table(tmp_path / "out", "splits.parquet")
    evenings = (pd.to_datetime(clips.date + " " + clips.time) - pd.Timedelta(hours=12)).dt.strftime(
        "%Y-%m-%d"
    )
    assert clips.night.tolist() == evenings.tolist()
    assert clips.groupby("night").split.nunique().max() == 1 and clips.split.nunique() > 1


def test_08_without_a_positive_to_choose_by_no_threshold_is_claimed(inbox: Path, tmp_path: Path):
    out = tmp_path / "out"
    status, said = kedro_run(
        f"--params=source.manifest={inbox / 'manifest.csv'},target=positive,data_root={out}"
    )
    assert status == 0 and "No threshold could be chosen: val has no positive" in said, said
    reports = out / "08_reporting" / "baseline"
    assert "No threshold" in (reports / "report.html").read_text("utf-8")
    certificate = json.loads((reports / "certificate.json").read_text("utf-8"))
    states = {check["check"]: check["verdict"] for check in certificate["checks"]}
    assert "not checked" in {state for name, state in states.items() if "threshold" in name}


def test_09_numbers_that_change_from_file_to_file_are_no_recorder(inbox: Path, model: Path, tmp_path: Path):
    params = f"detection.recordings={inbox},detection.model={model},data_root={tmp_path / 'out'}"
    status, said = kedro_run("--pipeline=detection", f"--params={params}")
    assert status == 0 and "1 recorder by the names of files and folders: hill_bush_01_2980" in said
    assert set(table(tmp_path / "out", "nights.csv").recorder_id) == {"hill_bush_01_2980"}


def test_10_a_folder_of_classes_trains(inbox: Path, tmp_path: Path):
    out = tmp_path / "out"
    status, said = kedro_run(f"--params=source.folder={inbox},target=frog,data_root={out}")
    assert status == 0, said
    clips = pd.read_parquet(out / "02_intermediate/clips.parquet")
    n_frogs = len(list((inbox / "frog").glob("*.wav")))
    assert clips.groupby("label").is_positive.sum().to_dict() == {"frog": n_frogs, "negative": 0}
    assert "Chosen: baseline_001" in said and (out / "08_reporting/baseline/report.html").is_file()
