"""The sentences of reports: their words stand in `templates/sentences`, one file a section, one block a sentence.

Those files are for people who do not program as well: whatever stands outside of braces may be rewritten. Python says
what is the case, and hands in the facts.
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from vernal.common import formatting
from vernal.evaluation.stage_results import SPLIT_NAMES

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


def split_name(split: str) -> str:
    """A split in words; one that has none keeps its name.

    >>> split_name("test_ood"), split_name("sealed")
    ('new site (test)', 'sealed')
    """
    return SPLIT_NAMES.get(split, split)


def on_split(split: str) -> str:
    """Where something was measured, within a sentence.

    >>> on_split("test_ood"), on_split("val"), on_split("sealed")
    ('at a new site (test)', 'on validation', 'on sealed')
    """
    places = {"test_iid": "at the same sites (test)", "test_ood": "at a new site (test)"}
    return places.get(split, f"on {split_name(split)}")


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
