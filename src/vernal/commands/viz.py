"""`kedro viz run` and `kedro viz build`: the lineage in a browser or as a site, without a request that leaves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from vernal.commands.command_line import PARAMS_HELP, ClearCommand, find_project
from vernal.commands.run_mistakes import check_settings
from vernal.framework.kedro_compat import nested_params

with_env = click.option("--env", "-e", envvar="KEDRO_ENV", help="Environment of the configuration.")
with_pipeline = click.option("--pipeline", "-p", help="Show this pipeline alone; default: all of them.")
with_nested_params = click.option("--params", default="", callback=nested_params, help=PARAMS_HELP)


@click.command("run", cls=ClearCommand)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=4141,
    show_default=True,
    help="Port; if it is taken, the next free one.",
)
@click.option("--browser/--no-browser", default=True, help="Open a browser.")
@with_pipeline
@with_env
@with_nested_params
def run(
    host: str, port: int, browser: bool, pipeline: str | None, env: str | None, params: Mapping[str, Any]
) -> None:
    """Serve the lineage, with what the last run made in place.

    \b
    Example:  kedro viz run
    Example:  kedro viz run --pipeline=stage5 --params=data_root=/x/out --no-browser
    """
    from vernal.framework.lineage.graph import load_graph
    from vernal.framework.lineage.server import serve

    project = find_project()
    check_settings(project / "conf", env, params)
    click.echo("Reading the pipelines ...", err=True)
    view = load_graph(project, env, params, pipeline)
    serve(project, host, port, browser, view)


@click.command("build", cls=ClearCommand)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build"),
    show_default=True,
    help="Folder to make, or an earlier one.",
)
@click.option("--include-previews", is_flag=True, help="Put rows of tables, pictures and the last run in.")
@with_pipeline
@with_env
@with_nested_params
def build(
    out: Path, include_previews: bool, pipeline: str | None, env: str | None, params: Mapping[str, Any]
) -> None:
    """Write the lineage as a static site.

    It needs a web server, such as python -m http.server.

    \b
    Example:  kedro viz build
    Example:  kedro viz build --out /x/lineage --include-previews --params=data_root=/x/out
    """
    from vernal.framework.lineage.graph import load_graph
    from vernal.framework.lineage.static_site import write_static_site

    project = find_project()
    check_settings(project / "conf", env, params)
    click.echo("Reading the pipelines ...", err=True)
    load_graph(project, env, params, pipeline)
    write_static_site(project, out, include_previews)
    click.echo(f"{out}: look at it with  python -m http.server --directory {out}")
