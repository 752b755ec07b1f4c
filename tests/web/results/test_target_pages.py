"""The results of several targets: side by side, and each target's own pages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.web.results.conftest import MadeProject, Served, serve
from vernal.common.files import write_text
from vernal.common.table_files import write_table
from vernal.common.target_folders import TargetFolders
from vernal.evaluation.across import OneTarget, across_targets
from vernal.sweeps.stage_folder import StageFolder
from vernal.web.project import ProjectContext

# One is called as a view of results is.
NAMES = {"barn owl": "barn_owl", "frog/toad": "frog_toad", "nights": "nights"}


def context_of_targets(made: MadeProject, root: Path) -> ProjectContext:
    """A data folder of two targets, each with the results of the made project."""
    TargetFolders(root).write(NAMES)
    for name in NAMES.values():
        shutil.copytree(made.data_root, root / "targets" / name)
    files = StageFolder(made.data_root, "made")
    one = OneTarget(made.load().results, files.read_table(files.scores), files.read_table(files.data.splits))
    for name, table in across_targets(dict.fromkeys(NAMES, one)).tables().items():
        write_table(table, root / "08_reporting" / "made" / "targets" / f"{name}.csv")
    write_text(root / "08_reporting" / "made" / "targets" / "report.html", "<h1>all of them</h1>")

    def open_target(name: str, folder: Path) -> ProjectContext:
        return replace(made.context(), data_root=folder, parameters={"target": name})

    return replace(made.context(), data_root=root, open_target=open_target)


@pytest.fixture(scope="module")
def several(made_once: MadeProject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("several")
    yield from serve(made_once, context_of_targets(made_once, root))


def links(page: str) -> set[str]:
    return set(re.findall(r'(?:href|action)="(/[^"#]*)"', page))


def test_every_target_and_stage_is_listed_with_a_link_that_opens(several):
    page = several.get("/results")[1]
    assert {"/results/_of/barn_owl", "/results/_of/frog_toad/made", "/results/_targets/made"} <= links(page)
    assert page.count("12</td>") >= len(NAMES)


def test_targets_stand_side_by_side_with_their_means_and_tables(several):
    page = several.get("/results/_targets/made")[1]
    assert page.count('<th scope="row"><a href="/results/_of/') == len(NAMES)
    assert "mean of targets" in page and "Which classes are confused" in page and "targets.csv" in page
    for address in {one for one in links(page) if one.startswith("/results/")}:
        assert several.get(address)[0] == 200


def test_the_pages_of_a_target_lead_to_no_other(several):
    for view in ("", "/compare?a=made_001&b=made_003", "/effects", "/nights?point=made_001"):
        page = several.get(f"/results/_of/frog_toad/made{view}")[1]
        own = {address for address in links(page) if address.startswith("/results/")}
        assert own and all(
            address.startswith(("/results/_of/frog_toad", "/results/_targets/")) for address in own
        )


def test_the_report_of_all_is_served_as_it_was_written(several):
    assert several.get("/results/_targets/made/report")[1] == "<h1>all of them</h1>"
    assert "written by a run of several targets" in several.get("/results/_targets/none/report")[1]
    assert several.get("/results/_of/nights")[0] == 200


def test_what_is_not_there_is_said(several):
    assert "There is no target" in several.get("/results/_of/newt")[1]
    assert "written by a run of several targets" in several.get("/results/_targets/none")[1]
    assert "There is no stage" in several.get("/results/_of/barn_owl/none")[1]
