"""Docstrings on the site: a doctest is code there, whether or not it stands under a heading."""

from __future__ import annotations

import re
from typing import Any

import griffe

_DOCTEST = re.compile(r"(?:^|\n\n)(>>> .*)\Z", re.DOTALL)


def with_examples(text: str) -> str:
    """A docstring whose closing doctest stands in a section of its own, as Google's style has it.

    >>> with_examples("Adds.\\n\\n>>> 1 + 1\\n2")
    'Adds.\\n\\nExamples:\\n    >>> 1 + 1\\n    2'
    """

    def section(match: re.Match[str]) -> str:
        return "\n\nExamples:\n" + "\n".join(f"    {line}".rstrip() for line in match[1].splitlines())

    return _DOCTEST.sub(section, text)


class DoctestsAsExamples(griffe.Extension):
    """Puts the doctest at the end of every docstring where mkdocstrings looks for examples."""

    def on_object(self, *, obj: Any, **kwargs: Any) -> None:
        """Change the docstring before it is parsed."""
        if getattr(obj, "docstring", None):
            obj.docstring.value = with_examples(obj.docstring.value)
