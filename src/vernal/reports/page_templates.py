"""The templates of the HTML pages; whatever is put into them is escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

REPORTS = "vernal.reports"


def page_templates(package: str = REPORTS) -> Environment:
    """A fresh environment for a page to add its own filters to.

    Args:
        package: whose `templates` folder is looked in first; then that of `vernal.reports`.

    >>> page_templates().from_string("{{ name }}").render(name="<b>")
    '&lt;b&gt;'
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader

    return Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in dict.fromkeys((package, REPORTS))]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
