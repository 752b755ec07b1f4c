import json
import math
from pathlib import Path

import pytest

from tests.reports.conftest import make_stage  # noqa: F401
from vernal.clips.demo_season import is_demo_data
from vernal.common.table_files import write_table
from vernal.datasets.stage_results_dataset import StageResultsDataset
from vernal.evaluation.stage_results import StageQuestion
from vernal.framework.run_summary import (
    DEFAULT,
    DEMO,
    _flags_all_or_none,
    _what_it_does,
    closing_words,
    leaderboard_picture,
    opening_words,
)
from vernal.sweeps.stage_folder import SEAL, StageFolder

HEADER = (
    "rank,configuration_hash,balance,negative_subsets,n_points,n_runs,score,test_ood_f1_low,test_ood_f1_high,"
)
HEADER += "interval_covers,test_ood_f1_mean,test_ood_f1_std\n"


def write(folder: Path, rows: list[str], header: str = HEADER) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "leaderboard.csv"
    path.write_text(header + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


ROW = "1,ab,True,hardNeg/conf_50;hardNeg/conf_85,3,3,0.8,0.7,0.9,nights and seeds,0.8,0.01"


def test_the_bar_spans_the_interval_and_marks_the_mean(tmp_path):
    lines = leaderboard_picture(write(tmp_path / "stage5", [ROW]))
    assert lines[0] == "  stage5: test_ood_f1, mean over seeds and interval"
    (row,) = [line for line in lines if "0.800" in line]
    assert row == "     1  0.800  0.800  |--------------o-------------|      3  true, conf_50,conf_85"
    axis = next(line for line in lines if "seeds" in line and "rank" in line)
    assert axis.index("0.70") == row.index("|")
    assert axis.index("0.90") + 3 == row.rindex("|")
    assert axis.endswith("balance, negative_subsets")


@pytest.mark.parametrize(
    ("chosen_by", "said"),
    [
        ("sites", "ranked by a score from training sites left out in turn"),
        ("nights", "ranked by a score from training nights left out in turn"),
        ("validation", "ranked by a score from validation"),
        ("nothing", "nothing could choose"),
    ],
)
def test_the_title_says_what_the_rank_goes_by(tmp_path, chosen_by, said):
    header = HEADER.replace("score,", "chosen_by,score,")
    row = ROW.replace(",0.8,0.7", f",{chosen_by},0.8,0.7")
    assert leaderboard_picture(write(tmp_path / "s", [row], header))[0].endswith(f"; {said}")


def test_the_picture_is_ascii_whatever_a_level_is_called(tmp_path):
    row = ROW.replace("True", "Caf\u00e9 \u2603\x1b[31m")
    lines = leaderboard_picture(write(tmp_path / "stage5", [row]), is_demo=True)
    text = "\n".join(lines)
    assert text.encode("ascii")
    assert "\x1b" not in text
    assert "Caf? ??[31m" in text


def test_only_the_first_ten_are_shown_and_the_rest_is_counted(tmp_path):
    lines = leaderboard_picture(write(tmp_path / "s", [ROW] * 14))
    assert sum("0.800" in line for line in lines) == 10
    assert "and 4 more in leaderboard.csv" in "\n".join(lines)


def test_a_run_without_interval_or_rank_has_a_mean_alone(tmp_path):
    lines = leaderboard_picture(write(tmp_path / "s", [",ab,True,none,1,1,,,,,0.75,"]))
    assert "(no intervals)" in lines[0]
    (row,) = [line for line in lines if "0.750" in line]
    assert "|" not in row
    assert row.split()[:3] == ["-", "-", "0.750"]
    assert "o" in row


def test_an_empty_level_is_a_dash(tmp_path):
    lines = leaderboard_picture(write(tmp_path / "s", [ROW.replace("hardNeg/conf_50;hardNeg/conf_85", "")]))
    assert any(line.endswith("true, -") for line in lines)


@pytest.mark.parametrize(("mean", "ends"), [("1.0", "0.97 1.00"), ("0.0", "0.00 0.03"), ("0.5", "0.47 0.53")])
def test_the_axis_of_a_share_stays_between_0_and_1(tmp_path, mean, ends):
    lines = leaderboard_picture(write(tmp_path / "s", [f",ab,True,none,1,1,,,,,{mean},"]))
    axis = next(line for line in lines if "seeds" in line and "rank" in line)
    assert " ".join(axis.split()[3:5]) == ends


def test_an_undefined_mean_is_a_dash(tmp_path):
    lines = leaderboard_picture(write(tmp_path / "s", [",ab,True,none,1,1,,,,,,"]))
    (row,) = [line for line in lines if "none" in line]
    assert row.split()[:3] == ["-", "-", "-"]


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", HEADER, "\0\0"])
def test_what_is_no_leaderboard_gives_no_picture(tmp_path, content):
    assert leaderboard_picture(write(tmp_path, [], content)) == []
    assert leaderboard_picture(tmp_path / "absent.csv") == []


POINTS = "point,error,threshold_logit,val_n_positive,val_n_negative\n"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("a,,,0,31\nb,broke,,,\n", "No threshold could be chosen: val has no positive."),
        ("a,,,,\n", "No threshold could be chosen: val has no clip."),
        ("a,,0.5,4,31\nb,broke,,,\n", ""),
        ("b,broke,,,\n", ""),
    ],
)
def test_a_stage_without_a_threshold_says_so(tmp_path, rows, said):
    path = write(tmp_path / "08_reporting" / "stage5", [ROW])
    (path.parent / "points.csv").write_text(POINTS + rows, encoding="utf-8")
    words = closing_words(tmp_path, ["stage5.report"])
    assert said in words and ("No threshold" in words) == bool(said)


