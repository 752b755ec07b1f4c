"""`python -m tools.fuzzing`: try every reader, the page and interrupted work, and write what came of it."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path

import click

from tools.fuzzing.readers import readers
from tools.fuzzing.trials import (
    Trial,
    table_of,
    try_killed_runs,
    try_killed_servers,
    try_page,
    try_readers,
)
from vernal.commands.command_line import ClearErrors, echo, find_project, text_table
from vernal.common.table_files import write_table

RESULTS = "docs/results/hostile_trials.csv"


@click.group(cls=ClearErrors)
def main() -> None:
    """Try what bad luck and bad will would do."""


_seconds = click.option("--seconds", default=60.0, show_default=True, help="For each reader.")
_seed = click.option("--seed", default=0, show_default=True, help="Draws the damages.")
_keep = click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="Folder for the files of faults."
)


@main.command("readers")
@click.argument("names", nargs=-1, type=click.Choice(sorted(readers())))
@_seconds
@_seed
@_keep
def only_readers(names: tuple[str, ...], seconds: float, seed: int, keep: Path | None) -> None:
    """Try readers, all or some; led by coverage where `atheris` is installed. Nothing is written.

    \b
    Example:  python -m tools.fuzzing readers heads tflite --seconds=10 --keep=faults
    """
    _tell(_try_readers(names, seconds, seed, keep))


@main.command("all")
@_seconds
@_seed
@_keep
@click.option("--servers", default=10, show_default=True, help="Servers to kill.")
@click.option("--runs", default=3, show_default=True, help="Runs to kill.")
def everything(seconds: float, seed: int, keep: Path | None, servers: int, runs: int) -> None:
    """Try readers, the page and interrupted work, and write the table that docs/proof.md shows.

    \b
    Example:  python -m tools.fuzzing all --seconds=3600 --keep=faults
    """
    project = find_project()
    found = _try_readers((), seconds, seed, keep)
    found.append(try_page(project))
    found.append(try_killed_servers(project, servers, seed))
    found.append(try_killed_runs(project, runs, seed))
    write_table(table_of(found), project / RESULTS)
    _tell(found)


def _try_readers(names: tuple[str, ...], seconds: float, seed: int, keep: Path | None) -> list[Trial]:
    is_guided = find_spec("atheris") is not None
    with tempfile.TemporaryDirectory() as scratch:
        folder = keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        return try_readers(names or tuple(readers()), seconds, folder, seed, is_guided)


def _tell(found: list[Trial]) -> None:
    table = table_of(found)
    echo(text_table([list(table.columns), *table.astype(str).to_numpy().tolist()]))
    for trial in found:
        for kind, words in trial.found.items():
            echo(f"{trial.what}: {kind}: {words}", err=True)
    if table.faults.sum():
        raise SystemExit(1)


if __name__ == "__main__":
    main(prog_name="python -m tools.fuzzing")
