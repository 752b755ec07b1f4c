"""Queues, items, neighbours and new queues of a small project."""

import html
import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from tests.small_review import QUEUES, SCRIPT, make_context
from vernal.common.files import write_text
from vernal.common.problems import InputError
from vernal.proof.run_record import record_path
from vernal.web.project import NotThere
from vernal.web.review.options import QueueSpec, ReviewOptions
from vernal.web.review.queues import ITEM_COLUMNS, Queue, filter_queue, load_queue
from vernal.web.review.service import ReviewService


def test_subsets_become_one_queue_by_rank_with_their_names(service):
    items = service.queue("hard-negatives").items
    assert items.columns[: len(ITEM_COLUMNS)].tolist() == list(ITEM_COLUMNS)
    assert items["rank"].is_monotonic_increasing and items["item"].is_unique
    assert set(items.reason) == {"hardNeg/hardneg_conf_min_50"}
    assert set(items.source) == {"field"} and set(items.asked) == {"RADR"}
    assert items.score.is_monotonic_decreasing


def test_the_same_clip_has_one_name_in_every_queue_and_another_for_another_question(service, context):
    of_candidates = service.queue("candidates").items
    shared = set(of_candidates["item"]) & set(service.queue("hard-negatives").items["item"])
    assert shared
    table = of_candidates[["clip_id"]].assign(label="owl")
    context.save("review/owls", table)
    owls = load_queue(context, "owls", QueueSpec("review/owls", asked="label"), "RADR").items
    assert not set(owls["item"]) & set(of_candidates["item"])
    assert set(owls.asked) == {"owl"} and set(owls.clip_id) == set(of_candidates.clip_id)


def test_stretches_of_recordings_need_no_clips(service, context):
    places = (
        service.queue("hard-negatives").items[["source", "file_path", "start_s", "end_s"]].assign(logit=1.5)
    )
    context.save("review/top", places.assign(start_s=places.start_s + 0.5, end_s=places.end_s + 0.25))
    queue = load_queue(context, "top", QueueSpec("review/top", clips=None), "RADR")
    assert queue.items.clip_id.isna().all() and queue.items["item"].is_unique
    service.narrow(queue)
    item = queue.items["item"].iloc[0]
    assert service.item("top", item, False)["sound"]["clip_s"] == 2.75
    # Compared by the clip that it overlaps most.
    first = service.queue("hard-negatives").items["item"].iloc[0]
    assert service.neighbours("top", item) == service.neighbours("hard-negatives", first)


def test_stretches_that_no_clip_covers_are_compared_by_their_sound(service, context):
    queue = service.queue("hard-negatives")
    folder = context.data_root / "01_raw" / "sounds"
    shutil.copy(folder / queue.items.file_path[0], folder / "a whole night.wav")
    places = queue.items[["source", "start_s", "end_s"]].assign(file_path="a whole night.wav", logit=1.5)
    context.save("review/top", places)
    service.narrow(load_queue(context, "top", QueueSpec("review/top", clips=None), "RADR"))
    first = service.queue("top").items["item"].iloc[0]
    near = service.neighbours("top", first)
    assert len(near["clips"]) == 4 and near["reason"] is None
    assert near == service.neighbours("top", first)


def test_another_class_is_compared_by_the_labels_and_has_neither_the_target_s_band_nor_its_calls(service):
    clips = service.project.load("clips")
    names = service.near.labels("clips", clips, "negative")
    assert set(names.label) == {"negative", "RADR"}
    assert (names.is_positive == (names.label == "negative")).all()
    assert service.asked_about("RADR")["call_types"] == ["grunt"]
    assert service.asked_about("owl") == {"band_hz": None, "top_hz": 12_000, "call_types": []}
    every = service.near.labels("clips", clips.assign(label=clips.label.replace("RADR", "positive")), "")
    assert set(every.label[every.is_positive.astype(bool)]) == {service.target}, "by its name"


def test_home_and_queue_count_alike_in_every_order(service):
    options = replace(service.options, repeats=0.5, repeat_after=5)
    service = ReviewService(service.project, options, "Ana")
    met = service.state("hard-negatives", "Ana")["presentations"]
    assert len(met) > len(service.queue("hard-negatives").items)
    for shown in [*met[:3], next(shown for shown in met if shown["look"] == 2)]:
        service.decide("hard-negatives", {**shown, "reviewer": "Ana", "decision": "target"})
    (listed,) = [entry for entry in service.list_queues("Ana") if entry["name"] == "hard-negatives"]
    assert (listed["n"], listed["n_done"]) == (len(met), 4)
    for order in service.orders(service.queue("hard-negatives")):
        again = service.state("hard-negatives", "Ana", order)
        assert again["order"] == order
        assert sum(shown["said"] is not None for shown in again["presentations"]) == 4


