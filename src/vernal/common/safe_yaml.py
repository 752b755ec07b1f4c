"""YAML that somebody else wrote, read without trusting it.

Specs, point files and cards are typed by people and passed around. What is read here is plain data of
bounded size: mappings, lists, text, numbers, booleans, dates. Size, nesting and what aliases expand to
are measured before anything is built, so a few bytes cannot ask for gigabytes.
"""

from pathlib import Path
from typing import Any

import yaml

from vernal.common.problems import InputError
from vernal.common.storage import as_path

try:
    from yaml import CBaseLoader as TextLoader
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # PyYAML built without libyaml: the same result, ten times slower
    from yaml import BaseLoader as TextLoader  # type: ignore[assignment]
    from yaml import SafeLoader  # type: ignore[assignment]

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
MAX_NODES = 50_000
_PLAIN_TAGS = {
    f"tag:yaml.org,2002:{kind}"
    for kind in ("str", "int", "float", "bool", "null", "seq", "map", "merge", "timestamp")
}


def read_yaml(path: Path | str, max_bytes: int = MAX_BYTES, as_text: bool = False) -> Any:
    """The content of one YAML file, as plain data; None when it is empty.

    Args:
        as_text: leave every value as the text that it is written as.

    Raises:
        InputError: the file is missing, too large, or not plain YAML.
    """
    path = as_path(path)
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise InputError(
            f"{path.as_posix()} cannot be read ({error.strerror}); check the path and its permissions."
        ) from error
    return parse_yaml(content, path.as_posix(), max_bytes, as_text)


def parse_yaml(
    content: bytes | str, where: str = "this text", max_bytes: int = MAX_BYTES, as_text: bool = False
) -> Any:
    """Plain data from YAML text; `where` names it in messages, and `as_text` is that of `read_yaml`.

    Raises:
        InputError: too large, too deep, expanding to too much, tagged, a key given twice, or not YAML.

    >>> parse_yaml("dropout: [0, 0.25]")
    {'dropout': [0, 0.25]}
    >>> parse_yaml("site: 007", as_text=True)
    {'site': '007'}
    """
    if len(content) > max_bytes:
        raise InputError(f"{where} is larger than {max_bytes:,} bytes, the limit for such a file.")
    try:
        _check_depth(content, where)
        loader = (TextLoader if as_text else SafeLoader)(content)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _Measure(where).measure(node)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except InputError:
        raise
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # ValueError: numbers and dates that YAML's grammar allows and Python does not (2025-13-45).
        raise InputError(f"{where} is not valid YAML: {_in_words(error)[:300]}. Mend it there.") from error


def _in_words(error: Exception) -> str:
    if not isinstance(error, yaml.MarkedYAMLError):
        return " ".join(str(error).split())
    words = ", ".join(filter(None, [error.context, error.problem]))
    mark = error.problem_mark
    return f"{words} (line {mark.line + 1}, column {mark.column + 1})" if mark else words


def _check_depth(content: bytes | str, where: str) -> None:
    """Follow the events, which needs no stack, and stop at the first that lies too deep."""
    depth = 0
    for event in yaml.parse(content, Loader=SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise InputError(f"{where} nests more than {MAX_DEPTH} levels deep; such a file has a handful.")


class _Measure:
    """Size and height of a tree of nodes with its aliases written out, each node visited once."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.known: dict[int, tuple[int, int]] = {}
        self.open: set[int] = set()

    def measure(self, node: yaml.Node) -> tuple[int, int]:
        if id(node) in self.open:
            raise InputError(f"{self.where} has an alias that contains itself{_at(node)}; write it out.")
        if id(node) not in self.known:
            self.open.add(id(node))
            self.known[id(node)] = self._measure(node)
            self.open.discard(id(node))
        return self.known[id(node)]

    def _measure(self, node: yaml.Node) -> tuple[int, int]:
        if node.tag not in _PLAIN_TAGS:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")[:80]
            raise InputError(
                f"{self.where} uses the tag {tag!r}{_at(node)}; only text, numbers, lists and mappings "
                "are read."
            )
        children: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            self._refuse_repeated_keys(node)
            children = [child for pair in node.value for child in pair]
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        size, height = 1, 0
        for child in children:
            child_size, child_height = self.measure(child)
            size, height = size + child_size, max(height, child_height)
            if size > MAX_NODES:
                raise InputError(
                    f"{self.where} holds more than {MAX_NODES:,} values once its aliases are written out."
                )
        if height >= MAX_DEPTH:
            raise InputError(
                f"{self.where} nests more than {MAX_DEPTH} levels deep; such a file has a handful."
            )
        return size, height + 1

    def _refuse_repeated_keys(self, node: yaml.MappingNode) -> None:
        """YAML keeps the last of two equal keys without a word; a person meant one of them."""
        seen: dict[str, yaml.Node] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise InputError(f"{self.where} has a list or mapping as a key{_at(key)}; use a name.")
            if key.value in seen:
                first = seen[key.value].start_mark.line + 1
                raise InputError(
                    f"{self.where} gives {key.value[:80]!r} twice "
                    f"(lines {first} and {key.start_mark.line + 1}); keep one."
                )
            seen[key.value] = key


def _at(node: yaml.Node) -> str:
    return f" (line {node.start_mark.line + 1})"
