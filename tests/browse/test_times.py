"""Without a recorded run a short measurement tells the times, in a process of its own, once it is asked for."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from vernal.browse.times import Times, estimate_words
from vernal.sweeps.spec import expand, parse_spec

POINTS = expand(parse_spec({"stage": "new", "axes": {"seed": [1, 2, 3]}}, "x"))
TOOK = {"train_s": 4.0, "draw_s": 0.2, "score_s": 0.2, "evaluate_s": 1.6}


@pytest.fixture
def bare(made):
    """A data folder in which no run is recorded."""
    for file in (made.data_root / "08_reporting" / "made" / "runs").glob("*.json"):
        file.unlink()
    return made


def answer_with(monkeypatch, stdout: str, stderr: str = "") -> list[list[str]]:
    asked = []

    def run(command, **options):
        asked.append(command)
        return subprocess.CompletedProcess(command, 0 if stdout else 1, stdout, stderr)

    monkeypatch.setattr("vernal.browse.times.subprocess.run", run)
    return asked


def wait_for_end(times: Times) -> dict:
    until = time.monotonic() + 20
    while times.measure_state()["is_running"] and time.monotonic() < until:
        time.sleep(0.02)
    return times.measure_state()


def test_nothing_is_said_and_nothing_measured_unasked(bare, monkeypatch):
    asked = answer_with(monkeypatch, "")
    times = Times(bare.folder, bare.data_root)
    assert times.estimate(POINTS) is None and not times.are_known and asked == []
    assert estimate_words(None)["time"] == ""


def test_a_measurement_is_taken_where_no_run_tells(bare, monkeypatch):
    found = {
        "small": {"ours_s": 12.0, **TOOK},
        "large": {"ours_s": 20.0, **{name: took * 2 for name, took in TOOK.items()}},
        "clips": 450,
    }
    asked = answer_with(monkeypatch, "a warning\n" + json.dumps(found) + "\n")
    times = Times(bare.folder, bare.data_root)
    times.start_measuring()
    assert wait_for_end(times) == {"is_running": False, "problem": "", "is_done": True}
    assert asked[0][1:3] == ["-m", "vernal.browse.measuring"] and int(asked[0][3]) > 0
    estimate = times.estimate(POINTS)
    assert estimate is not None and "measured here just now" in estimate.source
    assert estimate_words(estimate)["time"].startswith("about ")
    times.start_measuring()  # it is known now
    assert len(asked) == 1


def test_a_measurement_that_fails_says_why(bare, monkeypatch):
    answer_with(monkeypatch, "", "Traceback\nMemoryError: no room")
    times = Times(bare.folder, bare.data_root)
    times.start_measuring()
    assert wait_for_end(times)["problem"] == "The measurement failed: MemoryError: no room"
    assert not times.are_known


def test_a_recorded_run_is_preferred(made, monkeypatch):
    asked = answer_with(monkeypatch, "{}")
    times = Times(made.folder, made.data_root)
    times.start_measuring()
    assert asked == [] and "the run of made" in times.estimate(POINTS).source