def test_a_blind_review_offers_no_order_that_tells_a_score(service):
    blind = ReviewService(service.project, service.options, "Ana", is_blind=True)
    assert list(blind.orders(blind.queue("hard-negatives"))) == ["random", "place"]
    assert blind.state("hard-negatives", "Ana", "score")["order"] == "random"
    assert "score" in service.orders(service.queue("hard-negatives"))


def test_a_queue_may_be_blind_for_everybody(service):
    queue = service.queue("hard-negatives")
    item = queue.items["item"].iloc[1]
    service.narrow(replace(queue, spec=replace(queue.spec, blind=True)))
    assert list(service.orders(service.queue("hard-negatives"))) == ["random", "place"]
    assert service.state("hard-negatives", "Ana")["is_blind"]
    assert "score" not in service.item("hard-negatives", item, False)
    said = {"item": item, "look": 1, "reviewer": "Ana", "decision": "target", "is_blind": False}
    service.decide("hard-negatives", said)
    assert not service.log.read().is_score_shown.any()
    assert not ReviewService(service.project, service.options).state("hard-negatives", "Ana")["is_blind"]


def test_a_queue_of_nights_names_the_night_of_each_look(service):
    plain = service.state("hard-negatives", "Ana")["presentations"]
    assert {look["night"] for look in plain} == {None}
    queue = service.queue("hard-negatives")
    service.narrow(replace(queue, spec=replace(queue.spec, one_a_night=True)))
    named = service.state("hard-negatives", "Ana")["presentations"]
    row = queue.items.iloc[0]
    (first, *_) = (look for look in named if look["item"] == row["item"])
    assert first["night"] == f"{row.recorder_id} {row.date} {row.asked}"


def test_columns_have_plain_names(service, context):
    clips = service.queue("hard-negatives").items.clip_id
    context.save("review/divided", pd.DataFrame({"clip_id": clips, "n_present": 2, "label_quality": 0.4412}))
    service.narrow(load_queue(context, "divided", QueueSpec("review/divided"), "RADR"))
    item = service.queue("divided").items["item"].iloc[0]
    more = service.item("divided", item, False)["more"]
    assert more == {"votes for": 2, "support for the label": "0.44"}
    assert "more" not in service.item("divided", item, True)


def test_tables_that_are_no_queue_are_refused(context):
    context.save("review/odd", pd.DataFrame({"clip_id": ["gone"], "logit": [1.0]}))
    with pytest.raises(
        InputError, match=r"1 of 1 clips of review/odd \(first: gone\) are not in clips any more"
    ):
        load_queue(context, "odd", QueueSpec("review/odd"), "RADR")
    with pytest.raises(InputError, match="it has no file_path, start_s, end_s"):
        load_queue(context, "odd", QueueSpec("review/odd", clips=None), "RADR")
    with pytest.raises(NotThere):
        load_queue(context, "none", QueueSpec("review/none"), "RADR")
    with pytest.raises(NotThere, match=r"not there yet.*That is: kedro run --pipeline=next"):
        load_queue(context, "none", QueueSpec("review/none", made_by="kedro run --pipeline=next"), "RADR")


def test_queues_are_listed_with_what_was_done_and_what_is_missing(service):
    item = service.queue("hard-negatives").items["item"].iloc[0]
    service.decide("hard-negatives", {"item": item, "look": 1, "reviewer": "Ana", "decision": "target"})
    listed = {entry["name"]: entry for entry in service.list_queues("Ana")}
    assert listed["hard-negatives"]["n_done"] == 1 and listed["hard-negatives"]["reviewers"] == ["Ana"]
    assert listed["suspects"]["n"] is None and "not there yet" in listed["suspects"]["problem"]
    with pytest.raises(NotThere, match="did you mean 'hard-negatives'"):
        service.queue("hardnegatives")


