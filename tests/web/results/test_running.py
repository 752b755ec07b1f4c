"""Runs are processes of their own: started once, followed in whole lines, stopped with their workers."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vernal.common.problems import InputError
from vernal.web.results.running import (
    Runs,
    is_locked,
    logs_of,
    plain_text,
    read_output,
    run_command,
    shown_command,
)


@pytest.fixture(autouse=True)
def taken_interrupts() -> Iterator[None]:
    """A server takes SIGINT. Tests in a shell's background ignore it, and what they start would with them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before or signal.SIG_DFL)


def wait_for(condition, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    assert condition()


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_the_command_is_about_the_data_that_the_pages_show(tmp_path: Path):
    parameters = {
        "target": "rooster",
        "source": {"manifest": "/x/m.csv", "field": None},
        "workers": 2,
        "seed": 5,
    }
    command = run_command("stage5", tmp_path, parameters, "missing")
    assert command[:3] == (sys.executable, "-m", "kedro")
    assert command[3:5] == ("run", "--pipeline=stage5")
    assert command[5] == (
        f"--params=data_root={tmp_path.as_posix()},points=missing,source.manifest=/x/m.csv,target=rooster,workers=2"
    )


def test_what_params_cannot_carry_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"comma cannot stand .*data_root=.*a,b"):
        run_command("stage5", tmp_path / "a,b", {})


def test_a_shown_command_can_be_typed():
    if os.name != "nt":
        assert shown_command(("py thon", "--params=a=b c")) == "'py thon' '--params=a=b c'"


def test_a_run_is_followed_to_its_end(tmp_path: Path):
    runs = Runs(tmp_path, tmp_path)
    run = runs.start("made", python("print('one'); print('tw\\u00f6')"), "Run it")
    wait_for(lambda: not run.is_running)
    text, offset = read_output(run.log, 0)
    assert text.splitlines()[1:] == ["one", "twö"] and text.startswith("$ ")
    assert run.state == "finished" and read_output(run.log, offset) == ("", offset)
    assert logs_of(tmp_path, "made") == [run.log] and run.log.parent.name == "runs"


def test_output_comes_in_whole_lines(tmp_path: Path):
    log = tmp_path / "a.log"
    log.write_bytes(b"first\nsec" + "ö".encode()[:1])
    text, offset = read_output(log, 0)
    assert text == "first\n" and offset == 6
    with log.open("ab") as file:
        file.write("ö".encode()[1:] + b"\n")
    assert read_output(log, offset) == ("secö\n", offset + 6)
    assert read_output(log, 10**6)[0] == "" and read_output(log, -5)[0].startswith("first")


def test_bars_and_colours_are_left_out():
    assert plain_text(" 10%\r 90%\rdone\n\x1b[1;31mred\x1b[0m\x07\n") == "done\nred\n"
    assert plain_text("windows\r\nlines\r\n") == "windows\nlines\n"


def test_an_error_is_said(tmp_path: Path):
    runs = Runs(tmp_path, tmp_path)
    run = runs.start("made", python("import sys; print('bad', file=sys.stderr); sys.exit(3)"), "")
    wait_for(lambda: not run.is_running)
    assert run.state == "ended with an error (exit status 3)" and "bad" in read_output(run.log, 0)[0]


def test_only_one_run_at_a_time_and_it_can_be_stopped(tmp_path: Path):
    runs = Runs(tmp_path, tmp_path)
    with pytest.raises(InputError, match="No run of made that was started here"):
        runs.stop("made")
    # Its output begins with its command, in which these words stand in two parts.
    code = "import time\ntry:\n print('rea' 'dy', flush=True)\n time.sleep(60)\nexcept KeyboardInterrupt:\n print('ti' 'dy')"
    run = runs.start("made", python(code), "")
    with pytest.raises(InputError, match="A run of made is at work"):
        runs.start("other", python("pass"), "")
    with pytest.raises(InputError, match="No run of other"):
        runs.stop("other")
    wait_for(lambda: "ready" in read_output(run.log, 0)[0])
    # It may have ended by the time that it is asked.
    assert runs.stop("made").state in ("stopping", "stopped")
    wait_for(lambda: not run.is_running)
    assert run.state == "stopped" and "tidy" in read_output(run.log, 0)[0]
    after = runs.start("made", python("pass"), "")
    wait_for(lambda: not after.is_running)
    assert logs_of(tmp_path, "made") == [after.log, run.log]


@pytest.mark.skipif(os.name == "nt", reason="process groups are another matter there")
def test_workers_of_a_run_end_with_it(tmp_path: Path):
    child = "import time; time.sleep(120)"
    code = (
        f"import subprocess, sys, time\np = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        "print(p.pid, flush=True)\ntime.sleep(120)"
    )
    runs = Runs(tmp_path, tmp_path)
    run = runs.start("made", python(code), "")
    wait_for(lambda: len(read_output(run.log, 0)[0].strip().splitlines()) > 4)
    worker = int(read_output(run.log, 0)[0].split()[-1])
    runs.stop("made")
    wait_for(lambda: not run.is_running)

    def is_gone() -> bool:
        try:
            return Path(f"/proc/{worker}/stat").read_text().split()[2] == "Z"
        except OSError:
            return True

    if Path("/proc/self/stat").is_file():
        wait_for(is_gone)


def test_a_command_that_cannot_start_is_said(tmp_path: Path):
    with pytest.raises(InputError, match="could not be started"):
        Runs(tmp_path, tmp_path).start("made", ("/no/such/program",), "")


def test_the_lock_of_a_run_elsewhere_is_seen(tmp_path: Path):
    from filelock import FileLock

    assert not is_locked(tmp_path)
    with FileLock(tmp_path / ".vernal.lock"):
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)


def test_files_of_other_names_are_no_outputs(tmp_path: Path):
    folder = tmp_path / "08_reporting" / "made" / "runs"
    folder.mkdir(parents=True)
    for name in ("notes.log", "20260301T200000.000000Z.log", "record.json"):
        (folder / name).write_text("x")
    assert [log.name for log in logs_of(tmp_path, "made")] == ["20260301T200000.000000Z.log"]
