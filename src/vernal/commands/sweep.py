"""`kedro sweep`: look at stages, write their point files, compare points. Quick: no session, no pipeline."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

import click

from vernal.commands.command_line import ClearErrors, data_root, echo, find_project, text_table, with_params
from vernal.common.formatting import examples, visible
from vernal.common.problems import InputError, suggest
from vernal.proof.run_record import stale_because
from vernal.sweeps.plans import (
    DONE,
    FAILED,
    MISSING,
    STALE,
    Plan,
    PlannedPoint,
    make_plan,
    point_states,
    selected_names,
    size_of,
)
from vernal.sweeps.point_folder import FolderChanges, differences_in_words, write_point_files
from vernal.sweeps.point_settings import SETTINGS
from vernal.sweeps.points import read_point_records, setting_differences, stage_of
from vernal.sweeps.setting import Setting
from vernal.sweeps.setting_problems import known_subsets
from vernal.sweeps.spec import Spec, find_specs, read_stage
from vernal.sweeps.stage_folder import StageFolder

STATES = (DONE, FAILED, STALE, MISSING)


@click.group(name="sweep", cls=ClearErrors)
def sweep() -> None:
    """List, show, write and compare the points of a stage.

    \b
    Example:  kedro sweep show stage5 17
    """


@sweep.command("list")
@with_params
def list_stages(params: Mapping[str, str]) -> None:
    """Say what each stage asks, and how many of its points are done.

    \b
    Points of equal settings are one run; runs that differ in the seed alone are one configuration.
    Example:  kedro sweep list --params=data_root=/x/out
    """
    project = find_project()
    rows, asked, errors = [], [], []
    for stage in find_specs(project / "conf" / "sweeps"):
        try:
            spec, plan = _read(project, stage)
            counts = Counter(_states(project, stage, plan, params).values())
        except InputError as error:
            errors.append(str(error))
            continue
        n_edited = sum(point.is_edited for point in plan.points)
        size = size_of(plan.points)
        rows.append(
            [
                stage,
                size.points,
                size.runs,
                size.configurations,
                *(counts[state] for state in STATES),
                n_edited,
            ]
        )
        asked.append(f"  {spec.question.replace('`', '')}")
    title, *lines = text_table(
        [["stage", "points", "runs", "configurations", *STATES, "edited"], *rows]
    ).splitlines()
    for line in (title, *chain.from_iterable(zip(lines, asked, strict=True))):
        echo(line)
    if errors:
        raise click.ClickException(visible("\n".join(errors)))


@sweep.command("show")
@click.argument("stage")
@click.argument("point", required=False)
@with_params
def show(stage: str, point: str | None, params: Mapping[str, str]) -> None:
    """Show what a stage compares, or every setting of a point.

    \b
    Example:  kedro sweep show stage5
    Example:  kedro sweep show stage5 17
    """
    project = find_project()
    spec, plan = _read(project, stage)
    states = _states(project, stage, plan, params)
    if point is None:
        echo(_stage_text(spec, plan, states))
    else:
        chosen = _one_point(plan, point)
        echo(_point_text(spec, chosen, states[chosen.name]))


@sweep.command("expand")
@click.argument("stages", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every stage in conf/sweeps.")
@click.option("--reset", is_flag=True, help="Write edited and unreadable files anew too.")
@click.option("--prune", is_flag=True, help="Remove files of points that the spec no longer has.")
@click.option(
    "--check", is_flag=True, help="Write nothing; exit with an error if something would be written."
)
@with_params
def expand_stages(
    stages: Sequence[str], every: bool, reset: bool, prune: bool, check: bool, params: Mapping[str, str]
) -> None:
    """Write the point files of stages; edited files are kept.

    They are conf/sweeps/STAGE/POINT.yml, one file a point.

    \b
    Example:  kedro sweep expand stage5
    Example:  kedro sweep expand stage5 --reset --prune
    """
    project = find_project()
    folder = project / "conf" / "sweeps"
    names = list(find_specs(folder)) if every else list(stages)
    if not names:
        raise click.UsageError("Name a stage, or use --all.")
    specs = {name: read_stage(folder, name, known_subsets(project)) for name in names}
    n_written = 0
    for name, spec in specs.items():
        changes = write_point_files(folder / name, spec, reset, prune, dry_run=check)
        echo(_changes_text(name, spec, changes))
        n_written += changes.n_written
    if check and n_written:
        raise click.ClickException(f"{n_written} files are not as their spec says; run kedro sweep expand.")


@sweep.command("diff")
@click.argument("a")
@click.argument("b", required=False)
@with_params
def diff(a: str, b: str | None, params: Mapping[str, str]) -> None:
    """Compare two points, two stages, or point files with their spec.

    \b
    Example:  kedro sweep diff stage5_001 stage5_017
    Example:  kedro sweep diff stage17 imbalance
    Example:  kedro sweep diff stage5
    """
    project = find_project()
    stages = find_specs(project / "conf" / "sweeps")
    if b is None:
        if a not in stages:
            hint = "name a second point" if stage_of(a) in stages else suggest(a, stages)
            raise InputError(f"{a!r} alone is no stage to compare with its spec; {hint}")
        echo(_edits_text(a, _read(project, a)[1]))
    elif a in stages and b in stages:
        echo(_stages_diff(a, _read(project, a)[1], b, _read(project, b)[1]))
    else:
        echo(_points_diff(*(_named_point(project, name) for name in (a, b))))


def _read(project: Path, stage: str) -> tuple[Spec, Plan]:
    folder = project / "conf" / "sweeps"
    subsets = known_subsets(project)
    spec = read_stage(folder, stage, subsets)
    return spec, make_plan(spec, read_point_records(folder / stage), subsets)


def _states(project: Path, stage: str, plan: Plan, params: Mapping[str, str]) -> dict[str, str]:
    root = data_root(project, params)
    hashes = {point.name: point.config_hash for point in plan.points}
    states = point_states(hashes, StageFolder(root, stage).points_table)
    if DONE in states.values() and stale_because(root, stage):
        return {name: STALE if state == DONE else state for name, state in states.items()}
    return states


def _one_point(plan: Plan, name: str) -> PlannedPoint:
    names = [point.name for point in plan.points]
    chosen = selected_names(names, [point.config_hash for point in plan.points], name)
    if len(chosen) != 1:
        raise InputError(f"{name!r} means {len(chosen)} points; name one, such as {names[0]}.")
    return next(point for point in plan.points if point.name in chosen)


def _named_point(project: Path, name: str) -> PlannedPoint:
    stages = find_specs(project / "conf" / "sweeps")
    stage = stage_of(name)
    if stage not in stages or stage == name:
        hint = suggest(stage, stages) if stages else "there are no stages"
        raise InputError(f"{name!r} is no point (such as stage5_017) of a stage in conf/sweeps; {hint}")
    return _one_point(_read(project, stage)[1], name)


def _stage_text(spec: Spec, plan: Plan, states: Mapping[str, str]) -> str:
    size = size_of(plan.points)
    counts = Counter(states.values())
    varying = [name for name, values in spec.axes.items() if len(values) > 1]
    axes = [
        [f"  {name}", len(values), " | ".join(SETTINGS[name].as_text(value) for value in values)]
        for name, values in spec.axes.items()
    ]
    base = [[f"  {name}", SETTINGS[name].as_text(value)] for name, value in spec.base_params.items()]
    rows = [
        [point.name, *(_cell(SETTINGS[name], point) for name in varying), states[point.name], _note(point)]
        for point in plan.points
    ]
    heading = f"{spec.stage}: {size.points} points, {size.runs} distinct runs of {size.configurations} configurations"
    lines = [
        f"{heading}, {size.trainings} trainings",
        *([spec.description] if spec.description else []),
        ", ".join(f"{counts[state]} {state}" for state in STATES)
        + f", {sum(point.is_edited for point in plan.points)} edited",
        "",
        "axes (the last changes fastest)",
        text_table(axes) if axes else "  none",
        "base settings (the others are at their defaults)",
        text_table(base) if base else "  none",
        "",
        text_table([["point", *varying, "state", ""], *rows]),
    ]
    if plan.leftovers:
        listed = examples(plan.leftovers, ", ")
        lines.append(f"\n{len(plan.leftovers)} files belong to no point any more ({listed}): expand --prune.")
    return "\n".join(lines)


def _cell(one: Setting, point: PlannedPoint) -> str:
    """A setting of a point; in brackets where it changes nothing."""
    text = one.as_text(getattr(point.settings, one.name))
    return text if one.acts is None or one.acts(point.settings) else f"({text})"


def _note(point: PlannedPoint) -> str:
    notes = []
    if point.is_edited:
        notes.append("edited: " + differences_in_words(point.spec_settings, point.settings))
    if point.shares_with != point.name:
        notes.append(f"same run as {point.shares_with}")
    return "; ".join(notes)


def _point_text(spec: Spec, point: PlannedPoint, state: str) -> str:
    changed = setting_differences(point.spec_settings, point.settings)
    rows = []
    for name, one in SETTINGS.items():
        origin = "axis" if name in spec.axes else "base" if name in spec.base_params else "default"
        if name in changed:
            origin = f"edited; the spec says {changed[name][0]}"
        elif one.acts is not None and not one.acts(point.settings):
            origin += f"; no effect without {one.effect.replace('`', '')}"
        rows.append([f"  {name}", one.as_text(getattr(point.settings, name)), origin])
    shared = "" if point.shares_with == point.name else f", the same run as {point.shares_with}"
    heading = f"{point.name}: {state}{shared}\nconfig_hash {point.config_hash}"
    return heading + "\n" + text_table(rows)


def _changes_text(stage: str, spec: Spec, changes: FolderChanges) -> str:
    counts = {
        "new": changes.new, "updated": changes.updated, "reset": changes.reset, "removed": changes.removed,
        "unchanged": changes.unchanged, "kept as edited": changes.kept, "left over": changes.leftover,
    }  # fmt: skip
    said = ", ".join(f"{len(names)} {what}" for what, names in counts.items() if names)
    lines = [f"conf/sweeps/{stage}: {spec.n_points} points: {said}"]
    lines += [f"  {what}: {_listed(names)}" for what, names in list(counts.items())[1:4] if names]
    lines += [f"  kept as edited: {name}: {edit}" for name, edit in changes.kept.items()]
    lines += [f"  was edited: {name}: {edit}" for name, edit in changes.reset.items()]
    if changes.leftover:
        lines.append(
            f"  left over: {_listed(changes.leftover)}; the spec has no such points (--prune removes them)"
        )
    return "\n".join(lines)


def _listed(names: Iterable[str]) -> str:
    return examples(list(names), ", ", most=10)


def _edits_text(stage: str, plan: Plan) -> str:
    edited = [point for point in plan.points if point.is_edited]
    rows = [
        [point.name, name, old, new]
        for point in edited
        for name, (old, new) in setting_differences(point.spec_settings, point.settings).items()
    ]
    if not rows:
        return f"{stage}: all {len(plan.points)} points are as the spec says."
    return text_table([["point", "setting", "spec", "file"], *rows])


def _points_diff(a: PlannedPoint, b: PlannedPoint) -> str:
    rows = []
    for name, (left, right) in setting_differences(a.settings, b.settings).items():
        acts = SETTINGS[name].acts
        is_idle = acts is not None and not acts(a.settings) and not acts(b.settings)
        rows.append([name, left, right, "(no effect)" if is_idle else ""])
    if not rows:
        return f"{a.name} and {b.name} have the same settings."
    text = text_table([["setting", a.name, b.name, ""], *rows])
    return text + ("\nThey are the same run." if a.config_hash == b.config_hash else "")


def _stages_diff(a: str, plan_a: Plan, b: str, plan_b: Plan) -> str:
    runs_a, runs_b = ({point.config_hash for point in plan.points} for plan in (plan_a, plan_b))
    rows = []
    for name, one in SETTINGS.items():
        left, right = (
            list(dict.fromkeys(one.as_text(getattr(point.settings, name)) for point in plan.points))
            for plan in (plan_a, plan_b)
        )
        if set(left) != set(right):
            rows.append([name, ", ".join(left), ", ".join(right)])
    shared = len(runs_a & runs_b)
    text = f"{shared} runs in both, {len(runs_a) - shared} only in {a}, {len(runs_b) - shared} only in {b}"
    return text + ("\n" + text_table([["setting", a, b], *rows]) if rows else "")
