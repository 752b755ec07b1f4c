"""What is counted is what happened: faults are seen, kept and told."""

import os
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from tools.fuzzing import __main__ as command
from tools.fuzzing import __main__ as commands
from tools.fuzzing import trials
from tools.fuzzing.__main__ import main
from tools.fuzzing.readers import Reader
from vernal.common.problems import InputError
from vernal.common.table_files import read_table, write_table
from vernal.common.workers import BoundedWorker


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
    (kept,) = (tmp_path / "faults").iterdir()
    assert (kept.name, kept.read_bytes()) == ("0-000.bin", b"fault")
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
    found = trials.try_reader("filters", 1.0, tmp_path / "out" / "filters")
    assert found.faults == 1 and found.found == {"the process ended with 9": "case"}


def test_what_was_tried_before_and_since_adds_up():
    before = trials.table_of([trials.Trial("a", 10, 6, 3, 1, 60.0, 2.0, 30.0), trials.Trial("b", 5)])
    now = trials.table_of([trials.Trial("a", 4, 2, 2, 0, 20.5, 3.0, 10.0, guided=True), trials.Trial("c", 1)])
    both = trials.added(before, now)
    assert list(both.columns) == list(trials.TRIAL_COLUMNS) and list(both.what) == ["a", "b", "c"]
    assert both.iloc[0].tolist() == ["a", 14, 8, 5, 1, 80.5, 3.0, 30.0, True]
    assert trials.added(trials.table_of([]), now).equals(now)


def test_hours_are_collected_in_pieces_of_other_damages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seeds = []

    def try_reader(name: str, seconds: float, folder: Path, seed: int, is_guided: bool) -> trials.Trial:
        seeds.append((name, seed))
        return trials.Trial(command.readers()[name].name, tries=5, refused=5, seconds=seconds)

    monkeypatch.setattr(command, "try_reader", try_reader)
    asked = ["readers", "filters", "heads", "--add", "--seed=2", "--turns=2", f"--table={tmp_path / 't.csv'}"]
    for _ in range(2):
        result = CliRunner().invoke(main, asked)
        assert result.exit_code == 0, result.output
    assert [seed for name, seed in seeds if name == "heads"] == [2, 7, 12, 17]
    table = read_table(tmp_path / "t.csv")
    assert table.tries.tolist() == [20, 20] and table.seconds.tolist() == [240.0, 240.0]


@pytest.mark.processes
def test_a_worker_that_lives_counts_to_the_processor_time():
    worker = BoundedWorker(memory_mb=1_000, seconds=20)
    try:
        worker.run(take_time, 0.01)
        began = trials.processor_s()
        here = time.process_time()
        worker.run(take_time, 0.6)
        assert trials.processor_s() - began > 0.5 > time.process_time() - here
    finally:
        worker.end()


def take_time(seconds: float) -> None:
    ends = time.process_time() + seconds
    while time.process_time() < ends:
        pass


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
    found = trials.try_killed_servers(project, 5, decisions=300)
    assert found.faults == 0 and found.taken > 200 and found.tries <= 300
    kept = trials._kept

    def some_lost(data_root: Path) -> dict:
        (_, first), *rest = kept(data_root).items()
        (name, _), *rest = rest
        return dict(rest) | {name: first}

    monkeypatch.setattr(trials, "_kept", some_lost)
    assert trials.try_killed_servers(project, 1).faults == 2, "one is gone, and one is another's"


def test_the_line_of_servers_is_written_anew_and_others_stay(tmp_path, project, monkeypatch):
    monkeypatch.chdir(project)
    place = tmp_path / "trials.csv"
    old = [trials.Trial(f"{trials.KILLED_SERVERS} 5 servers that were killed"), trials.Trial("other", 7)]
    write_table(trials.table_of(old), place)
    asked = []

    def killed(*values) -> trials.Trial:
        asked.append(values[1:])
        return trials.Trial(f"{trials.KILLED_SERVERS} 2 servers that were killed", 40, faults=1)

    monkeypatch.setattr(commands, "try_killed_servers", killed)
    result = CliRunner().invoke(main, ["servers", "--servers=2", "--decisions=40", f"--table={place}"])
    assert result.exit_code == 1, "a fault"
    assert asked == [(2, 0, 40)]
    assert read_table(place).what.tolist() == [
        "other",
        "decisions sent from two tabs to 2 servers that were killed",
    ]


@pytest.mark.processes
@pytest.mark.slow
def test_an_hour_of_decisions_loses_none(project: Path):
    found = trials.try_killed_servers(project, 30, decisions=3_600)
    assert found.faults == 0 and found.taken > 3_000
