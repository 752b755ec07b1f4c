"""What is counted is what happened: faults are seen, kept and told."""

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tools.fuzzing import trials
from tools.fuzzing.__main__ import main
from tools.fuzzing.readers import Reader
from vernal.common.problems import InputError


def read_strangely(folder: Path, content: bytes) -> None:
    if content == b"refused":
        raise InputError("in words")
    if content == b"fault":
        raise KeyError("no words")


def make_trial(tmp_path: Path) -> trials.ReaderTrial:
    return trials.ReaderTrial(Reader("strange", lambda folder: [b"taken"], read_strangely), tmp_path)


def test_what_was_taken_refused_and_at_fault_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    trial = make_trial(tmp_path)
    for content in (b"taken", b"refused", b"fault", b"fault", b"taken"):
        trial.try_one(content)
    counted = trial.trial
    assert (counted.tries, counted.taken, counted.refused, counted.faults) == (5, 2, 1, 2)
    assert [file.read_bytes() for file in (tmp_path / "faults").iterdir()] == [b"fault"]
    (kind,) = counted.found
    assert kind.startswith("KeyError at ") and "test_trials.py" in kind
    monkeypatch.setattr(trials, "SLOW_S", 0.0)
    trial.try_one(b"taken")
    assert counted.faults == 3 and "TimeoutError" in counted.found


def test_a_while_of_fuzzing_leaves_its_counts(tmp_path: Path):
    reader = Reader("strange", lambda folder: [b"taken", b"fault "[:5]], lambda folder, content: None)
    trials.fuzz(reader, tmp_path, seconds=0.3)
    told = trials.Trial(**trials.read_json(tmp_path / "trial.json"))
    assert told.tries == told.taken > 10 and told.seconds >= 0.3


def test_a_process_that_ends_is_a_fault_and_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "executable", sys.executable)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    (tmp_path / "sitecustomize.py").write_text("import os\nos._exit(9)\n")
    (tmp_path / "out").mkdir()
    (found,) = trials.try_readers(["filters"], 1.0, tmp_path / "out")
    assert found.faults == 1 and found.found == {"the process ended with 9": "case"}


@pytest.mark.processes
def test_the_command_tells_what_it_tried(tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(project)
    result = CliRunner().invoke(main, ["readers", "filters", "--seconds=1", f"--keep={tmp_path / 'kept'}"])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].split() == list(trials.TRIAL_COLUMNS) and lines[1].startswith("filters of the page")


@pytest.mark.processes
def test_the_page_gives_nothing_away_and_a_leak_would_be_seen(project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trials, "_UP", ("..", "%2e%2e"))
    found = trials.try_page(project)
    assert found.tries == found.refused > 300 and not found.faults
    monkeypatch.setattr(trials, "_PLACES", ("/review",))
    monkeypatch.setattr(trials, "_UP", ("..",))
    monkeypatch.setattr(trials.Served, "ask", lambda self, path, body=None: (200, trials.SECRET.encode()))
    assert trials.try_page(project).faults == 15


@pytest.mark.processes
def test_no_confirmed_decision_is_lost_and_a_lost_one_would_be_seen(project: Path, monkeypatch):
    assert trials.try_killed_servers(project, 1).faults == 0
    monkeypatch.setattr(trials, "_kept", lambda data_root: set())
    lost = trials.try_killed_servers(project, 1)
    assert lost.faults == lost.taken > 0
