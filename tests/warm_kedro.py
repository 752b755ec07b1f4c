"""`kedro` for tests, without its seconds of imports: a process that has them loaded forks for each command.

A command still has a process, folder, environment and output of its own, and ends when its client is killed. Its
workers that train or search are forked too, from a process that has TensorFlow loaded as they load it. Linux only;
elsewhere it is a plain `kedro`.
"""

from __future__ import annotations

import array
import atexit
import functools
import importlib
import json
import multiprocessing
import os
import pkgutil
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerProcess, SpawnProcess
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
# What commands import when they come to it, beside the whole of the package.
LOADED = (
    "kedro.framework.cli.cli",
    "kedro.framework.session",
    "kedro.runner",
    "kedro_telemetry.plugin",
    "kedro_viz.launchers.cli.main",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "matplotlib.pyplot",
    "numba",
    "pandera.pandas",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "requests",
    "scipy.signal",
    "scipy.stats",
    "sklearn.linear_model",
    "sklearn.metrics",
    "soundfile",
)
# The client runs without `site`, in hundredths of a second: it hands over its streams and waits for the exit status.
CLIENT = """\
import array, json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
streams = array.array("i", [0, 1, 2])
server.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
server.sendall(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode())
server.shutdown(socket.SHUT_WR)
sys.exit((server.recv(1) or b"\\x01")[0])
"""


@functools.cache
def warm_kedro() -> str:
    """The program to run in place of `kedro`; it lies in a folder of its own, under that name."""
    if sys.platform != "linux":
        return shutil.which("kedro", path=Path(sys.executable).parent) or "kedro"
    folder = Path(tempfile.mkdtemp(prefix="kedro"))
    client, program = folder / "client.py", folder / "kedro"
    client.write_text(CLIENT.format(address=str(folder / "socket")), encoding="utf-8")
    words = shlex.join([sys.executable, "-SE", str(client)])
    program.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", __file__, str(folder / "socket")],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT / "src"), str(PROJECT)])},
        stdin=subprocess.PIPE,  # It ends when this end is closed, even by a kill.
    )
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.kill)
    while not (folder / "socket").exists():
        assert server.poll() is None, "the process that has kedro loaded did not start"
        time.sleep(0.05)
    return str(program)


def serve(address: str) -> None:
    """Fork for each command; only a command's own process comes back from here."""
    # A copy of a socket's name appears at once, and it is listening by then.
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{address}.new")
    listener.listen(64)
    import vernal

    package = [module.name for module in pkgutil.walk_packages(vernal.__path__, "vernal.")]
    for name in (*LOADED, *package):
        if name not in ("vernal.__main__", "vernal.settings"):
            importlib.import_module(name)
    load_for_workers()
    Path(f"{address}.new").rename(address)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        if sys.stdin in select.select([listener, sys.stdin], [], [])[0]:
            sys.exit()
        client, _ = listener.accept()
        if os.fork() == 0:
            break
        client.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    listener.close()
    _, said, *_ = client.recvmsg(1, socket.CMSG_SPACE(3 * 4))
    streams = array.array("i", said[0][2])
    with client.makefile("rb") as file:
        arguments, folder, environment = json.load(file)
    if command := os.fork():
        for stream in (0, 1, 2, *streams):
            os.close(stream)
        watched = select.poll()
        watched.register(client, 0)  # Tells that it was killed, which the command then is too.
        watched.register(os.pidfd_open(command), select.POLLIN)
        if client.fileno() in dict(watched.poll()):
            os.kill(command, signal.SIGKILL)
            os._exit(1)
        client.sendall(bytes([os.waitstatus_to_exitcode(os.waitpid(command, 0)[1]) & 255]))
        os._exit(0)
    client.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["kedro", *arguments]
    fork_workers()


def load_for_workers() -> None:
    """Start the process of which workers are forks; it ends with the last that could ask it for one."""
    from vernal.common.workers import worker_environment

    before = dict(os.environ)
    os.environ.update(worker_environment())
    multiprocessing.set_forkserver_preload(["tests.warm_workers"])
    forkserver.ensure_running()
    os.environ.clear()
    os.environ.update(before)


def fork_workers() -> None:
    """Within a command: its workers are forks, but for those of other programs, which load what they like."""
    from vernal.common import workers
    from vernal.training.program import prepare_tensorflow

    # It is the child of another process, so whether it lives cannot be asked here.
    forkserver._forkserver.ensure_running = lambda: None  # type: ignore[method-assign]
    resource_tracker._resource_tracker._fd = resource_tracker._resource_tracker._pid = None

    def process(*args: Any, **kwargs: Any) -> SpawnProcess | ForkServerProcess:
        *queues, (prepare, environment, scratch), most_tasks = kwargs["args"]
        if prepare not in (None, prepare_tensorflow):
            return SpawnProcess(*args, **kwargs)
        start = (prepare, {**os.environ, **environment}, scratch)
        return ForkServerProcess(*args, **{**kwargs, "args": (*queues, start, most_tasks)})

    workers.SpawnProcess = process  # type: ignore[assignment, misc]


if __name__ == "__main__":
    serve(sys.argv[1])
    # Worker processes have nothing to read here.
    del sys.modules["__main__"].__file__
    from kedro.framework.cli.cli import main

    main()
