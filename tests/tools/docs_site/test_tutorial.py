"""docs/tutorial.md followed word by word: each file written, each command run, in order, on the tiny season."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pandas as pd
import pytest

pytestmark = pytest.mark.docs

FENCE = re.compile(
    r'^```(?P<kind>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<body>.*?)^```$', re.DOTALL | re.MULTILINE
)


def steps(project):
    """The page's commands and the files it asks to write, in order."""
    found = []
    for match in FENCE.finditer((project / "docs" / "tutorial.md").read_text(encoding="utf-8")):
        if match["kind"] == "bash":
            found += [("run", line) for line in match["body"].splitlines() if line.strip()]
        elif match["title"]:
            found.append(("write", (match["title"], match["body"])))
    return found


def follow(project, folder, is_followed):
    """Do what the page says in a copy of the project; what each command printed."""
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(project / name, folder)
    for name in ("conf", "src"):
        left_out = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(project / name, folder / name, ignore=left_out)
    said = {}
    for kind, what in steps(project):
        if kind == "write":
            (folder / what[0]).write_text(what[1], encoding="utf-8")
        elif is_followed(what):
            done = subprocess.run(
                [sys.executable, "-m", *shlex.split(what)],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=600,
                env=os.environ | {"KEDRO_ENV": "test", "PYTHONPATH": str(folder / "src")},
            )
            assert done.returncode == 0, f"{what}\n{done.stdout}{done.stderr}"
            said[what] = done.stdout + done.stderr
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
