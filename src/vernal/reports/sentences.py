"""The sentences of reports: their words stand in `templates/sentences`, one file a section, one block a sentence.

Those files are for people who do not program as well: whatever stands outside of braces may be rewritten. Python says
what is the case, and hands in the facts.
"""

import math
import re
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from vernal.clips.manifest import on_split, split_name
from vernal.common import formatting
from vernal.reports.page_templates import REPORTS

if TYPE_CHECKING:
    from jinja2 import Environment


def sentences_of(package: str) -> Callable[..., str]:
    """What says the sentences of a package by name, as `sentence` says those of reports.

    Args:
        package: whose `templates/sentences` folder has them.
    """
    return partial(_say, package)


def sentence(name: str, **facts: Any) -> str:
    """A sentence on one line, filled with facts.

    Args:
        name: file and block, as in `answer.night`.
        facts: what the block names; a fact that is not given is an error.
    """
    return _say(REPORTS, name, **facts)


def _say(package: str, name: str, **facts: Any) -> str:
    place, _, block = name.partition(".")
    template = environment_of(package).get_template(f"{place}.j2")
    text = "".join(template.blocks[block](template.new_context(facts)))
    # Spaces alone: one that does not break holds a number and its unit together.
    text = re.sub(r"[ \n]+", " ", text).strip()
    return re.sub(r" (?=[.,;:]( |$))", "", text)


@cache
def environment_of(package: str) -> "Environment":
    """The templates of a package's sentences."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Nothing is escaped here: a sentence is text, and a page escapes all text.
    found = Environment(loader=PackageLoader(package, "templates/sentences"), undefined=StrictUndefined)
    names = ("share", "percent", "amount", "hours", "minutes", "count", "listed")
    found.filters |= {name: getattr(formatting, name) for name in names} | {
        "number": "{:,.0f}".format,
        "split_name": split_name,
        "on_split": on_split,
    }
    found.globals |= {"between": formatting.between}
    found.tests |= {"known": math.isfinite}
    return found
