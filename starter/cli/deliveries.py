"""What became of the messages of each published update, read from the timeline."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from starter.cli.screen import one_line

View = dict[str, Any]
_OF_UPDATE = re.compile(r"/update/(?:internal|external)/(\d{1,6})(?:/|$)")
"""The key of a message names its update by number: the first of the incident is 1."""
_AFTER = {"it_is_out": "out", "send_again": "goes again", "drop": "dropped"}
"""What becomes of a held message by a person's verdict."""


def delivery_lines(updates: list[View], entries: list[View]) -> list[str]:
    """For each update in order, one line; empty where nothing is known."""
    found: list[dict[str, View]] = [{} for _ in updates]
    for entry in entries:
        for one in _told_of(entry):
            named = _OF_UPDATE.search(str(one.get("key")))
            if named and 0 < int(named[1]) <= len(found):
                found[int(named[1]) - 1][str(one["key"])] = one
    return [summary(list(messages.values())) for messages in found]


def _told_of(entry: View) -> list[View]:
    """The messages of a fact with their state; what is held, and a person's verdict on it, count too."""
    data = entry.get("data") or {}
    match entry.get("fact"):
        case "message_held":
            return [data | {"key": data.get("delivery"), "state": "held", "reason": "held"}]
        case "message_released":
            state = _AFTER.get(str(data.get("verdict")), "held")
            who = f"{state}, said {entry.get('actor') or 'somebody'}"
            return [data | {"key": data.get("delivery"), "state": state, "reason": who}]
        case _:
            return list(data.get("deliveries") or [])


def summary(messages: list[View]) -> str:
    """`sent: email 3, status_page 1; NOT sent: sms 1 (rejected)`; of subscribers, how many have it."""
    told = [one for one in messages if one.get("state") != "goes again"]
    sent = Counter(str(one.get("channel")) for one in told if _has_left(one))
    missed = Counter(
        f"{one.get('channel')} ({one.get('reason') or one.get('state')})"
        for one in told
        if not _has_left(one)
    )
    parts = [
        f"{title}: " + ", ".join(f"{name} {count}" for name, count in counted.items())
        for title, counted in (("sent", sent), ("NOT sent", missed))
        if counted
    ]
    listed = [str(one["detail"]) for one in told if _is_crowd(one) and one.get("detail")]
    return one_line("; ".join([*parts, *(f"subscribers: {one}" for one in listed)]))


def _is_crowd(message: View) -> bool:
    """One delivery that stands for all who subscribed; its detail counts them."""
    return message.get("recipient") == "subscribers"


def _has_left(message: View) -> bool:
    return message.get("state") in ("sent", "delivered", "out")
