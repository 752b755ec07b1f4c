"""Building the site: what pages ask for is filled in, the lineage is put beside them, and every link is followed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tools.docs_site import notebooks, numbers, pipeline_pages, reference, screenshots
from tools.docs_site.links import broken_links
from vernal.common.problems import InputError, Problems, suggest

LINEAGE = "lineage-view"
MAKERS: dict[str, Callable[[Path], str]] = {
    maker.__name__: maker
    for maker in (
        pipeline_pages.overview,
        pipeline_pages.whole_chain,
        pipeline_pages.stage_alone,
        pipeline_pages.preparation,
        pipeline_pages.others,
        screenshots.product,
        screenshots.gallery,
        notebooks.notebooks,
        numbers.demo_season,
        numbers.demo_splits,
        numbers.few_clips,
        numbers.demo_subsets,
        numbers.demo_leaderboard,
        numbers.demo_effects,
        numbers.features_esc10,
        numbers.features_companion,
        numbers.features_lab,
        numbers.hostile_trials,
        numbers.encoders_esc10,
        numbers.encoders_boobook,
        numbers.near_duplicates,
        numbers.missed_copies,
        numbers.validation,
        numbers.published_tables,
        numbers.published_findings,
        numbers.published_counts,
        reference.parameters,
        reference.catalog,
        reference.manifest_columns,
        reference.table_schemas,
        reference.commands,
    )
}
_MADE = re.compile(r"<!-- made: (\w+) -->")
_CODE = re.compile(r"<code>[^<]*</code>")
_OPTION = re.compile(r"(?<![\w-])--?[a-z][\w-]*")


def fill(text: str, page: str, project: Path) -> str:
    """A page with what it asks for in its place.

    Raises:
        InputError: it asks for something that nobody makes, or that is out of date.
    """

    def made(match: re.Match[str]) -> str:
        name = match[1]
        if name not in MAKERS:
            raise InputError(f"{page} asks for {name!r}, which nothing makes; {suggest(name, MAKERS)}")
        try:
            return MAKERS[name](project)
        except ModuleNotFoundError as error:
            if not str(error.name).startswith("vernal.studies"):
                raise
            return "*This study was taken out of the project.*"

    return _MADE.sub(made, text)


def whole_options(html: str) -> str:
    """A page whose options, such as `--pipeline`, are not divided at a line's end.

    >>> whole_options("<p>a -- b <code>kedro run --pipeline=x</code></p>")
    '<p>a -- b <code>kedro run <span class="option">--pipeline</span>=x</code></p>'
    """
    return _CODE.sub(lambda found: _OPTION.sub(r'<span class="option">\g<0></span>', found[0]), html)


def write_lineage(project: Path, site: Path) -> None:
    """Put the lineage into the site, in a process of its own: Kedro configures whatever process it is in."""
    command = [sys.executable, "-m", "tools.docs_site", "lineage", str(site / LINEAGE)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"The lineage could not be written:\n{done.stdout}{done.stderr}")


def check_site(site: Path) -> None:
    """Follow every link of the built pages.

    Raises:
        InputError: names the links that lead nowhere, and what a page would load from elsewhere.
    """
    problems = Problems("The built site")
    dead, foreign = broken_links(site, skip=(LINEAGE,))
    problems.add("dead link", dead, "Mend the page, or the heading that it names.")
    problems.add("request that leaves the machine", foreign, "Keep a copy in docs/assets.")
    problems.raise_if_any()
