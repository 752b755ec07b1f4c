"""The pictures of the first pages are of the results beside them, small, and stand before any explanation."""

import io
import json
import re
import shutil

import pytest
from click.testing import CliRunner
from PIL import Image

from tests.small_browser import open_browser
from tools.docs_site import __main__ as command
from tools.docs_site import browser, results, screenshots
from vernal.common.problems import InputError


@pytest.fixture
def folder(project, tmp_path):
    """Results with pictures of them, free to be changed."""
    copied = tmp_path / "results"
    shutil.copytree(project / "docs" / "results", copied)
    of_today = json.dumps(
        {"results": screenshots.digest(json.loads((copied / "demo_season.json").read_text("utf-8")))}
    )
    (copied / "demo_pictures.json").write_text(of_today, encoding="utf-8")
    return copied


def test_pictures_of_other_results_are_refused(folder):
    screenshots.check_pictures(folder)
    file = folder / "demo_season.json"
    changed = json.loads(file.read_text("utf-8")) | {"points": 7}
    file.write_text(json.dumps(changed), encoding="utf-8")
    with pytest.raises(
        InputError, match=r"demo_pictures\.json is of other results .*docs_site demo DATA_ROOT"
    ):
        screenshots.check_pictures(folder)


def test_the_gallery_shows_every_picture_once(project):
    page = (
        (project / "docs" / "gallery.md")
        .read_text(encoding="utf-8")
        .replace("<!-- made: gallery -->", screenshots.gallery(project))
    )
    shown = re.findall(r"!\[[^]]+\]\(results/demo_(\w+)\.png\)", page)
    assert sorted(shown) == sorted([*screenshots.PICTURES, *screenshots.GALLERY])


def test_pictures_name_the_runs_that_are_missing(project, tmp_path):
    report = tmp_path / "08_reporting" / "stage5" / "report.html"
    report.parent.mkdir(parents=True)
    report.touch()
    with pytest.raises(InputError, match="kedro run --pipelines=detection,collection first"):
        screenshots.write_pictures(project, tmp_path, tmp_path)


@pytest.mark.parametrize("name", [*screenshots.PICTURES, *screenshots.GALLERY])
def test_a_picture_is_small_enough_to_be_kept(project, name):
    file = project / "docs" / "results" / f"demo_{name}.png"
    assert file.stat().st_size < 150_000
    with Image.open(file) as picture:
        assert picture.width >= (390 if name == "phone" else 900)


def test_the_readme_shows_the_same_pictures_first(project):
    head = (project / "README.md").read_text(encoding="utf-8").split("\n## ")[0]
    shown = re.findall(r"!\[([^]]+)\]\(docs/results/demo_(\w+)\.png\)\n\n\*(.*)\*\n", head)
    assert [name for _, name, _ in shown] == list(screenshots.PICTURES)
    assert [words for _, _, words in shown] == list(screenshots.PICTURES.values())
    assert head.index("demo_review.png") < head.index("You have a laptop")


def test_without_a_browser_the_rest_is_copied(monkeypatch, tmp_path):
    def no_browser(*arguments):
        raise browser.NoBrowser("Chromium is not installed.")

    copied = []
    monkeypatch.setattr(results, "write_demo", lambda *arguments: copied.append(arguments))
    monkeypatch.setattr(screenshots, "write_pictures", no_browser)
    done = CliRunner().invoke(command.main, ["demo", str(tmp_path)])
    assert done.exit_code == 0 and len(copied) == 1
    assert "stay as they were: Chromium is not installed." in done.output


@pytest.mark.browser
def test_a_page_is_taken_once_it_is_whole_and_without_what_is_hidden(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        "<body style='margin:0;background:#f00'><p id=hint style='background:#00f;height:900px'>"
        "<script>setTimeout(() => { document.body.style.background = '#0f0'; done = true }, 300)</script>"
    )
    with open_browser() as driver:
        taken, again = (
            screenshots._photograph(
                driver,
                page.as_uri(),
                400,
                200,
                "return window.done",
                "document.getElementById('hint').hidden = true",
            )
            for _ in range(2)
        )
    picture = Image.open(io.BytesIO(taken)).convert("RGB")
    assert taken == again and picture.size == (300, 150)
    assert picture.getcolors() == [(300 * 150, (0, 255, 0))]
