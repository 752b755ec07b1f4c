"""`python -m tools.benchmarks`: write the documentation's pages of what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import click

from tools.benchmarks.page import SECTIONS, write_section
from vernal.commands.command_line import ClearErrors, find_project

ASSUMPTIONS = Path("conf/base/scaling.yml")
_page = click.Path(path_type=Path, dir_okay=False)


@click.group(cls=ClearErrors)
def main() -> None:
    """Write the documentation's pages of what was measured."""


@main.command("page")
@click.argument("name", type=click.Choice(list(SECTIONS)))
@click.argument("results", type=click.File(encoding="utf-8"))
@click.argument("page", type=_page)
def write_page_section(name: str, results: click.utils.LazyFile, page: Path) -> None:
    """Write a benchmark's section of the page from what `kedro bench NAME --json` printed.

    \b
    Example:  kedro bench train --json | python -m tools.benchmarks page train - docs/benchmarks.md
    """
    write_section(page, name, json.load(results))


@main.command("cluster")
@click.option("--minutes", type=click.IntRange(1), default=180, show_default=True, help="Sound to embed.")
@click.option("--repeats", type=click.IntRange(1), default=2, show_default=True, help="Runs of each.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="The most workers.")
@click.option("--scaling", type=_page, help="Also write this page's tables (see conf/base/scaling.yml).")
def cluster(minutes: int, repeats: int, workers: int, scaling: Path | None) -> None:
    """Embed with one and with more workers of a Dask cluster on this machine; print what was measured as JSON.

    \b
    Example:  python -m tools.benchmarks cluster --scaling docs/scaling.md
    """
    from tools.benchmarks.cluster import bench_cluster
    from tools.benchmarks.scaling import Speed, read_assumptions, write_page

    known = None if scaling is None else read_assumptions(find_project() / ASSUMPTIONS)
    results = bench_cluster(minutes, sorted({1, workers}), repeats, lambda text: click.echo(text, err=True))
    if scaling is not None and known is not None:
        most = max(results.values(), key=lambda values: values["workers"])
        measured = ("hours_a_core_hour", "read_bytes_an_hour", "kept_bytes_an_hour", "workers")
        write_page(scaling, Speed(*(most[name] for name in measured)), known, ASSUMPTIONS.as_posix())
    click.echo(json.dumps(results, indent=2))


@main.command("season")
@click.option(
    "--recordings", type=click.IntRange(1), default=540_000, show_default=True, help="Of one minute each."
)
def season(recordings: int) -> None:
    """Draw the sample and make the tables of a searched season; print what was measured as JSON.

    \b
    Example:  python -m tools.benchmarks season | python -m tools.benchmarks page season - docs/benchmarks.md
    """
    from tools.benchmarks.season import bench_season

    click.echo(json.dumps({f"{recordings}_recordings": bench_season(recordings)}, indent=2))


@main.command("listen")
@click.option("--windows", multiple=True, type=click.IntRange(1_000), help="How many; default: 100,000.")
def listen(windows: tuple[int, ...]) -> None:
    """Search, refit and rank as `kedro review --loop` does; print what was measured as JSON.

    \b
    10 million windows take 2 GB of disk and minutes.
    Example:  python -m tools.benchmarks listen --windows 100000 --windows 10000000
    """
    from tools.benchmarks.listen import bench_listen

    click.echo(
        json.dumps({f"{count}_windows": bench_listen(count) for count in windows or (100_000,)}, indent=2)
    )


@main.command("targets")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--page", type=_page, help="Also write this page's table.")
def targets(folder: Path, page: Path | None) -> None:
    """Run the classes of a folder together and each alone; print what was measured as JSON.

    \b
    Example:  python -m tools.benchmarks targets /x/esc10 --page docs/targets.md
    """
    from tools.benchmarks.targets import bench_targets, write_targets

    results = bench_targets(folder, lambda text: click.echo(text, err=True))
    if page is not None:
        write_targets(page, results)
    click.echo(json.dumps(results, indent=2))


if __name__ == "__main__":
    main(prog_name="python -m tools.benchmarks")
