"""What Kedro-Viz is given of a dataset."""

import json

import numpy as np
import pandas as pd
import pytest

from vernal.datasets.drawings_dataset import DrawingsDataset
from vernal.datasets.ledger_dataset import LedgerDataset
from vernal.datasets.page_dataset import PageDataset
from vernal.datasets.points_dataset import PointsDataset
from vernal.datasets.previews import folder_preview, head_of_table, table_preview
from vernal.datasets.record_dataset import RecordDataset
from vernal.datasets.table_dataset import TableDataset
from vernal.datasets.tables_dataset import TablesDataset
from vernal.reports.figures import Drawing


def test_any_cell_becomes_json():
    table = pd.DataFrame(
        {
            "number": [0.123456789, np.nan, np.inf],
            "text": pd.Series(["a", None, "c"], dtype="str"),
            "whole": np.array([1, 2, 3], dtype="int64"),
            "flag": [True, False, True],
            "list": [np.array([1, 2]), [3], "x"],
            "when": pd.to_datetime(["2025-04-03", None, "2025-04-05"]),
        }
    )
    shown = table_preview(table)
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    assert shown["data"][0][:4] == [0.12346, "a", 1, True] and shown["data"][1][:2] == ["", ""]


def test_rows_and_columns_are_those_asked_for():
    table = pd.DataFrame({"a": range(30), "b": range(30)}, index=range(5, 35))
    shown = table_preview(table, nrows=3, columns=["b", "not there"])
    assert shown == {"index": [0, 1, 2], "columns": ["b"], "data": [[0], [1], [2]]}
    assert len(table_preview(table)["data"]) == 10
    assert table_preview(table.head(0))["data"] == []


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_shows_its_first_rows(tmp_path, ending):
    dataset = TableDataset(filepath=str(tmp_path / f"t.{ending}"), text_columns=["code"])
    dataset.save(pd.DataFrame({"code": [f"{i:03d}" for i in range(200)], "n": range(200)}))
    assert dataset.preview(nrows=2) == {
        "index": [0, 1],
        "columns": ["code", "n"],
        "data": [["000", 0], ["001", 1]],
    }
    assert dataset.preview(columns=["n"])["columns"] == ["n"]


def test_an_empty_parquet_table_shows_its_columns(tmp_path):
    dataset = TableDataset(filepath=str(tmp_path / "t.parquet"))
    dataset.save(pd.DataFrame({"a": pd.Series(dtype="float64")}))
    assert head_of_table(tmp_path / "t.parquet").columns.tolist() == ["a"]
    assert dataset.preview()["columns"] == ["a"]


def test_names_and_sizes_of_several_tables(tmp_path):
    dataset = TablesDataset(path=str(tmp_path))
    dataset.save({"hardNeg/x": pd.DataFrame({"n": [1, 2]}), "reviewed/y": pd.DataFrame({"n": [1]})})
    assert dataset.preview()["data"] == [["hardNeg/x", 2], ["reviewed/y", 1]]


def test_points_show_what_differs(tmp_path):
    dataset = PointsDataset(path=str(tmp_path))
    dataset.save(
        {
            "s_001": {"point": "s_001", "dropout": 0.5, "seed": 1, "positive_subsets": []},
            "s_002": {"point": "s_002", "dropout": 0, "seed": 1, "positive_subsets": ["a", "b"]},
        }
    )
    shown = dataset.preview()
    assert shown["columns"] == ["point", "dropout", "positive_subsets"]
    assert [row[2] for row in shown["data"]] == ["none", "a; b"]


def test_records_ledgers_pages_and_folders(tmp_path):
    record = RecordDataset(filepath=str(tmp_path / "a.json"))
    record.save({"verdict": "pass"})
    assert json.loads(record.preview()) == {"verdict": "pass"}
    assert json.loads(LedgerDataset(filepath=str(tmp_path / "none.jsonl")).preview()) == []
    page = PageDataset(filepath=str(tmp_path / "card.md"))
    page.save("# Card")
    assert page.preview() == "# Card"
    report = PageDataset(filepath=str(tmp_path / "report.html"))
    report.save("<script>alert(1)</script>")
    assert "script" not in report.preview() and "report.html in a browser" in report.preview()
    assert json.loads(folder_preview(tmp_path))["files"] == 3


def test_a_gallery_shows_its_drawings_and_no_markup_of_a_name(tmp_path):
    gallery = DrawingsDataset(path=str(tmp_path / "g"))
    gallery.save({"a&b": Drawing("<svg/>", b"png")})
    assert gallery.preview() == '<p>a&amp;b<br><img src="data:image/png;base64,cG5n"></p>'
