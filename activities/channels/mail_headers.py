"""What stands in the headers of a mail: nothing that somebody smuggled in, one thread for each incident.

A mail for the outside names the incident by its public id only. Headers are never put together as text: they
are names and values, and a value that holds a control character is refused.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from email.headerregistry import BaseHeader, HeaderRegistry, UnstructuredHeader
from email.policy import EmailPolicy, Policy
from email.utils import parseaddr
from typing import Any

from pydantic import Field

from activities.channels.base import Outgoing
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Purpose
from domain.status_page.ids import public_id

PUBLIC = frozenset({Purpose.EXTERNAL_UPDATE})
"""What people outside read: no key and no id of ours stands in it."""
ONE_CLICK = "List-Unsubscribe=One-Click"
"""Source: https://www.rfc-editor.org/rfc/rfc8058"""
_MACHINES = frozenset(
    {"list-unsubscribe", "in-reply-to", "references", "x-tocsin-key", "x-tocsin-incident"}
)
"""Headers that programs read."""
_ADDRESS = re.compile(r"[^@\s<>()\[\],;:\\\"]+@[^@\s<>()\[\],;:\\\"]+")
_FIT = re.compile(r"[^\x21-\x7e]")


class _AsWritten(UnstructuredHeader, BaseHeader):
    """A header with addresses or ids, which stay as they are where they are longer than a line.

    The mail package would write them as encoded words, which nobody reads in these headers: the mail would
    have no way out of the list, and no thread. What stands in them is ASCII without line ends.
    Source: https://www.rfc-editor.org/rfc/rfc2047#section-5
    """

    name: str

    def fold(self, *, policy: Policy[Any]) -> str:
        """The header as it is sent, on one line."""
        return f"{self.name}: {self}{policy.linesep}"


def _headers() -> HeaderRegistry:
    registry = HeaderRegistry()
    for name in _MACHINES:
        registry.map_to_type(name, _AsWritten)
    return registry


AS_WRITTEN = EmailPolicy(header_factory=_headers())
"""The headers of our mails."""


class BulkMail(Outgoing):
    """A mail that many get with the same text, each with their own way out of it."""

    unsubscribe_url: str = Field(repr=False)
    """Takes RFC 8058's one-click request."""
    marks: Mapping[str, str] = Field({}, repr=False)
    """What each gets in place of a mark in text and HTML: their own links."""

    def filled(self) -> BulkMail:
        """The mail as this one address gets it."""
        text, html = self.text, self.html
        for mark, own in self.marks.items():
            text = text.replace(mark, own)
            html = html.replace(mark, own) if html is not None else None
        return self.model_copy(update={"text": text, "html": html, "marks": {}})


def check_headers(message: Outgoing, sender: str) -> None:
    """Refuse what would add a header of its own, reach somebody else, or pose as another address.

    Raises:
        DeliveryError: not retried.
    """
    for name, value in (("subject", message.subject), ("to", message.to), ("from", sender)):
        if any(_ends_a_line(char) for char in value):
            raise _refused(f"the {name} holds a control character")
    to = message.to.strip()
    # Marks that turn the reading direction, and blanks that nobody sees, make one address pose as another.
    is_seen = all(unicodedata.category(char)[0] not in "CZ" for char in to)
    # What is written in code, Python's mail package reads while it writes: two addresses out of one.
    is_coded = "=?" in to
    if not is_seen or is_coded or not _ADDRESS.fullmatch(to) or parseaddr(to)[1] != to:
        raise _refused("the address is not one plain mail address")


def headers_of(message: Outgoing, sender: str) -> dict[str, str]:
    """The headers beside From, To and Subject.

    Mail programs show the mails of one incident as one thread: all refer to a first one that is only a
    name. Each has an id made from its key, so that a repeat is known as one.
    """
    domain = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
    headers = {
        "Auto-Submitted": "auto-generated",
        "Message-ID": _id("message", message.key, domain),
    }
    if message.incident:
        side = "public" if message.purpose in PUBLIC else "incident"
        name = public_id("incident", message.incident) if side == "public" else message.incident
        headers["In-Reply-To"] = headers["References"] = _id(side, name, domain)
    if message.purpose not in PUBLIC:
        headers["X-Tocsin-Key"] = _FIT.sub("_", message.key)
        headers["X-Tocsin-Incident"] = _FIT.sub("_", message.incident)
    if isinstance(message, BulkMail):
        headers["Precedence"] = "bulk"
        headers["List-Unsubscribe"] = f"<{_url(message.unsubscribe_url)}>"
        headers["List-Unsubscribe-Post"] = ONE_CLICK
    return headers


def _id(kind: str, name: str, domain: str) -> str:
    digest = hashlib.sha256(f"{kind}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"<tocsin.{digest}@{_FIT.sub('', domain)}>"


def _url(url: str) -> str:
    if not url.isascii() or not url.isprintable() or set(url) & set(' <>"'):
        raise _refused("the link for leaving is no plain address")
    return url


def _ends_a_line(char: str) -> bool:
    """Control characters, Unicode's line ends, and halves of characters."""
    return unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs")


def _refused(detail: str) -> DeliveryError:
    return DeliveryError(DeliveryReason.REJECTED, detail, retryable=False)
