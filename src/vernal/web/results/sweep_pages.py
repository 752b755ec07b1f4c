"""The pages of sweeps: specs, the builder, and runs that a person starts after reading what will run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from vernal.common.formatting import count
from vernal.common.hashing import digest
from vernal.common.problems import InputError
from vernal.proof.run_record import stale_because
from vernal.sweeps.plans import DONE, FAILED, MISSING, STALE, PlannedPoint, make_plan, point_states, size_of
from vernal.sweeps.point_settings import SETTINGS
from vernal.sweeps.points import read_point_records, setting_differences
from vernal.sweeps.setting_problems import known_subsets
from vernal.sweeps.spec import Spec, expand, find_specs, read_stage
from vernal.sweeps.stage_folder import StageFolder
from vernal.web.http import Fields, page
from vernal.web.results import drafts, running, spec_writer
from vernal.web.results.drafts import AXIS, DEFAULT, ONE, Checked, Draft
from vernal.web.results.runtime_estimates import RuntimeEstimates, estimate_words

if TYPE_CHECKING:
    from vernal.web.project import ProjectContext

STATES = (DONE, FAILED, STALE, MISSING)
USES = ((DEFAULT, "default"), (ONE, "one value"), (AXIS, "axis"))


class SweepPages:
    """Specs of one project: looked at, put together, saved and, after a click that says what will run, run."""

    def __init__(self, project: "ProjectContext") -> None:
        self._project = project
        self._folder = project.folder / "conf" / "sweeps"
        self._runs = running.Runs(project.folder, project.data_root)
        self._estimates = RuntimeEstimates(project.data_root)

    # Looking

    def specs(self, request: Request) -> Response:
        """Every spec with its size and how far it is."""
        rows = [self._spec_row(stage) for stage in find_specs(self._folder)]
        return page(request, "results/sweeps", {"rows": rows, "states": STATES, "run": self._runs.last})

    def _spec_row(self, stage: str) -> dict[str, Any]:
        try:
            spec, plan = self._read(stage)
        except InputError as error:
            return {"stage": stage, "problem": str(error)}
        states = Counter(self._shown_states(stage, self._states(stage, plan)).values())
        return {"stage": stage, "spec": spec, "size": size_of(plan), "states": states}

    def spec(self, request: Request, stage: str, words: str = "", status: int = 200) -> Response:
        """One spec: axes, points, and the button that runs it; `words` say why a run was not started."""
        spec, plan = self._read(stage)
        states = self._states(stage, plan)
        shown = self._shown_states(stage, states)
        counted = Counter(shown.values())
        values = {
            "stage": stage,
            "spec": spec,
            "settings": SETTINGS,
            "size": size_of(plan),
            "states": {name: counted[name] for name in STATES},
            "varying": [name for name, levels in spec.axes.items() if len(levels) > 1],
            "rows": [(point, shown[point.name], _edits(point)) for point in plan],
            "offers": self._offers(stage, plan, states),
            "run": self._runs.last,
            "is_locked": running.is_locked(self._project.data_root),
            "has_output": bool(running.logs_of(self._project.data_root, stage)),
            "words": words,
            "is_saved": request.query_params.get("saved") == "1",
            "n_files": len(list((self._folder / stage).glob("*.yml"))),
            "is_time_known": self._estimates.are_known,
        }
        return page(request, "results/sweep", values, status)

    # Building

    def build(self, request: Request) -> Response:
        """The builder, empty or with the fields of a spec that is there."""
        stage = request.query_params.get("from", "")
        draft = drafts.draft_from_spec(read_stage(self._folder, stage, self._subsets())) if stage else Draft()
        return self._builder(request, draft, is_new=not stage)

    def rebuild(self, request: Request, fields: Fields) -> Response:
        """The builder with what was typed, checked; for browsers without scripts."""
        return self._builder(request, drafts.draft_from_form(fields))

    def check(self, request: Request, fields: Fields) -> dict[str, Any]:
        """What the parser says to what is typed, how much it is and how long it would take."""
        checked = self._checked(drafts.draft_from_form(fields))
        return {"problems": dict(checked.problems), "words": checked.words, **self._preview(checked.spec)}

    def save(self, request: Request, fields: Fields) -> Response:
        """Write the spec, or show what is in the way."""
        draft = drafts.draft_from_form(fields)
        spec = self._checked(draft).spec
        if spec is None:
            return self._builder(request, draft, status=422)
        saved = spec_writer.save_spec(self._folder, spec, dict(fields).get("confirmed", ""))
        if not saved.is_written:
            return self._builder(request, draft, in_the_way=saved, status=409)
        return RedirectResponse(f"/sweeps/{spec.stage}?saved=1", status_code=303)

    def _checked(self, draft: Draft) -> Checked:
        return drafts.check_draft(draft, self._subsets(), drafts.reserved_names())

    def _builder(
        self,
        request: Request,
        draft: Draft,
        is_new: bool = False,
        in_the_way: spec_writer.Saved | None = None,
        status: int = 200,
    ) -> Response:
        checked, subsets = self._checked(draft), self._subsets()
        values = {
            "draft": draft,
            "settings": list(SETTINGS.values()),
            "suggestions": {name: _suggestions(name, subsets) for name in SETTINGS},
            "uses": USES,
            "problems": {} if is_new else checked.problems,
            "words": "" if is_new else checked.words,
            "preview": self._preview(checked.spec),
            "in_the_way": in_the_way,
            "is_time_known": self._estimates.are_known,
        }
        return page(request, "results/builder", values, status)

    def _preview(self, spec: Spec | None) -> dict[str, Any]:
        """Size, estimate and text of a spec; empty where the parser refuses it."""
        if spec is None:
            return {"size": "", "text": "", "exists": False, **estimate_words(None)}
        points = expand(spec)
        size = size_of(points)
        words = [count(size.points, "point"), count(size.runs, "distinct run")]
        words += [count(size.configurations, "configuration"), count(size.trainings, "training")]
        return {
            "size": ", ".join(words),
            "text": drafts.spec_text(spec),
            "exists": (self._folder / f"{spec.stage}.yml").is_file(),
            "file": f"conf/sweeps/{spec.stage}.yml",
            **estimate_words(self._estimates.estimate(points)),
        }

    # Running

    def run(self, request: Request, fields: Fields, stage: str) -> Response:
        """Start a stage, if it is still what the person was shown."""
        asked = dict(fields)
        _, plan = self._read(stage)
        for offer in self._offers(stage, plan, self._states(stage, plan)):
            if (offer["points"], offer.get("agreed")) == (asked.get("points"), asked.get("agreed", "")):
                self._runs.start(stage, offer["command"], offer["label"])
                return RedirectResponse(f"/sweeps/{stage}/output", status_code=303)
        words = "The spec or what is done of it changed since this page was shown. Read again what would run."
        return self.spec(request, stage, words, 409)

    def stop(self, request: Request, fields: Fields, stage: str) -> Response:
        """Ask the run of a stage to end."""
        self._runs.stop(stage)
        return RedirectResponse(f"/sweeps/{stage}/output", status_code=303)

    def output(self, request: Request, stage: str) -> Response:
        """The output of a run, to be followed."""
        return page(request, "results/output", {"stage": stage, **self._output(request, stage, 0)})

    def output_text(self, request: Request, stage: str) -> dict[str, Any]:
        """What was written since."""
        text = request.query_params.get("offset", "0")
        return self._output(request, stage, int(text) if text.isdecimal() and len(text) < 16 else 0)

    def _output(self, request: Request, stage: str, offset: int) -> dict[str, Any]:
        """The output that was asked for since `offset`, the newest where none is named, and the state of its run."""
        if stage not in find_specs(self._folder):
            raise InputError(f"There is no stage {stage[:60]!r} in conf/sweeps.")
        logs = {log.name: log for log in running.logs_of(self._project.data_root, stage)}
        name = request.query_params.get("log") or next(iter(logs), "")
        if name not in logs:
            which = f" as {name[:60]!r}" if name else ""
            raise InputError(f"No output of a run of {stage} is kept{which}.")
        run = self._runs.last
        if run is not None and run.log == logs[name]:
            state, asked = run.state, run.asked
        else:
            at_work = name == next(iter(logs)) and running.is_locked(self._project.data_root)
            state, asked = "running (started before this server)" if at_work else "ended", ""
        # The state first: what is written after it is fetched the next time.
        text, after = running.read_output(logs[name], offset)
        shown = {"log": name, "text": text, "offset": after, "state": state, "asked": asked}
        return shown | {"is_running": state in ("running", "stopping")}

    def _offers(
        self, stage: str, plan: Sequence[PlannedPoint], states: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        """What can be run, each with its whole command line, its size and time, and a digest to agree to."""
        missing = [point for point in plan if states[point.name] != DONE]
        whole = "the 1 point" if len(plan) == 1 else f"all {count(len(plan), 'point')}"
        kinds = [("all", whole, list(plan))]
        if missing and len(missing) < len(plan):
            kinds.append(("missing", f"the {len(missing):,} missing", missing))
        try:
            return [self._offer(stage, *kind) for kind in kinds]
        except InputError as error:
            return [{"points": "all", "problem": str(error)}]

    def _offer(self, stage: str, points: str, which: str, chosen: Sequence[PlannedPoint]) -> dict[str, Any]:
        command = running.run_command(stage, self._project.data_root, self._project.parameters, points)
        words = estimate_words(self._estimates.estimate(chosen))
        return {
            "points": points,
            "command": command,
            "shown": running.shown_command(command),
            "label": f"Run {which} of {stage}" + (f", {words['time']}" if words["time"] else ""),
            "agreed": digest("run", list(command), [point.config_hash for point in chosen]),
            **words,
        }

    # Reading

    def _read(self, stage: str) -> tuple[Spec, tuple[PlannedPoint, ...]]:
        subsets = self._subsets()
        spec = read_stage(self._folder, stage, subsets)
        return spec, make_plan(spec, read_point_records(self._folder / stage), subsets).points

    def _subsets(self) -> Mapping[str, Sequence[str]]:
        return known_subsets(self._project.folder)

    def _states(self, stage: str, plan: Sequence[PlannedPoint]) -> dict[str, str]:
        """How far each point is by its settings alone, which is what `points=missing` goes by."""
        table = StageFolder(self._project.data_root, stage).points_table
        return point_states({point.name: point.config_hash for point in plan}, table)

    def _shown_states(self, stage: str, states: Mapping[str, str]) -> dict[str, str]:
        """As `kedro sweep list` has them: what is done with other data than there are now is stale."""
        is_stale = DONE in states.values() and bool(stale_because(self._project.data_root, stage))
        return {name: STALE if is_stale and state == DONE else state for name, state in states.items()}


def _edits(point: PlannedPoint) -> str:
    """What a person changed in a point's file."""
    edits = setting_differences(point.spec_settings, point.settings)
    return ", ".join(f"{name} {after} instead of {before}" for name, (before, after) in edits.items())


def _suggestions(name: str, subsets: Mapping[str, Sequence[str]]) -> list[str]:
    """Values that can be put in with a click."""
    setting = SETTINGS[name]
    if setting.kind == "boolean":
        return ["true", "false"]
    if setting.kind == "subsets":
        return ["[]", *(f"[{one}]" for one in subsets.get(name, ()))]
    return list(setting.choices)
