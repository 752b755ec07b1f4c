"""One setting of a sweep: what values it takes, and the one spelling of each.

A person writes `5e-4`, `0.0005` or `"0.0005"`, a subset with backslashes or without, a list in any order.
Everything that means the same becomes the same value here, or is refused with what would be allowed.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from vernal.common.problems import shown, suggest

Value = int | float | bool | str | tuple[str, ...]
Kind = Literal["integer", "number", "boolean", "choice", "name", "names", "subsets"]

# Spellings found in the study's own files, beside what they mean.
SUBSET_ALIASES = {"hardnet_conf_min_85": "hardneg_conf_min_85"}

# Sets of names stand as one text in tables; the separator and the two words cannot be names themselves.
SEPARATOR = ";"
_RESERVED = ("all", "none")


@dataclass(frozen=True)
class Setting:
    """One setting a point can have.

    `minimum` and `maximum` belong to the range, but for the one that `open_end` names; `choices` are
    the allowed words; `empty` is how an empty set of names reads in tables; `acts` tells whether the
    setting changes anything for given settings, and `effect` says the same in words; `is_later`: left out of files,
    tables and hashes where it has its default, as in those that were written before there was this setting.
    """

    name: str
    kind: Kind
    default: Any
    help: str
    minimum: float | None = None
    maximum: float | None = None
    open_end: Literal["", "minimum", "maximum"] = ""
    choices: tuple[str, ...] = ()
    unit: str = ""
    empty: str = "none"
    effect: str = "always"
    acts: Callable[[Any], bool] | None = None
    is_later: bool = False

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        if self.kind == "boolean":
            return "true or false"
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        if self.kind == "name":
            return f"a name, or nothing: {self.empty}"
        if self.kind == "subsets":
            return "a list of names of curated subsets"
        if self.kind == "names":
            return "a list of " + (", ".join(self.choices) if self.choices else "names")
        noun = "a whole number" if self.kind == "integer" else "a number"
        low, high = plain_number(self.minimum), plain_number(self.maximum)
        low = f"above {low}" if self.open_end == "minimum" else f"from {low}"
        high = f"to below {high}" if self.open_end == "maximum" else f"to {high}"
        return f"{noun} {low} {high}" + (f" {self.unit}" if self.unit else "")

    def canonical(self, raw: Any) -> Value:
        """The one spelling of a value; None means the default.

        Raises:
            ValueError: not an allowed value; the message says what is.
        """
        if hasattr(raw, "item") and not isinstance(raw, str):
            raw = raw.item()  # a value taken from a table
        if raw is None:
            return self.default
        if self.kind == "boolean":
            return self._boolean(raw)
        if self.kind == "choice":
            return self._choice(raw)
        if self.kind == "name":
            return self._name(raw) if raw != "" else ""
        if self.kind in ("names", "subsets"):
            return self._names(raw)
        return self._number(raw)

    def _boolean(self, raw: Any) -> bool:
        if isinstance(raw, str):
            raw = {"true": True, "false": False}.get(raw.strip().lower(), raw)
        if isinstance(raw, bool) or (isinstance(raw, int | float) and raw in (0, 1)):
            return bool(raw)
        raise ValueError(self.allowed)

    def _choice(self, raw: Any) -> str:
        word = raw.strip().lower().replace("-", "_") if isinstance(raw, str) else raw
        if word not in self.choices:
            hint = suggest(word, self.choices) if isinstance(raw, str) else ""
            raise ValueError(hint if hint.startswith("did you mean") else self.allowed)
        return word

    def _number(self, raw: Any) -> int | float:
        try:
            # YAML reads `5e-4` as text.
            number = raw if isinstance(raw, int) and not isinstance(raw, bool) else _as_float(raw)
            whole = int(number) if self.kind == "integer" else float(number)
        except (ValueError, OverflowError) as error:
            raise ValueError(self.allowed) from error
        assert self.minimum is not None and self.maximum is not None
        above = whole > self.minimum if self.open_end == "minimum" else whole >= self.minimum
        below = whole < self.maximum if self.open_end == "maximum" else whole <= self.maximum
        if whole != number or not (above and below):
            raise ValueError(self.allowed)
        return whole + 0  # -0.0 becomes 0.0

    def _names(self, raw: Any) -> tuple[str, ...]:
        listed = [raw] if isinstance(raw, str) else raw
        if not isinstance(listed, list | tuple | set | frozenset):
            raise ValueError(self.allowed)
        names = {self._name(item) for item in listed}
        if self.choices:
            # No filter and every choice are the same thing.
            return tuple(choice for choice in self.choices if choice in names) or self.choices
        return tuple(sorted(names))

    def _name(self, raw: Any) -> str:
        if not isinstance(raw, str):
            raise ValueError(f"{shown(raw)} is not text; put the name in quotes")
        name = raw.strip()
        if self.kind == "subsets":
            return canonical_subset(name)
        if self.choices:
            name = name.lower()
            if name not in self.choices:
                raise ValueError(suggest(name, self.choices))
        if not name or SEPARATOR in name or not name.isprintable() or len(name) > 200 or name in _RESERVED:
            raise ValueError(
                f"{shown(raw)} cannot be a name: no {SEPARATOR!r}, not empty, not 'all' or 'none'"
            )
        return name

    def as_text(self, value: Value) -> str:
        """A value as tables and people see it.

        >>> Setting("quality", "names", (), "").as_text(("high", "medium"))
        'high;medium'
        """
        if isinstance(value, tuple):
            return SEPARATOR.join(value) or self.empty
        if isinstance(value, bool):
            return str(value).lower()
        return value or self.empty if isinstance(value, str) else plain_number(value)


def canonical_subset(name: str) -> str:
    r"""The name of a curated subset, whatever folder it was written with.

    Raises:
        ValueError: not a path of plain names.

    >>> canonical_subset("AudioData\\curated\\hardNeg\\hardnet_conf_min_85")
    'hardNeg/hardneg_conf_min_85'
    """
    parts = [part for part in name.strip().replace("\\", "/").split("/") if part not in ("", ".")]
    if "curated" in parts:
        parts = parts[len(parts) - parts[::-1].index("curated") :]
    if not parts or len(name) > 300 or not all(re.fullmatch(r"[^\W_][\w.-]*", part) for part in parts):
        raise ValueError(f"{shown(name)} is not the name of a subset, such as 'bestLowQuality/small'")
    parts[-1] = SUBSET_ALIASES.get(parts[-1], parts[-1])
    return "/".join(parts)


def _as_float(raw: Any) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise ValueError(raw)
    number = float(raw)
    if not math.isfinite(number):
        raise ValueError(raw)
    return number


def plain_number(number: Any) -> str:
    return str(int(number)) if isinstance(number, float) and number.is_integer() else str(number)
