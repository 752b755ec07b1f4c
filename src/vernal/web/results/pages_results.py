"""The pages of results: stages, leaderboard, two points side by side, effects, nights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pandas as pd
from starlette.requests import Request
from starlette.responses import Response

from vernal.common.formatting import percent, share
from vernal.evaluation.stage_results import METRIC_NAMES, VALIDATION, StageResults
from vernal.proof.run_record import stale_because
from vernal.reports.figures import DEMO
from vernal.reports.page import DEMO_WORDS
from vernal.web.results import board, comparing, disagreements, effects, nights, pictures, view_models
from vernal.web.results.cache import Shelf
from vernal.web.results.rendering import show
from vernal.web.results.stages import LoadedStage, found_stages, load_stage, stamp
from vernal.web.review.project import top_hz

if TYPE_CHECKING:
    from vernal.web.review.project import ProjectContext

ROWS_A_PAGE, CLIPS_A_PAGE = 200, 25
TABS = (("Leaderboard", ""), ("Two points", "/compare"), ("Effects", "/effects"), ("Nights", "/nights"))


class ResultPages:
    """Pages over the results of one project; what was read is kept until the files change."""

    def __init__(self, project: ProjectContext) -> None:
        self._project = project
        self._sweeps = project.folder / "conf" / "sweeps"
        self._shelf = Shelf()

    def stages(self, request: Request) -> Response:
        """Every stage, with results or without."""
        listed = found_stages(self._project.data_root, self._sweeps)
        root = self._project.data_root
        stale = {one.name: "; ".join(stale_because(root, one.name)) for one in listed if one.has_results}
        return show(request, "stages", {"stages": listed, "data_root": root, "stale": stale})

    def board(self, request: Request) -> Response:
        """The leaderboard as it was asked for."""
        loaded = self._loaded(request)
        results = loaded.results
        query, words = board.parse_query(results, request.query_params.multi_items())
        rows = self._kept(
            loaded, "rows", query.rows,
            lambda: board.configuration_rows(results)
            if query.rows == board.CONFIGURATIONS
            else board.point_rows(results),
        )  # fmt: skip
        made = board.make_board(results, query, rows)
        at = _page_number(request, len(made.rows), ROWS_A_PAGE)
        shown = made.rows[at * ROWS_A_PAGE : (at + 1) * ROWS_A_PAGE]
        values = {
            "query": query,
            "board": made,
            "words": words,
            "meanings": board.selection_words(results, query),
            "choices": board.choices(results),
            "fixed": board.fixed(results),
            "settings": view_models.settings_shown(results, query),
            "columns": view_models.number_columns(results, query),
            "rows": view_models.board_cells(results, query, made, shown),
            "metric_name": METRIC_NAMES[results.primary_metric],
            "level": percent(results.options.level),
            "here": _here(request, ("sort", "order", "page")),
            "paged": _here(request, ("page",)),
            "page": at,
            "n_pages": -(-len(made.rows) // ROWS_A_PAGE),
            "report": self._project.data_root / "08_reporting" / results.spec.stage / "report.html",
        }
        return self._stage_page(request, "board", loaded, values)

    def compare(self, request: Request) -> Response:
        """Two points side by side."""
        loaded = self._loaded(request)
        results, asked = loaded.results, request.query_params
        points = results.plan["point"].astype(str).tolist()
        a, b = asked.get("a", ""), asked.get("b", "")
        chosen: dict[str, Any] = {"a": a, "b": b, "points": points, "pair": None}
        if not (a and b):
            return self._stage_page(request, "compare", loaded, chosen)
        a, b = [comparing.check_point(results, point) for point in (a, b)]
        chosen |= {"a": a, "b": b}
        pair, metrics, picture = self._kept(loaded, "pair", (a, b), lambda: self._pair(results, a, b))
        settings = comparing.setting_rows(results, a, b)
        clips = self._kept(loaded, "clips", (a, b), lambda: self._clips(results, a, b))
        query = disagreements.ClipQuery(
            _one_of(asked.get("split"), results.measured_splits, ""),
            _one_of(asked.get("kind"), disagreements.KINDS, ""),
        )
        listed = disagreements.chosen(clips, query)
        at = _page_number(request, len(listed), CLIPS_A_PAGE)
        chosen |= {
            "pair": pair,
            "is_same_run": comparing.is_same_run(results, a, b),
            "differing": [row for row in settings if row.differs],
            "equal": [row for row in settings if not row.differs],
            "metrics": view_models.metric_cells(metrics),
            "effects": effects.effect_cells(comparing.effect_of_difference(results, settings)),
            "picture": picture,
            "counts": disagreements.counts(clips).to_dict("records"),
            "kinds": disagreements.KINDS,
            "query": query,
            "n_clips": len(listed),
            "clips": view_models.clip_cells(listed.iloc[at * CLIPS_A_PAGE : (at + 1) * CLIPS_A_PAGE]),
            "thresholds": [share(results.number(point, "threshold_logit"), 3) for point in (a, b)],
            "band": self._project.band_of(results.target),
            "page": at,
            "n_pages": -(-len(listed) // CLIPS_A_PAGE),
            "paged": _here(request, ("page",)),
            "splits": results.measured_splits,
            "level": percent(results.options.level),
        }
        chosen["top_hz"] = top_hz(chosen["band"])
        return self._stage_page(request, "compare", loaded, chosen)

    def effects(self, request: Request) -> Response:
        """What each setting does, in one metric on one split."""
        loaded = self._loaded(request)
        results, asked = loaded.results, request.query_params
        splits, metrics, axes = effects.effect_choices(results)
        values: dict[str, Any] = {"splits": splits, "metrics": metrics, "axes": axes, "names": METRIC_NAMES}
        if not splits:
            return self._stage_page(request, "effects", loaded, values | {"query": None})
        query = effects.EffectQuery(
            _one_of(asked.get("split"), splits, splits[0]),
            _one_of(asked.get("metric"), metrics, metrics[0]),
            _one_of(asked.get("axis"), axes, ""),
            asked.get("within") == "1",
        )
        rows = effects.effect_rows(results, query)
        metric = METRIC_NAMES.get(query.metric, query.metric)
        title = _title(results, f"what each setting changes in {metric} on {query.split}")
        picture = self._kept(
            loaded, "effects", query,
            lambda: pictures.page_picture("effects", title, effects.draw_effects, results, rows, query, title),
        )  # fmt: skip
        values |= {"query": query, "rows": effects.effect_cells(rows), "picture": picture, "metric": metric}
        return self._stage_page(request, "effects", loaded, values)

    def nights(self, request: Request) -> Response:
        """Recorder-nights of one point."""
        loaded = self._loaded(request)
        results = loaded.results
        point = request.query_params.get("point") or _first_point(results)
        point = comparing.check_point(results, point)
        table, totals, picture = self._kept(loaded, "nights", point, lambda: self._nights(results, point))
        splits = list(totals)
        usual = _one_of(results.primary_split, splits, splits[0] if splits else "")
        split = _one_of(request.query_params.get("split"), splits, usual)
        inside = table[table["split"] == split] if splits else table
        values = {
            "point": point,
            "points": results.plan["point"].astype(str).tolist(),
            "splits": splits,
            "split": split,
            "picture": picture,
            "totals": totals.get(split, []),
            "nights": view_models.night_cells(inside),
            "is_validation": split == VALIDATION,
            "level": percent(results.options.level),
        }
        return self._stage_page(request, "nights", loaded, values)

    # What pages are made from

    def _loaded(self, request: Request) -> LoadedStage:
        root, stage = self._project.data_root, request.path_params["stage"]
        target = str(self._project.setting("target", "the target"))
        return self._shelf.get(
            ("stage", stage),
            stamp(root, self._sweeps, stage),
            lambda: load_stage(root, self._sweeps, stage, target),
        )

    def _kept(self, loaded: LoadedStage, what: str, key: Any, make: Any) -> Any:
        """Something made from a stage, until the stage is read anew."""
        return self._shelf.get((loaded.results.spec.stage, what, key), id(loaded), make)

    def _pair(self, results: StageResults, a: str, b: str) -> tuple[Any, Any, Any]:
        pair = comparing.read_pair(self._project.data_root, results, a, b)
        title = _title(results, f"precision and recall of {a} and {b}")
        picture = pictures.page_picture("curves", title, pictures.precision_recall, results, pair, title)
        return pair, comparing.metric_rows(results, pair), picture

    def _clips(self, results: StageResults, a: str, b: str) -> pd.DataFrame:
        pair = comparing.read_pair(self._project.data_root, results, a, b, "clip")
        return disagreements.table_of_pair(pair, [results.number(one, "threshold_logit") for one in (a, b)])

    def _nights(self, results: StageResults, point: str) -> tuple[pd.DataFrame, dict[str, Any], Any]:
        scored = comparing.read_pair(self._project.data_root, results, point, point, "clip")
        table = nights.nights_of_point(results, scored, point)
        splits = [name for name in results.measured_splits if len(table) and (table["split"] == name).any()]
        totals = {
            name: view_models.total_cells(nights.totals(results, scored, table, name)) for name in splits
        }
        title = _title(results, f"nights of {point}")
        return (
            table,
            totals,
            pictures.page_picture("nights", title, nights.draw_nights, results, table, point, title),
        )

    def _stage_page(
        self, request: Request, name: str, loaded: LoadedStage, values: dict[str, Any]
    ) -> Response:
        results = loaded.results
        shared = {
            "stage": results.spec.stage,
            "results": results,
            "remarks": loaded.remarks,
            "finished": str(loaded.run.get("ended") or "").replace("T", " ").removesuffix("+00:00"),
            "verdict": loaded.run.get("verdict"),
            "demo": DEMO_WORDS if results.is_demo else "",
            "tabs": TABS,
            "tab": name,
        }
        return show(request, name, shared | values)


def _one_of(asked: str | None, known: Iterable[str], default: str) -> str:
    return asked if asked is not None and asked in known else default


def _title(results: StageResults, words: str) -> str:
    return f"{results.spec.stage}: {words}" + (f"  ·  {DEMO}" if results.is_demo else "")


def _first_point(results: StageResults) -> str:
    """The point to deploy, chosen on validation among those of the leading configuration."""
    return results.deployed if len(results.table("curves")) else str(results.plan["point"].iloc[0])


def _here(request: Request, without: tuple[str, ...]) -> str:
    """This page's query string without some of its names, ready to be added to."""
    return urlencode(
        [(name, value) for name, value in request.query_params.multi_items() if name not in without]
    )


def _page_number(request: Request, n_rows: int, size: int) -> int:
    text = request.query_params.get("page", "0")
    number = int(text) if text.isdecimal() and len(text) < 9 else 0
    return max(0, min(number, -(-n_rows // size) - 1))
