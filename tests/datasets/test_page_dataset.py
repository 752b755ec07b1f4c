import base64
import inspect

import pytest
from kedro.io import DatasetError

from vernal.datasets.drawing_dataset import DrawingDataset
from vernal.datasets.page_dataset import PageDataset
from vernal.reports.figures import Drawing


def test_a_drawing_comes_back_and_kedro_viz_gets_its_png(tmp_path):
    dataset = DrawingDataset(path=str(tmp_path / "a b" / "roc.1"))
    assert not dataset.exists()
    with pytest.raises(DatasetError, match="does not exist yet; run the pipeline that writes it"):
        dataset.load()
    dataset.save(Drawing("<svg>\n</svg>\n", b"\x89PNG"))
    assert sorted(path.name for path in (tmp_path / "a b").iterdir()) == ["roc.1.png", "roc.1.svg"]
    assert dataset.load() == Drawing("<svg>\n</svg>\n", b"\x89PNG")
    assert base64.b64decode(dataset.preview()) == b"\x89PNG"
    # Kedro-Viz chooses how to show a preview by this name.
    assert "ImagePreview" in str(inspect.signature(dataset.preview).return_annotation)


def test_a_page_comes_back_with_its_line_ends(tmp_path):
    page = PageDataset(filepath=str(tmp_path / "report.html"))
    with pytest.raises(DatasetError, match="does not exist yet"):
        page.load()
    page.save("a\nb \u00b1\n")
    assert (tmp_path / "report.html").read_bytes() == "a\nb \u00b1\n".encode()
    assert page.load() == "a\nb \u00b1\n"
