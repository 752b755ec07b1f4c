"""The pages of the review, and what their scripts ask for."""

import json
from typing import Any
from urllib.parse import quote, unquote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from vernal.audio.excerpts import HOP, WINDOW, Excerpt
from vernal.clips.manifest import QUALITIES
from vernal.common.problems import InputError
from vernal.web.http import page
from vernal.web.review.decisions import MAX_NAME
from vernal.web.review.past_decisions import WANTED, WORDS, as_csv
from vernal.web.review.service import ReviewService

_SHOWN_AT_ONCE = 300
# What a recording holds does not change while it is reviewed, and the browser is this person's own.
_KEEP = {"cache-control": "private, max-age=3600"}


class ReviewPages:
    """Pages over one review; the path parameters of an address are the names of the arguments."""

    def __init__(self, service: ReviewService) -> None:
        self._service = service

    def home(self, request: Request) -> Response:
        """All queues."""
        reviewer = self._reviewer(request)
        queues = self._service.list_queues(reviewer)
        return self._page(request, "home", {"queues": queues, "is_blind": self._service.is_blind})

    def queue(self, request: Request, queue: str) -> Response:
        """One queue to listen to."""
        found, service = self._service.queue(queue), self._service
        values: dict[str, Any] = {
            "queue": found.name,
            "title": found.spec.title,
            "target": service.target,
            "taken_up_by": service.taken_up_by(found),
            "orders": service.orders(found),
            "is_loop": service.loop(queue) is not None,
            **service.asked_about(service.target),
            "classes": (classes := service.asked_about_all(found)),
        }
        if classes:
            values |= {"band_hz": None, "top_hz": max(one["top_hz"] for one in classes)}
        return self._page(request, "review", values)

    def _page(self, request: Request, name: str, values: dict[str, Any]) -> Response:
        """A page that keeps the reviewer's name in this browser, so that no way leads back to somebody else's."""
        reviewer = self._reviewer(request)
        answer = page(request, f"review/{name}", values | {"reviewer": reviewer})
        kept = quote(reviewer, safe="")
        answer.set_cookie(_cookie(request), kept, httponly=True, samesite="strict", path="/")
        return answer

    def _reviewer(self, request: Request) -> str:
        """Who is at this browser: the name in the address, else the one used here last, else the server's."""
        kept = unquote(request.cookies.get(_cookie(request), ""))
        return (request.query_params.get("reviewer") or kept or self._service.reviewer)[:MAX_NAME]

    def state(self, request: Request, queue: str) -> Any:
        """What one reviewer will meet in a queue, and what they have decided so far."""
        order = request.query_params.get("order", "")
        return self._service.state(queue, self._reviewer(request), order)

    def item(self, request: Request, queue: str, item: str) -> Any:
        """What is known of an item."""
        return self._service.item(queue, item, _is_blind(request))

    def neighbours(self, request: Request, queue: str, item: str) -> Any:
        """The labelled clips most like an item."""
        return self._service.neighbours(queue, item)

    def sound(self, request: Request, **place: str) -> Response:
        """The sound of an item or a clip as WAV, band-limited if asked."""
        low, high = _hertz(request, "low", 0.0), _hertz(request, "high", 15_000.0)
        content = self._service.sounds.wav(self._excerpt(place), low, high)
        return Response(content, media_type="audio/wav", headers=_KEEP)

    def spectrogram(self, request: Request, **place: str) -> Response:
        """The levels of an item or a clip: bytes, frame by frame."""
        levels = self._service.sounds.spectrogram(self._excerpt(place))
        sizes = {"frames": levels.shape[0], "bins": levels.shape[1], "hop": HOP, "window": WINDOW}
        headers = {f"x-{name}": str(size) for name, size in sizes.items()}
        return Response(levels.tobytes(), media_type="application/octet-stream", headers=headers | _KEEP)

    def _excerpt(self, place: dict[str, str]) -> Excerpt:
        is_item = "item" in place
        return (self._service.excerpt if is_item else self._service.clip_excerpt)(**place)

    def past(self, request: Request) -> Response:
        """The reviewer's own decisions, to find one again, hear it and correct it."""
        wanted = _wanted(request)
        past = self._service.past(self._reviewer(request), wanted)
        values = {
            "n_decisions": len(past),
            "decisions": past.head(_SHOWN_AT_ONCE)
            .astype(object)
            .where(past.notna(), None)
            .to_dict("records"),
            "wanted": wanted,
            "queues": sorted(self._service.specs()),
            "qualities": QUALITIES,
            "words": WORDS,
            "export": urlencode({"reviewer": self._reviewer(request), **wanted}),
        }
        return self._page(request, "decisions", values)

    def export(self, request: Request) -> Response:
        """The same decisions as a CSV file that spreadsheets read."""
        content = as_csv(self._service.past(self._reviewer(request), _wanted(request)))
        headers = {"content-disposition": "attachment; filename=decisions.csv"}
        return Response(content, media_type="text/csv; charset=utf-8", headers=headers)

    def decide(self, request: Request, content: dict[str, Any], queue: str) -> Any:
        """Keep a decision."""
        return self._service.decide(queue, content)

    def undo(self, request: Request, content: dict[str, Any]) -> Any:
        """Take a decision back."""
        return self._service.undo(content)

    def make_queue(self, request: Request, content: dict[str, Any]) -> Any:
        """Make a queue by filter or likeness."""
        return {"queue": self._service.make_queue(content)}

    def begin_loop(self, request: Request, content: dict[str, Any]) -> Any:
        """Begin a loop of listening."""
        return {"queue": self._service.begin_loop(content)}

    def loop(self, request: Request, queue: str) -> Any:
        """How good the detector of a loop is."""
        return self._service.loop_summary(queue)

    def advance(self, request: Request, content: dict[str, Any], queue: str) -> Any:
        """Add the next batch of a loop."""
        return self._service.advance(queue, content)

    def finish(self, request: Request, content: dict[str, Any], queue: str) -> Any:
        """Write what came out of a loop."""
        return self._service.finish_loop(queue)

    def agreement(self, request: Request) -> Any:
        """How far the reviewers agree."""
        return json.loads(self._service.agreement().to_json(orient="records"))


def _wanted(request: Request) -> dict[str, str]:
    return {name: request.query_params.get(name, "").strip() for name in WANTED}


def _cookie(request: Request) -> str:
    # By port: cookies are shared by all servers of a host.
    return f"vernal_reviewer_{request.url.port or 80}"


def _is_blind(request: Request) -> bool:
    # What a model or other people say is only told to who asks for it.
    return request.query_params.get("shown") != "1"


def _hertz(request: Request, name: str, default: float) -> float:
    text = request.query_params.get(name)
    try:
        return default if text is None else float(text)
    except ValueError:
        raise InputError(f"{name} is {text!r}; give a frequency in Hertz.") from None
