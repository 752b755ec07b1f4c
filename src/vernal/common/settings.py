"""Settings that check themselves: pydantic dataclasses whose errors are told in words that a person can act on.

A class of settings states the kind and the range of each value in its annotation, and in `__post_init__` what several
values must be to one another. Kedro builds it from the `params:` input of a node. Values are checked and kept as they
were given: a whole number among numbers stays whole, since digests are made of them.
"""

import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import field, fields
from functools import wraps
from itertools import zip_longest
from typing import Annotated, Any, TypeVar, Union, dataclass_transform, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, Field, PlainValidator, ValidationError, WrapValidator
from pydantic.dataclasses import dataclass, rebuild_dataclass
from pydantic.fields import FieldInfo

from vernal.common.problems import InputError, shown, suggest

T = TypeVar("T")

_CONFIG = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)
_NOUNS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}

Number = Annotated[
    float, Field(allow_inf_nan=False), WrapValidator(lambda given, check: (check(given), given)[1])
]
"""A finite number; true and false are none."""
Share = Annotated[Number, Field(ge=0, le=1, description="a share")]
"""A number from 0 to 1."""
PositiveShare = Annotated[Number, Field(gt=0, le=1, description="a share")]
"""A number above 0, up to 1."""
ShareBelowOne = Annotated[Number, Field(ge=0, lt=1, description="a share")]
"""A number from 0 to below 1."""
InnerShare = Annotated[Number, Field(gt=0, lt=1, description="a share")]
"""A number between 0 and 1, neither of the two."""
Seconds = Annotated[Number, Field(ge=0, description="seconds")]
"""A length of time, 0 or more."""
PositiveNumber = Annotated[Number, Field(gt=0)]
"""A number above 0."""
NotNegative = Annotated[Number, Field(ge=0)]
"""A number, 0 or more."""
Count = Annotated[int, Field(ge=1)]
"""A whole number, 1 or more."""
CountFromZero = Annotated[int, Field(ge=0)]
"""A whole number, 0 or more."""


class Listed(ValueError):
    """What is wrong inside a value: lines that say themselves where; for validators of groups within a group."""

    def __init__(self, lines: Iterable[str]) -> None:
        super().__init__("\n".join(lines))


def one_of(names: Collection[str]) -> Any:
    """A text that must be one of some; for `Annotated[str, one_of(names)]`."""

    def check(given: Any) -> Any:
        if isinstance(given, str) and given in names:
            return given
        near = suggest(given, names) if isinstance(given, str) else ""
        raise ValueError(near if near.startswith("did you mean") else f"give {_either(names)}")

    return PlainValidator(check)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def settings(group: str = "") -> Callable[[type[T]], type[T]]:
    """Make a class a frozen dataclass that checks its values.

    Args:
        group: where a person sets them, for messages: `mining` or `collection.clips`.

    >>> @settings("mining")
    ... class Mining:
    ...     floor: Share = 0.1
    >>> Mining(floor=3)
    Traceback (most recent call last):
    ...
    vernal.common.problems.InputError: mining.floor is 3; give a share from 0 to 1
    """

    def make(cls: type[T]) -> type[T]:
        checked: Any = dataclass(frozen=True, config=_CONFIG)(cls)
        rebuild_dataclass(checked)  # a name that its annotations do not find is told now
        build = checked.__init__

        @wraps(build)
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            try:
                build(self, *args, **kwargs)
            except ValidationError as error:
                raise InputError("\n".join(_lines(checked, error, group))) from None

        checked.__init__, checked._build = __init__, build
        return checked

    return make


def problems_in(kind: type, given: Any, group: str) -> list[str]:
    """What is wrong with values for a class of settings, a line each; no lines when they can be used.

    Args:
        group: where the person set them.
    """
    if not isinstance(given, Mapping):
        return [f"{group} is {shown(given)}; give settings as name: value"]
    try:
        kind._build(object.__new__(kind), **given)  # type: ignore[attr-defined]
    except ValidationError as error:
        return _lines(kind, error, group)
    return []


