"""Texts that fit: whole sentences first, then whole words, never what has to be there."""

from __future__ import annotations

import re

from activities.channels.base import Outgoing
from domain.messages import Purpose
from templates.filters import line, plain

_SENTENCE_END = re.compile(r"[.!?](?=\s)|\n")


def shorten(text: str, limit: int, mark: str = "…") -> str:
    """At most `limit` characters, with a mark where it was cut.

    A sentence is kept whole unless that would throw away more than half of the room.
    """
    text = text.strip()
    if len(text) <= limit:
        return text
    room = limit - len(mark)
    if room <= 0:
        return text[: max(limit, 0)]
    ends = [found.end() for found in _SENTENCE_END.finditer(text, 0, room + 1)]
    ends = [end for end in ends if room // 2 <= end <= room]
    if ends:
        return text[: ends[-1]].rstrip() + mark
    # The character after the room tells whether the last word is whole.
    blank = max(text.rfind(" ", 0, room + 1), text.rfind("\n", 0, room + 1))
    return text[: blank if blank > 0 else room].rstrip() + mark


def head_of(message: Outgoing) -> str:
    """The first line: of a page it names incident and severity, whatever its subject says."""
    subject = line(message.subject)
    if message.purpose is not Purpose.PAGE:
        return subject
    missing = [
        word
        for word in (message.incident, message.severity)
        if word and word.casefold() not in subject.casefold()
    ]
    return f"{' '.join(missing)}: {subject}" if missing else subject


def body_of(message: Outgoing) -> str:
    """The text without control characters, and without the subject where it stands there again."""
    text = plain(message.text).strip()
    first, _, rest = text.partition("\n")
    return rest.strip() if line(first) == line(message.subject) else text


def fitted(head: str, body: str, tail: str, limit: int, mark: str = "…") -> str:
    """Head, body and tail on lines of their own within the limit.

    The tail stays whole, the head gives way to it, the body to both.
    """
    room = limit - (len(tail) + 1 if tail else 0)
    if room <= len(mark):
        return shorten(head, limit, mark) if not tail else tail[:limit]
    parts = [shorten(head, room, mark)]
    room -= len(parts[0]) + 1
    if body and room > 20:
        parts.append(shorten(body, room, mark))
    return "\n".join([*parts, tail] if tail else parts)
