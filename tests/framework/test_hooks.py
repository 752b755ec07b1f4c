from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline

from tests.onnx_encoders import write_encoder
from vernal import cli
from vernal.audio.encoders import networks
from vernal.clips.problem_card import card_of
from vernal.common import progress
from vernal.common.problems import InputError
from vernal.framework.hooks import RunHooks, check_encoders, idle_steps, refuse_failures, take_lock
from vernal.sweeps.spec import Spec


def test_a_folder_is_locked_for_one_run(tmp_path: Path):
    lock = take_lock(tmp_path)
    try:
        with pytest.raises(InputError, match="Another run is at work in"):
            take_lock(tmp_path)
    finally:
        lock.release()
    take_lock(tmp_path).release()


def test_an_unusable_folder_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be written"):
        take_lock(tmp_path / "file" / "below")


def test_an_interrupted_run_does_not_keep_the_next_one_of_its_process_out(tmp_path: Path):
    hooks = RunHooks()
    hooks._data_root, hooks._project, hooks._parameters = tmp_path, tmp_path, {"data_root": str(tmp_path)}
    for run_id in ("first", "second"):  # the first one ends without a word, as after Ctrl-C
        hooks.before_pipeline_run({"run_id": run_id, "pipeline_names": None}, Pipeline([]), DataCatalog())
    with pytest.raises(InputError, match="Another run is at work"):
        take_lock(tmp_path)
    hooks.on_pipeline_error(ValueError("x"))
    take_lock(tmp_path).release()


def test_targets_that_the_problem_card_lacks_end_a_run_before_it_begins(tmp_path: Path):
    hooks = RunHooks()
    hooks._data_root, hooks._project, hooks._parameters = tmp_path, tmp_path, {"targets": ["owl", "toad"]}
    card = MemoryDataset(card_of("owl"), copy_mode="assign")
    node = Node(lambda *given: 1, ["problem_card", "params:targets"], "manifest")
    with pytest.raises(InputError, match=r"class that the problem card lacks \(1\): 'toad'"):
        hooks.before_pipeline_run({"run_id": "r"}, Pipeline([node]), DataCatalog({"problem_card": card}))
    take_lock(tmp_path).release()


def test_encoders_that_a_run_embeds_with_are_tried_before_it_begins(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(networks, "check_encoder", networks.hear_sounds)  # in this process
    said = {"sample_rate_hz": 16_000, "window_s": 0.5, "n_dims": 12, "output": "embedding"}
    files = {"good": 12, "wide": 13, "unused": 14}
    encoders = {
        name: said | {"file": str(write_encoder(tmp_path / f"{name}.onnx", 8_000, n_dims, has_rows=False))}
        for name, n_dims in files.items()
    }
    parameters = {"encoders": encoders, "embedding": {"encoder": "good", "encoders": encoders}}

    def check(**axes: tuple[str, ...]) -> None:
        catalog = DataCatalog({"x.spec": MemoryDataset(Spec("x", axes, {}))})
        inputs = ["params:embedding", "x.spec"]
        plan = Node(lambda *given: 1, inputs, "x.plan", namespace="x")
        check_encoders(parameters, Pipeline([plan]), catalog)

    check()
    check(encoder=("good", "birdnet_v2.4"))
    with pytest.raises(InputError, match=r"The encoder wide \(wide\.onnx\) cannot be used: its output 1x13"):
        check(encoder=("good", "wide"))
    check_encoders(parameters, Pipeline([]), DataCatalog())


def test_ctrl_c_is_told_what_is_kept(project: Path, monkeypatch):
    def stopped(options):
        raise KeyboardInterrupt

    monkeypatch.chdir(project)
    monkeypatch.setattr("vernal.commands.run_mistakes.check_run", stopped)
    result = CliRunner().invoke(cli.cli, ["run"])
    assert result.exit_code == 130
    assert "Stopped. What is finished is kept" in result.output


def test_failed_points_end_a_run_and_points_not_asked_for_do_not():
    table = pd.DataFrame(
        {"point": ["s_001", "s_002"], "step": ["", "balance"], "message": ["not run yet", "No positive clip"]}
    )
    with pytest.raises(InputError, match=r"failed point of s \(1\): s_002 \(balance\): No positive clip"):
        refuse_failures({"s.failures": table})
    refuse_failures({"s.failures": table[:1]})


def test_steps_without_work_are_not_shown():
    names = ["demo.plan_demo_season", "ingest.check_audio", "mining.scan_season", "mining.score_pools"]
    assert idle_steps(names, {"source": {"manifest": "/x/m.csv"}}) == {names[0], names[2]}
    assert idle_steps(names, {"source": {"season": "/x"}}) == frozenset()
    assert idle_steps(names[:1], {"source": {"folder": "/x"}}) == frozenset()
    collection = ["collection.make_demo_group", "collection.compare_with_planted", "collection.take_stock"]
    assert idle_steps(collection, {"collection": {"inbox": "/x"}}) == set(collection[:2])
    assert idle_steps(collection, {"collection": {"inbox": None}}) == frozenset()


def test_steps_are_numbered_as_they_are_shown_and_a_step_ends_with_the_run(tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO", "vernal")
    monkeypatch.setattr("vernal.common.progress.SHOWN_AFTER_S", 0.0)
    hooks = RunHooks()
    hooks._data_root, hooks._project = tmp_path, tmp_path
    hooks._parameters = {"data_root": str(tmp_path), "source": {"folder": "/x/clips"}}
    nodes = [Node(lambda: 1, None, name, name=name, namespace="demo") for name in ("plan_demo_season",)]
    nodes += [Node(lambda: 1, None, name, name=name, namespace="ingest") for name in ("one", "two")]
    hooks.before_pipeline_run({"run_id": "r", "pipeline_names": None}, Pipeline(nodes), DataCatalog())
    for node in nodes:
        hooks.before_node_run(node)
    (running,) = progress._steps
    assert running.words().startswith("  2/2  ingest.two")
    hooks.on_pipeline_error(ValueError("x"))
    assert not progress._steps
    assert "2 steps, results in" in caplog.messages[0]
    assert any(message.startswith("  1/2  ingest.one  ") for message in caplog.messages)
    assert not any("demo" in message for message in caplog.messages)


def test_a_step_that_stands_is_numbered_among_the_others(tmp_path, caplog):
    caplog.set_level("INFO", "vernal")
    hooks = RunHooks()
    hooks._data_root, hooks._project, hooks._parameters = tmp_path, tmp_path, {"data_root": str(tmp_path)}
    nodes = [Node(lambda: 1, None, name, name=name, namespace="ingest") for name in ("one", "two")]
    hooks.before_pipeline_run({"run_id": "r", "pipeline_names": None}, Pipeline(nodes), DataCatalog())
    hooks.before_node_run(nodes[0])
    hooks.node_stands(nodes[1])
    assert not progress._steps
    assert [message.split()[:2] for message in caplog.messages[-2:]] == [
        ["1/2", "ingest.one"],
        ["2/2", "ingest.two"],
    ]
    assert caplog.messages[-1].endswith(" stands")
    hooks.on_pipeline_error(ValueError("x"))
