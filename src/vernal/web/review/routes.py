"""The addresses of the review: two pages, and what their scripts ask for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from vernal.audio.excerpts import HOP, WINDOW, Excerpt
from vernal.collection.agreement import AgreementOptions
from vernal.common.problems import InputError
from vernal.web.review.decisions import MAX_NAME
from vernal.web.review.pages import page
from vernal.web.review.presentation_order import reviewers_agree
from vernal.web.review.project import top_hz
from vernal.web.review.service import Desk

MAX_BODY = 64 * 1024
_AGREEMENT_DRAWS = 200
# What a recording holds does not change while it is reviewed, and the browser is this person's own.
_KEEP = {"cache-control": "private, max-age=3600"}


def routes(desk: Desk) -> list[BaseRoute]:
    """All routes of the review of one desk."""
    api = "/review/api"
    return [
        Route("/review", _asked(desk, _home)),
        Route("/review/queue/{queue}", _asked(desk, _review)),
        Route(f"{api}/queues", _posted(desk, _make_queue), methods=["POST"]),
        Route(f"{api}/agreement", _asked(desk, _agreement)),
        Route(f"{api}/state/{{queue}}", _asked(desk, _state)),
        Route(f"{api}/item/{{queue}}/{{item}}", _asked(desk, _item)),
        Route(f"{api}/neighbours/{{queue}}/{{item}}", _asked(desk, _neighbours)),
        Route(f"{api}/sound/{{queue}}/{{item}}", _asked(desk, _sound)),
        Route(f"{api}/spectrogram/{{queue}}/{{item}}", _asked(desk, _spectrogram)),
        Route(f"{api}/clip/{{clips}}/{{clip}}/sound", _asked(desk, _sound)),
        Route(f"{api}/clip/{{clips}}/{{clip}}/spectrogram", _asked(desk, _spectrogram)),
        Route(f"{api}/decide/{{queue}}", _posted(desk, _decide), methods=["POST"]),
        Route(f"{api}/undo", _posted(desk, _undo), methods=["POST"]),
    ]


def _asked(desk: Desk, answer: Callable[[Desk, Request], Any]) -> Callable:
    """An endpoint that may read files: it runs beside the others, in a thread."""

    async def endpoint(request: Request) -> Response:
        made = await run_in_threadpool(answer, desk, request)
        return made if isinstance(made, Response) else JSONResponse(made)

    return endpoint


def _posted(desk: Desk, answer: Callable[[Desk, Request, dict[str, Any]], Any]) -> Callable:
    """An endpoint that takes a JSON object."""

    async def endpoint(request: Request) -> Response:
        body = await _read_body(request)
        return JSONResponse(await run_in_threadpool(answer, desk, request, body))

    return endpoint


async def _read_body(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise InputError("Send JSON.")
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > MAX_BODY:
            raise InputError(f"More than {MAX_BODY:,} bytes were sent.")
    try:
        body = json.loads(content)
    except ValueError as error:
        raise InputError("What was sent is no JSON.") from error
    if not isinstance(body, dict):
        raise InputError("What was sent is no JSON object.")
    return body


def _home(desk: Desk, request: Request) -> Response:
    reviewer = _reviewer(desk, request)
    values = {"queues": desk.list_queues(reviewer), "reviewer": reviewer, "target": desk.target}
    answer = page(request, "review/home.html.j2", values | {"is_blind": desk.is_blind})
    return _remembering(answer, request, reviewer)


def _review(desk: Desk, request: Request) -> Response:
    queue = desk.queue(request.path_params["queue"])
    reviewer = _reviewer(desk, request)
    band = desk.project.band_of(desk.target)
    values = {
        "queue": queue.name,
        "title": queue.spec.title,
        "reviewer": reviewer,
        "target": desk.target,
        "band": band,
        "top_hz": top_hz(band),
    }
    answer = page(request, "review/review.html.j2", values | {"call_types": desk.call_types()})
    return _remembering(answer, request, reviewer)


def _reviewer(desk: Desk, request: Request) -> str:
    """Who is at this browser: the name in the address, else the one used here last, else the server's."""
    kept = unquote(request.cookies.get(_cookie(request), ""))
    return (request.query_params.get("reviewer") or kept or desk.reviewer)[:MAX_NAME]


def _remembering(answer: Response, request: Request, reviewer: str) -> Response:
    """Keep the name in this browser, so that no way through the pages leads back to somebody else's."""
    answer.set_cookie(_cookie(request), quote(reviewer, safe=""), httponly=True, samesite="strict", path="/")
    return answer


def _cookie(request: Request) -> str:
    # By port: cookies are shared by all servers of a host.
    return f"vernal_reviewer_{request.url.port}"


def _is_blind(request: Request) -> bool:
    return request.query_params.get("blind") == "1"


def _state(desk: Desk, request: Request) -> Any:
    return desk.state(request.path_params["queue"], _reviewer(desk, request), _is_blind(request))


def _item(desk: Desk, request: Request) -> Any:
    return desk.item(request.path_params["queue"], request.path_params["item"], _is_blind(request))


def _neighbours(desk: Desk, request: Request) -> Any:
    return desk.neighbours(request.path_params["queue"], request.path_params["item"])


def _excerpt(desk: Desk, request: Request) -> Excerpt:
    path = request.path_params
    if "queue" in path:
        return desk.excerpt(path["queue"], path["item"])
    return desk.clip_excerpt(path["clips"], path["clip"])


def _sound(desk: Desk, request: Request) -> Response:
    low, high = (_hertz(request, name, open_end) for name, open_end in (("low", 0.0), ("high", 15_000.0)))
    content = desk.sounds.wav(_excerpt(desk, request), low, high)
    return Response(content, media_type="audio/wav", headers=_KEEP)


def _hertz(request: Request, name: str, default: float) -> float:
    text = request.query_params.get(name)
    try:
        return default if text is None else float(text)
    except ValueError:
        raise InputError(f"{name} is {text!r}; give a frequency in Hertz.") from None


def _spectrogram(desk: Desk, request: Request) -> Response:
    levels = desk.sounds.spectrogram(_excerpt(desk, request))
    form = {
        "x-frames": str(levels.shape[0]),
        "x-bins": str(levels.shape[1]),
        "x-hop": str(HOP),
        "x-window": str(WINDOW),
    }
    return Response(levels.tobytes(), media_type="application/octet-stream", headers={**form, **_KEEP})


def _decide(desk: Desk, request: Request, body: dict[str, Any]) -> Any:
    return desk.decide(request.path_params["queue"], body)


def _undo(desk: Desk, request: Request, body: dict[str, Any]) -> Any:
    return desk.undo(body)


def _make_queue(desk: Desk, request: Request, body: dict[str, Any]) -> Any:
    return {"queue": desk.make_queue(body)}


def _agreement(desk: Desk, request: Request) -> Any:
    table = reviewers_agree(
        desk.log.read(), AgreementOptions(n_draws=_AGREEMENT_DRAWS, seed=desk.options.seed)
    )
    return json.loads(table.to_json(orient="records"))
