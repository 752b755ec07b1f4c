"""What a person may mistype in `kedro run`, told in words before anything starts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vernal.commands.command_line import find_project
from vernal.problems import InputError, suggest
from vernal.safe_yaml import read_yaml


def check_run(options: Mapping[str, Any]) -> None:
    """Compare what was typed with what there is.

    Raises:
        InputError: an environment, parameter, runner, pipeline, node, tag or dataset that there is not.
    """
    conf = Path(options.get("conf_source") or find_project() / "conf")
    if conf.is_dir():  # Kedro also reads archives and addresses; those it checks itself
        _check_environment(conf, options.get("env"))
        _check_parameters(conf, options.get("env"), options.get("params") or {})
    _check_runner(options.get("runner"))
    _check_selection(options)


def parameter_words(kedros: str) -> str:
    """Kedro's message about parameters that cannot be, without the names of this project's classes."""
    words = kedros.replace("Parameter validation failed:", "Wrong parameters:")
    words = re.sub(r"Parameter '([^']+)': Failed to instantiate \w+ for parameter '\1': ", r"\1: ", words)
    return re.sub(
        r"\w+\.__init__\(\) got an unexpected keyword argument '(\w+)'", r"there is no setting '\1'", words
    )


def _check_environment(conf: Path, env: str | None) -> None:
    if env is not None and not (conf / env).is_dir():
        known = [path.name for path in conf.iterdir() if path.is_dir()]
        raise InputError(f"There is no environment {env!r} in {conf}; {suggest(env, known)}")


def _check_parameters(conf: Path, env: str | None, params: Mapping[str, Any]) -> None:
    known: set[str] = set()
    for folder in ("base", env or "local"):
        for file in sorted((conf / folder).rglob("parameters*.yml")):
            content = read_yaml(file)
            known.update(content if isinstance(content, Mapping) else ())
    for name in sorted(map(str, params)):
        if name not in known:
            raise InputError(f"There is no parameter {name!r}; {suggest(name, known)}")


def _check_runner(runner: str | None) -> None:
    from kedro.utils import load_obj

    try:
        load_obj(runner or "SequentialRunner", "kedro.runner")
    except (AttributeError, ImportError, ValueError) as error:
        raise InputError(f"There is no runner {runner!r} ({error}).") from error


def _check_selection(options: Mapping[str, Any]) -> None:
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


def _given(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return tuple(values) if values else None
