"""`python -m tools.fuzzing`: try every reader, the page and interrupted work, and write what came of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click
import pandas as pd

from tools.fuzzing.readers import readers
from tools.fuzzing.trials import (
    KILLED_SERVERS,
    Trial,
    added,
    table_of,
    try_killed_runs,
    try_killed_servers,
    try_page,
    try_reader,
)
from vernal.commands.command_line import ClearErrors, echo, find_project, text_table
from vernal.common.table_files import read_table, write_table

RESULTS = "docs/results/hostile_trials.csv"


@click.group(cls=ClearErrors)
def main() -> None:
    """Try what bad luck and bad will would do."""


_seconds = click.option(
    "--seconds", default=60.0, show_default=True, help="Of processor time, for each reader."
)
_seed = click.option("--seed", default=0, show_default=True, help="Draws the damages.")
_keep = click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the files of faults, and for those to go on from another time.",
)
_add = click.option(
    "--add", is_flag=True, help="Add to what the table has of the readers, with damages that it has not."
)
_table = click.option(
    "--table", type=click.Path(path_type=Path, dir_okay=False), help=f"Table to write.  [default: {RESULTS}]"
)


@main.command("readers")
@click.argument("names", nargs=-1, type=click.Choice(sorted(readers())))
@_seconds
@_seed
@_keep
@_add
@_table
@click.option("--turns", default=1, show_default=True, help="How often each has its seconds, one by one.")
def only_readers(
    names: tuple[str, ...],
    seconds: float,
    seed: int,
    keep: Path | None,
    add: bool,
    table: Path | None,
    turns: int,
) -> None:
    """Try readers, all or some; led by coverage where `atheris` is installed. Nothing is written without --add.

    \b
    Example:  python -m tools.fuzzing readers heads tflite --seconds=10 --keep=faults
              python -m tools.fuzzing readers --add --turns=60 --keep=faults
    """
    place = table or find_project() / RESULTS
    before = _before(place, add)
    sofar = table_of([])
    for trial in _try_readers((names or tuple(readers())) * turns, seconds, seed, keep, before):
        sofar = added(sofar, table_of([trial]))
        if add:  # after each, so that whoever stops this loses nothing
            write_table(added(before, sofar), place)
    _tell(sofar)


_servers = click.option("--servers", default=10, show_default=True, help="Servers to kill.")
_decisions = click.option(
    "--decisions", default=300, show_default=True, help="Decisions to send to them, in all."
)


@main.command("servers")
@_seed
@_table
@_servers
@_decisions
def only_servers(seed: int, table: Path | None, servers: int, decisions: int) -> None:
    """Kill servers while decisions are sent, and write the table's line of that anew.

    \b
    Example:  python -m tools.fuzzing servers --servers=30 --decisions=3600
    """
    place = table or find_project() / RESULTS
    trial = try_killed_servers(find_project(), servers, seed, decisions)
    before = _before(place, add=True)
    others = before[~before.what.str.startswith(KILLED_SERVERS)]
    write_table(pd.concat([others, table_of([trial])], ignore_index=True), place)
    _tell_faults(trial)
    _tell(table_of([trial]))


@main.command("all")
@_seconds
@_seed
@_keep
@_add
@_table
@_servers
@_decisions
@click.option("--runs", default=3, show_default=True, help="Runs to kill.")
def everything(
    seconds: float,
    seed: int,
    keep: Path | None,
    add: bool,
    table: Path | None,
    servers: int,
    decisions: int,
    runs: int,
) -> None:
    """Try readers, the page and interrupted work, and write the table that docs/faults.md shows.

    \b
    Example:  python -m tools.fuzzing all --seconds=3600 --keep=faults
    """
    project = find_project()
    place = table or project / RESULTS
    before = _before(place, add)
    before = before[before.what.isin([reader.name for reader in readers().values()])]
    found = list(_try_readers(tuple(readers()), seconds, seed, keep, before))
    others = [
        try_page(project),
        try_killed_servers(project, servers, seed, decisions),
        try_killed_runs(project, runs, seed),
    ]
    for trial in others:
        _tell_faults(trial)
    table = table_of([*found, *others])
    write_table(added(before, table), place)
    _tell(table)


def _before(place: Path, add: bool) -> pd.DataFrame:
    return read_table(place) if add and place.is_file() else table_of([])


def _try_readers(
    names: tuple[str, ...], seconds: float, seed: int, keep: Path | None, before: pd.DataFrame
) -> Iterator[Trial]:
    """One by one; a reader that was tried before meets other damages than then."""
    tried = dict(zip(before.what, before.tries, strict=True))
    is_guided = find_spec("atheris") is not None
    with tempfile.TemporaryDirectory() as scratch:
        folder = keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            what = readers()[name].name
            tries = tried.get(what, 0)
            trial = try_reader(name, seconds, folder / name, seed + tries, is_guided)
            tried[what] = tries + trial.tries
            _tell_faults(trial)
            yield trial


def _tell_faults(trial: Trial) -> None:
    for kind, words in trial.found.items():
        echo(f"{trial.what}: {kind}: {words}", err=True)


def _tell(table: pd.DataFrame) -> None:
    echo(text_table([list(table.columns), *table.astype(str).to_numpy().tolist()]))
    if table.faults.sum():
        raise SystemExit(1)


if __name__ == "__main__":
    main(prog_name="python -m tools.fuzzing")
