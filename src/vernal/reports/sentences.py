"""The sentences of reports: their words stand in `templates/sentences`, one file a section, one block a sentence.

Those files are for people who do not program as well: whatever stands outside of braces may be rewritten. Python says
what is the case, and hands in the facts.
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from vernal.clips.manifest import on_split, split_name
from vernal.common import formatting

if TYPE_CHECKING:
    from jinja2 import Environment


def sentence(name: str, **facts: Any) -> str:
    """A sentence on one line, filled with facts.

    Args:
        name: file and block, as in `answer.night`.
        facts: what the block names; a fact that is not given is an error.
    """
    place, _, block = name.partition(".")
    template = _environment().get_template(f"{place}.j2")
    text = "".join(template.blocks[block](template.new_context(facts)))
    # Spaces alone: one that does not break holds a number and its unit together.
    text = re.sub(r"[ \n]+", " ", text).strip()
    return re.sub(r" (?=[.,;:]( |$))", "", text)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Nothing is escaped here: a sentence is text, and a page escapes all text.
    found = Environment(
        loader=PackageLoader("vernal.reports", "templates/sentences"), undefined=StrictUndefined
    )
    names = ("share", "percent", "amount", "minutes", "count", "listed")
    found.filters |= {name: getattr(formatting, name) for name in names} | {
        "number": "{:,.0f}".format,
        "split_name": split_name,
        "on_split": on_split,
    }
    found.globals |= {"between": formatting.between}
    found.tests |= {"known": math.isfinite}
    return found
