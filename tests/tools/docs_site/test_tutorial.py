"""docs/tutorial.md followed word by word: each file written, each command run, in order, on the tiny season."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests.pipelines.test_handover import assert_valid
from tests.reviewing import READY, Reviewing, decide, until
from tests.small_browser import console_errors, open_browser
from tests.warm_kedro import warm_kedro
from vernal.clips.nights import moments_of, nights_of_moments
from vernal.common.table_files import read_table
from vernal.web.review.decisions import DecisionLog

pytestmark = pytest.mark.docs

FENCE = re.compile(
    r'^```(?P<kind>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<body>.*?)^```$', re.DOTALL | re.MULTILINE
)


def steps(project, page="tutorial.md"):
    """A page's commands and the files it asks to write, in order."""
    found = []
    for match in FENCE.finditer((project / "docs" / page).read_text(encoding="utf-8")):
        if match["kind"] == "bash":
            found += [("run", line) for line in match["body"].splitlines() if line.strip()]
        elif match["title"]:
            found.append(("write", (match["title"], match["body"])))
    return found


def environment(folder):
    """Of the project's processes in a copy of it: the tiny season, and where they start anew, the copy's own code."""
    return os.environ | {"KEDRO_ENV": "test", "PYTHONPATH": str(folder / "src")}


def follow(project, folder, is_followed, page="tutorial.md", then=lambda command: None):
    """Do what a page says in a copy of the project, and something after each command; what each command printed."""
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(project / name, folder)
    for name in ("conf", "src"):
        left_out = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(project / name, folder / name, ignore=left_out)
    said = {}
    for kind, what in steps(project, page):
        if kind == "write":
            # The tiny season's environment stands in for a person's own settings.
            with (folder / what[0].replace("conf/local", "conf/test")).open("a", encoding="utf-8") as file:
                file.write(what[1])
        elif is_followed(what):
            kedro, *arguments = shlex.split(what)
            assert kedro == "kedro"
            done = subprocess.run(
                [warm_kedro(), *arguments],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=600,
                env=environment(folder),
            )
            assert done.returncode == 0, f"{what}\n{done.stdout}{done.stderr}"
            said[what] = done.stdout + done.stderr
            then(what)
    return said


def test_the_page_has_commands_and_a_file(project):
    kinds = [kind for kind, _ in steps(project)]
    assert kinds.count("run") >= 12 and kinds.count("write") == 1


def test_what_only_looks_does_what_the_page_says(project, tmp_path):
    said = follow(project, tmp_path, lambda command: command.startswith("kedro sweep"))
    assert "stage5_120" in said["kedro sweep show stage5"]
    assert "stage5_017" in said["kedro sweep show stage5 17"]
    assert "my_heads_004" in said["kedro sweep show my_heads"]


@pytest.mark.slow
def test_the_whole_page_gives_what_it_says(project, tmp_path):
    said = follow(project, tmp_path, lambda command: True)
    reporting = tmp_path / "data" / "08_reporting"
    assert "data/08_reporting/baseline/report.html" in said["kedro run"].replace("\\", "/")
    for name in ("report.html", "leaderboard.csv", "effects.csv", "points.csv", "certificate.json"):
        assert (reporting / "stage5" / name).stat().st_size > 0
    assert len(pd.read_csv(reporting / "stage5" / "points.csv")) == 120
    assert len(pd.read_csv(reporting / "my_heads" / "points.csv")) == 4
    assert "done" in said["kedro runs list my_heads"] or "my_heads" in said["kedro runs list my_heads"]
    made = {file.name for file in (tmp_path / "classifiers" / "demo").iterdir()}
    assert {"my_heads_001.tflite", "my_heads_001_settings.md"} <= made


