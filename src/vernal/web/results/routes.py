"""The addresses of results and sweeps, for the application of the review to mount.

Names that are no stage begin with an underscore, which no stage's name does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from vernal.common.problems import InputError
from vernal.web.results.pages_results import ResultPages
from vernal.web.results.pages_sweeps import SweepPages
from vernal.web.results.rendering import show

if TYPE_CHECKING:
    from vernal.web.review.project import ProjectContext

STATIC = Path(__file__).parent / "static"
MOST_BODY, MOST_FIELDS = 256 * 1024, 500
Pairs = list[tuple[str, str]]
Endpoint = Callable[[Request], Awaitable[Response]]


def routes(project: ProjectContext) -> list[BaseRoute]:
    """All routes of one project's results and sweeps."""
    results, sweeps = ResultPages(project), SweepPages(project)
    return [
        Route("/results", _shown(results.stages)),
        Mount("/results/_static", StaticFiles(directory=STATIC)),
        Route("/results/{stage}", _shown(results.board)),
        Route("/results/{stage}/compare", _shown(results.compare)),
        Route("/results/{stage}/effects", _shown(results.effects)),
        Route("/results/{stage}/nights", _shown(results.nights)),
        Route("/sweeps", _shown(sweeps.specs)),
        Route("/sweeps/_new", _shown(sweeps.build)),
        Route("/sweeps/_new", _sent(sweeps.rebuild), methods=["POST"]),
        Route("/sweeps/_check", _sent(sweeps.check), methods=["POST"]),
        Route("/sweeps/_save", _sent(sweeps.save), methods=["POST"]),
        Route("/sweeps/{stage}", _shown(sweeps.spec)),
        Route("/sweeps/{stage}/run", _sent(sweeps.run), methods=["POST"]),
        Route("/sweeps/{stage}/stop", _sent(sweeps.stop), methods=["POST"]),
        Route("/sweeps/{stage}/output", _shown(sweeps.output)),
        Route("/sweeps/{stage}/output/text", _shown(sweeps.output_text)),
    ]


def _shown(answer: Callable[[Request], Any]) -> Endpoint:
    """An endpoint that only reads; it may take its time, so it runs in a thread."""

    async def endpoint(request: Request) -> Response:
        return await _answered(request, answer, request)

    return endpoint


def _sent(answer: Callable[[Request, Pairs], Any]) -> Endpoint:
    """An endpoint that takes the fields of a form."""

    async def endpoint(request: Request) -> Response:
        return await _answered(request, answer, request, await read_fields(request))

    return endpoint


async def _answered(request: Request, answer: Callable[..., Any], *arguments: Any) -> Response:
    """The answer; what a person can mend is said on a page that leads back, or as JSON to a script."""
    try:
        made = await run_in_threadpool(answer, *arguments)
    except InputError as error:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        return show(request, "problem", {"words": str(error)}, 422)
    return made if isinstance(made, Response) else JSONResponse(made)


async def read_fields(request: Request) -> Pairs:
    """The fields of a posted form, in order.

    Raises:
        InputError: no form, or one that is too large.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "application/x-www-form-urlencoded":
        raise InputError("Send the fields of a form.")
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > MOST_BODY:
            raise InputError(f"More than {MOST_BODY:,} bytes were sent.")
    try:
        text = content.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise InputError("What was sent cannot be read as the fields of a form.") from error
