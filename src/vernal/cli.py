"""The project's own commands, beside and in place of Kedro's.

`kedro run` is Kedro's, with three changes: `--pipeline` works without a warning, a user's mistake is told in its own
words instead of a traceback, and what stands is not made again.
"""

from collections.abc import Callable
from typing import Any

import click
from kedro.io import DatasetError

from vernal.commands.lazy import LazyGroup
from vernal.common.formatting import visible
from vernal.common.problems import InputError, mistake_in
from vernal.framework.kedro_compat import replace_run, replace_viz

COMMANDS = {
    "sweep": ("vernal.commands.sweep", "List, show, expand and compare sweeps."),
    "store": ("vernal.commands.store", "Show, verify and prune the embedding store."),
    "export": ("vernal.commands.export", "Write a classifier for BirdNET-Analyzer, parity proven."),
    "manifest": ("vernal.commands.manifest", "Write what a folder of recordings says as a manifest."),
    "runs": ("vernal.commands.runs", "List, show and compare recorded runs."),
    "review": ("vernal.commands.review", "Listen to candidates and decide; browse results."),
    "bench": ("vernal.commands.bench", "Measure against BirdNET-Analyzer on this machine."),
}

RUN_EXAMPLES = """\
Example:  kedro run --pipeline=stage5
Example:  kedro run --pipeline=stage5 --params=source.manifest=/x/manifest.csv,target=rooster,data_root=/x/out
Example:  kedro run --params=source.folder=/x/classes,targets=all,data_root=/x/out"""


@click.group(name="vernal", cls=LazyGroup, commands_by_module=COMMANDS)
def cli() -> None:
    """Vernal: curate, train and prove custom detectors."""


def _run(kedro_run: Callable[..., Any], options: dict[str, Any]) -> Any:
    from kedro.framework.project import pipelines as _  # noqa: F401  (fails early outside a project)

    from vernal.commands.command_line import told
    from vernal.commands.run_mistakes import check_run
    from vernal.commands.targets import are_asked, run_targets
    from vernal.commands.targets_training import OWN_RUNNER
    from vernal.common.logging_filters import tell_mistakes_once

    tell_mistakes_once()
    options["runner"] = options.get("runner") or OWN_RUNNER
    try:
        parameters = check_run(options)
        if are_asked(options, parameters):
            return run_targets(kedro_run, options, parameters)
        return kedro_run(**options)
    except (InputError, DatasetError) as error:
        # What a dataset tells of a mistake needs nothing before it; other errors need the dataset's name and file.
        mistake = mistake_in(error)
        words = told(mistake, options.get("params") or {}) if mistake else visible(_with_writer(str(error)))
        raise click.ClickException(words) from error
    except KeyboardInterrupt:
        click.echo("\nStopped. What is finished is kept; the same command goes on from there.", err=True)
        raise SystemExit(130) from None


def _with_writer(words: str) -> str:
    """What a dataset says, with the pipeline to run first where nothing has written it yet."""
    from vernal.pipeline_registry import package, package_names

    if "run the pipeline that writes it" not in words:
        return words
    dataset = words.partition(":")[0]
    writer = next((name for name in package_names() if dataset in package(name).all_outputs()), None)
    return (
        words
        if writer is None
        else f"{words} That is: kedro run --pipeline={writer}, with the same parameters."
    )


# `python -m vernal` and a packaged project look for it under this name.
run = replace_run(_run, RUN_EXAMPLES)
cli.add_command(run)
replace_viz({"run": "vernal.commands.viz.run", "build": "vernal.commands.viz.build"})
