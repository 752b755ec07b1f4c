"""The templates of the HTML pages; whatever is put into them is escaped."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2 import Environment

REPORTS = "vernal.reports"


def page_templates(package: str = REPORTS) -> "Environment":
    """A fresh environment for a page to add its own filters to.

    Args:
        package: whose `templates` folder is looked in first; then that of `vernal.reports`.

    >>> page_templates().from_string("{{ name }}").render(name="<b>")
    '&lt;b&gt;'
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader

    found = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in dict.fromkeys((package, REPORTS))]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = Markup(page_script())  # our own
    found.globals |= {"page_script": script, "page_script_hash": page_script_hash()}
    return found


@cache
def page_script() -> str:
    """The one script of a report page, which sorts and filters its tables; its policy lets no other run."""
    return files(REPORTS).joinpath("templates", "page.js").read_text(encoding="utf-8")


def page_script_hash() -> str:
    """The script's checksum, as a policy names it."""
    return f"sha256-{b64encode(sha256(page_script().encode()).digest()).decode()}"
