"""`kedro viz build`, and the mistakes that the two commands tell in words."""

import subprocess
import sys

import pytest

from tests.small_browser import console_errors, foreign_requests, open_browser, served, wait_for
from vernal.common.problems import InputError
from vernal.framework.lineage.server import listen


def kedro(project, *args):
    return subprocess.run(
        [sys.executable, "-m", "kedro", "viz", *args],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.browser
def test_a_site_of_files_opens_in_a_folder_and_names_no_machine(project, tmp_path):
    site = tmp_path / "shown" / "lineage"
    done = kedro(project, "build", "--pipeline=ingest", "--env=test", f"--out={site}")
    assert done.returncode == 0, done.stderr
    for file in (site / "api").rglob("*"):
        assert file.is_dir() or project.as_posix().lstrip("/") not in file.read_text(encoding="utf-8"), file
    with served(tmp_path) as address, open_browser() as driver:
        driver.get(f"{address}shown/lineage/index.html?pid=ingest&expandAllPipelines=true")
        wait_for(driver, lambda _: "check_audio" in driver.page_source)
        driver.save_screenshot(str(tmp_path / "static.png"))
        assert console_errors(driver) == []
        assert foreign_requests(driver) == []

    again = kedro(project, "build", "--pipeline=ingest", "--env=test", f"--out={site}")
    assert again.returncode == 0 and (site / "index.html").is_file()


@pytest.mark.docs
def test_a_folder_of_something_else_is_left_alone(project, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    done = kedro(project, "build", "--pipeline=ingest", f"--out={tmp_path}")
    assert done.returncode == 1 and "holds files of something else" in done.stderr
    assert "Traceback" not in done.stderr and (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.docs
def test_a_misspelt_pipeline_is_told(project):
    done = kedro(project, "run", "--pipeline=stage55", "--no-browser")
    assert done.returncode == 1 and "did you mean 'stage5'?" in done.stderr and "Traceback" not in done.stderr


def test_a_taken_port_gives_the_next():
    with listen("127.0.0.1", 0) as first:
        taken = first.getsockname()[1]
        with listen("127.0.0.1", taken) as second:
            assert taken < second.getsockname()[1] < taken + 20


def test_an_address_of_nobody_is_told():
    with pytest.raises(InputError, match="is no address to listen at"):
        listen("no such host", 4141)
