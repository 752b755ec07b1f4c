"""`kedro manifest`: what a folder of recordings says, written as a manifest to look at and to edit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vernal.commands.command_line import ClearErrors, counted, text_table
from vernal.common.problems import InputError

if TYPE_CHECKING:
    import pandas as pd

# What a folder does not say and a person may: empty columns to fill in.
_TO_FILL_IN = ("quality", "site")


@click.group(name="manifest", cls=ClearErrors)
def manifest() -> None:
    """Write what a folder of recordings says as a manifest.

    \b
    Example:  kedro manifest folder /x/clips --out=clips.csv
    """


_folder = click.argument("folder", type=click.Path(path_type=Path))
_out = click.option("--out", required=True, type=click.Path(path_type=Path), help="CSV to write.")


@manifest.command("folder")
@_folder
@_out
def folder(folder: Path, out: Path) -> None:
    """Read one folder a class, as source.folder does.

    \b
    Example:  kedro manifest folder /x/clips --out=clips.csv
    """
    from vernal.clips.class_folders import read_class_folders

    _write(read_class_folders(folder), folder, out)


def _write(clips: pd.DataFrame, root: Path, out: Path) -> None:
    """Write the manifest and say what was understood, and what to do with it."""
    from vernal.clips.recording_names import recorders_in_words
    from vernal.common.table_files import write_table

    if out.suffix.lower() != ".csv":
        raise InputError(f"--out is {out}; give a name that ends in .csv.")
    if out.exists():
        raise InputError(f"{out} is there already, perhaps edited; remove it or give another name as --out.")
    empty = {name: None for name in _TO_FILL_IN if name not in clips}
    write_table(clips.assign(**empty), out)
    counts = clips.label.value_counts().sort_index()
    click.echo(text_table([["label", "clips"], *([label, int(n)] for label, n in counts.items())]))
    files = clips.drop_duplicates("file_path")
    if files.recorder_id.notna().any():
        click.echo(recorders_in_words(files.recorder_id.fillna("").tolist(), files.file_path.tolist()) + ".")
    if n_undated := int(files.date.isna().sum()):
        click.echo(f"{counted(n_undated, 'file')} without a date in the name.")
    click.echo(f"\n{out} has {counted(len(clips), 'row')}; {' and '.join(_TO_FILL_IN)} are yours to fill in.")
    targets = [label for label in counts.sort_values(ascending=False).index if _may_be_target(label)]
    if targets:
        others = f" (or target={', '.join(targets[1:4])})" if len(targets) > 1 else ""
        source = f"source.manifest={out.resolve()},source.audio_root={root.resolve()}"
        params = f"{source},target={targets[0]},data_root={out.stem}"
        click.echo(f'Train on it{others}:\n\n  kedro run --params="{params}"')


def _may_be_target(label: str) -> bool:
    from vernal.clips.class_folders import NEGATIVE
    from vernal.clips.manifest import CLASS_DIVIDER, NOT

    return label != NEGATIVE and CLASS_DIVIDER not in label and not label.startswith(NOT)
