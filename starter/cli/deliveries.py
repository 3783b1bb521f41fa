"""What became of the messages of each published update, read from the timeline."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from starter.cli.screen import one_line

View = dict[str, Any]
_OF_UPDATE = re.compile(r"/update/(?:internal|external)/(\d{1,6})(?:/|$)")
"""The key of a message names its update by number: the first of the incident is 1."""


def delivery_lines(updates: list[View], entries: list[View]) -> list[str]:
    """For each update in order, one line; empty where nothing is known."""
    found: list[dict[str, View]] = [{} for _ in updates]
    for entry in entries:
        for one in (entry.get("data") or {}).get("deliveries") or []:
            named = _OF_UPDATE.search(str(one.get("key")))
            if named and 0 < int(named[1]) <= len(found):
                found[int(named[1]) - 1][str(one["key"])] = one
    return [summary(list(messages.values())) for messages in found]


def summary(messages: list[View]) -> str:
    """`sent: email 3, status_page 1; NOT sent: sms 1 (rejected)`."""
    sent = Counter(str(one.get("channel")) for one in messages if _has_left(one))
    missed = Counter(
        f"{one.get('channel')} ({one.get('reason') or one.get('state')})"
        for one in messages
        if not _has_left(one)
    )
    parts = [
        f"{title}: " + ", ".join(f"{name} {count}" for name, count in counted.items())
        for title, counted in (("sent", sent), ("NOT sent", missed))
        if counted
    ]
    return one_line("; ".join(parts))


def _has_left(message: View) -> bool:
    return message.get("state") in ("sent", "delivered")
