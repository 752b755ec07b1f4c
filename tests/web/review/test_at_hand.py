"""Which classes a queue asks for, and where the queues of several targets come from."""

import json
from dataclasses import replace

import pytest

from tests.small_review import QUEUES, WINDOWS, make_context, make_context_of_targets, save_windows
from vernal.clips.curation import gather_reviews
from vernal.common.problems import InputError
from vernal.common.target_folders import TargetFolders
from vernal.datasets.decision_log_dataset import DecisionLogDataset
from vernal.web.project import NotThere
from vernal.web.review.decisions import to_reviews
from vernal.web.review.options import ReviewOptions
from vernal.web.review.service import LOG_FOLDER, ReviewService

OPTIONS = ReviewOptions(queues={**QUEUES, "sample": WINDOWS}, repeats=0.0)
TARGETS = ["owl", "frog"]


@pytest.fixture
def several(data_root, project):
    return make_context_of_targets(data_root, project, TARGETS)


def asked(context, queue="sample"):
    return list(ReviewService(context, OPTIONS, "Ana").queue(queue).classes)


def of(data_root, project, **parameters):
    return make_context(data_root, project, **parameters)


def test_a_season_listened_to_for_several_labels_asks_for_all_and_for_one_label_for_one(context):
    save_windows(context, ["owl", "frog"])
    assert asked(context) == ["owl", "frog"]
    save_windows(context, ["RADR"])
    assert asked(context) == [] == asked(context, "hard-negatives")


def test_targets_say_what_is_asked_for_in_their_order(data_root, project, context):
    save_windows(context, ["owl", "frog", "RADR"])
    assert asked(of(data_root, project, targets=["Frog", "owl"])) == ["frog", "owl"]
    assert asked(of(data_root, project, targets="all")) == ["owl", "frog", "RADR"]
    assert asked(of(data_root, project, targets=["RADR", "newt"]), "hard-negatives") == ["RADR", "newt"]
    alone = ReviewService(of(data_root, project, targets=["owl"]), OPTIONS, "Ana").queue("sample")
    assert set(alone.items.asked) == {"owl"} and not alone.classes


def test_only_windows_of_the_classes_asked_for_are_shown(data_root, project, context):
    table = save_windows(context, ["owl", "frog", "RADR"])
    queue = ReviewService(of(data_root, project, targets=["owl", "frog"]), OPTIONS, "Ana").queue("sample")
    wanted = table[table.label != "RADR"].drop_duplicates(["file_path", "start_s"])
    assert len(queue.items) == len(wanted) < len(table.drop_duplicates(["file_path", "start_s"]))


def test_queues_of_several_targets_are_gathered_the_best_of_each_first(several):
    service = ReviewService(several, OPTIONS, "Ana")
    queue = service.queue("candidates")
    assert list(queue.classes) == TARGETS
    # Both targets have the same clips waiting.
    assert set(queue.by_class.asked) == set(TARGETS) and len(queue.by_class) == 2 * len(queue.items)
    assert queue.by_class["rank"].is_monotonic_increasing
    listed = {entry["name"]: entry for entry in service.list_queues("Ana")}
    assert listed["candidates"]["n"] == len(queue.items) and listed["sample"]["n"] is None
    with pytest.raises(NotThere):
        service.queue("sample")
    own = several.targets["owl"].data_root
    params = f"target=owl,data_root={own},store_root={several.data_root}"
    assert service.taken_up_by(queue) == f'kedro run --pipeline=curation --params="{params}"'


def test_one_target_of_several_can_be_asked_for(several):
    context = replace(several, parameters={**several.parameters, "targets": ["frog"]})
    queue = ReviewService(context, OPTIONS, "Ana").queue("candidates")
    assert set(queue.items.asked) == {"frog"} and not queue.classes


def test_each_target_s_curation_reads_its_part_of_what_was_decided_on_all(several):
    service = ReviewService(several, OPTIONS, "Ana")
    item = service.queue("candidates").items["item"].iloc[0]
    said = {"item": item, "look": 1, "reviewer": "Ana"}
    answers = {"owl": {"decision": "target"}, "frog": {"decision": "not_target"}}
    service.decide("candidates", said | {"classes": answers})
    for name, word in (("owl", "target"), ("frog", "not_target")):
        project = several.targets[name]
        log = DecisionLogDataset(path=str(project.data_root / LOG_FOLDER))
        clips = project.load("all_clips")
        assert gather_reviews(None, to_reviews(log.load(), name), clips).decision.tolist() == [word]
    lonely = DecisionLogDataset(path=str(several.data_root.parent / "elsewhere" / LOG_FOLDER))
    assert lonely.load().empty


