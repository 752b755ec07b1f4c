"""Past decisions are found again and leave as a table that a spreadsheet reads."""

import io

import pandas as pd
import pytest

from tests.web.review.test_decisions import said
from vernal.web.review.decisions import DecisionLog
from vernal.web.review.past_decisions import as_csv, choose_past
from vernal.web.review.service import ReviewService


@pytest.fixture
def decisions(tmp_path):
    log = DecisionLog(tmp_path)
    log.add(said("a", "target", note="=two owls", quality="low"))
    log.add(said("b", "not_target", queue="other"))
    log.add(said("c", "unsure"))
    return log.read()


@pytest.mark.parametrize(
    ("wanted", "items"),
    [
        ({}, ["c", "b", "a"]),
        ({"queue": "q"}, ["c", "a"]),
        ({"decision": "not_target"}, ["b"]),
        ({"text": "OWLS"}, ["a"]),
        ({"text": "b.wav", "queue": "q"}, []),
    ],
)
def test_decisions_are_found_the_latest_first(decisions, wanted, items):
    assert choose_past(decisions, wanted)["item"].tolist() == items


def test_a_spreadsheet_runs_nothing_of_the_table(decisions):
    table = pd.read_csv(io.BytesIO(as_csv(decisions)))
    assert table["item"].tolist() == ["a", "b", "c"] and table.note[0] == "'=two owls"


def test_everybody_sees_their_own_last_words_and_no_score_where_it_is_hidden(service, serve):
    item = service.queue("hard-negatives").items["item"].iloc[0]
    for reviewer, decision in (("Ana", "unsure"), ("Ana", "target"), ("Ben", "not_target")):
        service.decide(
            "hard-negatives", {"item": item, "look": 1, "reviewer": reviewer, "decision": decision}
        )
    assert service.past("Ana", {}).decision.tolist() == ["target"]
    served = serve(service)
    page = served.ask("/review/decisions?reviewer=Ana").content.decode()
    assert page.count("<tr data-queue") == 1 and "1 decision" in page
    exported = served.ask("/review/decisions.csv?reviewer=Ana&decision=target")
    assert exported.headers["content-type"].startswith("text/csv")
    assert pd.read_csv(io.BytesIO(exported.content)).score.notna().all()
    blind = ReviewService(service.project, service.options, "Ana", is_blind=True)
    assert "score" not in blind.past("Ana", {})
