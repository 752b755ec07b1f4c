"""What one detector gets wrong, beside a naive reading of the same clips."""

from __future__ import annotations

import pytest

from vernal.web.results.comparing import read_pair
from vernal.web.results.disagreements import table_of_pair
from vernal.web.results.errors import (
    FALSE_ALARM,
    FOUND,
    KINDS,
    MISSED,
    ErrorQuery,
    error_counts,
    error_table,
    listed_errors,
)

POINT = "made_001"


@pytest.fixture(scope="module")
def table(made_once, loaded):
    pair = read_pair(made_once.data_root, loaded.results, POINT, POINT, "clip")
    return error_table(table_of_pair(pair, [loaded.results.number(POINT, "threshold_logit")] * 2))


def test_counts_are_those_of_the_evaluation(loaded, table):
    results = loaded.results
    for split, numbers in error_counts(table, results.measured_splits):
        cells = [results.number(POINT, f"{split}_{cell}") for cell in ("fn", "fp", "tp")]
        assert numbers == cells, split
    assert KINDS == (MISSED, FALSE_ALARM, FOUND)


def test_the_worst_mistake_of_each_kind_comes_first(loaded, table):
    at = loaded.results.number(POINT, "threshold_logit")
    missed = listed_errors(table, ErrorQuery(kind=MISSED))
    assert len(missed) and missed.logit.is_monotonic_increasing and (missed.logit < at).all()
    alarms = listed_errors(table, ErrorQuery(kind=FALSE_ALARM, order="surest first"))
    assert len(alarms) and alarms.confidence.is_monotonic_decreasing and (alarms.logit >= at).all()
    found = listed_errors(table, ErrorQuery(kind=FOUND))
    assert found.logit.is_monotonic_increasing and found.is_positive.all()


def test_without_a_kind_errors_alone_are_listed(table):
    listed = listed_errors(table, ErrorQuery())
    assert set(listed.kind) == {MISSED, FALSE_ALARM} and len(listed) == int((table.kind != FOUND).sum())


def test_words_and_a_split_narrow(table):
    one = listed_errors(table, ErrorQuery()).recorder_id.dropna().iloc[0]
    listed = listed_errors(table, ErrorQuery(words=f"  {one.upper()} ", order="recorder"))
    assert len(listed) and all(one in row for row in listed.recorder_id)
    assert set(listed_errors(table, ErrorQuery("test_ood")).split) == {"test_ood"}
    assert listed_errors(table, ErrorQuery(words="nothing is called so")).empty
