"""The status page as Atom and RSS: one entry for each incident and each piece of planned work."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, tostring

from markupsafe import Markup

from domain.status_page.incidents import PublicIncident
from domain.status_page.maintenance import PublicMaintenance
from domain.status_page.page import StatusPageModel
from templates.filters import plain
from templates.status_addresses import INDEX, Addresses

MOST_ENTRIES = 25
ATOM = "http://www.w3.org/2005/Atom"
_NOT_XML = re.compile("[\ufffe\uffff\U0001fffe\U0001ffff]")
"""Beside the control characters, which every text loses: no XML may hold these."""


class _Entry(NamedTuple):
    id: str
    title: str
    html: Markup
    link: str
    published: datetime
    updated: datetime


class Feeds:
    """Writes both feeds of one page.

    Args:
        words: makes safe HTML of an author's Markdown.
        stamp: shows a time in the page's zone.
    """

    def __init__(
        self,
        page: StatusPageModel,
        addresses: Addresses,
        words: Callable[[str], Markup],
        stamp: Callable[[datetime], str],
    ) -> None:
        self._page, self._addresses = page, addresses
        self._words, self._stamp = words, stamp

    def atom(self) -> bytes:
        page = self._page
        feed = Element("feed", {"xmlns": ATOM, "xml:lang": "en"})
        _put(feed, "title", page.title)
        _put(feed, "id", _name(f"page/{page.id}"))
        _put(feed, "updated", _atom(page.updated_at))
        SubElement(feed, "link", {"rel": "alternate", "href": self._absolute(INDEX)})
        SubElement(feed, "link", {"rel": "self", "href": self._absolute("history.atom")})
        _put(SubElement(feed, "author"), "name", page.organisation)
        for entry in self._entries():
            item = SubElement(feed, "entry")
            _put(item, "id", _name(entry.id))
            _put(item, "title", entry.title)
            _put(item, "published", _atom(entry.published))
            _put(item, "updated", _atom(entry.updated))
            SubElement(item, "link", {"rel": "alternate", "type": "text/html", "href": entry.link})
            _put(item, "content", entry.html).set("type", "html")
        return _document(feed)

    def rss(self) -> bytes:
        page = self._page
        root = Element("rss", {"version": "2.0"})
        channel = SubElement(root, "channel")
        _put(channel, "title", page.title)
        _put(channel, "link", self._absolute(INDEX))
        _put(channel, "description", f"Incidents and planned work of {page.organisation}")
        _put(channel, "pubDate", _rss(page.updated_at))
        for entry in self._entries():
            item = SubElement(channel, "item")
            _put(item, "title", entry.title)
            _put(item, "description", entry.html)
            _put(item, "pubDate", _rss(entry.updated))
            _put(item, "link", entry.link)
            _put(item, "guid", _name(entry.id)).set("isPermaLink", "false")
        return _document(root)

    def _entries(self) -> list[_Entry]:
        works = [*self._page.upcoming(), *self._page.active()]
        found = [self._incident(one) for one in self._page.incidents[: 2 * MOST_ENTRIES]]
        found += [self._maintenance(one) for one in works]
        return sorted(found, key=lambda one: (one.updated, one.id), reverse=True)[:MOST_ENTRIES]

    def _incident(self, one: PublicIncident) -> _Entry:
        html = Markup("")
        for update in reversed(one.updates):
            status = update.status.value.capitalize()
            head = Markup("<p><small>{}</small><br><strong>{}</strong></p>")
            html += head.format(self._stamp(update.at), status) + self._words(update.text)
        link = self._absolute(f"incidents/{one.id}.html")
        return _Entry(
            f"incident/{one.id}", one.name, html, link, one.started_at, one.over_at or one.last.at
        )

    def _maintenance(self, one: PublicMaintenance) -> _Entry:
        when = f"From {self._stamp(one.start)} to {self._stamp(one.end)}"
        html = Markup("<p><small>{}</small></p>").format(when) + self._words(one.text)
        known = min(one.start, self._page.days[-1].start)
        return _Entry(f"maintenance/{one.id}", one.name, html, self._absolute(INDEX), known, known)

    def _absolute(self, path: str) -> str:
        return self._addresses.absolute(path, self._page.url)


def _put(parent: Element, name: str, text: str) -> Element:
    child = SubElement(parent, name)
    child.text = _NOT_XML.sub("\ufffd", plain(text))
    return child


def _name(key: str) -> str:
    """A lasting name of something, which no reader tries to open."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"tocsin/{key}").urn


def _atom(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _rss(at: datetime) -> str:
    return format_datetime(at.astimezone(UTC).replace(microsecond=0))


def _document(root: Element) -> bytes:
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written