def _lines(kind: Any, error: ValidationError, group: str) -> list[str]:
    """One line for each value that pydantic refused, in the order of its errors."""
    names = [one.name for one in fields(kind)]
    hints = get_type_hints(kind, include_extras=True)
    lines: dict[Any, list[str]] = {}
    for one in error.errors(include_url=False):
        text = str(one["ctx"]["error"]) if one["type"] == "value_error" else ""
        if not one["loc"]:
            lines[text] = [
                f"{group}: {line}" if group else line for line in (text or one["msg"]).splitlines()
            ]
            continue
        at, *deeper = one["loc"]
        if isinstance(one.get("ctx", {}).get("error"), Listed):
            lines[text] = [text]
            continue
        name = names[at] if isinstance(at, int) else at
        where = f"{group}.{name}" if group else str(name)
        if one["type"] == "unexpected_keyword_argument":
            lines.setdefault(where, [f"There is no {where} ({suggest(str(name), names)})"])
            continue
        path, hint = _follow(hints[str(name)], deeper)
        where = ".".join([where, *path])
        is_missing = one["type"].startswith("missing")
        found = "missing" if is_missing else shown(one["input"])
        # Of the kinds that a value may have, pydantic tells each one; the first has all the words.
        lines.setdefault((where, found), [f"{where} is {found}; {text or f'give {_expected(hint)}'}"])
    return [line for told in lines.values() for line in told]


def _follow(hint: Any, deeper: Sequence[Any]) -> tuple[list[str], Any]:
    """The names below a setting on the way to an error, and the annotation there. Places in lists have no name, and a
    name that is itself wrong is told as the value."""
    path = []
    for part, after in zip_longest(deeper, deeper[1:]):
        outer, args = _plain(hint)
        inner = get_args(outer)
        if len(args) > 1 or not inner or part == "[key]":
            break
        is_named = after != "[key]" and issubclass(get_origin(outer) or outer, Mapping)
        path += [str(part)] if is_named else []
        hint = inner[-1] if is_named else inner[0]
    return path, hint


def _plain(hint: Any) -> tuple[Any, list[Any]]:
    """An annotation without its notes and without None, and all that it may be."""
    kinds = [kind for kind in _kinds(hint) if kind is not types.NoneType]
    return kinds[0] if kinds else Any, kinds


def _kinds(hint: Any) -> list[Any]:
    if get_origin(hint) is Annotated:
        return _kinds(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return [kind for one in get_args(hint) for kind in _kinds(one)]
    return [hint]


def _expected(hint: Any) -> str:
    """What an annotation allows, in words.

    >>> _expected(Annotated[int, Field(ge=1)]), _expected(Annotated[Number, Field(gt=0, le=1)] | None)
    ('a whole number, 1 or more', 'a number above 0, up to 1, or nothing')
    """
    if get_origin(hint) is Annotated:
        kind, *notes = get_args(hint)
        noun = ""
        limits: dict[str, float] = {}
        for note in notes:
            if isinstance(note, FieldInfo):
                noun = note.description or noun
                limits |= {
                    name: value
                    for one in note.metadata
                    for name in ("ge", "gt", "le", "lt")
                    if (value := getattr(one, name, None)) is not None
                }
        return (noun or _expected(kind)) + _between(limits)
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [_expected(one) for one in get_args(hint) if one is not types.NoneType]
        is_optional = types.NoneType in get_args(hint)
        return " or ".join(kinds) + (", or nothing" if is_optional else "")
    outer = get_origin(hint) or hint
    if outer in _NOUNS or not isinstance(outer, type):
        return _NOUNS.get(outer, "another value")
    if issubclass(outer, Mapping):
        return "names with values"
    return "a list" if issubclass(outer, Collection) else "another value"


def _between(limits: Mapping[str, float]) -> str:
    low, high = (
        next((limits[key] for key in keys if key in limits), None) for keys in (("ge", "gt"), ("le", "lt"))
    )
    if low is None:
        return "" if high is None else f" {'up to' if 'le' in limits else 'below'} {high}"
    if high is None:
        return f", {low} or more" if "ge" in limits else f" above {low}"
    if "gt" in limits:
        return f" above {low}, up to {high}" if "le" in limits else f" between {low} and {high}"
    return f" from {low} to {'below ' if 'lt' in limits else ''}{high}"


def _either(names: Iterable[str]) -> str:
    """Names of which one is to be given: `a, b or c`."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def find_setting(parameters: Mapping[str, Any], name: str) -> Any:
    """The value of a parameter, dots naming the way down; None where it is absent.

    >>> find_setting({"source": {"field": "night"}}, "source.field")
    'night'
    """
    value: Any = parameters
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
