"""A whole mail, as it went over the wire: the parts of it that intake reads."""

from __future__ import annotations

import email
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message

from starter.intake.form import decoded

MAX_PARTS = 200
MAX_BOUNDARIES = 60
"""More than any mail has: one inside of the other takes the parser long, and in the end too deep."""
HEADERS = ("From", "To", "Subject", "References", "In-Reply-To", "Message-ID")


def parts_of_mail(raw: str) -> dict[str, str]:
    """Its addresses, subject, headers, and the first part of plain text and of HTML.

    One that is folded up too deeply is text as it came.
    """
    if raw.lower().count("boundary") > MAX_BOUNDARIES:
        return {"text": raw}
    message = email.message_from_string(raw)
    found = {name.lower(): _header(message, name) for name in ("From", "To", "Subject")}
    found["headers"] = "\n".join(f"{name}: {_header(message, name)}" for name in HEADERS)
    for index, part in enumerate(message.walk()):
        name = {"text/plain": "text", "text/html": "html"}.get(part.get_content_type())
        if index >= MAX_PARTS:
            break
        if name and name not in found and part.get_content_disposition() != "attachment":
            found[name] = _text(part)
    return {name: value for name, value in found.items() if value}


def _header(message: Message, name: str) -> str:
    """A header on one line; what is wrongly encoded stays as it is."""
    value = " ".join(str(message.get(name) or "").split())
    try:
        return " ".join(str(make_header(decode_header(value))).split())
    except (HeaderParseError, LookupError, ValueError):
        return value


def _text(part: Message) -> str:
    data = part.get_payload(decode=True)
    return decoded(data, part.get_content_charset() or "utf-8") if isinstance(data, bytes) else ""
