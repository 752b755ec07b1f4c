"""What a person may mistype among the parameters, told in words before anything starts.

Kedro builds the settings of every `params:` input before the first node, and each class checks its own; here they are
asked for all that is wrong at once. Names outside a group, and of groups, are compared with those that ship, in every
file and in `--params`.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vernal.common.problems import InputError, Problems, is_whole, suggest
from vernal.common.safe_yaml import read_yaml
from vernal.common.settings import find_setting, problems_in

WHERE = "Correct it where you set it: conf/local/parameters.yml or --params."


MOVED = {"detection.night_starts_hour": "nights.start_hour"}


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
    lists = [
        f"{name} in {where}"
        for where, content in [*files, ("--params", params)]
        for name in _lists_for_groups(content, known)
    ]
    problems.add("list in the place of settings", lists, "Give settings as name: value.")
    problems.add(
        "parameter that is elsewhere now", _moved([*files, ("--params", params)]), "Set that one instead."
    )
    problems.raise_if_any()


def _moved(given: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterable[str]:
    for where, content in given:
        for old, new in MOVED.items():
            group, name = old.split(".")
            if isinstance(content.get(group), Mapping) and name in content[group]:
                yield f"{old} in {where} is {new}"


def _unknown(content: Mapping[str, Any], known: Mapping[str, Any]) -> Iterable[tuple[str, Iterable[str]]]:
    """Names that do not ship, each with those that do in its place."""
    for name, group in content.items():
        inner = known.get(name)
        if name not in known:
            yield str(name), known
        elif isinstance(inner, Mapping) and any(isinstance(one, Mapping) for one in inner.values()):
            given = group if isinstance(group, Mapping) else ()
            yield from ((f"{name}.{one}", inner) for one in given if one not in inner)


def _lists_for_groups(content: Mapping[str, Any], known: Mapping[str, Any]) -> Iterable[str]:
    """Names that ship as groups and are given as lists, which cannot be merged."""
    for name, group in known.items():
        given = content.get(name)
        if isinstance(group, Mapping) and isinstance(given, list):
            yield str(name)
        elif isinstance(group, Mapping) and isinstance(given, Mapping):
            yield from (f"{name}.{inner}" for inner in _lists_for_groups(given, group))


def _parameter_files(folder: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """A folder's parameter files by how messages call them, with what they hold."""
    files = sorted(folder.rglob("parameters*.yml"))
    read = [(file.relative_to(folder.parent.parent).as_posix(), read_yaml(file)) for file in files]
    for name, content in read:
        if content is not None and not isinstance(content, Mapping):
            raise InputError(f"{name} holds no settings; write them as name: value.")
    return [(name, content) for name, content in read if content is not None]


def check_values(parameters: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
    """Compare groups of parameters with the dataclasses that nodes take them as.

    Args:
        parameters: all of them, merged.
        kinds: dataclass of each group by its name, dots naming the way down (`features.audio`).
    Raises:
        InputError: unknown names and values that cannot be, all of them.
    """
    wrong = list(_wrong_plain(parameters))
    for name, kind in kinds.items():
        wrong += problems_in(kind, find_setting(parameters, name), name)
    if wrong:
        raise InputError("\n".join([*wrong, WHERE]))


def _wrong_plain(parameters: Mapping[str, Any]) -> Iterable[str]:
    """What is wrong with parameters that are in no group."""
    workers = parameters.get("workers")
    if workers is not None and not (is_whole(workers) and workers >= 1):
        yield f"workers is {workers!r}; give a whole number, 1 or more, or nothing"
    if not str(parameters.get("data_root") or "").strip():
        yield "data_root is empty; give a folder"
