"""Each change inside Kedro and Kedro-Viz is still needed: a test that fails says which can go."""

from __future__ import annotations

import inspect
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from kedro.pipeline import Node, Pipeline

from vernal import cli
from vernal.framework import kedro_compat


@pytest.mark.parametrize(("package", "version"), [("kedro", "1.7"), ("kedro-viz", "12.5")])
def test_these_are_the_versions_that_it_is_written_for(package: str, version: str):
    installed = metadata.version(package)
    assert installed.startswith(f"{version}."), (
        f"{package} {installed} is new: look whether each function of kedro_compat is needed and works, then name the "
        "version in its docstring and here"
    )


def test_kedro_builds_every_pipeline_of_a_mapping_to_list_names():
    from kedro.framework.project import _ProjectPipelines

    class Mapped(Mapping):
        asked: list[str] = []  # noqa: RUF012

        def __getitem__(self, name: str) -> Pipeline:
            self.asked.append(name)
            return Pipeline([])

        def __iter__(self) -> Iterator[str]:
            return iter(["a"])

        def __len__(self) -> int:
            return 1

    pipelines = _ProjectPipelines()
    pipelines._content, pipelines._pipelines_module, pipelines._is_data_loaded = Mapped(), "x", True
    assert list(pipelines) == ["a"]
    assert Mapped.asked == ["a"]


def test_kedro_lists_a_command_of_two_groups_twice():
    from kedro.framework.cli.utils import CommandCollection

    groups = [click.Group(name, commands=[click.Command("run", help="x")]) for name in ("own", "kedro")]
    listed = click.Context(CommandCollection(("Commands", groups)))
    assert len(re.findall(r"^ +run ", listed.command.get_help(listed), re.MULTILINE)) == 2


def test_kedro_calls_the_pipeline_option_deprecated():
    from kedro.framework.cli.project import run

    assert "Option '--pipeline' is deprecated" in inspect.getsource(run.callback)


def test_kedro_help_lists_run_once_and_python_m_finds_it(project: Path):
    said = subprocess.run(
        [sys.executable, "-m", "kedro", "--help"], cwd=project, capture_output=True, text=True, check=True
    )
    assert re.findall(r"^ +run +(.*)$", said.stdout, re.MULTILINE) == ["Run a pipeline."]
    assert re.findall(r"^ +server +", said.stdout, re.MULTILINE), "Kedro's other commands are there"
    packaged = subprocess.run(
        [sys.executable, "-m", "vernal", "--help"], cwd=project, capture_output=True, text=True, check=True
    )
    assert "kedro run --pipeline=stage5" in packaged.stdout


def test_kedro_has_no_public_name_for_nested_parameters():
    from kedro.framework.cli import utils

    assert [name for name in dir(utils) if "split_params" in name] == ["_split_params"]
    command = click.Command("c", params=[click.Option(["--params"], callback=kedro_compat.nested_params)])
    context = command.make_context("c", ["--params=a.b=1,c=x"])
    assert context.params["params"] == {"a": {"b": 1}, "c": "x"}


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("target=yes", {"target": "yes"}),
        ("target=007", {"target": "007"}),
        ("target= Rana draytonii ", {"target": "Rana draytonii"}),
        ('target="8"', {"target": "8"}),
        ("data_root=2025_04", {"data_root": "2025_04"}),
        ("detection.recordings=2025-04-03", {"detection": {"recordings": "2025-04-03"}}),
        ("source.manifest=C:\\new\\m.csv", {"source": {"manifest": "C:\\new\\m.csv"}}),
        ("quality_splitting.test_ood_sites=010", {"quality_splitting": {"test_ood_sites": "010"}}),
        ("workers=2,target=no", {"workers": 2, "target": "no"}),
        ("source.field=", {"source": {"field": None}}),
    ],
)
def test_what_is_text_stays_as_it_was_typed(typed: str, read: dict):
    option = next(option for option in cli.run.params if option.name == "params")
    assert option.callback(click.Context(cli.run), option, typed) == read


