"""Everything that the project changes inside Kedro or Kedro-Viz, or takes from their private parts.

Kedro 1.7 and Kedro-Viz 12.5 are meant throughout. Each function says what it is for; `tests/framework/
test_kedro_compat.py` has a test for each that fails as soon as the version installed no longer needs it.
"""

import copy
import json
import re
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.pipeline import Node, Pipeline

if TYPE_CHECKING:
    import click
    from fastapi import FastAPI

# Kedro ----------------------------------------------------------------------------------------------


class LazyPipelines(dict[str, Pipeline]):
    """Pipelines by name; each is built at first use and kept.

    Kedro 1.7 copies what `register_pipelines` returns with `dict()` to list the names, and only a real dictionary is
    copied without asking for each value. A pipeline that nobody asked for is an empty one there.
    """

    def __init__(self, builders: dict[str, Callable[[], Pipeline]]) -> None:
        super().__init__(dict.fromkeys(builders, Pipeline([])))
        self._builders = builders

    def __getitem__(self, name: str) -> Pipeline:
        if name in self._builders:
            self[name] = self._builders.pop(name)()
        return super().__getitem__(name)


def replace_run(run: Callable[..., Any], examples: str) -> "click.Command":
    """Kedro's `run` command with another function behind its options, listed once.

    Kedro 1.7 lists the commands of a project's `cli.py` and its own one after the other, `run` in both.

    Args:
        run: called with the options of `kedro run`; None as `pipeline` and the name as `pipelines` where somebody gave
            the former, which Kedro calls deprecated and people type.
        examples: put at the end of its help.
    """
    import click
    from kedro.framework.cli.cli import project_commands
    from kedro.framework.cli.project import run as kedro_run

    def callback(**options: Any) -> Any:
        if options.get("pipeline"):
            if options.get("pipelines"):
                raise click.UsageError("Give --pipeline or --pipelines, not both.")
            options |= {"pipelines": [options["pipeline"]], "pipeline": None}
        return run(kedro_run.callback, options)

    project_commands.lazy_subcommands.pop("run", None)
    options = [copy.copy(option) for option in kedro_run.params]
    for option in options:
        if option.name == "params":
            option.callback = nested_params
    text = f"{kedro_run.help}\n\n\b\n{examples}"
    return click.Command("run", callback=callback, params=options, help=text, short_help="Run a pipeline.")


def replace_viz(commands: Mapping[str, str]) -> None:
    """Put commands in the place of those of `kedro viz`, by name: `module.command`.

    Those of Kedro-Viz 12.5 ask the package index and Google's fonts. `viz` is a global command, which no command of a
    project can stand before, so they are replaced in its group.
    """
    from kedro_viz.launchers.cli.main import viz

    viz.lazy_subcommands.update(commands)


def nested_params(context: "click.Context", parameter: "click.Parameter", value: Any) -> dict[str, Any]:
    """`--params` as `kedro run` reads it: dots nest, values are read as YAML, but those that are text stay as typed.

    Kedro 1.7 has no public name for it, and YAML reads a target `yes` as true, `007` as 7 and a folder `2025_04` as
    202504.
    """
    import click
    from kedro.framework.cli.utils import _split_params
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(value, str):
        value = ",".join(map(_with_text_quoted, value.split(",")))
    try:
        return _split_params(context, parameter, value)
    except OmegaConfBaseException as error:
        raise click.BadParameter(str(error).splitlines()[0], context, parameter) from error


def _with_text_quoted(part: str) -> str:
    from vernal.framework.config import TEXTS

    name, _, text = (word.strip() for word in part.partition("="))
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return f"{name}={json.dumps(text)}" if name in TEXTS and text and not is_quoted else part


def new_resolver(name: str) -> None:
    """Forget a resolver of the configuration, so that the next loader's takes its place.

    Resolvers are global, and Kedro 1.7 keeps one of the same name: that of an earlier session in this process.
    """
    from omegaconf import OmegaConf

    OmegaConf.clear_resolver(name)


