"""The notebooks as pages: what an output becomes, and that a page of another day is refused."""

import json
import shutil
from base64 import b64encode
from io import BytesIO

import nbformat
import pytest
from PIL import Image

from tools.docs_site.notebooks import _Page, executed, notebooks
from vernal.common.problems import InputError


@pytest.fixture
def copied(project, tmp_path):
    """Notebooks, results and their record, free to be changed."""
    for name in ("notebooks", "docs/results"):
        shutil.copytree(project / name, tmp_path / name)
    return tmp_path


def png() -> str:
    file = BytesIO()
    Image.new("RGB", (4, 4), "red").save(file, format="PNG")
    return b64encode(file.getvalue()).decode()


def test_pages_are_of_todays_notebooks_and_results(project):
    shown = notebooks(project)
    assert shown.count("](notebooks/") == len(list((project / "notebooks").glob("*.ipynb")))
    assert "* [Listen to clips](notebooks/2_listen_to_clips.md): What does" in shown


@pytest.mark.parametrize("name", ["notebooks/1_explore_the_manifest.ipynb", "docs/results/demo_season.json"])
def test_pages_of_another_day_are_refused(copied, name):
    file = copied / name
    content = json.loads(file.read_text(encoding="utf-8"))
    if name.endswith("ipynb"):
        content["cells"][0]["source"].append("more")
    else:
        content["points"] += 1
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=r"Run python -m tools\.docs_site notebooks DATA_ROOT"):
        notebooks(copied)


def test_pictures_and_sounds_become_files_and_code_is_folded(tmp_path):
    html = f'<img src="data:image/png;base64,{png()}"><audio src="data:audio/mpeg;base64,TVAz"></audio>'
    table = (
        '<div>\n<style scoped>\n  .x {}\n</style>\n\n<table border="1" class="dataframe">\n</table>\n</div>'
    )
    outputs = [
        nbformat.v4.new_output("stream", text="said\n"),
        nbformat.v4.new_output("display_data", {"image/png": png(), "text/plain": "figure"}),
        nbformat.v4.new_output("display_data", {"text/html": html}),
        nbformat.v4.new_output("execute_result", {"text/html": table}),
        nbformat.v4.new_output("execute_result", {"text/plain": "7"}),
    ]
    cells = [
        nbformat.v4.new_markdown_cell("Next: [b](b.ipynb)."),
        nbformat.v4.new_code_cell("x = 1", outputs=outputs),
    ]
    _Page(tmp_path, "a").write(nbformat.v4.new_notebook(cells=cells))
    page = (tmp_path / "a.md").read_text(encoding="utf-8")
    assert page.startswith("Next: [b](b.md).\n\n<details")
    assert "```python\nx = 1\n```" in page and "```text\nsaid\n```" in page and "```text\n7\n```" in page
    assert '<img src="a_2.png"><audio src="a_3.mp3">' in page and "(a_1.png)" in page
    assert "<div>\n<table>\n</table>\n</div>" in page
    assert (tmp_path / "a_3.mp3").read_bytes() == b"MP3"


def test_a_notebook_opens_the_catalog_once(tmp_path):
    file = tmp_path / "a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), file)
    with pytest.raises(InputError, match=r"a\.ipynb opens the catalog in 0 cells"):
        executed(file, tmp_path, tmp_path)
