"""The application: all addresses of review, results and sweeps behind one guard."""

from collections.abc import Iterable
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from vernal.common.problems import InputError
from vernal.reports.page_templates import page_script
from vernal.web.http import get, post_form, post_json, problem
from vernal.web.project import Refused
from vernal.web.results.result_pages import ResultPages
from vernal.web.results.sweep_pages import SweepPages
from vernal.web.results.target_pages import TargetPages
from vernal.web.review.pages import ReviewPages
from vernal.web.review.service import ReviewService
from vernal.web.security import Guard

STATIC = Path(__file__).parent / "static"


def create_app(review: ReviewService, token: str, names: Iterable[str]) -> Starlette:
    """The application over the project of a review.

    Args:
        token: what a request has to bring.
        names: `host:port` that the server is reached by (see `security.served_names`).
    """
    return Starlette(
        routes=[
            get("/", lambda request: RedirectResponse("/review", status_code=303)),
            get("/static/tables.js", lambda request: Response(page_script(), media_type="text/javascript")),
            Mount("/static", StaticFiles(directory=STATIC)),
            *_review_routes(ReviewPages(review)),
            *_target_routes(TargetPages(review.project)),
            *_result_routes(ResultPages(review.project)),
            *_sweep_routes(SweepPages(review.project)),
        ],
        middleware=[Middleware(Guard, token=token, names=names)],
        exception_handlers={Refused: _refused, InputError: _wrong, 404: _not_found},
    )


def _review_routes(pages: ReviewPages) -> list[BaseRoute]:
    api = "/review/api"
    return [
        get("/review", pages.home),
        get("/review/queue/{queue}", pages.queue),
        get("/review/decisions", pages.past),
        get("/review/decisions.csv", pages.export),
        post_json(f"{api}/queues", pages.make_queue),
        post_json(f"{api}/loops", pages.begin_loop),
        get(f"{api}/loop/{{queue}}", pages.loop),
        post_json(f"{api}/loop/{{queue}}/next", pages.advance),
        post_json(f"{api}/loop/{{queue}}/finish", pages.finish),
        get(f"{api}/agreement", pages.agreement),
        get(f"{api}/state/{{queue}}", pages.state),
        get(f"{api}/item/{{queue}}/{{item}}", pages.item),
        get(f"{api}/neighbours/{{queue}}/{{item}}", pages.neighbours),
        get(f"{api}/sound/{{queue}}/{{item}}", pages.sound),
        get(f"{api}/spectrogram/{{queue}}/{{item}}", pages.spectrogram),
        get(f"{api}/clip/{{clips}}/{{clip_id}}/sound", pages.sound),
        get(f"{api}/clip/{{clips}}/{{clip_id}}/spectrogram", pages.spectrogram),
        post_json(f"{api}/decide/{{queue}}", pages.decide),
        post_json(f"{api}/undo", pages.undo),
    ]


def _result_routes(pages: ResultPages) -> list[BaseRoute]:
    return [
        get("/results", pages.stages),
        get("/results/{stage}", pages.board),
        get("/results/{stage}/errors", pages.errors),
        get("/results/{stage}/written/{name}", pages.written),
        get("/results/{stage}/compare", pages.compare),
        get("/results/{stage}/effects", pages.effects),
        get("/results/{stage}/nights", pages.nights),
    ]


def _target_routes(pages: TargetPages) -> list[BaseRoute]:
    """Before those of one target, since a target may be called as one of the views is."""
    own = "/results/_of/{target}"
    return [
        get("/results/_targets/{stage}", pages.together),
        get("/results/_targets/{stage}/report", pages.report),
        get(own, pages.of_each(ResultPages.stages)),
        get(f"{own}/{{stage}}", pages.of_each(ResultPages.board)),
        get(f"{own}/{{stage}}/errors", pages.of_each(ResultPages.errors)),
        get(f"{own}/{{stage}}/written/{{name}}", pages.of_each(ResultPages.written)),
        get(f"{own}/{{stage}}/compare", pages.of_each(ResultPages.compare)),
        get(f"{own}/{{stage}}/effects", pages.of_each(ResultPages.effects)),
        get(f"{own}/{{stage}}/nights", pages.of_each(ResultPages.nights)),
    ]


def _sweep_routes(pages: SweepPages) -> list[BaseRoute]:
    """Names that are no stage begin with an underscore, which no stage's name does."""
    return [
        get("/sweeps", pages.specs),
        get("/sweeps/_new", pages.build),
        post_form("/sweeps/_new", pages.rebuild),
        post_form("/sweeps/_check", pages.check),
        post_form("/sweeps/_save", pages.save),
        get("/sweeps/{stage}", pages.spec),
        post_form("/sweeps/{stage}/run", pages.run),
        post_form("/sweeps/{stage}/stop", pages.stop),
        get("/sweeps/{stage}/output", pages.output),
        get("/sweeps/{stage}/output/text", pages.output_text),
    ]


async def _refused(request: Request, error: Exception) -> Response:
    return problem(request, str(error), 403)


async def _wrong(request: Request, error: Exception) -> Response:
    return problem(request, str(error), 422)


async def _not_found(request: Request, error: Exception) -> Response:
    return problem(request, "There is no such page here.", 404)
