"""Decisions are appended, survive a kill, and undo is one more line."""

import json
import multiprocessing
import threading
from datetime import UTC, datetime

import pandas as pd
import pytest

from vernal.clips.annotations import ANNOTATION_COLUMNS
from vernal.clips.curation import resolve_reviews
from vernal.common.problems import InputError
from vernal.web.review.decisions import (
    BOX_COLUMNS,
    DECISION_COLUMNS,
    SHOWN_COLUMNS,
    DecisionLog,
    latest_decisions,
    to_annotations,
    to_reviews,
)


def said(item="a", decision="target", reviewer="Ana", **more):
    values = {
        "item": item, "look": 1, "queue": "q", "clip_id": item, "file_path": f"{item}.wav", "start_s": 1.0, "end_s": 4.0,
        "asked": "RADR", "decision": decision, "reviewer": reviewer, "score": 0.5, "model": "miner", "is_score_shown": True,
    }  # fmt: skip
    return values | more


def test_what_is_said_is_read_again(tmp_path):
    log = DecisionLog(tmp_path / "review")
    assert log.read().empty
    line = log.add(said(note='zwei Frösche, "laut"', quality="low", call_type="grunt"))
    table = DecisionLog(tmp_path / "review").read()
    assert table.columns.tolist() == [*DECISION_COLUMNS, *BOX_COLUMNS]
    row = table.iloc[0]
    assert (row["id"], row.note, row.quality, row.score, bool(row.is_score_shown)) == (
        line["id"], "zwei Frösche, \"laut\"", "low", 0.5, True,
    )  # fmt: skip


def test_undo_is_a_further_line_and_only_for_one_s_own(tmp_path):
    log = DecisionLog(tmp_path)
    first = log.add(said("a"))
    log.add(said("b", "not_target"))
    (file,) = tmp_path.glob("*.jsonl")
    before = file.read_bytes()
    with pytest.raises(InputError, match="Ben made no such decision"):
        log.undo(first["id"], "Ben")
    log.undo(first["id"], "Ana")
    assert file.read_bytes().startswith(before)
    assert log.read()["item"].tolist() == ["b"]
    with pytest.raises(InputError, match="taken back already"):
        log.undo(first["id"], "Ana")


def test_a_server_of_its_own_can_undo_what_another_wrote(tmp_path):
    line = DecisionLog(tmp_path).add(said())
    DecisionLog(tmp_path).undo(line["id"], "Ana")
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    assert DecisionLog(tmp_path).read().empty


def test_a_line_cut_off_by_a_kill_is_passed_over_and_a_damaged_one_is_not(tmp_path):
    log = DecisionLog(tmp_path)
    log.add(said("a"))
    (file,) = tmp_path.glob("*.jsonl")
    whole = file.read_bytes()
    for cut in (b'{"kind": "deci', whole[: len(whole) // 2]):
        file.write_bytes(whole + cut)
        assert log.read()["item"].tolist() == ["a"]
    file.write_bytes(b'{"kind": "deci\n' + whole)
    with pytest.raises(InputError, match=r"line that is no decision \(1\): .*jsonl line 1"):
        log.read()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"decision": "targett"}, "unknown decision.*did you mean 'target'"),
        ({"quality": "loud"}, "unknown quality"),
        ({"reviewer": " "}, "no reviewer"),
        ({"reviewer": None}, "no reviewer"),
        ({"reviewer": "A\nB"}, "name that cannot be used"),
        ({"reviewer": "A\ud800"}, "name that cannot be used"),
        ({"note": "half a letter \ud800"}, "note that cannot be used"),
        ({"note": "x" * 2001}, "note that cannot be used"),
        ({"note": 3}, "note that cannot be used"),
    ],
)
def test_what_is_no_decision_is_refused_and_not_written(tmp_path, wrong, words):
    with pytest.raises(InputError, match=words):
        DecisionLog(tmp_path / "log").add(said(**wrong))
    assert not (tmp_path / "log").exists()


