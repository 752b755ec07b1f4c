"""The templates of the HTML pages; whatever is put into them is escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def page_templates() -> Environment:
    """A fresh environment of the package's templates, for a page to add its own filters to.

    >>> page_templates().from_string("{{ name }}").render(name="<b>")
    '&lt;b&gt;'
    """
    from jinja2 import Environment, PackageLoader

    return Environment(
        loader=PackageLoader("vernal", "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