def test_the_demo_season_is_named(tmp_path):
    path = write(tmp_path / "08_reporting" / "stage5", [ROW])
    assert DEMO not in closing_words(tmp_path, ["stage5.report"])
    roots = tmp_path / "02_intermediate" / "audio_roots.json"
    roots.parent.mkdir()
    roots.write_text(json.dumps({"labelled": "elsewhere/01_raw/demo"}), encoding="utf-8")
    words = closing_words(tmp_path, ["stage5.report", "stage5.scores"])
    assert DEMO in words
    assert str(path) in words
    roots.write_text(json.dumps({"labelled": "/data/mine"}), encoding="utf-8")
    assert not is_demo_data(tmp_path)
    roots.write_text("[]", encoding="utf-8")
    assert not is_demo_data(tmp_path)


def test_a_stage_that_takes_in_its_own_clips_is_known_by_those(tmp_path):
    write(tmp_path / "08_reporting" / "features", [ROW])
    roots = tmp_path / "02_intermediate" / "audio_roots.json"
    own = tmp_path / "02_intermediate" / "features" / "audio_roots.json"
    own.parent.mkdir(parents=True)
    roots.write_text(json.dumps({"labelled": "/data/mine"}), encoding="utf-8")
    own.write_text(json.dumps({"labelled": "out/01_raw/companion"}), encoding="utf-8")
    assert DEMO in closing_words(tmp_path, ["features.report"])
    roots.write_text(json.dumps({"labelled": "out/01_raw/demo"}), encoding="utf-8")
    own.write_text(json.dumps({"labelled": "/data/mine"}), encoding="utf-8")
    assert DEMO not in closing_words(tmp_path, ["features.report"])


def test_a_run_that_wrote_no_report_says_nothing(tmp_path):
    assert closing_words(tmp_path, ["clips", "stage5.scores"]) == ""


def test_a_run_begins_with_what_it_will_do_with_whose_data(tmp_path):
    words = opening_words(
        tmp_path, ["stage5"], {"target": "RADR", "source": {"folder": "/x/clips"}}, ["stage5"], 31
    )
    assert words.splitlines() == [
        "stage5: looking for RADR in recordings of /x/clips.",
        f"31 steps, results in {tmp_path}; a first run takes minutes for hundreds of clips, hours for tens of thousands.",
    ]
    assert opening_words(tmp_path, [DEFAULT], {"target": "RADR"}, [], 2).startswith(
        "baseline: looking for RADR in the demo season (synthetic recordings)."
    )


def test_how_long_is_what_the_last_finished_run_took(tmp_path):
    folder = tmp_path / "08_reporting" / "stage5" / "runs"
    folder.mkdir(parents=True)
    for name, outcome, seconds in (("a", "finished", 600), ("b", "finished", 95), ("c", "failed", 3)):
        record = {
            "run": name,
            "stage": "stage5",
            "started": f"2025-0{1 + 'abc'.index(name)}-01",
            "outcome": outcome,
        }
        (folder / f"{name}.json").write_text(json.dumps({**record, "duration_s": seconds}), encoding="utf-8")
    assert "; the last such run took 1 min 35 s." in opening_words(tmp_path, ["stage5"], {}, ["stage5"], 31)
    (folder / "d.json").write_text("{", encoding="utf-8")
    assert "; a first run takes minutes" in opening_words(tmp_path, ["stage5"], {}, ["stage5"], 31)


def test_what_the_point_to_use_does_is_said_in_plain_ascii():
    row = {"test_ood_recall": 0.76, "test_ood_fpr": 0.05}
    words = _what_it_does(row, "test_ood")
    assert words == ". On test_ood it finds 76 % of the clips with the target and flags 5 % of those without"
    assert words.isascii()


