"""What became of the messages of each published update, read from the timeline."""

from __future__ import annotations

from collections import Counter
from typing import Any

from starter.cli.screen import one_line

View = dict[str, Any]


def delivery_lines(updates: list[View], entries: list[View]) -> list[str]:
    """For each update in order, one line; empty where nothing is known.

    Messages follow the fact that their update was published, so those between two publications to one
    audience belong to the earlier.
    """
    found: list[dict[str, View]] = [{} for _ in updates]
    upcoming = {
        audience: [n for n, one in enumerate(updates) if one.get("audience") == audience]
        for audience in ("internal", "external")
    }
    current: dict[str, int] = {}
    for entry in entries:
        data = entry.get("data") or {}
        if entry.get("fact") == "update_published":
            waiting = upcoming.get(str(data.get("audience")))
            if waiting:
                current[str(data["audience"])] = waiting.pop(0)
            continue
        audience = str(data.get("purpose", "")).removesuffix("_update")
        if audience in current:
            listed = data.get("deliveries") or []
            found[current[audience]] |= {str(one.get("key")): one for one in listed}
    return [summary(list(messages.values())) for messages in found]


def summary(messages: list[View]) -> str:
    """`sent: email 3, status_page 1; NOT sent: sms 1 (rejected)`."""
    sent = Counter(str(one.get("channel")) for one in messages if one.get("state") == "sent")
    missed = Counter(
        f"{one.get('channel')} ({one.get('reason') or one.get('state')})"
        for one in messages
        if one.get("state") != "sent"
    )
    parts = [
        f"{title}: " + ", ".join(f"{name} {count}" for name, count in counted.items())
        for title, counted in (("sent", sent), ("NOT sent", missed))
        if counted
    ]
    return one_line("; ".join(parts))
