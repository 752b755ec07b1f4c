"""The lineage served on this machine, from the project as it is."""

import socket
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from vernal.common.problems import InputError
from vernal.framework.kedro_compat import viz_app, viz_version
from vernal.framework.lineage.page import local_page

if TYPE_CHECKING:
    from fastapi import FastAPI

_PORTS_TRIED = 20


def create_app(project: Path) -> "FastAPI":
    """Kedro-Viz' application with its page and its version answered from here.

    `load_graph` must have been called before a browser asks.
    """
    from fastapi.responses import HTMLResponse, JSONResponse

    page, known = local_page(), viz_version()

    async def index() -> HTMLResponse:
        return HTMLResponse(page)

    async def version() -> JSONResponse:
        return JSONResponse({"installed": known, "is_outdated": False, "latest": known})

    return viz_app(project, {"/": index, "/workflow": index, "/api/version": version})


def serve(project: Path, host: str, port: int, open_browser: bool, view: str = "") -> None:
    """Answer browsers until somebody presses Ctrl-C.

    Args:
        view: query of the address, which says what is shown first.
    Raises:
        InputError: nothing can be served at that address.
    """
    import uvicorn

    listener = listen(host, port)
    address = f"http://{host}:{listener.getsockname()[1]}/{view}"
    print(f"The lineage is at {address}  (Ctrl-C ends it)", flush=True)  # noqa: T201
    if open_browser:
        opener = threading.Timer(1.0, webbrowser.open, [address])
        opener.daemon = True
        opener.start()
    uvicorn.Server(uvicorn.Config(create_app(project), log_config=None)).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """A socket on the port, or on the next one that is free; port 0 takes any.

    Raises:
        InputError: the address is not one of this machine's, or every port tried is taken.
    """
    try:
        socket.getaddrinfo(host, port)
    except (OSError, OverflowError) as error:
        raise InputError(f"{host}:{port} is no address to listen at ({error}).") from error
    for candidate in range(port, port + (_PORTS_TRIED if port else 1)):
        try:
            return socket.create_server((host, candidate))
        except OSError:
            continue
    raise InputError(
        f"No port from {port} to {port + _PORTS_TRIED - 1} is free on {host}; name another with --port."
    )
