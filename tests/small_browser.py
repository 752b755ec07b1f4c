"""A headless Chromium that knows no other machine, and what it noticed."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tools.docs_site import browser
from tools.docs_site.browser import wait_for

__all__ = ["PNG", "console_errors", "foreign_requests", "open_browser", "served", "wait_for"]

# One blue point.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPj/HwADBwIAMCbHYQAAAABJRU5ErkJggg=="
)


@contextlib.contextmanager
def open_browser(width: int = 1600, height: int = 1000) -> Iterator:
    """A Chromium driver; the test is skipped where there is none."""
    with contextlib.ExitStack() as stack:
        try:
            driver = stack.enter_context(browser.open_browser(width, height))
        except browser.NoBrowser as error:
            pytest.skip(str(error))
        yield driver


def console_errors(driver) -> list[str]:
    """What the pages complained about since the last call."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


def foreign_requests(driver) -> list[str]:
    """Addresses of other machines that were asked for since the last call."""
    asked = []
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.append(message["params"]["request"]["url"])
    assert asked, "the log of requests is empty"
    own = ("http://127.0.0.1", "data:", "blob:", "chrome")
    return [url for url in asked if not url.startswith(own)]


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder of files, served on this machine alone."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
