"""Markdown out of values."""

import pytest

from tools.docs_site.markdown import table
from tools.docs_site.numbers import validation


def test_a_row_under_the_wrong_heads_is_refused():
    with pytest.raises(ValueError, match=r"2 columns \(a, n\) has a row of another length"):
        table(["a", "n"], [["x", 3], ["y"]])


def test_the_table_of_simulated_reviews_has_its_columns_named(project):
    head, _, first = validation(project).splitlines()[:3]
    cells = dict(zip(head.split(" | "), first.split(" | "), strict=True))
    assert cells["| season"] == "| synthetic" and cells["drawn over"].startswith("no sample")
