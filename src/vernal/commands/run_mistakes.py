"""What a person may mistype in `kedro run`, told in words before anything starts."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vernal.commands.command_line import find_project
from vernal.commands.parameter_mistakes import check_names, check_values
from vernal.common.problems import InputError, suggest
from vernal.framework.config import VernalConfigLoader
from vernal.settings import CONFIG_LOADER_ARGS

if TYPE_CHECKING:
    from kedro.pipeline import Pipeline


def check_run(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Compare what was typed with what there is.

    Returns:
        All parameters as the run will have them; none where only Kedro can read them (an archive or an address).
    Raises:
        InputError: an environment, parameter, runner, pipeline, node, tag or dataset that there is not, or a
            parameter's value that cannot be.
    """
    conf = Path(options.get("conf_source") or find_project() / "conf")
    env, params = options.get("env"), options.get("params") or {}
    is_folder = conf.is_dir()  # Kedro also reads archives and addresses; those it checks itself
    if is_folder:
        check_settings(conf, env, params)
    _check_runner(options.get("runner"))
    if options.get("is_async") or (options.get("runner_params") or {}).get("is_async"):
        raise InputError(
            "Nodes that hand over their results piece by piece cannot be run with --async (is_async). Leave it away; "
            "workers=... says how many processes work at once."
        )
    chosen = _check_selection(options)
    parameters = _parameters(conf, env, params) if is_folder else {}
    if is_folder:
        check_values(parameters, _kinds(chosen))
    return parameters


def _parameters(conf: Path, env: str | None, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """All parameters as the run will have them."""
    loader = VernalConfigLoader(str(conf), env=env, runtime_params=dict(params), **CONFIG_LOADER_ARGS)
    return loader["parameters"]


def _kinds(pipeline: "Pipeline") -> dict[str, Any]:
    """The dataclass of each group of parameters that a pipeline takes, as Kedro finds them."""
    from kedro.validation.type_extractor import TypeExtractor

    from vernal.proof.tracking import TrackingOptions

    # Read when a run ends, and no node's.
    return {**TypeExtractor({"": pipeline}).extract_types_from_pipelines(), "tracking": TrackingOptions}


def check_settings(conf: Path, env: str | None, params: Mapping[str, Any]) -> None:
    """Compare an environment and parameters with those in a folder of configuration.

    Raises:
        InputError: one that there is not.
    """
    _check_environment(conf, env)
    check_names(conf, env or "local", params)


def _check_environment(conf: Path, env: str | None) -> None:
    if env is not None and not (conf / env).is_dir():
        known = [path.name for path in conf.iterdir() if path.is_dir()]
        raise InputError(f"There is no environment {env!r} in {conf}; {suggest(env, known)}")


def _check_runner(runner: str | None) -> None:
    from kedro.utils import load_obj

    try:
        load_obj(runner or "SequentialRunner", "kedro.runner")
    except (AttributeError, ImportError, ValueError) as error:
        raise InputError(f"There is no runner {runner!r} ({error}).") from error


def _check_selection(options: Mapping[str, Any]) -> "Pipeline":
    from kedro.framework.project import pipelines
    from kedro.pipeline import Pipeline

    names = list(options.get("pipelines") or ["__default__"])
    for name in names:
        if name not in pipelines:
            raise InputError(f"There is no pipeline {name!r}; {suggest(name, pipelines)}")
    chosen = sum((pipelines[name] for name in names), Pipeline([]))
    try:
        # The same selection that Kedro makes a moment later; what it cannot find ends in a traceback there.
        chosen.filter(
            tags=_given(options.get("tags")),
            from_nodes=_given(options.get("from_nodes")),
            to_nodes=_given(options.get("to_nodes")),
            node_names=_given(options.get("node_names")),
            from_inputs=_given(options.get("from_inputs")),
            to_outputs=_given(options.get("to_outputs")),
            node_namespaces=_given(options.get("namespaces")),
        )
    except ValueError as error:
        raise InputError(
            f"{', '.join(names)}: {error} `kedro registry describe {names[0]}` lists them."
        ) from error
    return chosen


def _given(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return tuple(values) if values else None