def hook_manager_of(package: str | None, *more: Any) -> Any:
    """Kedro's hooks of a project in this process, as its parallel runner makes them; those of `more` come first.

    A hook manager of Kedro 1.7 cannot be sent to another process, and nothing public makes one.
    """
    from kedro.framework import project
    from kedro.framework.hooks.manager import (
        _create_hook_manager,
        _register_hooks,
        _register_hooks_entry_points,
    )

    manager = _create_hook_manager()
    for hooks in more:
        manager.register(hooks)
    if package is not None:
        configure_once(package)
        _register_hooks(manager, project.settings.HOOKS)
        _register_hooks_entry_points(manager, project.settings.DISABLE_HOOKS_FOR_PLUGINS)
    return manager


def configure_once(package: str) -> None:
    """Make the project known to Kedro in this process. Doing it again would import its settings anew."""
    from kedro.framework import project

    if package != project.PACKAGE_NAME:
        project.configure_project(package)


def changed_node(node: Node, kind: type[Node], preview: Callable[[], Any]) -> Node:
    """A copy of a node as another class, with a preview. Kedro 1.7 copies nodes with its private `_copy` alone."""
    return kind(
        node.func,
        node._inputs,
        node._outputs,
        name=node._name,
        tags=node.tags,
        namespace=node.namespace,
        preview_fn=preview,
    )


def text_preview(text: str) -> Any:
    """A text as Kedro-Viz shows it beside a node."""
    from kedro.pipeline.preview_contract import TextPreview

    return TextPreview(content=text)


# Kedro-Viz ------------------------------------------------------------------------------------------


def load_project(
    project: Path, env: str | None, params: Mapping[str, Any]
) -> tuple[Any, Mapping[str, Pipeline], Any]:
    """The catalog and the pipelines of a project as Kedro-Viz reads them, and what else it keeps of them."""
    from kedro_viz.integrations.kedro.data_loader import load_data

    return load_data(project, env, extra_params=dict(params))


def show_in_viz(catalog: Any, pipelines: Mapping[str, Pipeline], extras: Any) -> None:
    """Hand pipelines to Kedro-Viz, which keeps them for the process. Its own function also loads the project."""
    from kedro_viz.data_access import data_access_manager
    from kedro_viz.server import populate_data

    populate_data(data_access_manager, catalog, pipelines, extras)


def order_layers(key: Callable[[str], Any]) -> None:
    """Sort the layers of a graph by a key, where no dataset ties one to another.

    Kedro-Viz 12.5 takes the alphabet; where layers depend on each other in a circle it shows none, which stays.
    """
    from kedro_viz.services import layers

    if not isinstance(layers.sort_layers, partial):
        layers.sort_layers = partial(_sorted, layers.sort_layers)
    layers.sort_layers.keywords["key"] = key


def _sorted(sort_layers: Callable[..., list[str]], *graph: Any, key: Callable[[str], Any]) -> list[str]:
    return sorted(sort_layers(*graph), key=key)


def change_node_answers(change: Callable[[Any, list[str]], Any]) -> None:
    """Change what Kedro-Viz tells of a node or dataset before it is sent.

    The command beside a box is wrong in Kedro-Viz 12.5 for every pipeline but the default one.

    Args:
        change: called with the answer and the names of the pipelines that have the node; returns the answer.
    """
    responses, router, save = _responses()
    if not isinstance(router.get_node_metadata_response, partial):
        answer = partial(_changed, responses.nodes.get_node_metadata_response, change)
        router.get_node_metadata_response = save.get_node_metadata_response = answer


def _changed(answer: Callable[[str], Any], change: Callable[[Any, list[str]], Any], node_id: str) -> Any:
    from kedro_viz.data_access import data_access_manager

    found = answer(node_id)
    known = data_access_manager.nodes.get_node_by_id(node_id)
    return change(found, sorted(known.pipelines)) if known else found


