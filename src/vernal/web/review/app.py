"""The application: pages of review, results and sweeps under one guard, with one look."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from vernal.common.problems import InputError
from vernal.web.results.routes import routes as browse_routes
from vernal.web.review.pages import problem
from vernal.web.review.project import ProjectContext, Refused
from vernal.web.review.security import Guard

STATIC = Path(__file__).parent / "static"


def create_app(
    project: ProjectContext, token: str, names: Iterable[str], more: Iterable[BaseRoute] = ()
) -> Starlette:
    """The application over one project.

    Args:
        token: what a request has to bring.
        names: `host:port` that the server is reached by (see `security.served_names`).
        more: further routes, put before the others.
    """

    async def home(request: Request) -> Response:
        return RedirectResponse("/review", status_code=303)

    routes: list[BaseRoute] = [
        Route("/", home),
        Mount("/static", StaticFiles(directory=STATIC), name="static"),
        *more,
        *browse_routes(project),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, token=token, names=names)],
        exception_handlers={Refused: _refused, InputError: _wrong, 404: _not_found},
    )


async def _refused(request: Request, error: Exception) -> Response:
    return problem(request, str(error), 403)


async def _wrong(request: Request, error: Exception) -> Response:
    return problem(request, str(error), 422)


async def _not_found(request: Request, error: Exception) -> Response:
    return problem(request, "There is no such page here.", 404)
