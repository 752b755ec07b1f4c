"""The hooks keep a record of every run and end it with an error when its proof fails."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from vernal.common.problems import InputError
from vernal.framework.hooks import RunHooks, first_problem, take_lock
from vernal.proof.run_record import read_records

FAILED = {
    "check": "coverage",
    "verdict": "fail",
    "cases": ["p misses 1"],
    "n_cases": 1,
    "remedy": "Score again.",
}
PASSED = {**FAILED, "verdict": "pass", "cases": [], "n_cases": 0}


def pipeline(*outputs: str) -> Any:
    nodes = [SimpleNamespace(namespace="s", name="s.a")]
    return SimpleNamespace(nodes=nodes, inputs=set, all_outputs=lambda: set(outputs))


def started(tmp_path: Path, what: Any) -> RunHooks:
    hooks = RunHooks()
    parameters = {"data_root": str(tmp_path)}
    context = SimpleNamespace(project_path=tmp_path, config_loader={"parameters": parameters})
    hooks.after_context_created(context)
    given = {"runtime_params": {"source": {"manifest": "m.csv"}}, "env": "test"}
    hooks.before_pipeline_run({"run_id": "r1", "pipeline_names": ["s"], **given}, what, {})
    hooks.before_node_run(what.nodes[0])
    return hooks


def end(hooks: RunHooks, what: Any, line: dict, failures: pd.DataFrame | None = None) -> None:
    nothing = pd.DataFrame({"point": [], "step": [], "message": []}, dtype="str")
    contents = {"s.certificate": {"checks": [line]}, "s.failures": nothing if failures is None else failures}
    hooks.after_pipeline_run({}, what, SimpleNamespace(load=contents.__getitem__))


def test_a_run_leaves_a_record_with_its_nodes_and_lets_go_of_the_folder(tmp_path: Path):
    what = pipeline("s.certificate", "s.failures")
    end(started(tmp_path, what), what, PASSED)
    (record,) = read_records(tmp_path)
    assert (record["run"], record["stage"], record["outcome"]) == ("r1", "s", "finished")
    assert record["command"] == "kedro run --pipelines=s --env=test --params=source.manifest=m.csv"
    assert [node["node"] for node in record["nodes"]] == ["s.a"]
    take_lock(tmp_path).release()


def test_a_failed_certificate_ends_the_run_after_everything_is_written(tmp_path: Path):
    what = pipeline("s.certificate", "s.failures")
    failures = pd.DataFrame({"point": ["p"], "step": ["train"], "message": ["no weights"]})
    with pytest.raises(
        InputError, match=r"(?s)failed point of s.*s: failed check coverage \(1\): p misses 1"
    ):
        end(started(tmp_path, what), what, FAILED, failures)
    assert read_records(tmp_path)[0]["outcome"] == "failed"
    take_lock(tmp_path).release()


def test_an_error_is_kept_in_the_record(tmp_path: Path):
    started(tmp_path, pipeline()).on_pipeline_error(ValueError("broken"))
    (record,) = read_records(tmp_path)
    assert (record["outcome"], record["error"]) == ("failed", "ValueError: broken")
    take_lock(tmp_path).release()


def test_a_record_that_cannot_be_written_hides_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    hooks = started(tmp_path, pipeline())
    for file in (tmp_path / "08_reporting" / "s" / "runs").iterdir():
        file.unlink()
    (tmp_path / "08_reporting" / "s" / "runs").rmdir()
    (tmp_path / "08_reporting" / "s" / "runs").write_text("in the way")
    hooks.on_pipeline_error(ValueError("broken"))
    assert "record of this run could not be written" in caplog.text
    take_lock(tmp_path).release()


def test_every_problem_is_told():
    def fail(words: str):
        raise InputError(words)

    assert first_problem(lambda: None) is None
    assert str(first_problem(lambda: fail("one"), lambda: None, lambda: fail("two"))) == "one\ntwo"


def test_a_problem_card_that_is_wrong_stops_a_run_before_it_begins(tmp_path):
    def load(name: str) -> None:
        raise InputError(f"{name} is wrong")

    hooks, what = RunHooks(), pipeline()
    what.inputs = lambda: {"problem_card", "clips"}
    hooks.after_context_created(
        SimpleNamespace(project_path=tmp_path, config_loader={"parameters": {"data_root": str(tmp_path)}})
    )
    with pytest.raises(InputError, match="problem_card is wrong"):
        hooks.before_pipeline_run({"run_id": "r1"}, what, SimpleNamespace(load=load))
    assert not list(tmp_path.rglob("*"))
