import re

import pandas as pd

from tests.report_pages import without_own_script
from vernal.reports.sentences import environment_of
from vernal.studies.published.comparison import CELL_COLUMNS
from vernal.studies.published.page import page

CELLS = pd.DataFrame(
    [
        ("board <b>", 1, "f1_mean", 0.81, 0.81, 0.0, True),
        ("board <b>", 2, "f1_mean", 0.85, 0.79, 0.06, False),
    ],
    columns=CELL_COLUMNS,
)
LABELS = pd.DataFrame(
    [("board <b>", 1, "quality", "high", "high", True)],
    columns=["table", "row", "column", "published", "recomputed", "agrees"],
)
SUMMARY = pd.DataFrame(
    [{"table": "board <b>", "lines": 2, "cells": 2, "agree": 1, "differ": 1, "largest_difference": 0.06,
      "is_reproduced": False, "is_in_order": None, "lines_of_one_run": 1, "lines_of_several_configurations": 0,
      "labels_differ": 0, "unknown_runs": "", "not_compared": ""}]
)  # fmt: skip


def test_what_differs_is_said_first_and_named_cell_by_cell():
    text = page(CELLS, LABELS, SUMMARY)
    assert text == page(CELLS, LABELS, SUMMARY)
    assert "0 of 1 table can be computed again from the experiments" in text
    assert "1 of 2 cells differs, by up to 0.060." in text
    assert '<td class="number">0.85</td>' in text and '<td class="number">0.79</td>' in text
    assert "Every line names the settings of its runs." in text
    assert "cannot be told" in text
    assert "board &lt;b&gt;" in text and "<script" not in without_own_script(text)


def test_tables_that_follow_say_so():
    whole = SUMMARY.assign(is_reproduced=True, agree=1, cells=1, differ=0)
    text = page(CELLS.iloc[:1], LABELS, whole)
    assert "1 of 1 table can be computed again" in text and "Every cell agrees with the experiments." in text


def test_runs_that_the_experiments_lack_are_named():
    text = page(CELLS, LABELS, SUMMARY.assign(unknown_runs="run_7"))
    assert "The experiments lack runs that a table names: run_7." in text


def test_every_sentence_of_the_page_is_said(project):
    folder = project / "src" / "vernal" / "studies" / "published"
    code = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    said = set(re.findall(r'sentence\("published\.([a-z_]+)"', code))
    assert set(environment_of("vernal.studies.published").get_template("published.j2").blocks) == said
