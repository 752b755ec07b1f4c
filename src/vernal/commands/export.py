"""`kedro export`: a trained point as a classifier for BirdNET-Analyzer, its scores there proven."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from vernal.commands.command_line import ClearCommand, data_root, find_project, with_params


@click.command(name="export", cls=ClearCommand)
@click.argument("stage")
@click.argument("point")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder to make; new, empty, or an earlier export.",
)
@click.option("--label", help="Name of the class in BirdNET-Analyzer; default: the target.")
@with_params
def export(stage: str, point: str, out: Path, label: str | None, params: Mapping[str, str]) -> None:
    """Write a classifier for BirdNET-Analyzer, parity proven.

    \b
    STAGE and POINT name a trained point: stage5 stage5_017, or stage5 17. The folder gets a stand-alone and a
    head-only TFLite file with their labels, the training parameters, a settings sheet with the operating point,
    and the scores that both programs gave to the same clips. If they differ, nothing is written.
    Example:  kedro export stage5 17 --out classifiers/frog
    Example:  kedro export stage5 stage5_017 --out /x/frog --params=data_root=/x/out
    """
    from vernal.export.folder import export_point

    folder = export_point(data_root(find_project(), params), stage, point, out.absolute(), label)
    parity = folder / "parity.csv"
    click.echo(f"{folder}: scores in BirdNET-Analyzer are those of {stage} {point} ({parity.name}).")
    click.echo(f"Settings for the field: {next(folder.glob('*_settings.md'))}")
