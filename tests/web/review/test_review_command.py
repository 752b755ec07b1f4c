"""`kedro review`: what it accepts, and what it says when it cannot."""

import socket

import pandas as pd
import pytest
from click.testing import CliRunner

from vernal.commands.review import open_project, review, serve, start_page
from vernal.common.problems import InputError
from vernal.common.table_files import write_table
from vernal.common.target_folders import TargetFolders
from vernal.web.project import NotThere

NOTHING = {"filter": "", "like": "", "n": 100, "name": "", "scores": ""}


@pytest.mark.parametrize(
    ("queue", "asked", "address"),
    [
        (None, {}, "/review?reviewer=J%C3%BCrgen%20%26%20Ana"),
        ("hard-negatives", {}, "/review/queue/hard-negatives?reviewer=J%C3%BCrgen%20%26%20Ana"),
        (
            "hard-negatives",
            {"filter": "score > 3"},
            "/review/queue/hard-negatives?reviewer=J%C3%BCrgen%20%26%20Ana",
        ),
        (
            None,
            {"filter": "score > 3", "name": "best"},
            "/review/queue/best?reviewer=J%C3%BCrgen%20%26%20Ana",
        ),
    ],
)
def test_the_page_to_open(service, queue, asked, address):
    service.reviewer = "Jürgen & Ana"
    before = len(service.queue("hard-negatives").items)
    assert start_page(service, queue, NOTHING | asked) == address
    assert (len(service.queue("hard-negatives").items) < before) == (queue is not None and bool(asked))


@pytest.mark.parametrize(
    ("queue", "asked", "words"),
    [
        ("hard", {}, "There is no queue 'hard'"),
        ("suspects", {}, "not there yet"),
        ("hard-negatives", {"like": "x"}, "leave the queue's name out"),
        ("hard-negatives", {"filter": "score > 1000"}, "passes the filter"),
        (None, {"filter": "score >"}, "cannot be read"),
        (None, {"like": "x"}, "no embedding here"),
    ],
)
def test_what_cannot_be_opened_is_said_before_anything_is_served(service, queue, asked, words):
    with pytest.raises(InputError, match=words):
        start_page(service, queue, NOTHING | asked)


def test_addresses_that_cannot_be_served_on_are_refused(service):
    with pytest.raises(InputError, match="Give --host the one address"):
        serve(service, "0.0.0.0", 0, "/review", False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="cannot be served on"):
            serve(service, "127.0.0.1", taken.getsockname()[1], "/review", False)


def test_a_data_folder_that_is_not_there_is_said(project, tmp_path, monkeypatch):
    monkeypatch.chdir(project)
    result = CliRunner().invoke(review, ["--no-browser", f"--params=data_root={tmp_path / 'none'}"])
    assert result.exit_code == 1 and "does not exist" in result.output
    result = CliRunner().invoke(review, ["--no-browser", "--params=data_root=s3://bucket/x"])
    assert result.exit_code == 1 and "not on this machine" in result.output


def test_datasets_are_loaded_again_when_their_file_changes(project, data_root):
    context = open_project(project, {"data_root": str(data_root)})
    first = context.load("review_candidates")
    assert context.load("review_candidates") is first
    context.save("review/some", first[["clip_id"]])
    assert context.load("review/some").clip_id.tolist() == first.clip_id.tolist()
    context.save("review/some", first[["clip_id"]].head(1))
    assert len(context.load("review/some")) == 1
    for name in ("collection.suspects", "review/none", "nothing of this name"):
        with pytest.raises(NotThere):
            context.load(name)
    assert context.setting("source.field", "none") == "none"
    assert str(data_root) in {str(folder) for folder in context.allowed_folders()}


def test_each_of_several_targets_has_its_datasets_in_its_own_folder(project, tmp_path):
    TargetFolders(tmp_path).write({"barn owl": "barn_owl", "frog": "frog"})
    for folder in ("barn_owl", "frog"):
        table = pd.DataFrame({"clip_id": [folder]})
        write_table(table, tmp_path / "targets" / folder / "03_primary" / "all_clips.parquet")
    context = open_project(project, {"data_root": str(tmp_path), "targets": "frog;barn owl"})
    assert context.setting("targets") == ["frog", "barn owl"]
    for name, one in context.targets.items():
        assert one.load("all_clips").clip_id.tolist() == [one.data_root.name]
        assert (one.setting("target"), one.setting("targets"), one.store_root) == (name, None, tmp_path)
    with pytest.raises(NotThere):
        context.load("all_clips")
