"""The project's own commands, beside and in place of Kedro's.

`kedro run` is Kedro's, with two changes: `--pipeline` works without a warning, and a user's mistake is
told in its own words instead of a traceback.
"""

from __future__ import annotations

from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.io import DatasetError

from vernal.commands.lazy import LazyGroup
from vernal.problems import InputError

COMMANDS = {
    "sweep": ("vernal.commands.sweep", "List, show, expand and compare sweeps."),
    "store": ("vernal.commands.store", "Show, verify and prune the embedding store."),
    "export": ("vernal.commands.export", "Write a classifier for BirdNET-Analyzer, parity proven."),
    "runs": ("vernal.commands.runs", "List, show and compare recorded runs."),
    "bench": ("vernal.commands.bench", "Measure against BirdNET-Analyzer on this machine."),
}


@click.group(name="vernal", cls=LazyGroup, commands_by_module=COMMANDS)
def cli() -> None:
    """Vernal: curate, train and prove custom detectors."""


def _run(**options: Any) -> Any:
    from kedro.framework.project import pipelines as _  # noqa: F401  (fails early outside a project)

    if options.get("pipeline"):
        if options.get("pipelines"):
            raise click.UsageError("Give --pipeline or --pipelines, not both.")
        options["pipelines"] = [options["pipeline"]]
        options["pipeline"] = None
    try:
        return kedro_run.callback(**options)  # type: ignore[misc]  # click types it as optional
    except (InputError, DatasetError) as error:
        raise click.ClickException(str(error)) from error


cli.add_command(
    click.Command(
        name="run", callback=_run, params=kedro_run.params, help=kedro_run.help, short_help="Run a pipeline."
    )
)
