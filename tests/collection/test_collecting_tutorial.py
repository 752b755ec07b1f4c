"""The tutorial in docs/collecting.md, followed word by word: each file written, each command run, in order."""

import html
import logging
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from vernal.clips.manifest import check_manifest, read_manifest
from vernal.commands.review import open_service

pytestmark = pytest.mark.chain

FENCE = re.compile(
    r'^```(?P<kind>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<body>.*?)^```$', re.DOTALL | re.MULTILINE
)


def steps(page):
    """The page's commands and the files it asks to write, in order."""
    found = []
    for match in FENCE.finditer(page):
        if match["kind"] == "bash":
            found += [("run", line) for line in match["body"].splitlines() if line.strip()]
        elif match["title"]:
            found.append(("write", (match["title"], match["body"])))
    return found


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """A project folder in which the tutorial was followed, and the state of the lake after each command."""
    if os.name == "nt":
        pytest.skip("the tutorial's commands are for a POSIX shell")
    source = Path(__file__).resolve().parents[2]
    folder = tmp_path_factory.mktemp("a project")
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(source / name, folder)
    for name in ("conf", "src"):
        shutil.copytree(
            source / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    states = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("KEDRO_ENV", "test")  # the same commands on the graph in small
        for kind, what in steps((source / "docs" / "collecting.md").read_text(encoding="utf-8")):
            if kind == "write":
                path = folder / what[0]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(what[1], encoding="utf-8")
            elif "--pipeline=stage5" in what:
                continue  # minutes of training; see the slow test below
            elif what.startswith("kedro "):
                run_kedro(folder, what)
                zone = folder / "mine" / "01_raw" / "collection"
                files = {
                    path: (path.stat().st_mtime_ns, path.stat().st_size)
                    for path in zone.rglob("*")
                    if path.is_file()
                }
                states.append((what, files))
            else:
                subprocess.run(["bash", "-c", what], cwd=folder, check=True)
    return folder, states


def run_kedro(folder, command):
    """Run a command of the tutorial in this process, which has everything imported."""
    from kedro.framework.cli.cli import KedroCLI
    from omegaconf import OmegaConf

    # Kedro keeps a resolver of its own for the life of a process; a new command is a new process to it.
    OmegaConf.clear_resolver("setting")
    # Loggers must not outlive the captured streams that pytest gives each test.
    handlers, level = logging.root.handlers[:], logging.root.level
    try:
        KedroCLI(project_path=folder).main(shlex.split(command)[1:], prog_name="kedro", standalone_mode=False)
    finally:
        logging.root.handlers[:], logging.root.level = handlers, level


def test_the_page_has_commands_and_files():
    page = (Path(__file__).resolve().parents[2] / "docs" / "collecting.md").read_text(encoding="utf-8")
    kinds = [kind for kind, _ in steps(page)]
    assert kinds.count("run") == 8 and kinds.count("write") == 3


def test_the_demo_groups_report_finds_what_was_put_in(followed):
    folder, *_ = followed
    reporting = folder / "data" / "08_reporting" / "collection"
    page = (reporting / "report.html").read_text(encoding="utf-8")
    assert "DEMO GROUP: the recordings are synthetic" in page and "Were the planted mistakes found?" in page
    assert "On clips that outsiders collected, it has 0." in page and "test_ood" not in page
    assert page.count("<svg") == 9 and "http" not in re.sub(r'xmlns="[^"]+"|http-equiv', "", page).replace(
        "https://www.w3.org", ""
    )
    found = pd.read_csv(reporting / "recovery.csv")
    counts = found[found.low.isna() & ~found.what.str.contains("misses|alarms|level")]
    assert counts.is_inside.all() and len(counts) == 4
    assert (
        found[found.low.notna()].is_inside.mean() >= 0.85
        and found[found.what.str.contains("level")].is_inside.all()
    )
    assert pd.read_csv(reporting / "drift.csv").verdict.tolist() == ["drift"]
    assert (reporting / "plots" / "drift.png").is_file()


def test_the_collections_manifest_is_one_that_stages_accept(followed):
    folder, *_ = followed
    path = folder / "mine" / "03_primary" / "collection" / "manifest.csv"
    clips = check_manifest(
        read_manifest(path), "RADR", folder / "mine" / "01_raw" / "collection" / "collected" / "objects"
    )
    assert clips.is_positive.sum() >= 10 and (~clips.is_positive).sum() >= 10
    assert clips.licence.notna().all() and clips.quality[clips.is_positive].notna().all()
    assert set(clips.site) >= {"pond", "creek", "reservoir"}
    dan = pd.read_parquet(folder / "mine" / "02_intermediate" / "collection" / "votes.parquet").query(
        "annotator == 'Dan'"
    )
    assert dan.is_present.sum() == 2 and set(dan.label[~dan.is_present]) == {"owl"}


def test_collecting_again_changes_nothing_in_the_lake(followed):
    _, states = followed
    collected = [files for command, files in states if "collection.inbox=inbox" in command]
    assert len(collected) == 2 and collected[0] == collected[1] and len(collected[0]) > 20


@pytest.mark.slow
def test_the_stage_trains_on_it(followed):
    folder, _ = followed
    page = (Path(__file__).resolve().parents[2] / "docs" / "collecting.md").read_text(encoding="utf-8")
    command = next(what for kind, what in steps(page) if kind == "run" and "--pipeline=stage5" in what)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("KEDRO_ENV", "test")
        run_kedro(folder, command)
    points = pd.read_csv(folder / "mine" / "08_reporting" / "stage5" / "points.csv").set_index("point")
    assert points.n_train_positive["stage5_001"] > 0 and points.test_ood_auroc["stage5_001"] > 0.5


@pytest.mark.slow
def test_real_recordings_go_from_their_folder_to_a_classifier_and_a_queue_word_by_word(tmp_path, shared_data):
    """`docs/your-recordings.md` on the southern boobook, as its recordings were published."""
    source = Path(__file__).resolve().parents[2]
    folder = tmp_path / "a project"
    folder.mkdir()
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(source / name, folder)
    for name in ("conf", "src"):
        shutil.copytree(
            source / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    shutil.copytree(shared_data / "boobook", folder / "boobook_set")
    commands = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        page = (source / "docs" / "your-recordings.md").read_text(encoding="utf-8")
        for kind, what in steps(page):
            if kind == "write":
                (folder / what[0]).write_text(what[1], encoding="utf-8")
            else:
                commands.append(what)
                if not what.startswith("kedro review"):
                    run_kedro(folder, what)
        params = dict(part.split("=", 1) for part in commands[-1].partition("--params=")[2].split(","))
        queue = open_service(folder, params, "Ana", False, None).queue("label-next")
    assert [command.split()[1] for command in commands] == ["manifest", "run", "run", "review"]
    assert len(pd.read_csv(folder / "clips.csv")) == 279
    assert set(queue.items.asked) == {"boobook"} and len(queue.items) > 10
    reports = folder / "boobook" / "08_reporting"
    printed = re.search(
        r"<code[^>]*>(kedro run --params.*?)</code>",
        (reports / "collection" / "report.html").read_text("utf-8"),
    )
    assert set(
        html.unescape(printed[1]).partition("--params=")[2].strip('"').replace(f"{folder}/", "").split(",")
    ) == set(commands[2].partition("--params=")[2].split(","))
    problems = pd.read_csv(reports / "collection" / "label_problems.csv")
    assert problems.reason.str.contains("but positive/").sum() == 3
    assert pd.read_csv(reports / "baseline" / "points.csv").test_iid_auroc[0] > 0.9
