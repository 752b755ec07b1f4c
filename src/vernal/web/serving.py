"""The server of the pages, and how its address reaches the browser without being shown to other accounts."""

import contextlib
import html
import os
import sys
import tempfile
import threading
import webbrowser
from asyncio import TimerHandle, Transport
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 200
PATIENCE_S = 20.0
_LOOK_EVERY_S = 1.0
_OPENING_S = 60.0


def make_server(app: ASGIApp) -> uvicorn.Server:
    """A server that ends connections that keep it waiting; `server.run(sockets=[...])` serves."""
    return uvicorn.Server(
        uvicorn.Config(app, http=ImpatientProtocol, log_level="warning", access_log=False, lifespan="off")
    )


class ImpatientProtocol(H11Protocol):
    """HTTP with an end to waiting: for a request that was begun, for its body, for an answer to be taken.

    Such a connection ends after `PATIENCE_S` seconds in which nothing gets further; what this server itself takes for
    an answer does not count. Connections beyond `MOST_CONNECTIONS` are closed at once.
    """

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to count."""
        super().connection_made(transport)
        self._n_unsent, self._since = 0, self.loop.time()
        self._look_again: TimerHandle = self.loop.call_later(_LOOK_EVERY_S, self._look)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End counting."""
        self._look_again.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Count anew for the next request."""
        self._since = self.loop.time()
        super().on_response_complete()

    def _look(self) -> None:
        n_unsent = self.transport.get_write_buffer_size()
        is_asked = self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
        if n_unsent != self._n_unsent or (is_asked and not n_unsent):
            self._n_unsent, self._since = n_unsent, self.loop.time()
        if self.loop.time() - self._since > PATIENCE_S:
            self.transport.abort()
        else:
            self._look_again = self.loop.call_later(_LOOK_EVERY_S, self._look)


@contextlib.contextmanager
def opened_in_browser(address: str) -> Iterator[None]:
    """Open an address in this account's browser, by a file that only this account can read.

    The command line of a browser, which every account of a machine may read, holds the file's name alone. The file is
    removed after a minute, or when the block ends.
    """
    page = opening_page(address)
    remover = threading.Timer(_OPENING_S, page.unlink, kwargs={"missing_ok": True})
    remover.daemon = True
    remover.start()
    try:
        webbrowser.open(page.as_uri())
        yield
    finally:
        remover.cancel()
        page.unlink(missing_ok=True)


def opening_page(address: str) -> Path:
    """A file that leads a browser to an address; nobody else can read it."""
    words = f'<!doctype html><meta http-equiv="refresh" content="0; url={html.escape(address)}">\n'
    handle, name = tempfile.mkstemp(prefix="vernal-review-", suffix=".html", dir=_private_folder())
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(words)
    return Path(name)


def _private_folder() -> Path | None:
    """Where this account's browser finds a file; None: among the temporary ones.

    Browsers that Linux runs in a box of their own see another temporary folder, and no hidden ones.
    """
    with contextlib.suppress(RuntimeError):  # an account without a home folder
        if sys.platform == "linux" and os.access(home := Path.home(), os.W_OK):
            return home
    return None
