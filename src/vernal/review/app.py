"""The application: pages of review, results and sweeps under one guard, with one look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from vernal.page_templates import page_templates
from vernal.problems import InputError
from vernal.review.project import ProjectContext, Refused
from vernal.review.security import Guard

if TYPE_CHECKING:
    from jinja2 import Environment

STATIC = Path(__file__).parent / "static"
PLACES = (("Review", "/review"), ("Results", "/results"), ("Sweeps", "/sweeps"))


def create_app(
    project: ProjectContext, token: str, names: Iterable[str], more: Iterable[BaseRoute] = ()
) -> Starlette:
    """The application over one project.

    Args:
        token: what a request has to bring.
        names: `host:port` that the server is reached by (see `security.served_names`).
        more: further routes, put before the others.
    """
    from vernal.browse.routes import routes as browse_routes

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


def environment() -> Environment:
    """The templates, everything escaped; `review/base.html.j2` is the frame that all pages extend."""
    made = page_templates()
    made.globals["places"] = PLACES
    return made


_ENVIRONMENTS: list[Environment] = []


def page(request: Request, template: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """Render a template as an HTML answer; it knows `path`, the address asked for."""
    from starlette.responses import HTMLResponse

    if not _ENVIRONMENTS:
        _ENVIRONMENTS.append(environment())
    text = _ENVIRONMENTS[0].get_template(template).render(path=request.url.path, **values)
    return HTMLResponse(text, status_code=status)


def problem(request: Request, words: str, status: int) -> Response:
    """Say what went wrong: as JSON to a script, as a page to a person."""
    from starlette.responses import JSONResponse

    if "text/html" in request.headers.get("accept", ""):
        return page(request, "review/problem.html.j2", {"words": words}, status)
    return JSONResponse({"problem": words}, status_code=status)


async def _refused(request: Request, error: Exception) -> Response:
    return problem(request, str(error), 403)


async def _wrong(request: Request, error: Exception) -> Response:
    return problem(request, str(error), 422)


async def _not_found(request: Request, error: Exception) -> Response:
    return problem(request, "There is no such page here.", 404)
