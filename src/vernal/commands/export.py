"""`kedro export`: a trained point as a classifier for other programs, its scores there proven."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vernal.commands.command_line import ClearCommand, data_root, echo, find_project, with_params
from vernal.common.problems import InputError

if TYPE_CHECKING:
    from vernal.field.export.trained_point import ExportPoint


_SCORING = "scoring the same sounds here and in other programs; some minutes ..."


@click.command(name="export", cls=ClearCommand)
@click.argument("names", metavar="STAGE POINT", nargs=-1)
@click.option("--merge", is_flag=True, help="One classifier of several points, named as STAGE/POINT.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder to make; new, empty, or an earlier export.",
)
@click.option("--label", help="Name of the class in other programs; default: the target.")
@with_params
def export(
    names: tuple[str, ...], merge: bool, out: Path, label: str | None, params: Mapping[str, str]
) -> None:
    """Write a classifier for BirdNET-Analyzer, birdnet and onnxruntime.

    \b
    STAGE and POINT name a trained point: stage5 stage5_017, or stage5 17. The folder gets stand-alone and
    head-only files (TFLite; ONNX with vernal[onnx]) with their labels, the training parameters, a sheet of
    what to set where, and the scores that each program gave to the same clips. If they differ, nothing is
    written. birdnet is tried where it is installed (vernal[birdnet]).
    Example:  kedro export stage5 17 --out classifiers/frog
    Example:  kedro export stage5 stage5_017 --out /x/frog --params=data_root=/x/out

    \b
    With --merge, names are STAGE/POINT, and the file has a label for each. Of several targets they are
    TARGET/STAGE/POINT, TARGET/STAGE for the target's point to use, or STAGE alone for that of every target.
    Example:  kedro export --merge stage5/17 stage6/3 --out classifiers/pond
    Example:  kedro export --merge baseline --out /x/pond --params=data_root=/x/out
    """
    root = data_root(find_project(), params)
    if merge:
        _export_merged(root, names, out.absolute(), label)
        return
    if len(names) != 2:
        raise click.UsageError(
            "Name a stage and a point, as in: kedro export stage5 17 --out classifiers/frog"
        )
    _export_one(root, *names, out, label)


def _export_merged(root: Path, names: tuple[str, ...], out: Path, label: str | None) -> None:
    from vernal.field.export.merging import export_merged, find_points

    if label is not None:
        raise click.UsageError("--label names the class of one point; merged ones keep their own.")
    labels = [name for one in find_points(root, names) for name in one.point.model.labels]
    echo(f"{', '.join(labels)}: {_SCORING}", err=True)
    folder = export_merged(root, names, out)
    _tell(folder, "merged", f"each of {len(labels)} points")


def _export_one(root: Path, stage: str, point: str, out: Path, label: str | None) -> None:
    from vernal.field.export.folder import export_point
    from vernal.field.export.trained_point import trained_point

    project = find_project()
    found = trained_point(root, stage, point)
    if changes := _changes_since(project, found):
        echo(
            f"Note: {found.name} now stands for other settings than it was trained with ({changes}). What was trained "
            f"is exported; for the other, run the stage first: kedro run --pipeline={stage}",
            err=True,
        )
    echo(f"{found.name}: {_SCORING}", err=True)
    folder = export_point(root, stage, found.name, out.absolute(), label)
    if found.no_threshold:
        echo(
            f"No threshold could be chosen: {found.no_threshold}. The minimum confidence is yours to choose.",
            err=True,
        )
    _tell(folder, found.name, found.name)


def _tell(folder: Path, name: str, whose: str) -> None:
    """Say in which programs the scores were compared, and what was not."""
    from vernal.common.safe_yaml import read_yaml
    from vernal.field.export.sheet import NO_BIRDNET, NO_ONNX

    record = read_yaml(folder / f"{name}_parameters.yml")
    programs = [f"{program} {one['version']}" for program, one in record["parity"]["programs"].items()]
    listed = " and ".join(part for part in (", ".join(programs[:-1]), programs[-1]) if part)
    echo(f"{folder}: scores in {listed} are those of {whose} (parity.csv).")
    if "birdnet" not in record:
        encoder = record["audio"]["encoder"]
        echo(f"The head alone: it needs the encoder {encoder}, which BirdNET's programs do not run.")
    elif "birdnet" not in record["parity"]["programs"]:
        echo(f"Not checked in birdnet: {NO_BIRDNET}.", err=True)
    if f"{name}_head.onnx" not in record["files"]:
        echo(f"No ONNX files: {NO_ONNX}.", err=True)
    echo(f"Settings for the field: {folder / f'{name}_settings.md'}")


def _changes_since(project: Path, found: "ExportPoint") -> str:
    """What was changed in the stage's spec or the point's file after it was trained; empty where nobody can tell."""
    from vernal.sweeps.plans import make_plan
    from vernal.sweeps.point_folder import differences_in_words
    from vernal.sweeps.point_settings import config_hash
    from vernal.sweeps.points import read_point_records
    from vernal.sweeps.spec import read_stage

    specs = project / "conf" / "sweeps"
    try:
        spec = read_stage(specs, found.stage, None)
        points = make_plan(spec, read_point_records(specs / found.stage), None).points
    except InputError:  # of another project, or wrong by now: no reason to keep what was trained back
        return ""
    now = next((point.settings for point in points if point.name == found.name), found.settings)
    is_same = config_hash(now) == config_hash(found.settings)
    return "" if is_same else differences_in_words(found.settings, now)