def test_of_how_many_clips_the_point_to_use_was_told_is_said():
    row = {"test_iid_recall": 1.0, "test_iid_n_positive": 1, "test_iid_fpr": 1 / 3, "test_iid_n_negative": 3}
    said = "it finds 1 of the 1 clip with the target and flags 1 of the 3 without"
    assert said in _what_it_does(row, "test_iid")


@pytest.mark.parametrize(
    ("found", "flagged", "said"),
    [
        (1.0, 1.0, "every"),
        (0.0, 0.0, "no"),
        (1.0, 0.0, ""),
        (0.0, 1.0, ""),
        (1.0, 0.9, ""),
        (math.nan, math.nan, ""),
    ],
)
def test_a_point_that_tells_none_apart_is_not_recommended(found, flagged, said):
    assert _flags_all_or_none({"val_recall": found, "val_fpr": flagged}, "val") == said


def test_a_data_package_is_named(tmp_path):
    words = closing_words(tmp_path, ["detection.camtrap_dp"])
    assert words.strip() == str(tmp_path / "08_reporting" / "detection" / "camtrap-dp" / "datapackage.json")


@pytest.mark.parametrize(
    ("pipeline", "parameters", "begins"),
    [
        (
            "collection",
            {"collection": {"inbox": "/x/in"}, "card_target": "frog"},
            "looking for frog in /x/in.",
        ),
        (
            "collection",
            {"targets": ["frog", "owl"], "card_target": "frog"},
            "looking for frog and owl in what",
        ),
        (
            "collection",
            {"target": "RADR"},
            "looking for RADR in what the demo group brings (synthetic recordings).",
        ),
        (
            "detection",
            {"detection": {"recordings": "/x/in", "model": "stage5/1"}},
            "searching /x/in with stage5/1.",
        ),
        ("detection", {}, "searching the field recordings of the demo season (synthetic) with the trained"),
        ("audit", {"audit": {"experiments": "/x/a.csv"}}, "checking /x/a.csv."),
        ("handover", {}, "making a data package of the last detection run and all decisions."),
        ("published", {"published": {"experiments": "/x/a.csv"}}, "recomputing /x/a.csv."),
    ],
)
def test_each_pipeline_says_whose_data_it_reads(tmp_path, pipeline, parameters, begins):
    words = opening_words(tmp_path, [pipeline], {"source": {"folder": "/y"}, **parameters}, [pipeline], 1)
    assert words.startswith(f"{pipeline}: {begins}") and "\n1 step, results in" in words


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("kedro review detections", "kedro review detections --params=data_root={}"),
        ("kedro review x --params=a=b", 'kedro review x --params="a=b,data_root={}"'),
        ('kedro review x --params="data_root=/o"', 'kedro review x --params="data_root=/o"'),
    ],
)
def test_a_run_ends_with_its_answer_and_the_next_command(tmp_path, command, said):
    folder = tmp_path / "08_reporting" / "detection"
    folder.mkdir(parents=True)
    (folder / "answer.txt").write_text(f"None of 6 windows was flagged.\n{command}\n", encoding="utf-8")
    words = closing_words(tmp_path, ["detection.report", "detection.answer"])
    assert words.splitlines() == [
        "",
        "  None of 6 windows was flagged.",
        f"  Next:   {said.format(tmp_path)}",
    ]
    # What an earlier run left is not this run's answer.
    assert "None of 6" not in closing_words(tmp_path, ["detection.report"])


def test_the_usual_data_folder_is_not_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / "08_reporting" / "detection"
    folder.mkdir(parents=True)
    (folder / "answer.txt").write_text("None.\nkedro review detections\n", encoding="utf-8")
    assert "Next:   kedro review detections\n" in closing_words(
        tmp_path / "data", ["detection.report", "detection.answer"]
    )


@pytest.mark.parametrize(
    ("separation", "said"),
    [
        (3.0, "Use it only to find clips"),
        (0.5, "Do not use it yet: it is not shown to do better than a guess"),
    ],
)
def test_the_run_says_whether_to_use_the_detector_as_its_report_does(tmp_path, make_stage, separation, said):  # noqa: F811
    results = make_stage({"seed": [1], "hidden_units": [0, 64]}, separation=separation).results
    folder = StageFolder(tmp_path, "made")
    for path, table in (
        (folder.plan, results.plan),
        (folder.points_table, results.points),
        (folder.leaderboard, results.leaderboard),
        (folder.effects, results.effects),
    ):
        write_table(table, path)
    for name, table in results.tables.items():
        write_table(table, folder.evaluation_tables / f"{name}.parquet")
    (folder.evaluation_tables / SEAL).touch()
    asked = StageQuestion(results.spec, results.target, results.options)
    StageResultsDataset(filepath=folder.results.as_posix()).save(asked)
    words = closing_words(tmp_path, ["made.report"])
    assert "  Chosen: made_001. On test_ood it finds" in words and said in words
    assert "  Next:   kedro run --pipeline=detection" in words
