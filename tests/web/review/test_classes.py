"""Several classes of one stretch: one item, a line of the log a class, and every reader of decisions goes on."""

from dataclasses import replace

import pandas as pd
import pytest

from tests.small_review import QUEUES, WINDOWS, save_windows
from vernal.common.problems import InputError
from vernal.field.detection.detections import Detections
from vernal.field.detection.verification import confirmed_nights, review_windows, verdicts_of
from vernal.web.review.classes import ask_for_all, in_their_spelling, of_class
from vernal.web.review.options import ReviewOptions
from vernal.web.review.queues import filter_queue, load_queue
from vernal.web.review.service import ReviewService

LABELS = ["owl", "frog", "RADR"]


@pytest.fixture
def sample(context) -> pd.DataFrame:
    return save_windows(context, LABELS)


@pytest.fixture
def of_all(context, sample) -> ReviewService:
    found = replace(WINDOWS, blind=False, dataset="detection.sample")
    options = ReviewOptions(queues={**QUEUES, "sample": WINDOWS, "found": found}, repeats=0.0)
    return ReviewService(context, options, "Ana")


def answered(service, item, reviewer="Ana", queue="sample", look=1, **words):
    said = {"item": item, "look": look, "reviewer": reviewer, "is_blind": True}
    return service.decide(
        queue, said | {"classes": {name: {"decision": word} for name, word in words.items()}}
    )


def looks(service, queue="sample", reviewer="Ana"):
    return {look["item"]: look["said"] for look in service.state(queue, reviewer)["presentations"]}


def test_a_window_comes_once_with_every_class_at_hand(of_all, sample):
    queue = of_all.queue("sample")
    assert list(queue.classes) == LABELS
    places = sample[["file_path", "start_s"]].drop_duplicates()
    assert len(queue.items) == len(places) < len(sample) == len(queue.by_class)
    assert {entry["n"] for entry in of_all.list_queues("Ana") if entry["name"] == "sample"} == {len(places)}


def test_each_class_has_the_item_that_it_has_when_it_is_asked_for_alone(of_all, context, sample):
    alone = load_queue(context, "sample", WINDOWS, "RADR").items
    for window in of_all.queue("sample").items["item"]:
        answered(of_all, window, owl="target", frog="not_target", RADR="unsure")
    said = of_all.log.read()
    assert set(alone["item"]) <= set(said["item"]) and said["item"].is_unique
    place = ["file_path", "start_s", "end_s", "asked"]
    both = alone.merge(said, on=[*place, "item"])
    assert len(both) == len(alone)
    # What a model said of a class goes with that class alone.
    assert (both.score_x == both.score_y).all()
    assert said.score.notna().sum() == len(alone)


def test_a_window_is_decided_on_when_every_class_is(of_all):
    item, other = of_all.queue("sample").items["item"][:2]
    answered(of_all, item, owl="target")
    assert not looks(of_all)[item]["is_whole"] and looks(of_all)[other] is None
    last = answered(of_all, item, frog="not_target", RADR="unsure")
    said = looks(of_all)[item]
    assert said["is_whole"] and said["decision"] == "target" and said["id"] == last["id"]
    assert {name: one["decision"] for name, one in said["classes"].items()} == {
        "owl": "target", "frog": "not_target", "RADR": "unsure",
    }  # fmt: skip
    (listed,) = (entry for entry in of_all.list_queues("Ana") if entry["name"] == "sample")
    assert listed["n_done"] == 1 and listed["reviewers"] == ["Ana"]


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        ({"owl": "unsure", "frog": "not_target", "RADR": "not_target"}, "unsure"),
        ({"owl": "not_target", "frog": "not_target", "RADR": "not_target"}, "not_target"),
        ({"owl": "unsure", "frog": "target", "RADR": "not_target"}, "target"),
    ],
)
def test_a_window_is_told_by_the_class_that_is_there(of_all, words, whole):
    item = of_all.queue("sample").items["item"].iloc[0]
    assert answered(of_all, item, **words)["decision"] == whole


def test_all_classes_of_a_window_are_undone_at_once_and_a_correction_by_itself(of_all):
    item = of_all.queue("sample").items["item"].iloc[0]
    first = answered(of_all, item, owl="target", frog="not_target", RADR="unsure")
    before = looks(of_all)[item]
    later = answered(of_all, item, frog="target")
    assert looks(of_all)[item]["classes"]["frog"]["decision"] == "target"
    assert of_all.undo({"id": later["id"], "reviewer": "Ana"})["said"] == before
    assert of_all.undo({"id": first["id"], "reviewer": "Ana"})["said"] is None
    assert of_all.log.read().empty


def test_quality_and_call_type_are_each_class_s_own(of_all):
    item = of_all.queue("sample").items["item"].iloc[0]
    owl = {"decision": "target", "quality": "low", "call_type": "hoot"}
    said = {"item": item, "look": 1, "reviewer": "Ana", "note": "wind"}
    of_all.decide("sample", said | {"classes": {"owl": owl, "frog": {"decision": "target"}}})
    table = of_all.log.read().set_index("asked")
    assert table.quality.fillna("").to_dict() == {"owl": "low", "frog": ""}
    assert table.call_type.fillna("").to_dict() == {"owl": "hoot", "frog": ""}
    assert set(table.note) == {"wind"}


