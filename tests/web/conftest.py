"""A small project to review, and a server of it."""

from __future__ import annotations

import http.client
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.small_review import QUEUES, make_context, make_data_root, name_audio_roots
from vernal.web.project import ProjectContext
from vernal.web.review.options import ReviewOptions
from vernal.web.review.service import ReviewService


@pytest.fixture(scope="session")
def made_data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("to review")
    make_data_root(root)
    return root


@pytest.fixture
def data_root(made_data_root: Path, tmp_path: Path) -> Path:
    root = tmp_path / "data of Jürgen"
    shutil.copytree(made_data_root, root)
    name_audio_roots(root)
    return root


@pytest.fixture
def context(data_root: Path, project: Path) -> ProjectContext:
    return make_context(data_root, project)


@pytest.fixture
def service(context: ProjectContext) -> ReviewService:
    return ReviewService(context, ReviewOptions(queues=QUEUES), "Ana")


@dataclass
class Served:
    """A server of a service in this process, and how to ask it."""

    port: int
    token: str
    cookie: str

    def ask(
        self, path: str, method: str = "GET", body: object = None, brings_token: bool = True, **headers: str
    ) -> SimpleNamespace:
        """An answer's status, headers and content; `host_`-like names become `host-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if brings_token:
            named.setdefault("cookie", f"{self.cookie}={self.token}")
        content = None
        if body is not None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            named.setdefault("content-type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest(method, path, skip_host="host" in named)
        for name, value in named.items():
            connection.putheader(name, value)
        if content is not None:
            connection.putheader("content-length", str(len(content)))
        connection.endheaders(content)
        answer = connection.getresponse()
        made = SimpleNamespace(status=answer.status, headers=answer.headers, content=answer.read())
        connection.close()
        return made

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Serve a service until the test ends: `served = serve(service)`; browsers call it by `named_port`."""
    from vernal.commands.review import _bind
    from vernal.web.app import create_app
    from vernal.web.security import Guard, served_names
    from vernal.web.serving import make_server

    running = []

    def start(service: ReviewService, named_port: int = 0) -> Served:
        bound = _bind("127.0.0.1", 0)
        port, token = bound.getsockname()[1], "a-token-for-tests"
        names = served_names("127.0.0.1", named_port or port)
        app = create_app(service, token, names)
        server = make_server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        running.append((server, thread, bound))
        deadline = time.monotonic() + 10
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        return Served(port, token, Guard(app, token, names).cookie)

    yield start
    for server, thread, bound in running:
        server.should_exit = True
        thread.join(10)
        bound.close()