def test_sound_and_neighbours_come_from_a_target_s_data_folder(several):
    service = ReviewService(several, OPTIONS, "Ana")
    item = service.queue("candidates").items["item"].iloc[0]
    near = service.neighbours("candidates", item)
    assert near["reason"] is None and len(near["clips"]) == 4
    assert {clip["label"] for clip in near["clips"]} <= {"RADR", "negative"}
    assert {(clip["label"], clip["is_positive"]) for clip in near["clips"]} <= {
        ("RADR", True),
        ("negative", False),
    }
    first = near["clips"][0]
    assert service.clip_excerpt("clips", first["clip_id"]).path.is_file()
    with pytest.raises(NotThere, match="no clip"):
        service.clip_excerpt("clips", "nobody")


def test_embeddings_are_found_in_the_folder_above_a_target_s(several):
    own = several.targets["owl"]
    assert own.store_root != own.data_root
    alone = replace(own, parameters={"target": "owl", "store_root": str(own.data_root)})
    assert alone.store_root == several.data_root == several.store_root


def test_each_class_has_its_own_band_and_call_types(several, data_root, project):
    types = {"owl": ("hoot",), "frog": ()}
    service = ReviewService(several, replace(OPTIONS, call_types=types), "Ana")
    told = {one["name"]: one["call_types"] for one in service.asked_about_all(service.queue("candidates"))}
    assert told == {"owl": ["hoot"], "frog": []}
    from_clips = ReviewService(several, OPTIONS, "Ana")
    assert from_clips.call_types("owl") == ["grunt"] and from_clips.call_types("newt") == []
    # Configured without a class, they are the target's.
    options = replace(OPTIONS, call_types=("grunt", "growl"))
    one = ReviewService(make_context(data_root, project), options, "Ana")
    assert one.call_types() == ["grunt", "growl"] and one.call_types("newt") == []
    given = {"review": {"call_types": {"owl": ["hoot", 8], "frog": None}}}
    assert ReviewOptions.from_parameters(given).call_types == {"owl": ("hoot", "8"), "frog": ()}


def test_call_types_of_clips_without_the_target_are_not_the_target_s(context, service):
    clips = context.load("clips")
    others = clips.assign(call_type=clips.call_type.where(clips.is_positive, "hoot"))
    other = replace(context, load=lambda name: others if name == "clips" else context.load(name))
    assert ReviewService(other, OPTIONS, "Ana").call_types() == service.call_types() == ["grunt"]


def test_a_loop_or_a_queue_of_one_s_own_is_about_one_class_and_says_so(several, data_root, project):
    service = ReviewService(several, OPTIONS, "Ana")
    root = several.targets["owl"].data_root
    command = f'--params="target=owl,data_root={root}"'
    with pytest.raises(InputError, match="loop of listening is about one class") as refused:
        service.begin_loop({"examples": ["x"]})
    assert f"kedro review --loop {command}" in str(refused.value)
    with pytest.raises(InputError, match="clips of one target") as refused:
        service.make_queue({"filter": "score > 0"})
    assert command in str(refused.value)
    two = ReviewService(make_context(data_root, project, targets=["RADR", "owl"]), OPTIONS, "Ana")
    with pytest.raises(InputError, match="loop of listening is about one class"):
        two.begin_loop({"examples": ["x"]})


def spoken(service):
    """A review of a few clips, as the log keeps it, without what differs between any two."""
    for look in service.state("hard-negatives", "Ana")["presentations"][:3]:
        said = {"item": look["item"], "look": look["look"], "reviewer": "Ana", "decision": "target"}
        service.decide("hard-negatives", said | {"quality": "high", "is_blind": True})
    (file,) = (service.project.data_root / LOG_FOLDER).glob("*.jsonl")
    lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    file.unlink()
    return [{name: line[name] for name in line if name not in ("id", "when", "session")} for line in lines]


def test_for_one_target_nothing_changes_whether_or_not_it_is_named_among_targets(data_root, project, serve):
    def everything(**parameters):
        service = ReviewService(make_context(data_root, project, **parameters), OPTIONS, "Ana")
        state = service.state("hard-negatives", "Ana")
        item = state["presentations"][0]["item"]
        page = serve(service).ask("/review/queue/hard-negatives?reviewer=Ana").content
        return state, service.item("hard-negatives", item, False), page, spoken(service)

    plain, named = everything(), everything(targets=["RADR"])
    assert plain == named
    state, item, page, lines = plain
    assert set(state) == {"is_blind", "order", "prepare", "presentations"}
    assert {"band_hz", "top_hz", "call_types"} < set(item) and "scores" not in item
    assert b'id="classes"' not in page and b"data-classes" not in page
    assert not any("action" in line for line in lines)


def test_a_data_folder_knows_the_one_above_it(tmp_path):
    TargetFolders(tmp_path).write({"barn owl": "barn_owl"})
    assert TargetFolders.above(tmp_path / "targets" / "barn_owl") == tmp_path
    assert TargetFolders.above(tmp_path) is None
    assert TargetFolders.above(tmp_path / "other" / "barn_owl") is None