def test_parameters_that_cannot_be_taken_apart_are_told():
    option = next(option for option in cli.run.params if option.name == "params")
    with pytest.raises(click.BadParameter, match=r"no viable alternative at input '\$\{y'"):
        option.callback(click.Context(cli.run), option, "source.folder=/x/${y")


def test_kedro_keeps_the_resolver_of_an_earlier_session(tmp_path: Path):
    from kedro.config import OmegaConfigLoader
    from omegaconf import OmegaConf

    def answer(text: str) -> str:
        OmegaConfigLoader(str(tmp_path), custom_resolvers={"of_a_test": lambda: text})
        return OmegaConf.create({"a": "${of_a_test:}"}).a

    try:
        assert [answer("first"), answer("second")] == ["first", "first"]
        kedro_compat.new_resolver("of_a_test")
        assert answer("third") == "third"
    finally:
        OmegaConf.clear_resolver("of_a_test")


def test_kedros_hooks_cannot_be_sent_to_another_process():
    manager = kedro_compat.hook_manager_of(None)
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(manager)


def test_kedro_copies_nodes_in_private_alone():
    assert not hasattr(Node, "copy")
    assert not hasattr(Node, "replace")

    class Changed(Node):
        pass

    node = Node(sum, "a", ["b"], name="n", tags=["t"], namespace="space")
    with pytest.warns(UserWarning, match="experimental"):
        copy = kedro_compat.changed_node(node, Changed, lambda: kedro_compat.text_preview("x"))
    assert isinstance(copy, Changed)
    assert (copy.name, copy.inputs, copy.outputs, copy.tags) == (node.name, ["a"], ["b"], {"t"})


def test_the_commands_of_kedro_viz_ask_the_network():
    from kedro_viz.launchers.cli import build, run

    assert "get_latest_version()" in inspect.getsource(run)
    assert "googleapis" in (kedro_compat.viz_html() / "index.html").read_text(encoding="utf-8")
    assert "googleapis" not in kedro_compat.viz_page()
    assert inspect.getmodule(build) is not None


def test_kedro_viz_asks_the_network_for_its_version():
    from kedro_viz.api.rest.responses import version

    assert "get_latest_version()" in inspect.getsource(version)


def test_kedro_viz_takes_no_pipelines_of_our_making():
    from kedro_viz.server import load_and_populate_data

    assert not {"catalog", "pipelines"} & set(inspect.signature(load_and_populate_data).parameters)


def test_kedro_viz_sorts_layers_that_nothing_ties_by_the_alphabet():
    from functools import partial

    from kedro_viz.services import layers

    found = layers.sort_layers
    original = found.args[0] if isinstance(found, partial) else found
    graph = (
        {name: SimpleNamespace(layer=name) for name in ("raw", "curated")},
        {"raw": set(), "curated": set()},
    )
    assert original(*graph) == ["curated", "raw"]
    assert kedro_compat._sorted(original, *graph, key=["raw", "curated"].index) == ["raw", "curated"]


def test_kedro_viz_names_no_pipeline_in_the_command_beside_a_box():
    from kedro_viz.models.flowchart import node_metadata

    assert "kedro run --to-nodes=" in inspect.getsource(node_metadata)
    assert "--pipeline" not in inspect.getsource(node_metadata)


def test_kedro_viz_notes_runs_of_one_process_in_the_projects_folder():
    from kedro_viz.constants import PIPELINE_EVENT_FULL_PATH
    from kedro_viz.integrations.kedro.hooks_utils import is_sequential_runner

    assert PIPELINE_EVENT_FULL_PATH.parts[0] == ".viz"
    assert not is_sequential_runner({"runner": "vernal.runners.DaskRunner"})


def test_kedro_viz_leaves_out_two_answers_and_asks_the_root():
    from kedro_viz.api.rest.responses import save_responses

    source = inspect.getsource(save_responses.save_api_responses_to_fs)
    assert "metadata" not in source
    scripts = (kedro_compat.viz_html() / "assets").glob("index-*.js")
    assert any('fetch("/api/' in script.read_text(encoding="utf-8") for script in scripts)
