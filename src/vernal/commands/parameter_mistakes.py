"""What a person may mistype among the parameters, told in words before anything starts.

Kedro builds the dataclass of every `params:` input before the first node, but tells of the first surprise in Python's
words. Here names are compared with the fields of those dataclasses, in every file and in `--params`, and values with
their kinds; what the dataclasses themselves refuse is passed on as they say it.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

from vernal.common.problems import InputError, Problems, suggest
from vernal.common.safe_yaml import read_yaml

WHERE = "Correct it where you set it: conf/local/parameters.yml or --params."
_KINDS = {bool: "true or false", int: "a whole number", float: "a number"}


def check_names(conf: Path, env: str | None, params: Mapping[str, Any]) -> None:
    """Compare the names that a person gave, on the command line or in an environment's files, with those that ship.

    Only the outermost, and the groups within a group (`features.audio`); what a group holds is its dataclass's.

    Raises:
        InputError: some are unknown, all of them.
    """
    known = {name: group for _, content in _parameter_files(conf / "base") for name, group in content.items()}
    unknown = []
    files = [] if env is None else _parameter_files(conf / env)
    for where, content in [*files, ("--params", params)]:
        for name, near in _unknown(content, known):
            unknown.append(f"{name} in {where} ({suggest(name.rpartition('.')[2], near)})")
    problems = Problems("The configuration")
    problems.add("unknown parameter", unknown, "Correct the spelling.")
    problems.raise_if_any()


def _unknown(content: Mapping[str, Any], known: Mapping[str, Any]) -> Iterable[tuple[str, Iterable[str]]]:
    """Names that do not ship, each with those that do in its place."""
    for name, group in content.items():
        inner = known.get(name)
        if name not in known:
            yield str(name), known
        elif isinstance(inner, Mapping) and any(isinstance(one, Mapping) for one in inner.values()):
            given = group if isinstance(group, Mapping) else ()
            yield from ((f"{name}.{one}", inner) for one in given if one not in inner)


def _parameter_files(folder: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """A folder's parameter files by how messages call them, with what they hold."""
    files = sorted(folder.rglob("parameters*.yml"))
    read = [(file.relative_to(folder.parent.parent).as_posix(), read_yaml(file)) for file in files]
    return [(name, content) for name, content in read if isinstance(content, Mapping)]


def check_values(parameters: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
    """Compare groups of parameters with the dataclasses that nodes take them as.

    Args:
        parameters: all of them, merged.
        kinds: dataclass of each group by its name, dots naming the way down (`features.audio`).
    Raises:
        InputError: unknown names and values of another kind, all of them; or else all that the dataclasses refuse.
    """
    problems = Problems("The configuration")
    groups = {name: _at(parameters, name) for name in kinds}
    unknown: list[str] = []
    wrong = list(_wrong_plain(parameters))
    for name, kind in kinds.items():
        if not isinstance(groups[name], Mapping):
            wrong.append(f"{name} is {groups[name]!r} (settings as name: value)")
            continue
        fields = [field.name for field in dataclasses.fields(kind)]
        unknown += [
            f"{name}.{key} ({suggest(str(key), fields)})" for key in groups[name] if key not in fields
        ]
        wrong += _wrong_kinds(name, groups[name], get_type_hints(kind))
    problems.add("unknown parameter", unknown, WHERE)
    problems.add("value that is not allowed", wrong, WHERE)
    problems.raise_if_any()
    refused = [text for name, kind in kinds.items() if (text := _refusal(name, kind, groups[name]))]
    if refused:
        raise InputError("\n".join(refused))


def _at(parameters: Mapping[str, Any], name: str) -> Any:
    value: Any = parameters
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _wrong_plain(parameters: Mapping[str, Any]) -> Iterable[str]:
    """What is wrong with parameters that are in no group."""
    workers = parameters.get("workers")
    if workers is not None and not (_fits(workers, {int}) and workers >= 1):
        yield f"workers is {workers!r} (a whole number of 1 or more, or nothing)"
    if not str(parameters.get("data_root") or "").strip():
        yield "data_root is empty (a folder)"


def _wrong_kinds(group: str, values: Mapping[str, Any], hints: Mapping[str, Any]) -> Iterable[str]:
    """Numbers and switches that are none; text, lists and mappings are looked at by their dataclass."""
    for name, value in values.items():
        allowed = set(get_args(hints.get(name))) or {hints.get(name)}
        if allowed <= {*_KINDS, types.NoneType} and not _fits(value, allowed):
            words = " or ".join(text for kind, text in _KINDS.items() if kind in allowed)
            yield f"{group}.{name} is {value!r} ({words})"


def _fits(value: Any, allowed: set[Any]) -> bool:
    if value is None or isinstance(value, bool):
        return type(value) in allowed
    return isinstance(value, tuple(allowed & {int})) or (float in allowed and isinstance(value, int | float))


def _refusal(name: str, kind: Any, values: Mapping[str, Any]) -> str:
    try:
        kind(**values)
    except ValueError as error:
        return str(error) if name in str(error) else f"{name}: {error}"
    return ""
