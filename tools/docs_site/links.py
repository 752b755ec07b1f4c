"""Links of a folder of HTML pages, followed inside it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {
    ("script", "src"),
    ("img", "src"),
    ("iframe", "src"),
    ("link", "href"),
    ("source", "src"),
    ("audio", "src"),
}
# A link element that a browser does not load.
_TOLD = {"canonical", "alternate", "next", "prev", "edit"}


@dataclass
class Page(HTMLParser):
    """What one page names: its anchors, its links, and what it loads."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors.update(filter(None, (values.get("id"), values.get("name"))))
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        is_told = tag == "link" and _TOLD.intersection(values.get("rel", "").split())
        self.loads += [values[name] for of, name in _LOADED if of == tag and values.get(name) and not is_told]


def read_page(file: Path) -> Page:
    """Parse a page."""
    page = Page()
    page.feed(file.read_text(encoding="utf-8"))
    return page


def broken_links(site: Path, skip: Collection[str] = ()) -> tuple[list[str], list[str]]:
    """Links that lead nowhere, and things loaded from other machines.

    Args:
        site: the built site.
        skip: folders in it whose pages are not read; links to them are followed.
    Returns:
        `page: link` of each kind, by page.
    """
    parsed = cache(read_page)
    dead, foreign = [], []
    for file in sorted(site.rglob("*.html")):
        name = file.relative_to(site)
        # Links of the page for addresses that do not exist start from the server's root.
        if name.parts[0] in skip or name.name == "404.html":
            continue
        page = parsed(file)
        foreign += [f"{name}: {url}" for url in page.loads if _is_foreign(url)]
        for url in [*page.links, *page.loads]:
            if urlsplit(url).scheme or url.startswith("//"):
                continue
            target = _target(file, url)
            fragment = unquote(urlsplit(url).fragment)
            is_dead = not target.is_file() or (
                fragment and target.suffix == ".html" and fragment not in parsed(target).anchors
            )
            if is_dead:
                dead.append(f"{name}: {url}")
    return dead, foreign


def _target(file: Path, url: str) -> Path:
    path = unquote(urlsplit(url).path)
    target = (file.parent / path).resolve() if path else file
    return target / "index.html" if target.is_dir() else target


def _is_foreign(url: str) -> bool:
    return url.startswith("//") or urlsplit(url).scheme in ("http", "https")
