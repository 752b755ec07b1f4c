"""The pages of results: stages, leaderboard, two points side by side, effects, nights."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pandas as pd
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from vernal.audio.excerpts import shown_top_hz
from vernal.clips.manifest import on_split
from vernal.common.formatting import percent
from vernal.evaluation.baselines import ALL_POSITIVE, METADATA, PLACE_AND_HOUR
from vernal.evaluation.effects import what_would_help
from vernal.evaluation.stage_results import METRIC_NAMES, VALIDATION, StageResults, level_words
from vernal.proof.run_record import stale_because
from vernal.reports.commands import StageCommands
from vernal.reports.figures import DEMO
from vernal.reports.page import DEMO_WORDS
from vernal.reports.page_templates import page_script_hash
from vernal.reports.recommendation import total_words, totals_note
from vernal.sweeps.settings_table import SEED
from vernal.sweeps.stage_folder import StageFolder
from vernal.web.http import one_of, page
from vernal.web.project import NotThere
from vernal.web.results import board, comparing, disagreements, effects, errors, nights, pictures
from vernal.web.results.cache import Cache
from vernal.web.results.stages import LoadedStage, found_stages, load_stage, stamp

if TYPE_CHECKING:
    from vernal.web.project import ProjectContext

ROWS_A_PAGE, CLIPS_A_PAGE = 200, 25
TABS = (
    ("Leaderboard", ""),
    ("Errors", "/errors"),
    ("Two points", "/compare"),
    ("Effects", "/effects"),
    ("Nights", "/nights"),
)


class ResultPages:
    """Pages over the results of one project; what was read is kept until the files change.

    Args:
        address: where the pages are.
        target: the one of several that they are about.
    """

    def __init__(self, project: "ProjectContext", address: str = "/results", target: str = "") -> None:
        self._project = project
        self._own = {"results_at": address, "target": target}
        self._sweeps = project.folder / "conf" / "sweeps"
        self._cache = Cache()

    def stages(self, request: Request) -> Response:
        """Every stage, with results or without."""
        root = self._project.data_root
        listed = found_stages(root, self._sweeps)
        stale = {one.name: "; ".join(stale_because(root, one.name)) for one in listed if one.has_results}
        several = [
            (name, address_of(one), found_stages(one.data_root, self._sweeps))
            for name, one in self._project.targets.items()
        ]
        together = sorted(path.parent.parent.name for path in root.glob("08_reporting/*/targets/targets.csv"))
        values = {
            "stages": listed,
            "data_root": root,
            "stale": stale,
            "several": several,
            "together": together,
        }
        return page(request, "results/stages", self._own | values)

    def board(self, request: Request, stage: str) -> Response:
        """The leaderboard as it was asked for."""
        loaded = self._loaded(stage)
        results = loaded.results
        query, words = board.parse_query(results, request.query_params.multi_items())
        rows = self._kept(loaded, "rows", query.rows, lambda: board.board_rows(results, query.rows))
        made = board.make_board(results, query, rows)
        shown, paging = _page_of(request, made.rows, ROWS_A_PAGE)
        where = (results.primary_split, results.primary_metric)
        baselines = [results.baseline(name, *where) for name in (ALL_POSITIVE, METADATA)]
        varying = board.choices(results)
        values = {
            "query": query,
            "board": made,
            "words": words,
            "meanings": board.selection_words(results, query),
            "choices": varying,
            "fixed": board.fixed(results),
            "settings": [name for name in varying if name != SEED or query.rows == board.POINTS],
            "short": board.short_choices(results),
            "columns": board.number_columns(results, query.split),
            "rows": shown,
            "to_use": _first_point(results),
            "baselines": baselines,
            "guessed_from": results.guessed_from(results.primary_split) or PLACE_AND_HOUR,
            "limits": pictures.bar_limits(
                [*baselines, *(number for row in made.rows for number in row.measure(results.primary))]
            ),
            "here": _here(request, ("sort", "order", "page")),
            "report": StageFolder(self._project.data_root, stage).report,
        }
        return self._stage_page(request, "board", loaded, values | paging)

    def compare(self, request: Request, stage: str) -> Response:
        """Two points side by side."""
        loaded = self._loaded(stage)
        results, asked = loaded.results, request.query_params
        a, b = asked.get("a", ""), asked.get("b", "")
        if not (a and b):
            return self._stage_page(request, "compare", loaded, {"a": a, "b": b, "pair": None})
        a, b = (comparing.check_point(results, point) for point in (a, b))
        pair, metrics, picture = self._kept(loaded, "pair", (a, b), lambda: self._pair(results, a, b))
        settings = comparing.setting_rows(results, a, b)
        clips = self._kept(loaded, "clips", (a, b), lambda: self._clips(results, a, b))
        query = disagreements.ClipQuery(
            one_of(asked.get("split"), results.measured_splits, ""),
            one_of(asked.get("kind"), disagreements.KINDS, ""),
        )
        listed = disagreements.chosen(clips, query)
        shown, paging = _page_of(request, listed, CLIPS_A_PAGE)
        band = self._project.band_of(results.target)
        values = {
            "a": a,
            "b": b,
            "pair": pair,
            "is_same_run": comparing.is_same_run(results, a, b),
            "rows": settings,
            "metrics": metrics,
            "reach": max(
                (abs(end) for row in metrics for end in row.difference if math.isfinite(end)), default=0.05
            ),
            "effects": comparing.effect_of_difference(results, settings).to_dict("records"),
            "picture": picture,
            "counts": disagreements.counts(clips).to_dict("records"),
            "kinds": disagreements.KINDS,
            "query": query,
            "n_clips": len(listed),
            "clips": shown.astype(object).where(shown.notna(), None).to_dict("records"),
            "thresholds": [results.number(point, "threshold_logit") for point in (a, b)],
            "band": band,
            "top_hz": shown_top_hz(band),
        }
        return self._stage_page(request, "compare", loaded, values | paging)

    def effects(self, request: Request, stage: str) -> Response:
        """What each setting does, in one metric on one split."""
        loaded = self._loaded(stage)
        results, asked = loaded.results, request.query_params
        splits, metrics, axes = effects.effect_choices(results)
        values: dict[str, Any] = {"splits": splits, "metrics": metrics, "axes": axes, "query": None}
        if not splits:
            return self._stage_page(request, "effects", loaded, values)
        query = effects.EffectQuery(
            one_of(asked.get("split"), splits, splits[0]),
            one_of(asked.get("metric"), metrics, metrics[0]),
            one_of(asked.get("axis"), axes, ""),
            asked.get("within") == "1",
        )
        rows = effects.effect_rows(results, query)
        metric = METRIC_NAMES.get(query.metric, query.metric)
        title = _title(results, f"what each setting changes in {metric} {on_split(query.split)}")
        drawing = (effects.draw_effects, results, rows, query, title)
        picture = self._kept(
            loaded, "effects", query, lambda: pictures.page_picture("effects", title, *drawing)
        )
        values |= {"query": query, "rows": rows.to_dict("records"), "picture": picture}
        return self._stage_page(request, "effects", loaded, values)

    def errors(self, request: Request, stage: str) -> Response:
        """What one point misses and what it flags by mistake, clip by clip."""
        loaded = self._loaded(stage)
        results, asked = loaded.results, request.query_params
        point = comparing.check_point(results, asked.get("point") or _first_point(results))
        clips = self._kept(loaded, "clips", (point, point), lambda: self._clips(results, point, point))
        table = errors.error_table(clips)
        query = errors.ErrorQuery(
            one_of(asked.get("split"), results.measured_splits, ""),
            one_of(asked.get("kind"), errors.KINDS, ""),
            asked.get("words", ""),
            one_of(asked.get("order"), errors.ORDERS, errors.WORST),
        )
        listed = errors.listed_errors(table, query)
        shown, paging = _page_of(request, listed, CLIPS_A_PAGE)
        band = self._project.band_of(results.target)
        threshold = results.number(point, "threshold_logit")
        values = {
            "point": point,
            "query": query,
            "kinds": errors.KINDS,
            "orders": list(errors.ORDERS),
            "counts": errors.error_counts(table, results.measured_splits),
            "n_clips": len(listed),
            "clips": shown.astype(object).where(shown.notna(), None).to_dict("records"),
            "threshold": threshold,
            "to_hear": self._commands(results).hear_errors(point, threshold),
            "band": band,
            "top_hz": shown_top_hz(band),
        }
        return self._stage_page(request, "errors", loaded, values | paging)

    def written(self, request: Request, stage: str, name: str) -> Response:
        """The report of a stage, or one of its cards, as the run wrote it.

        Raises:
            NotThere: no run has written it.
        """
        folder = StageFolder(self._project.data_root, self._loaded(stage).results.spec.stage)
        paths = {"report": folder.report, "model_card": folder.model_card, "data_card": folder.data_card}
        if name not in paths or not paths[name].is_file():
            raise NotThere(f"{stage} has no {name.replace('_', ' ')[:40]} yet; run it.")
        if name == "report":
            return report_page(folder.report)
        return PlainTextResponse(paths[name].read_text(encoding="utf-8"))

    def nights(self, request: Request, stage: str) -> Response:
        """Recorder-nights of one point."""
        loaded = self._loaded(stage)
        results, asked = loaded.results, request.query_params
        point = comparing.check_point(results, asked.get("point") or _first_point(results))
        table, totals, picture = self._kept(loaded, "nights", point, lambda: self._nights(results, point))
        splits = list(totals)
        usual = one_of(results.primary_split, splits, splits[0] if splits else "")
        split = one_of(asked.get("split"), splits, usual)
        shown = table[table["split"] == split].sort_values(["recorder_id", "night"]) if splits else table
        values = {
            "point": point,
            "splits": splits,
            "split": split,
            "picture": picture,
            "totals": totals[split].to_dict("records") if splits else [],
            "total_words": total_words,
            "totals_note": totals_note(),
            "nights": shown.to_dict("records"),
            "is_validation": split == VALIDATION,
        }
        return self._stage_page(request, "nights", loaded, values)

    # What pages are made from

    def _loaded(self, stage: str) -> LoadedStage:
        root, target = self._project.data_root, str(self._project.setting("target", "the target"))
        changes = stamp(root, self._sweeps, stage)
        return self._cache.get(
            ("stage", stage), changes, lambda: load_stage(root, self._sweeps, stage, target)
        )

    def _kept(self, loaded: LoadedStage, what: str, key: Any, make: Any) -> Any:
        """Something made from a stage, until the stage is read anew."""
        return self._cache.get((loaded.results.spec.stage, what, key), id(loaded), make)

    def _pair(self, results: StageResults, a: str, b: str) -> tuple[Any, Any, Any]:
        pair = comparing.read_pair(self._project.data_root, results, a, b)
        title = _title(results, f"precision and recall of {a} and {b}")
        picture = pictures.page_picture("curves", title, pictures.precision_recall, results, pair, title)
        return pair, comparing.metric_rows(results, pair), picture

    def _clips(self, results: StageResults, a: str, b: str) -> pd.DataFrame:
        pair = comparing.read_pair(self._project.data_root, results, a, b, "clip")
        return disagreements.table_of_pair(pair, [results.number(one, "threshold_logit") for one in (a, b)])

    def _nights(self, results: StageResults, point: str) -> tuple[pd.DataFrame, dict[str, pd.DataFrame], Any]:
        scored = comparing.read_pair(self._project.data_root, results, point, point, "clip")
        table = nights.nights_of_point(results, scored, point)
        splits = [name for name in results.measured_splits if len(table) and (table["split"] == name).any()]
        totals = {name: nights.totals(results, scored, table, name) for name in splits}
        title = _title(results, f"nights of {point}")
        drawing = (nights.draw_nights, results, table, point, title)
        return table, totals, pictures.page_picture("nights", title, *drawing)

    def _commands(self, results: StageResults) -> StageCommands:
        """The commands that the pages of a stage tell their reader to type."""
        audio_roots = self._project.load_or_none("audio_roots") or {}
        return StageCommands.of(results, audio_roots, self._project.data_root)

    def _stage_page(
        self, request: Request, tab: str, loaded: LoadedStage, values: dict[str, Any]
    ) -> Response:
        results = loaded.results
        shared = {
            "stage": results.spec.stage,
            "results": results,
            "loaded": loaded,
            "demo": DEMO_WORDS if results.is_demo else "",
            "tabs": TABS,
            "tab": tab,
            "points": results.plan["point"].astype(str).tolist(),
            "level": percent(results.options.level),
            "metric_names": METRIC_NAMES,
            "level_words": level_words,
            "what_would_help": what_would_help,
            "bar": pictures.bar,
            "to_export": self._commands(results).export(_first_point(results)),
        }
        return page(request, f"results/{tab}", self._own | shared | values)


def report_policy() -> str:
    """What a report may do in a browser: show itself and run its own script, as a page of no server."""
    return (
        "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:; "
        f"script-src '{page_script_hash()}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def report_page(path: Path) -> Response:
    """A report as the run wrote it."""
    headers = {"content-security-policy": report_policy()}
    return HTMLResponse(path.read_text(encoding="utf-8"), headers=headers)


def address_of(target: "ProjectContext") -> str:
    """Where the pages of one of several targets are; begins with an underscore, which no stage's name does."""
    return f"/results/_of/{quote(target.data_root.name, safe='')}"


def _title(results: StageResults, words: str) -> str:
    return f"{results.spec.stage}: {words}" + (f"  ·  {DEMO}" if results.is_demo else "")


def _first_point(results: StageResults) -> str:
    """The point to deploy, chosen on validation among those of the chosen configuration."""
    return results.deployed if len(results.table("curves")) else str(results.plan["point"].iloc[0])


def _here(request: Request, without: tuple[str, ...]) -> str:
    """This page's query string without some of its names, ready to be added to."""
    return urlencode(
        [(name, value) for name, value in request.query_params.multi_items() if name not in without]
    )


def _page_of(request: Request, rows: Any, size: int) -> tuple[Any, dict[str, Any]]:
    """The rows of the page that was asked for, and what its links need."""
    n_pages = -(-len(rows) // size)
    text = request.query_params.get("page", "0")
    number = int(text) if text.isdecimal() and len(text) < 9 else 0
    at = max(0, min(number, n_pages - 1))
    return rows[at * size : (at + 1) * size], {
        "page": at,
        "n_pages": n_pages,
        "paged": _here(request, ("page",)),
    }
