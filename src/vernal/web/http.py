"""Between Starlette and the pages: what a request brings, and how a page, plain data or a problem is answered."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from vernal.clips.manifest import on_split, split_name
from vernal.common.formatting import between, percent, share, visible
from vernal.common.json_text import parse_json
from vernal.common.problems import InputError
from vernal.reports.page import code
from vernal.reports.page_templates import page_templates

if TYPE_CHECKING:
    from jinja2 import Environment

PLACES = (("Review", "/review"), ("Results", "/results"), ("Sweeps", "/sweeps"))
MAX_BODY, MAX_FIELDS = 256 * 1024, 500
_LONGEST_NAME = 240  # bytes; with an ending, what every system takes
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
Fields = list[tuple[str, str]]


def get(path: str, answer: Callable[..., Any]) -> Route:
    """A route that only reads: `answer(request, **path_parameters)` gives a response, or data to send as JSON."""

    async def endpoint(request: Request) -> Response:
        return await _in_thread(answer, request, **request.path_params)

    return Route(path, endpoint)


def post_json(path: str, answer: Callable[..., Any]) -> Route:
    """A route that takes a JSON object: `answer(request, content, **path_parameters)`."""

    async def endpoint(request: Request) -> Response:
        content = _parse_json(await _read_body(request, JSON, "Send JSON."))
        return await _in_thread(answer, request, content, **request.path_params)

    return Route(path, endpoint, methods=["POST"])


def post_form(path: str, answer: Callable[..., Any]) -> Route:
    """A route that takes the fields of a form, in order: `answer(request, fields, **path_parameters)`."""

    async def endpoint(request: Request) -> Response:
        fields = _parse_fields(await _read_body(request, FORM, "Send the fields of a form."))
        return await _in_thread(answer, request, fields, **request.path_params)

    return Route(path, endpoint, methods=["POST"])


async def _in_thread(answer: Callable[..., Any], *arguments: Any, **names: Any) -> Response:
    """An answer may read files, so it does not hold up the others."""
    if any(map(_is_no_name, names.values())):
        raise HTTPException(404)
    made = await run_in_threadpool(answer, *arguments, **names)
    return made if isinstance(made, Response) else JSONResponse(made)


def _is_no_name(name: str) -> bool:
    """Whether nothing here can have a name of an address: no file may be called so."""
    return "\0" in name or len(name.encode("utf-8", "replace")) > _LONGEST_NAME


async def _read_body(request: Request, kind: str, remedy: str) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip() != kind:
        raise InputError(remedy)
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > MAX_BODY:
            raise InputError(f"More than {MAX_BODY:,} bytes were sent.")
    return content


def _parse_json(content: bytes) -> dict[str, Any]:
    try:
        body = parse_json(content, "What was sent")
    except ValueError as error:
        raise InputError("What was sent is no JSON.") from error
    if not isinstance(body, dict):
        raise InputError("What was sent is no JSON object.")
    return body


def _parse_fields(content: bytes) -> Fields:
    try:
        text = content.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise InputError("What was sent cannot be read as the fields of a form.") from error


@lru_cache(maxsize=1)
def _templates() -> "Environment":
    """The templates, everything escaped; all pages extend `frame.html.j2`."""
    templates = page_templates("vernal.web")
    templates.globals |= {"places": PLACES, "code": code}
    templates.filters |= {
        "share": share,
        "between": between,
        "percent": percent,
        "split_name": split_name,
        "on_split": on_split,
    }
    return templates


def page(request: Request, name: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """The page of a template; `path` in it is the address that was asked for."""
    text = _templates().get_template(f"{name}.html.j2").render(path=request.url.path, **values)
    return HTMLResponse(text, status_code=status)


def problem(request: Request, words: str, status: int) -> Response:
    """Say what went wrong: as JSON to a script, as a page to a person."""
    words = visible(words)
    if "text/html" in request.headers.get("accept", ""):
        return page(request, "problem", {"words": words}, status)
    return JSONResponse({"problem": words}, status_code=status)


def one_of(asked: str | None, known: Any, default: str) -> str:
    """What was asked for if it is known, else the default."""
    return asked if asked is not None and asked in known else default
