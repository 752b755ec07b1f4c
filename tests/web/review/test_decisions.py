"""Decisions are appended, survive a kill, and undo is one more line."""

import json
import multiprocessing
import threading

import pandas as pd
import pytest

from vernal.clips.annotations import ANNOTATION_COLUMNS
from vernal.clips.curation import resolve_reviews
from vernal.common.problems import InputError
from vernal.web.review.decisions import (
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
    assert table.columns.tolist() == list(DECISION_COLUMNS)
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