def answer_run_status(events: Callable[[], list[dict[str, Any]]]) -> None:
    """Let the Workflow view of Kedro-Viz show a run of which these are the events.

    Kedro-Viz 12.5 notes a run in the project's folder, and only one of the default pipeline on one process; its hook
    is switched off in the settings.

    Args:
        events: asked at every look, the order of the run; see `run_event` and `dataset_event`.
    """
    responses, router, save = _responses()

    def answer() -> Any:
        return responses.run_events.transform_events_to_structured_format(events())

    router.get_run_status_response = save.get_run_status_response = answer


def node_event(node: Node, seconds: float) -> dict[str, Any]:
    """A finished node, as Kedro-Viz notes it."""
    from kedro_viz.utils import _hash

    return {"event": "after_node_run", "node": node.name, "node_id": _hash(str(node)), "duration": seconds}


def failed_node_event(node: Node, error: str) -> dict[str, Any]:
    """A node that ended its run, as Kedro-Viz notes it."""
    return node_event(node, 0.0) | {"event": "on_node_error", "error": error}


def dataset_event(name: str, n_bytes: int) -> dict[str, Any]:
    """A dataset that a run wrote, as Kedro-Viz notes it."""
    from kedro_viz.utils import _hash_input_output

    node_id = _hash_input_output(name)
    return {"event": "after_dataset_saved", "dataset": name, "node_id": node_id, "size": n_bytes}


def _responses() -> tuple[Any, Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Kedro-Viz' use of FastAPI is its own affair
        from kedro_viz.api.rest import responses, router
        from kedro_viz.api.rest.responses import nodes, run_events, save_responses  # noqa: F401
    return responses, router, save_responses


def viz_version() -> str:
    """The version of Kedro-Viz."""
    from kedro_viz import __version__

    return str(__version__)


def viz_app(project: Path, answers: Mapping[str, Callable[..., Any]]) -> "FastAPI":
    """Kedro-Viz' application with some paths answered otherwise; its own page and version come from the network."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from kedro_viz.api.apps import create_api_app_from_project

    app = create_api_app_from_project(project)
    for path, answer in answers.items():
        app.get(path, include_in_schema=False)(answer)
    # The first route that fits answers, so ours go before those that ask the network.
    routes = app.router.routes
    routes[:] = [*routes[-len(answers) :], *routes[: -len(answers)]]
    return app


def viz_html() -> Path:
    """Where the installed Kedro-Viz keeps its page and scripts."""
    import kedro_viz

    return Path(kedro_viz.__file__).parent / "html"


_REMOTE_LINK = re.compile(r"<link[^>]*https?://[^>]*>\s*")


def viz_page() -> str:
    """Kedro-Viz' `index.html` without links to other machines; that of 12.5 loads a font from Google."""
    return _REMOTE_LINK.sub("", (viz_html() / "index.html").read_text(encoding="utf-8"))


def write_viz_answers(folder: Path, with_previews: bool) -> None:
    """Write what Kedro-Viz' server would answer as files, for a site without one.

    Kedro-Viz 12.5 leaves out two of them, and one of its scripts asks the server's root, where a site in a folder has
    nothing.
    """
    import json
    import shutil

    import fsspec
    from fastapi.encoders import jsonable_encoder

    _, _, save = _responses()
    from kedro_viz.api.rest.responses.metadata import get_metadata_response

    save.save_api_responses_to_fs(str(folder), fsspec.filesystem("file"), with_previews)
    shutil.copytree(viz_html() / "assets", folder / "assets")
    shutil.copy(viz_html() / "favicon.ico", folder)
    for script in (folder / "assets").glob("index-*.js"):
        text = script.read_text(encoding="utf-8")
        script.write_text(text.replace('fetch("/api/', 'fetch("./api/'), encoding="utf-8")
    known = get_metadata_response()
    names = ("has_missing_dependencies", "package_compatibilities")
    left_out = {
        "deploy-viz-metadata": {"timestamp": "", "version": viz_version()},
        "metadata": {name: jsonable_encoder(getattr(known, name)) for name in names},
    }
    for name, answer in left_out.items():
        (folder / "api" / name).write_text(json.dumps(answer), encoding="utf-8")
