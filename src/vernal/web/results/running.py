"""Runs that a person started from a page: each a process of its own, its output in a file, to be followed and stopped.

A run belongs to its process, not to the page: it goes on when the page is closed, and when the server is. One run at a
time is started from here; the lock of the data folder keeps it apart from runs that were started elsewhere.
"""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vernal.common.problems import InputError
from vernal.common.settings import find_setting

MOST_BYTES = 256 * 1024
LOG_NAME = re.compile(r"[0-9TZ.]{16,32}\.log")
STOPPED_S = (10.0, 5.0)
# What a run reads: given again on its command line, so that it is about what the pages show.
CARRIED = (
    "source.manifest", "source.audio_root", "source.folder", "source.field", "source.unlabelled", "target", "workers"
)  # fmt: skip
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass
class Run:
    """A run that was started from here. `asked` says what the person agreed to."""

    stage: str
    command: tuple[str, ...]
    log: Path
    started: datetime
    asked: str
    process: subprocess.Popen[bytes]
    is_stopping: bool = False

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    @property
    def state(self) -> str:
        """How far it is, in words."""
        code = self.process.poll()
        if code is None:
            return "stopping" if self.is_stopping else "running"
        if self.is_stopping:
            return "stopped"
        return "finished" if code == 0 else f"ended with an error (exit status {code})"


def run_command(
    stage: str, data_root: Path, parameters: Mapping[str, Any], points: str = "all"
) -> tuple[str, ...]:
    """The command line that runs a stage on what the pages show.

    Args:
        parameters: the merged parameters of the project.
        points: what `--params=points` gets: `all` or `missing`.
    Raises:
        InputError: a value that Kedro's `--params` cannot carry.
    """
    given = {"data_root": data_root.as_posix(), "points": points}
    values = {name: find_setting(parameters, name) for name in CARRIED}
    given |= {name: str(value) for name, value in values.items() if value is not None}
    unfit = [f"{name}={value}" for name, value in given.items() if re.search(r"[,\n\r]", value)]
    if unfit:
        raise InputError(
            f"A comma cannot stand in what --params carries ({'; '.join(unfit)}). Set it in conf/local/parameters.yml "
            "and start the run in a terminal."
        )
    params = ",".join(f"{name}={value}" for name, value in given.items())
    return (sys.executable, "-m", "kedro", "run", f"--pipeline={stage}", f"--params={params}")


def shown_command(command: Sequence[str]) -> str:
    """A command line as a person would type it here."""
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)


class Runs:
    """Starts, follows and stops; safe to call from several threads."""

    def __init__(self, project: Path, data_root: Path) -> None:
        self._project = project
        self._data_root = data_root
        self._lock = threading.Lock()
        self._last: Run | None = None

    @property
    def last(self) -> Run | None:
        """The run that was started last from here."""
        return self._last

    def start(self, stage: str, command: Sequence[str], asked: str) -> Run:
        """Start a process.

        Raises:
            InputError: one that was started from here is still at work, or it cannot be started.
        """
        with self._lock:
            if self._last is not None and self._last.is_running:
                raise InputError(f"A run of {self._last.stage} is at work; wait until it ends, or stop it.")
            now = datetime.now(UTC)
            log = logs_folder(self._data_root, stage) / f"{now:%Y%m%dT%H%M%S.%f}Z.log"
            try:
                log.parent.mkdir(parents=True, exist_ok=True)
                with log.open("wb") as output:
                    output.write(f"$ {shown_command(command)}\n".encode())
                    output.flush()
                    process = subprocess.Popen(
                        list(command), cwd=self._project, stdin=subprocess.DEVNULL, stdout=output,
                        stderr=subprocess.STDOUT, env=_environment(), **_own_group(),
                    )  # fmt: skip
            except OSError as error:
                raise InputError(f"The run could not be started ({error}).") from error
            self._last = Run(stage, tuple(command), log, now, asked, process)
            return self._last

    def stop(self, stage: str) -> Run:
        """Ask a run to end, as Ctrl+C does; one that does not is ended after some seconds.

        Raises:
            InputError: no run of the stage that was started from here is at work.
        """
        with self._lock:
            run = self._last
            if run is None or run.stage != stage or not run.is_running:
                raise InputError(f"No run of {stage} that was started here is at work.")
            if not run.is_stopping:
                run.is_stopping = True
                threading.Thread(target=_end, args=(run.process,), daemon=True).start()
            return run


def logs_folder(data_root: Path, stage: str) -> Path:
    """Where the output of a stage's runs is kept, beside their records."""
    return data_root / "08_reporting" / stage / "runs"


def logs_of(data_root: Path, stage: str) -> list[Path]:
    """Kept outputs of a stage, the newest first."""
    files = logs_folder(data_root, stage).glob("*.log")
    return sorted((file for file in files if LOG_NAME.fullmatch(file.name)), reverse=True)


def read_output(log: Path, offset: int) -> tuple[str, int]:
    """What was written to an output since `offset` bytes, in whole lines, and where to go on.

    Colours are taken out; of a line that was written over, as progress bars are, the last state is given.
    """
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(min(max(offset, 0), size))
        content = file.read(MOST_BYTES)
    end = content.rfind(b"\n") + 1
    if not end and len(content) == MOST_BYTES:
        end = len(content)  # a line without an end
    return plain_text(content[:end].decode("utf-8", errors="replace")), min(max(offset, 0), size) + end


def plain_text(text: str) -> str:
    """Output as it would stand on a screen in the end.

    >>> plain_text("10 %\\r50 %\\rdone\\n\\x1b[31mred\\x1b[0m\\n")
    'done\\nred\\n'
    """
    lines = _ESCAPES.sub("", text.replace("\r\n", "\n")).split("\n")
    return "\n".join(_CONTROLS.sub("", line.rstrip("\r").rpartition("\r")[2]) for line in lines)


def is_locked(data_root: Path) -> bool:
    """Whether a run is at work in a data folder, wherever it was started."""
    from filelock import FileLock, Timeout

    file = data_root / ".vernal.lock"
    if not file.is_file():
        return False
    lock = FileLock(file)
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False  # a folder that cannot be written: no run can be at work in it


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}


def _own_group() -> dict[str, Any]:
    """A group of its own: Ctrl+C for the server is not meant for the run, and the run is stopped with its workers."""
    if os.name == "nt":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined, unused-ignore]
    return {"start_new_session": True}


def _end(process: subprocess.Popen[bytes]) -> None:
    steps = [signal.CTRL_BREAK_EVENT] if os.name == "nt" else [signal.SIGINT, signal.SIGTERM]  # type: ignore[attr-defined, unused-ignore]
    for step, seconds in zip(steps, STOPPED_S, strict=False):
        _send(process, step)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return
    if os.name == "nt":
        process.kill()
    else:
        _send(process, signal.SIGKILL)


def _send(process: subprocess.Popen[bytes], sign: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "nt":
            process.send_signal(sign)
        else:
            os.killpg(process.pid, sign)
