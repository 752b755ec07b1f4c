"""A loop of listening: it begins, goes on after a kill, depends on decisions alone, and leaves a detector."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.small_review import make_context
from vernal.common.problems import InputError
from vernal.field.detection.classifier import choose_classifier
from vernal.field.detection.options import DetectionOptions
from vernal.web.review.loop_files import loop_file
from vernal.web.review.options import ReviewOptions
from vernal.web.review.service import ReviewService


def answer(service: ReviewService, clip_id: str) -> str:
    """What a scripted reviewer says: the class is where the first value of the embedding is high."""
    _, index = service.near.index("clips")
    return "target" if index.embeddings_of(clip_id)[0, 0] > 0.3 else "not_target"


def decide_batch(service: ReviewService, name: str, most: int = 100) -> list[str]:
    said = {shown["item"] for shown in service.state(name, "Ana")["presentations"] if shown["said"]}
    items = [item for item in service.queue(name).items["item"] if item not in said][:most]
    for item in items:
        decision = {
            "item": item,
            "look": 1,
            "reviewer": "Ana",
            "decision": answer(service, item),
            "is_blind": True,
        }
        service.decide(name, decision)
    return items


@pytest.fixture
def options() -> ReviewOptions:
    loop = {"batch": 6, "uncertain": 1, "random": 1, "n_draws": 50}
    return ReviewOptions.from_parameters({"review": {"repeats": 0, "loop": loop}})


@pytest.fixture
def service(context, options) -> ReviewService:
    return ReviewService(context, options, "Ana")


@pytest.fixture
def example(service) -> str:
    """A labelled clip with the class."""
    clips = service.project.load("clips")
    return clips[(clips.source == "labelled") & clips.is_positive].clip_id.iloc[0]


def test_a_loop_goes_on_batch_by_batch_until_nothing_is_left(service, example):
    name = service.begin_loop({"examples": example})
    assert name == "loop-1" and service.loop(name) is not None
    items = service.queue(name).items
    assert (
        len(items) == 6 and set(items.source) <= {"field", "unlabelled"} and example not in set(items.clip_id)
    )
    assert sorted(items.reason.unique()) == ["random", "uncertain"]
    assert service.advance(name, {}) == {"is_added": False}, "the batch is not decided on yet"
    met = []
    for batch in range(1, 6):
        met += decide_batch(service, name)
        assert len(met) == len(set(met)) == 6 * batch
        assert service.advance(name, {}) == {"is_added": batch < 5}
    told = service.loop_summary(name)
    assert (told["decided"], told["clips"], told["heard_at_random"]) == (30, 30, 30)
    assert [point["decisions"] for point in told["curve"]] == [6, 12, 18, 24, 30]
    json.dumps(told, allow_nan=False)
    service.undo({"id": service.log.read()["id"].iloc[-1], "reviewer": "Ana"})
    assert service.loop_summary(name)["curve"][-1]["decisions"] == 29
    assert service.queue(name).spec.title == f"a loop that began with {example}"


def test_a_server_that_is_killed_loses_nothing_and_the_same_decisions_give_the_same_detector(
    service, context, options, example
):
    name = service.begin_loop({"examples": (example,), "name": "frogs"})  # as a command line has them
    for most in (6, 4):
        decide_batch(service, name, most)
        service.advance(name, {})
    again = ReviewService(context, options, "Ana")
    assert again.queue(name).items.clip_id.tolist() == service.queue(name).items.clip_id.tolist()
    for one in (service, again):
        decided = one.state(name, "Ana")["presentations"]
        assert [shown["said"] is not None for shown in decided].count(True) == 10
    first, second = service.loop(name).detector(), again.loop(name).detector()
    assert np.array_equal(first.weights, second.weights) and first.bias == second.bias
    decide_batch(again, name)
    assert again.advance(name, {})["is_added"] and len(again.queue(name).items) == 18
    third = again.loop(name).detector()
    assert not np.array_equal(third.weights, second.weights)
    # A word that is taken back teaches nothing any more.
    log = again.log.read()
    for identity in log["id"][10:]:
        again.undo({"id": identity, "reviewer": "Ana"})
    assert np.array_equal(again.loop(name).detector().weights, second.weights)


def test_weights_are_set_on_the_way_and_kept(service, context, options, example):
    name = service.begin_loop({"examples": example})
    decide_batch(service, name)
    service.advance(name, {"likely": "1", "uncertain": "0", "random": 0})
    assert service.queue(name).items.reason[6:].tolist() == ["likely"] * 6
    again = ReviewService(context, options, "Ana").loop_summary(name)
    assert again["weights"] == {"likely": 1.0, "uncertain": 0.0, "random": 0.0}
    for wrong, words in (
        ({"likely": -1}, "likely is -1"),
        ({"likely": "much"}, "is no weight"),
        ({"likely": 0}, "not all 0"),
    ):
        with pytest.raises(InputError, match=words):
            service.advance(name, wrong)


def test_a_time_in_a_recording_begins_a_loop_too(service):
    clip = service.project.load("all_clips").iloc[0]
    name = service.begin_loop({"examples": f"{clip.file_path}@1.5", "filter": "source == 'field'"})
    assert service.loop(name).examples.shape == (1, 1024)
    assert set(service.queue(name).items.source) == {"field"}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"examples": 2}, r"Give examples as texts, such as a\.wav@12\.5"),
        ({"examples": "nobody"}, "'nobody' is no clip with an embedding here, and no place"),
        ({"examples": "gone.wav@3"}, "There is no recording 'gone.wav'"),
        ({"examples": "gone.wav@soon"}, "'soon' in 'gone.wav@soon' is no time"),
        ({"examples": "../../secret.wav@3"}, "There is no recording '../../secret.wav'"),
        ({"examples": "\n".join("abcdefghijk")}, "11 examples were given; name up to 10"),
        ({}, "BirdNET has no class called RADR"),
        (
            {"examples": "EXAMPLE", "filter": "source == 'moon'"},
            "No clip that passes source == 'moon' has an embedding",
        ),
        ({"examples": "EXAMPLE", "name": "../x"}, "cannot be called"),
    ],
)
def test_loops_that_cannot_begin_are_refused(service, example, asked, words):
    asked = {key: example if value == "EXAMPLE" else value for key, value in asked.items()}
    with pytest.raises(InputError, match=words):
        service.begin_loop(asked)
    assert service.specs().keys() == ReviewOptions().queues.keys()


def test_birdnet_s_own_class_begins_a_loop_where_there_is_one(context, options, project):
    known = make_context(context.data_root, project, target="Strix aluco")
    service = ReviewService(known, options, "Ana")
    name = service.begin_loop({})
    begun = json.loads(loop_file(known, name).read_text("utf-8"))
    assert begun["own_class"] == "Strix aluco_Tawny Owl"
    assert service.loop(name).detector() is None, "nothing is decided on yet"
    decide_batch(service, name)
    assert service.advance(name, {})["is_added"]


def test_a_detector_and_manifests_come_out(service, example):
    name = service.begin_loop({"examples": example, "name": "frogs"})
    with pytest.raises(InputError, match="Decide on a clip with the class and on one without it"):
        service.finish_loop(name)
    while decide_batch(service, name):
        service.advance(name, {})
    made = service.finish_loop(name)
    rows = pd.concat([pd.read_csv(path) for path in made["manifests"]])
    assert len(rows) == 30 and set(rows.label) == {"RADR", "not RADR"}
    classifier = choose_classifier(
        DetectionOptions(model=made["model"], min_confidence=0.5), service.project.data_root
    )
    _, index = service.near.index("clips")
    clip = service.queue(name).items.clip_id[0]
    detector = service.loop(name).detector()
    np.testing.assert_allclose(
        classifier.head.logits(index.embeddings_of(clip))[0, 0],
        detector.logits(index.embeddings_of(clip))[0], rtol=1e-4, atol=1e-4,
    )  # fmt: skip
    assert classifier.labels == ("RADR",) and "detection.model=" in made["commands"][0]
    service.finish_loop(name)  # again, over what it wrote


def test_commands_after_a_few_decisions_name_what_they_need(service, example):
    name = service.begin_loop({"examples": example})
    while len(set(service.log.read().decision)) < 2:
        decide_batch(service, name)
        service.advance(name, {})
    detect, curate = service.finish_loop(name)["commands"]
    assert "detection.min_confidence=0.5" in detect, "the random share is too small for a threshold"
    assert "--pipeline=curation" in curate and "detection.recordings" not in detect
    parameters = {**service.project.parameters, "source": {"unlabelled": "/x/my season"}}
    loop = service.loop(name)
    own = type(loop)(replace(service.project, parameters=parameters), loop.near, loop.log, name)
    assert "detection.recordings=/x/my season,detection.model=" in own.finish()["commands"][0]
    (service.project.data_root / "03_primary/splits.parquet").unlink()
    _, curate = service.finish_loop(name)["commands"]
    assert "--pipelines=quality_splitting,mining,curation" in curate


def test_pages_follow_a_loop(service, serve, example):
    served = serve(service)
    answer = served.ask("/review/api/loops", "POST", {"examples": example}, origin=served.origin)
    name = json.loads(answer.content)["queue"]
    assert b"The detector so far" in served.ask(f"/review/queue/{name}").content
    told = json.loads(served.ask(f"/review/api/loop/{name}").content)
    assert told["decided"] == 0 and told["advice"] == "Decide on the first batch." and not told["curve"]
    assert served.ask("/review/api/loop/none").status == 422
    added = served.ask(f"/review/api/loop/{name}/next", "POST", {}, origin=served.origin)
    assert json.loads(added.content) == {"is_added": False}


def test_names_on_the_page_of_a_loop_stand_once(service, serve, example):
    name = service.begin_loop({"examples": example})
    served = serve(service)
    page = served.ask(f"/review/queue/{name}").content.decode()
    names = re.findall(r' id="([^"]+)"', page)
    assert len(names) == len(set(names)) and "listening" in names
    other = service.make_queue({"filter": "source == 'field'"})
    page = served.ask(f"/review/queue/{other}")
    assert page.status == 200 and b'id="listening"' not in page.content
