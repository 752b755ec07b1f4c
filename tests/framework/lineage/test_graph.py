"""What the lineage shows first."""

import pytest
from kedro.pipeline import Node, Pipeline

from vernal.framework.lineage.graph import first_view


def same(value: dict) -> dict:
    return value


SHOWN = {
    "stage5": Pipeline([Node(same, "raw", "stage5.points", name="plan", namespace="stage5.planning")]),
    "parts": Pipeline([Node(same, "raw", "clips", name="read", namespace="ingest")]),
}


@pytest.mark.parametrize(
    ("name", "query"),
    [("stage5", "?pid=stage5&fid=stage5"), ("parts", "?pid=parts"), ("a stage deleted since", "")],
)
def test_the_view_opens_on_the_box_of_the_pipeline(name, query):
    assert first_view(SHOWN, name) == query