def test_the_sample_s_reader_finds_what_was_said_of_each_label(of_all, sample):
    for at, window in enumerate(of_all.queue("sample").items["item"]):
        words = {name: "target" if (at + place) % 2 else "not_target" for place, name in enumerate(LABELS)}
        answered(of_all, window, **words)
    checked = review_windows(sample, verdicts_of(of_all.log.read()))
    assert set(checked.review_state) == {"confirmed", "rejected"} and len(checked) == len(sample)


def test_nights_are_confirmed_for_the_classes_that_were_heard_in_them(of_all, sample):
    for window in of_all.queue("sample").items["item"]:
        answered(of_all, window, owl="target", frog="not_target", RADR="unsure")
    contents = sample.drop_duplicates("content_hash")
    files = contents.assign(state="scored", date="2025-04-01", time="23:00:00")
    found = Detections(pd.DataFrame(), files, pd.DataFrame())
    nights = confirmed_nights(found, verdicts_of(of_all.log.read()))
    assert set(nights.label) == {"owl"} and set(nights.night) == {"2025-04-01"}


def test_nothing_of_a_model_is_told_while_it_is_blind(of_all):
    for queue, told in (("sample", False), ("found", True)):
        item = of_all.queue(queue).items["item"].iloc[1]
        assert of_all.item(queue, item, True)["scores"] == []
        shown = of_all.item(queue, item, False)
        assert bool(shown["scores"]) is told and ("score" in shown) is told
        assert shown["asked"] == ""
    assert {one["asked"] for one in of_all.item("found", item, False)["scores"]} < set(LABELS)


def test_a_window_comes_where_its_first_class_does(of_all, context):
    alone = load_queue(context, "found", replace(WINDOWS, blind=False), "RADR").items
    by_score = alone.sort_values("score", ascending=False, kind="stable")
    places = by_score[["file_path", "start_s"]].drop_duplicates().to_numpy().tolist()
    shown = of_all.state("found", "Ana", "score")["presentations"]
    rows = [of_all.queue("found").row(look["item"]) for look in shown]
    assert [[row["file_path"], row["start_s"]] for row in rows] == places


def test_a_class_that_is_not_asked_for_is_refused(of_all):
    item = of_all.queue("sample").items["item"].iloc[0]
    with pytest.raises(InputError, match="sample does not ask for newt"):
        answered(of_all, item, owl="target", newt="target")
    with pytest.raises(InputError, match="whether it is in the clip"):
        of_all.decide("sample", {"item": item, "reviewer": "Ana", "classes": {"owl": "target"}})
    assert of_all.log.read().empty


def test_a_decision_is_heard_and_corrected_by_the_item_of_its_class(of_all):
    item = of_all.queue("sample").items["item"].iloc[0]
    answered(of_all, item, owl="target", frog="not_target", RADR="not_target")
    past = of_all.past("Ana", {}).set_index("asked")
    own = past["item"]["frog"]
    assert own != item and of_all.excerpt("sample", own) == of_all.excerpt("sample", item)
    of_all.decide(
        "sample", {"item": own, "asked": "frog", "look": 1, "reviewer": "Ana", "decision": "target"}
    )
    words = {name: one["decision"] for name, one in looks(of_all)[item]["classes"].items()}
    assert words == {"owl": "target", "frog": "target", "RADR": "not_target"}


def test_reviewers_agree_by_class(of_all):
    for window in of_all.queue("sample").items["item"]:
        answered(of_all, window, "Ana", owl="target", frog="not_target", RADR="not_target")
        answered(of_all, window, "Ben", owl="not_target", frog="not_target", RADR="not_target")
    agreed = of_all.agreement().query("coefficient == 'agreement'").set_index("label").value
    assert agreed.to_dict() == {"owl": 0.0, "frog": 1.0, "RADR": 1.0}


def test_nights_are_settled_by_class(of_all, context, sample):
    queue = load_queue(context, "nights", replace(WINDOWS, one_a_night=True, blind=False), "RADR")
    of_all.narrow(ask_for_all(queue, LABELS, "RADR"))
    nights = {look["item"]: look["night"] for look in of_all.state("nights", "Ana")["presentations"]}
    row = of_all.queue("nights").by_class.iloc[0]
    assert nights[row["item"]][row.asked] == f"{row.recorder_id} {row.date} {row.asked}"
    assert {len(night) for night in nights.values()} == {1, 2}


def test_a_filter_keeps_windows_with_a_class_that_passes(of_all, sample):
    few = filter_queue(of_all.queue("found"), "asked == 'owl' and score > 2")
    owls = sample[(sample.label == "owl") & (sample.logit > 2)]
    assert len(few.items) == len(owls) > 0
    of_all.narrow(few)
    assert len(of_all.state("found", "Ana")["presentations"]) == len(owls)


def test_one_class_can_be_taken_out_of_several(context, sample):
    queue = load_queue(context, "sample", WINDOWS, "RADR")
    assert set(of_class(queue, "owl").items.asked) == {"owl"} and not of_class(queue, "owl").classes
    assert of_class(queue, "newt").items.empty
    assert in_their_spelling(["OWL", "owl", "newt"], LABELS) == ["owl", "newt"]
