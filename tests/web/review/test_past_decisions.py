"""Past decisions are found again and leave as a table that a spreadsheet reads."""

import io

import pandas as pd
import pytest

from tests.web.review.test_decisions import said
from vernal.web.review.decisions import BOX_COLUMNS, DecisionLog
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


def test_a_box_is_among_past_decisions_and_at_the_end_of_the_table(service, serve):
    queue = service.queue("hard-negatives")
    first, second = queue.items["item"].iloc[:2]
    start = float(queue.items.start_s.iloc[0])
    box = [start + 0.25, start + 0.5, 400, 1200]
    said_of = {"look": 1, "reviewer": "Ana", "decision": "target"}
    told = service.decide("hard-negatives", {**said_of, "item": first, "box": box})
    assert told["box"] == box
    assert service.decide("hard-negatives", {**said_of, "item": second})["box"] is None
    presented = {
        look["item"]: look["said"]["box"]
        for look in service.state("hard-negatives", "Ana")["presentations"]
        if look["said"]
    }
    assert presented == {first: box, second: None}
    served = serve(service)
    page = served.ask("/review/decisions?reviewer=Ana").content.decode()
    assert f"{start + 0.25:.2f}–{start + 0.5:.2f} s, 400–1,200 Hz" in page and page.count("data-box=") == 1
    table = pd.read_csv(io.BytesIO(served.ask("/review/decisions.csv?reviewer=Ana").content))
    assert table.columns[-4:].tolist() == list(BOX_COLUMNS)
    assert table.set_index("item").loc[first, list(BOX_COLUMNS)].tolist() == box
    wrong = {**said_of, "item": first, "box": [start, start + 99, 400, 1200]}
    refused = served.ask("/review/api/decide/hard-negatives", "POST", wrong, origin=served.origin)
    assert refused.status == 422 and "box that cannot be used" in refused.content.decode()
    assert service.past("Ana", {}).box_end_s.dropna().tolist() == [box[1]]
