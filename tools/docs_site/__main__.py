"""`python -m tools.docs_site`: copy results into the documentation, or write the lineage beside it."""

from __future__ import annotations

from pathlib import Path

import click

from vernal.commands.command_line import ClearErrors, find_project

_folder = click.Path(path_type=Path, exists=True, file_okay=False)


@click.group(cls=ClearErrors)
def main() -> None:
    """Copy results into the documentation."""


@main.command()
@click.argument("data_root", type=_folder)
def demo(data_root: Path) -> None:
    """Copy what the pages show of a finished stage 5 on the demo season, and take their pictures.

    The pictures also show detection and collection, run on the same data folder. They need Chromium with
    chromedriver, and `pip install selenium`; without them the rest is copied.

    \b
    Example:  python -m tools.docs_site demo data
    """
    from tools.docs_site.browser import NoBrowser
    from tools.docs_site.results import write_demo
    from tools.docs_site.screenshots import write_pictures

    project = find_project()
    folder = project / "docs" / "results"
    write_demo(project, data_root.resolve(), folder)
    try:
        write_pictures(project, data_root.resolve(), folder)
    except NoBrowser as error:
        click.echo(f"The pictures of the first pages stay as they were: {error}", err=True)


@main.command()
@click.argument("data_root", type=_folder)
def notebooks(data_root: Path) -> None:
    """Execute the notebooks on a finished stage 5 on the demo season, and write them as pages with their outputs.

    \b
    Example:  python -m tools.docs_site notebooks data
    """
    from tools.docs_site.notebooks import write_notebooks

    write_notebooks(find_project(), data_root.resolve())


@main.command()
@click.argument("experiments", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("leaderboards", type=_folder)
def published(experiments: Path, leaderboards: Path) -> None:
    """Recompute published leaderboards and audit the runs behind them.

    \b
    Example:  python -m tools.docs_site published all_experiments.csv leaderboards
    """
    from tools.docs_site.results import write_published

    write_published(experiments, leaderboards, find_project() / "docs" / "results")


@main.command()
@click.argument("data_root", type=_folder)
@click.argument("name", type=click.Choice(["esc10", "companion"]))
def features(data_root: Path, name: str) -> None:
    """Copy the leaderboard of a finished features study on ESC-10 or on the companion set.

    \b
    Example:  python -m tools.docs_site features data companion
    """
    from tools.docs_site.results import write_features

    write_features(data_root, name, find_project() / "docs" / "results")


@main.command()
@click.argument("recordings", type=_folder)
@click.argument("data_root", type=click.Path(path_type=Path, file_okay=False))
@click.option("--only", type=click.Choice(["boobook", "esc10"]), help="One of the sets; default: both.")
def encoders(recordings: Path, data_root: Path, only: str | None) -> None:
    """Run the sweeps over encoders on the sets `boobook` and `esc10`, and write their tables.

    RECORDINGS has a folder of each set; the runs' data go to DATA_ROOT, and what stands there is not done again. It
    takes some minutes, and vernal[speech].

    \b
    Example:  python -m tools.docs_site encoders shared/data /x/encoders
    """
    from tools.docs_site.encoders import SETS, compare_encoders

    project = find_project()
    for name in [only] if only else SETS:
        compare_encoders(project, name, recordings / name, data_root / name, project / "docs" / "results")


@main.command("near-duplicates")
@click.argument("recordings", type=_folder)
@click.option("--workers", type=int, default=1, show_default=True, help="Processes that embed.")
def near_duplicates(recordings: Path, workers: int) -> None:
    """Measure how alike copies and other clips are, and which copies are missed, on recordings of which it is known.

    \b
    Example:  python -m tools.docs_site near-duplicates recordings
    """
    from tools.docs_site import missed_copies
    from tools.docs_site.near_duplicates import measure
    from vernal.common.table_files import write_table
    from vernal.proof.near_duplicates import MISSED

    write_table(missed_copies.measure(recordings, workers), MISSED)
    write_table(measure(recordings, workers), find_project() / "docs" / "results" / "near_duplicates.csv")


@main.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
def lineage(out: Path) -> None:
    """Write the lineage without anybody's data: descriptions, and nothing that a run made.

    \b
    Example:  python -m tools.docs_site lineage site/lineage
    """
    from vernal.framework.lineage.graph import load_graph
    from vernal.framework.lineage.static_site import write_static_site

    project = find_project()
    load_graph(project)
    write_static_site(project, out)


if __name__ == "__main__":
    main(prog_name="python -m tools.docs_site")
