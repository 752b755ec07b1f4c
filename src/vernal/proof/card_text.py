"""What the cards share: how they are written, and the words for places and dates."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from vernal.common.formatting import count, percent
from vernal.proof.markdown import table, text

NOT_GIVEN = "not given"
DEMO = "> **Demo season.** The recordings are synthetic. Nothing here says anything about the real world."
_NAMED = 12


def card(blocks: Iterable[str]) -> str:
    """Blocks as one page; empty ones are left out."""
    return "\n\n".join(block for block in blocks if block) + "\n"


def render(name: str, **facts: Any) -> str:
    """A card from its template, in which `plain` escapes what is no markup of its own."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("vernal.proof")
    options: dict[str, Any] = dict.fromkeys(("trim_blocks", "lstrip_blocks", "keep_trailing_newline"), True)
    environment = Environment(loader=loader, undefined=StrictUndefined, **options)
    environment.filters |= {"plain": text, "count": count, "percent": percent, "number": "{:,}".format}
    environment.globals |= {"table": table, "named": named, "dates": dates, "demo": DEMO}
    return environment.get_template(f"{name}.md.j2").render(**facts)


def named(clips: pd.DataFrame, column: str) -> str:
    """The names in a column, the first dozen of them."""
    names = sorted(clips[column].dropna().astype(str).unique())
    if not names:
        return "places that the manifest does not name" if column == "site" else NOT_GIVEN
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(text(name) for name in names[:_NAMED]) + more


def dates(clips: pd.DataFrame) -> str:
    """The first and the last date."""
    known = clips.date.dropna().astype(str)
    if known.empty:
        return "dates not given"
    return str(known.iloc[0]) if known.nunique() == 1 else f"{known.min()} to {known.max()}"