def test_a_folder_that_cannot_be_written_says_not_saved(tmp_path):
    (tmp_path / "log").write_text("a file")
    with pytest.raises(InputError, match="NOT saved"):
        DecisionLog(tmp_path / "log").add(said())


def test_a_disk_that_is_full_for_a_while_spoils_no_later_line(tmp_path, monkeypatch):
    log = DecisionLog(tmp_path)
    log.add(said("a"))
    (file,) = tmp_path.glob("*.jsonl")

    def cut_off(_):
        file.write_bytes(file.read_bytes()[:-40])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("vernal.web.review.decisions.os.fsync", cut_off)
        with pytest.raises(InputError, match=r"NOT saved.*No space left"):
            log.add(said("b"))
    log.add(said("c"))
    assert log.read()["item"].tolist() == ["a", "c"]


def _write(folder, reviewer, n):
    log = DecisionLog(folder)
    threads = [
        threading.Thread(
            target=lambda at=at: log.add(said(f"{reviewer}{at}", reviewer=reviewer, note="x" * 500))
        )
        for at in range(n)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_two_servers_and_many_threads_lose_nothing(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    other = spawn.Process(target=_write, args=(tmp_path, "Ben", 20))
    other.start()
    _write(tmp_path, "Ana", 20)
    other.join()
    assert other.exitcode == 0
    table = DecisionLog(tmp_path).read()
    assert len(table) == 40 and table["id"].is_unique
    assert set(table["item"]) == {f"{who}{at}" for who in ("Ana", "Ben") for at in range(20)}


def test_the_last_word_on_each_look_counts(tmp_path):
    log = DecisionLog(tmp_path)
    log.add(said("a", "target"))
    log.add(said("a", "unsure"))
    log.add(said("a", "not_target", look=2))
    last = latest_decisions(log.read())
    assert sorted(zip(last["look"], last.decision, strict=True)) == [(1.0, "unsure"), (2.0, "not_target")]


class Clock(datetime):
    """A clock that people set."""

    shown = datetime(2026, 5, 2, 12, tzinfo=UTC)

    @classmethod
    def now(cls, tz=None):
        return cls.shown


@pytest.fixture
def set_clock(monkeypatch):
    monkeypatch.setattr("vernal.web.review.decisions.datetime", Clock)
    return lambda **moment: setattr(Clock, "shown", datetime(tzinfo=UTC, **moment))


@pytest.mark.parametrize("servers", [1, 2])
def test_the_later_written_decision_counts_on_a_clock_set_back(tmp_path, set_clock, servers):
    logs = [DecisionLog(tmp_path) for _ in range(servers)]
    set_clock(year=2026, month=5, day=2)
    logs[0].add(said("a", "target"))
    logs[0].add(said("b", "not_target", reviewer="Ben"))
    set_clock(year=2026, month=5, day=1)
    logs[-1].add(said("a", "not_target"))
    logs[-1].add(said("c", "target", reviewer="Cleo"))
    table = DecisionLog(tmp_path).read()
    assert table["item"].tolist() == ["a", "b", "a", "c"]
    assert table["when"].tolist() == [
        "2026-05-02T00:00:00.000000+00:00", "2026-05-02T00:00:00.000000+00:00",
        "2026-05-02T00:00:00.000001+00:00", "2026-05-01T00:00:00.000000+00:00",
    ]  # fmt: skip
    assert latest_decisions(table).set_index("item").decision["a"] == "not_target"
    assert (
        to_reviews(table, "RADR").sort_values("when").query("reviewer == 'Ana'").decision.iloc[-1]
        == "not_target"
    )
    lines = "".join(file.read_text("utf-8") for file in sorted(tmp_path.glob("*.jsonl"))).splitlines()
    stamps = {line["order"]: line["when"][:10] for line in map(json.loads, lines)}
    assert stamps == {1: "2026-05-02", 2: "2026-05-02", 3: "2026-05-01", 4: "2026-05-01"}


def test_lines_without_numbers_follow_each_other_as_in_their_file(tmp_path):
    when = {"a": "2026-05-02T00:00:00.000000+00:00", "b": "2026-05-01T00:00:00.000000+00:00"}
    lines = [
        {"kind": "decision", **said("x", decision), "id": id_, "when": when[id_], "session": "s"}
        for id_, decision in (("a", "target"), ("b", "not_target"))
    ]
    (tmp_path / "old.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    DecisionLog(tmp_path).add(said("y"))
    table = DecisionLog(tmp_path).read()
    assert table["id"].tolist()[:2] == ["a", "b"] and table["item"].tolist()[2] == "y"
    assert latest_decisions(table).set_index("item").decision["x"] == "not_target"


@pytest.mark.parametrize(
    "wrong",
    [
        {"score": "0.5"}, {"look": [1]}, {"rank": 10**400}, {"start_s": {}}, {"reviewer": 3}, {"reviewer": None},
        {"note": ["a"]}, {"item": {"a": 1}}, {"is_score_shown": "yes"}, {"when": "yesterday"}, {"when": 5},
        {"when": "9999-12-31T23:59:59+00:00"}, {"when": "0001-01-01T00:00:00+14:00"}, {"order": "1"}, {"order": 2**60},
        {"order": True}, {"decision": ["target"]}, {"kind": "else"}, {"id": 7},
    ],
)  # fmt: skip
def test_a_line_of_other_kinds_is_named_with_its_file(tmp_path, wrong):
    log = DecisionLog(tmp_path)
    line = log.add(said("a"))
    (tmp_path / "0-foreign.jsonl").write_text(json.dumps(line | wrong) + "\n")
    with pytest.raises(InputError, match=r"line that is no decision \(1\): 0-foreign\.jsonl line 1\. "):
        log.read()


@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 50_000, b"1" * 5_000, b"null", b"\xff"])
def test_a_line_that_is_no_json_of_ours_is_named_with_its_file(tmp_path, text):
    (tmp_path / "foreign.jsonl").write_bytes(text + b"\n")
    with pytest.raises(InputError, match=r"line that is no decision \(1\): foreign\.jsonl line 1\. "):
        DecisionLog(tmp_path).read()
    DecisionLog(tmp_path).add(said("a"))  # is kept, whatever lies beside it


def test_a_number_that_is_the_last_one_stops_nobody(tmp_path):
    line = DecisionLog(tmp_path).add(said("a"))
    (tmp_path / "0.jsonl").write_text(json.dumps(line | {"id": "x", "order": 2**53}) + "\n")
    DecisionLog(tmp_path).add(said("b", "not_target"))
    DecisionLog(tmp_path).add(said("b", "target"))
    assert latest_decisions(DecisionLog(tmp_path).read()).set_index("item").decision["b"] == "target"


def test_annotations_have_the_collection_s_schema_and_what_was_shown(tmp_path):
    log = DecisionLog(tmp_path)
    log.add(said("a", "target", quality="high", note="near"))
    log.add(said("b", "not_target", look=2, is_score_shown=False, recording="night/b.wav"))
    log.add(said("c", "unsure"))
    table = to_annotations(log.read())
    assert table.columns.tolist() == [*ANNOTATION_COLUMNS, *SHOWN_COLUMNS]
    assert table.recording.tolist() == ["a.wav", "night/b.wav"]
    assert table.is_present.tolist() == [True, False]
    assert table.annotator.tolist() == ["Ana", "Ana"] and table.session.tolist() == ["1", "2"]
    assert table.model.isna().all() and table.shown_model.tolist() == ["miner", "miner"]
    assert table.is_score_shown.tolist() == [True, False]
    assert pd.to_datetime(table.annotated_at).notna().all()
    assert to_annotations(log.read().iloc[:0]).empty


def test_a_box_is_written_read_and_gives_an_annotation_its_times_and_frequencies(tmp_path):
    log = DecisionLog(tmp_path)
    log.add(said("a", box=[1.5, 2.25, 400, 1200.0]))
    log.add(said("b"))
    (file,) = tmp_path.glob("*.jsonl")
    with_box, without = map(json.loads, file.read_text("utf-8").splitlines())
    assert with_box["box"] == [1.5, 2.25, 400, 1200.0] and "box" not in without
    table = log.read()
    assert table.loc[0, list(BOX_COLUMNS)].tolist() == [1.5, 2.25, 400.0, 1200.0]
    assert table.loc[1, list(BOX_COLUMNS)].isna().all() and table.start_s.tolist() == [1.0, 1.0]
    places = to_annotations(table)[["start_s", "end_s", "low_hz", "high_hz"]]
    assert places.loc[0].tolist() == [1.5, 2.25, 400.0, 1200.0]
    assert places.loc[1, ["start_s", "end_s"]].tolist() == [1.0, 4.0]
    assert places.loc[1, ["low_hz", "high_hz"]].isna().all()
    assert to_reviews(table, "RADR").columns.tolist() == [
        "clip_id",
        "decision",
        "reviewer",
        "when",
        "quality",
    ]


@pytest.mark.parametrize(
    ("box", "more"),
    [
        ([0.9, 2.0, 400, 1200], {}),
        ([1.5, 4.1, 400, 1200], {}),
        ([2.0, 2.0, 400, 1200], {}),
        ([1.5, 2.0, 1200, 400], {}),
        ([1.5, 2.0, -1, 400], {}),
        ([1.5, 2.0, 400, 24_001], {}),
        ([1.5, 2.0, 400], {}),
        ([1.5, 2.0, 400, "1200"], {}),
        ([1.5, 2.0, 400, float("nan")], {}),
        ([True, 2.0, 400, 1200], {}),
        ({"start": 1.5}, {}),
        ([], {}),
        ([1.5, 2.0, 400, 1200], {"decision": "not_target"}),
        ([1.5, 2.0, 400, 1200], {"decision": "unsure"}),
    ],
)
def test_a_box_that_cannot_be_is_refused_and_never_read(tmp_path, box, more):
    log = DecisionLog(tmp_path)
    with pytest.raises(InputError) as refused:
        log.add(said(box=box, **more))
    assert str(refused.value).count("box that cannot be used") == 1
    assert not list(tmp_path.glob("*.jsonl"))
    line = log.add(said())
    (file,) = tmp_path.glob("*.jsonl")
    file.write_text(json.dumps(line | {"box": box} | more) + "\n", "utf-8")
    with pytest.raises(InputError, match="line that is no decision"):
        log.read()


def test_a_clip_that_is_its_whole_recording_takes_a_box(tmp_path):
    log = DecisionLog(tmp_path)
    log.add(said(start_s=None, end_s=None, box=[0.0, 9.5, 0, 24_000]))
    assert log.read().box_end_s.tolist() == [9.5]
    with pytest.raises(InputError, match="box that cannot be used"):
        log.add(said(start_s=None, end_s=None, box=[-0.1, 9.5, 0, 24_000]))


def test_curation_reads_what_was_said_of_the_target(tmp_path):
    log = DecisionLog(tmp_path)
    log.add(said("a", "target", quality="low"))
    log.add(said("a", "not_target", asked="owl"))
    log.add(said("stretch", "target", clip_id=None))
    reviews = to_reviews(log.read(), "RADR")
    resolved = resolve_reviews(reviews)
    assert resolved[["clip_id", "decision", "quality", "reviewed_by"]].to_numpy().tolist() == [
        ["a", "target", "low", "Ana"]
    ]


def test_a_line_is_plain_json_with_its_time(tmp_path):
    DecisionLog(tmp_path).add(said())
    (file,) = tmp_path.glob("*.jsonl")
    line = json.loads(file.read_text(encoding="utf-8"))
    assert line["kind"] == "decision" and line["when"].endswith("+00:00")


def of_classes(**words):
    return [said(f"a {name}", word, asked=name) for name, word in words.items()]


def test_decisions_made_at_once_are_a_line_a_class_and_are_undone_at_once(tmp_path):
    log = DecisionLog(tmp_path)
    alone = log.add(said("b"))
    lines = log.add_together(of_classes(owl="target", frog="not_target", toad="unsure"))
    table = log.read()
    assert table.asked.tolist() == ["RADR", "owl", "frog", "toad"] and table["id"].is_unique
    assert table.when.tolist() == [alone["when"], *(line["when"] for line in lines)]
    assert {line["action"] for line in lines} == {lines[0]["action"]} and {line["of"] for line in lines} == {
        3
    }
    with pytest.raises(InputError, match="Ben made no such decision"):
        log.undo(lines[1]["id"], "Ben")
    log.undo(lines[1]["id"], "Ana")
    assert log.read()["id"].tolist() == [alone["id"]]
    with pytest.raises(InputError, match="taken back already"):
        log.undo(lines[2]["id"], "Ana")


def test_a_decision_by_itself_is_written_as_ever(tmp_path):
    DecisionLog(tmp_path).add(said())
    (file,) = tmp_path.glob("*.jsonl")
    names = [*json.loads(file.read_bytes())]
    assert names == ["kind", *DECISION_COLUMNS, "order"]


def test_one_class_that_cannot_be_decided_on_keeps_all_from_being_written(tmp_path):
    wrong = [*of_classes(owl="target"), said("a frog", "perhaps", asked="frog")]
    with pytest.raises(InputError, match="unknown decision"):
        DecisionLog(tmp_path / "log").add_together(wrong)
    assert not (tmp_path / "log").exists()


def test_what_was_cut_off_between_two_classes_does_not_count(tmp_path):
    log = DecisionLog(tmp_path)
    log.add(said("b"))
    lines = log.add_together(of_classes(owl="target", frog="target"))
    (file,) = tmp_path.glob("*.jsonl")
    whole = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(whole[:-1]))
    assert log.read()["item"].tolist() == ["b"]
    file.write_bytes(b"".join(whole))
    assert log.read()["id"].tolist()[1:] == [line["id"] for line in lines]
    # Half of an undoing takes nothing back either.
    log.undo(lines[0]["id"], "Ana")
    undoing = file.read_bytes().splitlines(keepends=True)
    assert len(undoing) == 5 and len(log.read()) == 1
    file.write_bytes(b"".join(undoing[:-1]))
    assert len(log.read()) == 3