def check_sample(folder, data):
    """Open the sample as the page says and decide on every window by keyboard, as the season's tables have it."""
    tables = [pd.read_parquet(data / "01_raw" / "demo" / f"{name}.parquet") for name in ("clips", "field")]
    positive = {row.file_path for table in tables for row in table.itertuples() if row.label == "positive"}
    sample = read_table(data / "08_reporting" / "detection" / "sample.csv")
    reviewing = Reviewing(folder, data, "sample", "--reviewer=Ana", "--repeats=0", env=environment(folder))
    try:
        with open_browser(1400, 1000) as browser:
            browser.get(reviewing.address)
            for _ in range(len(sample)):
                until(browser, READY)
                shown = browser.find_element("tag name", "body").text
                (heard,) = {path for path in sample.file_path if Path(path).name in shown}
                decide(browser, "y" if heard in positive else "n")
            until(browser, "return !document.getElementById('end').hidden")
            hidden = "//dt[text()='score' or text()='model' or text()='rank']"
            assert not browser.find_elements("xpath", hidden) and console_errors(browser) == []
    finally:
        reviewing.kill()
    log = DecisionLog(data / "01_raw" / "review").read()
    assert len(log) == len(sample) and not log.is_score_shown.any()
    assert not log.score.is_monotonic_increasing and not log.score.is_monotonic_decreasing, "shuffled"
    said = dict(zip(zip(log.file_path, log.start_s, strict=True), log.decision, strict=True))
    expected = {
        (row.file_path, row.start_s): "target" if row.file_path in positive else "not_target"
        for row in sample.itertuples()
    }
    assert said == expected
    return len(sample)


def test_the_road_from_detections_to_evidence(project, tmp_path):
    """The page evidence.md, its windows checked by keyboard; what each step leaves is there and says what it should."""
    assert "\n    kedro review sample\n" in (project / "docs" / "evidence.md").read_text(encoding="utf-8")
    data, checked = tmp_path / "data", []
    reporting = data / "08_reporting" / "detection"

    def then(command):
        if "--pipeline=detection" in command and not checked:
            assert (
                "precision"
                not in (reporting / "report.html").read_text(encoding="utf-8").split("</h1>")[1][:600]
            )
            checked.append(check_sample(tmp_path, data))

    follow(project, tmp_path, lambda command: True, "evidence.md", then)
    assert checked and checked[0] > 90, "the tiny season has few windows less than 96"
    precision = pd.read_csv(reporting / "precision.csv")
    assert (
        precision.precision.between(0, 1).all()
        and (precision.precision_low <= precision.precision_high).all()
    )
    validation = pd.read_csv(reporting / "validation.csv")
    assert validation.label.tolist() == ["RADR"] and validation.wanted_answer.notna().all()
    hours = pd.read_csv(reporting / "hours.csv")
    assert hours.hours_from_sunset.notna().all() and set(hours.fit_key.notna()) == {True}
    occupancy = reporting / "occupancy"
    histories = {
        kind: pd.read_csv(occupancy / "RADR" / f"history_{kind}.csv", index_col="site")
        for kind in ("verified", "thresholded")
    }
    assert sorted(histories["verified"].index) == ["Cole Creek", "Rancho Meling", "Sylvan Pond", "Wheatley"]
    nights = read_table(reporting / "nights.csv")
    confirmed = nights[nights.review_state == "confirmed"]
    clips = pd.read_parquet(data / "01_raw" / "demo" / "clips.parquet")
    told = nights_of_moments(moments_of(clips[clips.label == "positive"]), 12)
    truth = set(zip(clips.recorder_id[told.index], told, strict=True))
    assert len(confirmed) and set(zip(confirmed.recorder_id, confirmed.night, strict=True)) <= truth
    weeks = (pd.to_datetime(confirmed.night) - pd.to_datetime(nights.night).min()).dt.days // 7
    assert (histories["verified"] == 1).sum().sum() == len(set(zip(confirmed.site, weeks, strict=True)))
    assert histories["verified"].isna().sum().sum() >= histories["thresholded"].isna().sum().sum()
    observations = pd.read_csv(reporting / "camtrap-dp" / "observations.csv")
    counts = observations.classificationMethod.value_counts()
    assert counts["human"] == checked[0] and counts["machine"] > 0
    assert set(observations.scientificName.dropna()) == {"Rana draytonii"}
    assert_valid(reporting / "camtrap-dp")
