"""The notebooks as they are kept, and from top to bottom on a finished run of the tiny demo season."""

from __future__ import annotations

import base64
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from tools.docs_site.notebooks import OPENING, executed

pytestmark = pytest.mark.docs

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
# What each must show, beside running through: figures, clips with picture and player, and a line that only its own tables can give.
SHOWN = {
    "1_explore_the_manifest": (2, 0, "21 blocks; each lies in one split."),
    "2_listen_to_clips": (0, 15, "high: 6 clips, medium: 17 clips, low: 13 clips"),
    "3_embedding_space": (2, 0, "72 clips, 1,024 values each"),
    "4_read_a_leaderboard": (2, 0, "120 points, 120 distinct runs."),
    "5_compare_two_points": (1, 0, "A is stage5_001, B is stage5_002. They disagree on"),
}


def outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def test_every_notebook_is_tested():
    assert [path.stem for path in NOTEBOOKS] == sorted(SHOWN)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_its_outputs(path: Path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert all(
        cell.execution_count is None and not cell.outputs for cell in notebook.cells if "outputs" in cell
    )
    assert all(cell.metadata == {} for cell in notebook.cells)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    names = [cell.id for cell in notebook.cells]
    assert len(set(names)) == len(names)
    assert all(name.replace("-", "").isalpha() for name in names), (
        "ids are words, so that a change stays small"
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_reads_through_the_catalog_and_knows_no_path(path: Path):
    sources = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    for word in ("read_csv", "read_parquet", "Path(", "open(", ".parquet", ".csv", "01_raw", "08_reporting"):
        assert not [source for source in sources if word in source.replace(OPENING, "")], word


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path: Path, project: Path, finished_stage: Path):
    # Started from its own folder as Jupyter does, and from the project's as an editor does.
    start_in = project / "notebooks" if path.stem[0] in "135" else project
    found = outputs(executed(path, finished_stage, start_in, "test"))
    pictures, players, line = SHOWN[path.stem]
    said = "".join(output.text for output in found if output.output_type == "stream")
    data = [output.data for output in found if "data" in output]
    assert "demo season" in said
    assert line in said
    assert not [output for output in found if output.get("name") == "stderr"], "a notebook that warns"
    drawn = [base64.b64decode(each["image/png"]) for each in data if "image/png" in each]
    assert len(drawn) == pictures
    assert all(len(picture) > 5_000 for picture in drawn)
    html = "".join(each.get("text/html", "") for each in data)
    assert html.count("<audio") == html.count('alt="Spectrogram of') >= players
    assert len(html) < 5_000_000


def test_results_that_are_not_there_are_named_without_a_traceback(project: Path, tmp_path: Path):
    path = next(path for path in NOTEBOOKS if path.stem.startswith("4"))
    with pytest.raises(CellExecutionError) as error:
        executed(path, tmp_path / "nothing yet", project, "test")
    said = str(error.value)
    assert "Not there yet: stage5.leaderboard, stage5.points_table" in said
    assert "Run `kedro run --pipeline=stage5` in the project's folder first." in said
    assert "Traceback" not in said
