"""What a person did that cannot work, said once and in full.

Bad input is collected first and reported together: `Problems` gathers every problem of a kind with a
count and examples, and raises one `InputError` before any long work starts.
"""

import math
import re
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from typing import TypeGuard

from vernal.common.formatting import MOST_EXAMPLES, count, examples


class InputError(ValueError):
    """Input that a person can mend. The message says what was found, where, and what to do.

    `whole`: the message with every case, where it shows a few of many; else empty.
    """

    whole = ""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the message alone. IPython looks for a method of this name."""
        return [f"{type(self).__name__}: {self}"]


def mistake_in(error: BaseException | None) -> InputError | None:
    """The user's mistake that an error is, or that caused it; None where there is none.

    Kedro wraps what a dataset raises in an error of its own, which begins with the dataset's signature.
    """
    while error is not None and not isinstance(error, InputError):
        error = error.__cause__
    return error


class Problems:
    """Collects problems by kind and raises them as one `InputError`.

    >>> problems = Problems("manifest.csv")
    >>> problems.add("unknown quality", ["row 3: 'hihg'", "row 9: 'meduim'"], "Use high, medium or low.")
    >>> problems.raise_if_any()
    Traceback (most recent call last):
    ...
    vernal.common.problems.InputError: manifest.csv: 1 problem
    - unknown quality (2): row 3: 'hihg'; row 9: 'meduim'. Use high, medium or low.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.found: list[str] = []
        self.whole: list[str] = []
        self.is_cut = False

    def add(self, kind: str, cases: Iterable[str], remedy: str) -> None:
        """Note every case of one kind; no cases, no problem."""
        listed = list(cases)
        if not listed:
            return
        self.is_cut |= len(listed) > MOST_EXAMPLES
        self.found.append(f"- {kind} ({len(listed):,}): {examples(listed)}. {remedy}")
        self.whole.append(
            f"- {kind} ({len(listed):,}). {remedy}\n" + "\n".join(f"    {case}" for case in listed)
        )

    def raise_if_any(self) -> None:
        """Raise all that was found, as one message.

        Raises:
            InputError: something was found.
        """
        if self.found:
            head = f"{self.where}: {count(len(self.found), 'problem')}\n"
            error = InputError(head + "\n".join(self.found))
            if self.is_cut:
                error.whole = head + "\n".join(self.whole)
            raise error


def on_one_line(error: InputError) -> str:
    """A message as one case of another, without counting its kinds.

    >>> on_one_line(InputError("line 2: 1 problem\\n- no label (1): ''. Name it."))
    "line 2: no label (1): ''. Name it"
    """
    head, *kinds = str(error).split("\n- ")
    where = re.sub(r": \d+ problems?$", ": ", head) if kinds else head
    return (where + " ".join(kinds)).removesuffix(".")


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a setting is a finite number, as large as they get; true and false are none.

    >>> is_number(0.5), is_number("0.5"), is_number(True), is_number(float("inf")), is_number(10**400)
    (True, False, False, False, False)
    """
    if is_whole(value):
        return abs(value) <= sys.float_info.max
    return isinstance(value, float) and math.isfinite(value)


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a setting is a whole number; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def shown(value: object) -> str:
    """A value as it is quoted in messages: short, and safe to print."""
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= 80 else text[:77] + "..."


def suggest(name: str, known: Iterable[str]) -> str:
    """Name the nearest known spelling, or list what is known, the first five.

    >>> suggest("meduim", ["high", "medium", "low"])
    "did you mean 'medium'?"
    """
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return "known: " + examples(names, ", ")
