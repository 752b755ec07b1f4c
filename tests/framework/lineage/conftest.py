"""A small finished run, served as a person would serve it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

from tests.small_browser import PNG
from tests.tiny_season import kedro_run
from vernal.datasets.drawing_dataset import DrawingDataset
from vernal.datasets.record_dataset import RecordDataset
from vernal.reports.figures import Drawing


@pytest.fixture(scope="session")
def results(project, tmp_path_factory):
    """A data folder with the first pipelines of the tiny season, a figure and a certificate of stage 5."""
    folder = tmp_path_factory.mktemp("data of a season")
    kedro_run(project, "--pipelines=demo,ingest,quality_splitting", f"--params=data_root={folder}")
    stage = folder / "08_reporting" / "stage5"
    DrawingDataset(path=f"{stage}/plots/roc").save(Drawing("<svg/>", PNG))
    RecordDataset(filepath=f"{stage}/certificate.json").save({"verdict": "pass", "checks": []})
    return folder


@pytest.fixture(scope="session")
def lineage(project, results):
    """The address of a running `kedro viz run`."""
    command = [sys.executable, "-u", "-m", "kedro", "viz", "run", "--no-browser", "--port=0", "--env=test"]
    process = subprocess.Popen(
        [*command, f"--params=data_root={results}"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUTF8": "1"},
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+/", line):
            break
    else:
        pytest.fail("kedro viz run ended: " + "".join(said))
    yield found[0]
    process.send_signal(signal.SIGINT if os.name != "nt" else signal.SIGTERM)
    process.communicate(timeout=30)