def test_a_class_decided_on_anew_stands_when_the_later_word_is_undone(tmp_path):
    log = DecisionLog(tmp_path)
    log.add_together(of_classes(owl="target", frog="not_target"))
    later = log.add(of_classes(frog="target")[0])
    assert latest_decisions(log.read()).decision.tolist() == ["target", "target"]
    log.undo(later["id"], "Ana")
    assert latest_decisions(log.read()).decision.tolist() == ["target", "not_target"]


def test_readers_find_each_class_by_itself(tmp_path):
    log = DecisionLog(tmp_path)
    log.add_together(of_classes(owl="target", frog="not_target", toad="unsure"))
    assert to_reviews(log.read(), "frog").decision.tolist() == ["not_target"]
    annotations = to_annotations(log.read())
    assert dict(zip(annotations.label, annotations.is_present, strict=True)) == {"owl": True, "frog": False}


def test_a_further_folder_is_read_and_not_written(tmp_path):
    first = DecisionLog(tmp_path / "all").add(said("a"))
    log = DecisionLog(tmp_path / "owl", [tmp_path / "all", tmp_path / "none"])
    log.add(said("b"))
    assert set(log.read()["item"]) == {"a", "b"} and first["id"] in set(log.read()["id"])
    assert DecisionLog(tmp_path / "all").read()["item"].tolist() == ["a"]