def test_an_item_says_what_is_known_and_a_blind_one_no_score(service):
    queue = service.queue("hard-negatives")
    item = queue.items["item"].iloc[4]
    shown = service.item("hard-negatives", item, False)
    assert shown["score"] == pytest.approx(queue.items.score[4])
    assert shown["recorder_id"] == "Moth01" and shown["date"] == "2025-04-01" and shown["model"] == "miner"
    assert shown["sound"] == {"from_s": 9.0, "before_s": 3.0, "clip_s": 3.0, "after_s": 3.0}
    blind = service.item("hard-negatives", item, True)
    told = {
        "score",
        "confidence",
        "model",
        "rank",
        "reason",
        "label",
        "is_positive",
        "quality",
        "call_type",
        "more",
    }
    assert set(shown) - set(blind) == told and set(blind) <= set(shown)
    assert str(queue.items.score[4])[:5] not in str(blind)
    assert "score" not in ReviewService(service.project, service.options, is_blind=True).item(
        "hard-negatives", item, False
    )


def test_neighbours_are_labelled_clips_with_what_people_said(service, data_root):
    item = service.queue("candidates").items["item"].iloc[0]
    near = service.neighbours("candidates", item)
    clips = service.project.load("clips").set_index("clip_id")
    assert len(near["clips"]) == 4 and near["reason"] is None
    assert all(clips.source[clip["clip_id"]] == "labelled" for clip in near["clips"])
    similarity = [clip["similarity"] for clip in near["clips"]]
    assert similarity == sorted(similarity, reverse=True)
    for clip in near["clips"]:
        wanted = (
            f"RADR, {clips.quality[clip['clip_id']]} quality"
            if clips.is_positive[clip["clip_id"]]
            else "not RADR"
        )
        assert clip["label"] == wanted
        assert service.clip_excerpt("clips", clip["clip_id"]).path.is_file()


def test_a_clip_s_own_label_is_not_among_its_neighbours(service):
    row = service.queue("low-quality").items.iloc[0]
    near = service.neighbours("low-quality", row["item"])
    assert row.clip_id not in [clip["clip_id"] for clip in near["clips"]]


def test_a_filter_makes_a_queue_that_is_kept(service):
    name = service.make_queue(
        {"filter": "source == 'unlabelled' and confidence > 0.5", "n": 3, "name": "likely"}
    )
    items = service.queue(name).items
    assert len(items) == 3 and set(items.source) == {"unlabelled"} and items.score.is_monotonic_decreasing
    again = ReviewService(service.project, service.options, "Ben")
    assert again.queue("likely").items["item"].tolist() == items["item"].tolist()
    listed = {entry["name"]: entry for entry in again.list_queues("Ben")}
    assert listed["likely"]["title"] == "source == 'unlabelled' and confidence > 0.5"


def test_likeness_makes_a_queue_in_order_of_likeness(service):
    clip = service.queue("hard-negatives").items.clip_id.iloc[0]
    name = service.make_queue({"like": clip, "n": 5})
    items = service.queue(name).items
    _, index = service.near.index("clips")
    assert items.clip_id.tolist() == index.nearest(clip, 5).clip_id.tolist()
    assert items.reason.iloc[0] == f"the 5 clips most like {clip}"
    narrowed = service.make_queue({"like": clip, "n": 5, "filter": "source == 'labelled'"})
    assert set(service.queue(narrowed).items.source) == {"labelled"}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "Give a filter"),
        ({"filter": "score > 1000"}, "No clip is left"),
        ({"filter": "score > -100", "name": "../x"}, "cannot be called"),
        ({"filter": "score > -100", "name": "hard-negatives"}, "queue of the project already"),
        ({"filter": "score > -100", "n": "many"}, "no number of clips"),
        ({"filter": "score > -100", "n": 0}, "cannot be queued"),
        ({"like": "nobody"}, "no embedding here"),
        ({"filter": "score > 0", "scores": "stage5/none"}, "not there yet"),
    ],
)
def test_queues_that_cannot_be_made_are_refused(service, asked, words):
    with pytest.raises(InputError, match=words):
        service.make_queue(asked)


def test_a_queue_is_narrowed_by_a_filter(service):
    queue = service.queue("hard-negatives")
    few = filter_queue(queue, "recorder_id == 'Moth02' and score > 2")
    assert 0 < len(few.items) < len(queue.items) and set(few.items.recorder_id) == {"Moth02"}
    with pytest.raises(InputError, match="No item of hard-negatives"):
        filter_queue(queue, "score > 100")


