"""The public status page as files: pages, feeds, JSON, style and scripts, the same served and published.

What is on it is decided in `domain/status_page/`; how links are written is `status_addresses.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from markupsafe import Markup

from domain.status_page.incidents import PublicIncident
from domain.status_page.page import StatusPageModel
from templates import status_v2
from templates.filters import lasted
from templates.markdown import public_html, public_text
from templates.renderer import Renderer
from templates.status_addresses import INDEX, STATIC, Addresses
from templates.status_feeds import Feeds
from templates.status_history import Month, blocks, months, recent
from templates.status_words import bars, days_said, from_to, stamp

FOLDER = Path(__file__).parent / "status_page"
HTML, JSON = "text/html; charset=utf-8", "application/json"
ASSETS = {
    "style.css": "text/css; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "widget.js": "text/javascript; charset=utf-8",
}
SHOWN, FOLDED = 3, 30
"""Updates of an open incident on the first page: at once, and after a click; the rest is on its own page."""
KEPT = 4096
"""Texts whose HTML is kept: the same ones stand on every page that is made."""
CONTENT_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'"
)
"""Of every page: nothing foreign, nothing inline."""


class File(NamedTuple):
    """One file of the site."""

    body: bytes
    media_type: str


Make = Callable[[], File]


def build_site(
    page: StatusPageModel, renderer: Renderer, addresses: Addresses = STATIC
) -> dict[str, File]:
    """Every file of the site by its path below the site's root, such as `incidents/x.html`.

    Raises:
        TemplateFaultError: a template is broken.
    """
    return {path: make() for path, make in site_map(page, renderer, addresses).items()}


def site_map(
    page: StatusPageModel, renderer: Renderer, addresses: Addresses = STATIC
) -> Mapping[str, Make]:
    """The same, each file made only when it is asked for."""
    write = _Writer(page, renderer, addresses)
    incidents = {f"incidents/{one.id}.html": partial(write.incident, one) for one in page.incidents}
    history = {month.path: partial(write.month, month) for month in months(page)}
    feeds = Feeds(page, addresses, words, write.stamp)
    pages: dict[str, Callable[[str], str]] = {INDEX: write.index, **history, **incidents}
    found: dict[str, Make] = {path: partial(_html, make, path) for path, make in pages.items()}
    for path, document in status_v2.documents(page, addresses, public_text).items():
        found[path] = partial(_file, document, JSON)
    found["history.atom"] = partial(_file, feeds.atom, "application/atom+xml")
    found["history.rss"] = partial(_file, feeds.rss, "application/rss+xml")
    for name, media_type in ASSETS.items():
        found[name] = partial(_file, partial(asset, name), media_type)
    return found


@cache
def asset(name: str) -> bytes:
    """A file of the site that is the same everywhere."""
    return (FOLDER / name).read_bytes()


@lru_cache(KEPT)
def words(text: str) -> Markup:
    """Safe HTML of an author's Markdown."""
    return public_html(text)


class _Writer:
    """Fills in the pages of one site."""

    def __init__(self, page: StatusPageModel, renderer: Renderer, addresses: Addresses) -> None:
        self._page, self._renderer, self._addresses = page, renderer, addresses
        self._zone = ZoneInfo(page.timezone)

    def stamp(self, at: datetime) -> str:
        return stamp(at, self._zone)

    def index(self, here: str) -> str:
        context = {
            "blocks": blocks(self._page),
            "recent": recent(self._page, self._zone),
            "active": self._page.active(),
            "upcoming": self._page.upcoming(),
            "shown": SHOWN,
            "folded": FOLDED,
        }
        return self.html("index", here, **context)

    def month(self, month: Month, here: str) -> str:
        return self.html("history", here, month=month, months=months(self._page))

    def incident(self, incident: PublicIncident, here: str) -> str:
        return self.html("incident", here, incident=incident)

    def html(self, name: str, here: str, **context: Any) -> str:
        """One page.

        Args:
            here: its path, for the links in it.
        """
        common = {
            "page": self._page,
            "policy": CONTENT_POLICY,
            "link": lambda path: self._addresses.link(path, here),
            "is_served": self._addresses.is_served,
            "subscribe": self._addresses.subscribe() if self._page.subscribe else None,
            "stamp": self.stamp,
            "from_to": lambda start, end: from_to(start, end, self._zone),
            "words": words,
            "bars": bars,
            "days_said": days_said,
            "lasted": lasted,
        }
        return self._renderer.render_file(f"status_page/{name}.html.j2", common | context)


def _html(make: Callable[[str], str], path: str) -> File:
    return File(make(path).encode(), HTML)


def _file(make: Callable[[], bytes], media_type: str) -> File:
    return File(make(), media_type)
