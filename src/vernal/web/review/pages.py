"""How a page becomes an answer: one frame and one look for review, results and sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from vernal.reports.page_templates import page_templates

if TYPE_CHECKING:
    from jinja2 import Environment

PLACES = (("Review", "/review"), ("Results", "/results"), ("Sweeps", "/sweeps"))


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """The templates, everything escaped; `review/base.html.j2` is the frame that all pages extend."""
    made = page_templates("vernal.web")
    made.globals["places"] = PLACES
    return made


def page(request: Request, template: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """Render a template as an HTML answer; it knows `path`, the address asked for."""
    text = _environment().get_template(template).render(path=request.url.path, **values)
    return HTMLResponse(text, status_code=status)


def problem(request: Request, words: str, status: int) -> Response:
    """Say what went wrong: as JSON to a script, as a page to a person."""
    if "text/html" in request.headers.get("accept", ""):
        return page(request, "review/problem.html.j2", {"words": words}, status)
    return JSONResponse({"problem": words}, status_code=status)