def test_decisions_say_what_was_shown(service):
    row = service.queue("hard-negatives").row(service.queue("hard-negatives").items["item"].iloc[1])
    said = {
        "item": row["item"],
        "look": 2,
        "reviewer": "Ana",
        "decision": "target",
        "quality": "low",
        "is_blind": True,
    }
    line = service.decide("hard-negatives", said)
    stored = service.log.read().iloc[0]
    assert (stored["id"], stored["look"], bool(stored.is_score_shown)) == (line["id"], 2.0, False)
    assert (
        stored.score == pytest.approx(row["score"])
        and stored.model == "miner"
        and stored.clip_id == row["clip_id"]
    )
    state = service.state("hard-negatives", "Ana")
    assert [
        look["said"] for look in state["presentations"] if look["item"] == row["item"] and look["look"] == 1
    ] == [None]
    again = service.decide("hard-negatives", said | {"decision": "unsure"})
    assert service.undo({"id": again["id"], "reviewer": "Ana"})["said"] == line
    assert service.undo({"id": line["id"], "reviewer": "Ana"})["said"] is None
    assert service.log.read().empty


def test_a_script_in_a_name_stays_text(service, serve):
    served = serve(service)
    strange = service.queue("hard-negatives").items.file_path
    assert strange.str.contains(SCRIPT, regex=False).any()
    page = served.ask("/review?reviewer=%3Cscript%3Ealert(1)%3C/script%3E").content.decode()
    assert "<script>alert(1)" not in page and "&lt;script&gt;alert(1)" in page
    answer = served.ask("/review/queue/%3Cscript%3Ealert(1)%3C%2Fscript%3E", accept="text/html")
    assert answer.status == 404 or b"<script>alert" not in answer.content


def test_a_queue_that_is_heard_says_what_takes_its_decisions_up(service, serve):
    root = service.project.data_root
    page = serve(service).ask("/review/queue/hard-negatives").content.decode()
    assert f'kedro run --pipeline=curation --params="target=RADR,data_root={root}"' in html.unescape(page)
    collected = "kedro run --pipelines=collection --params=collection.inbox=in"
    for number, command in enumerate(["kedro run --pipelines=collection", collected]):
        record = {
            "run": f"2026-01-0{number + 1}",
            "stage": "collection",
            "started": str(number),
            "outcome": "finished",
            "command": command,
        }
        write_text(record_path(root, "collection", record["run"]), json.dumps(record))
    queue = replace(
        service.queue("hard-negatives"), spec=QueueSpec("collection.queue", clips="collection.clips")
    )
    assert service.taken_up_by(queue) == collected
    found = replace(queue, spec=QueueSpec("detection.top", clips=None))
    assert service.taken_up_by(found) == f'kedro run --pipeline=detection --params="data_root={root}"'


def test_options_are_checked():
    with pytest.raises(InputError, match=r"There is no review\.repeat \(did you mean 'repeats'"):
        ReviewOptions.from_parameters({"review": {"repeat": 0.1}})
    with pytest.raises(InputError, match=r"review.queues.x.dataset is missing; give the name of a dataset"):
        ReviewOptions.from_parameters({"review": {"queues": {"x": {"title": "t"}}}})
    with pytest.raises(InputError, match=r"review\.repeats is 2; give a share from 0 to 1"):
        ReviewOptions(repeats=2)


def test_the_shipped_queues_are_read(project):
    from vernal.common.safe_yaml import read_yaml

    options = ReviewOptions.from_parameters(
        read_yaml(project / "conf" / "base" / "review" / "parameters.yml")
    )
    assert set(QUEUES) <= set(options.queues)
    assert all(isinstance(spec, QueueSpec) and spec.title for spec in options.queues.values())


def test_an_empty_ranking_is_an_empty_queue(service, context):
    empty = load_queue(context, "none", QueueSpec("clips", clips=None), "RADR")
    assert isinstance(empty, Queue)
    nothing = Queue("none", empty.spec, empty.items.iloc[:0])
    service.narrow(nothing)
    assert service.state("none", "Ana")["presentations"] == []


def test_a_number_of_clips_that_is_none_is_said(service):
    for number in (float("inf"), "many", 0, [3]):
        with pytest.raises(InputError, match=r"no number of clips|cannot be queued"):
            service.make_queue({"filter": "score > 0", "n": number})


def test_neighbours_say_what_people_said_of_them(service):
    item = service.queue("hard-negatives").items["item"].iloc[0]
    near = service.neighbours("hard-negatives", item)["clips"]
    assert len(near) == 4
    for clip in near:
        assert clip["is_positive"] == (not clip["label"].startswith("not "))


def test_warming_up_loads_what_the_first_page_needs_and_passes_over_what_is_not_there(
    service, tmp_path, project
):
    service.warm_up()
    assert "clips" in service.near._indices
    ReviewService(make_context(tmp_path / "nothing", project), ReviewOptions(), "Ana").warm_up()
