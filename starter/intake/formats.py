"""What a format is: how a request becomes alerts, and how its signature is checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.alert import Alert
from starter.intake.mapping import Sender
from starter.intake.received import Received, TooDeepError

Parse = Callable[[Received, Sender], list[Alert]]
"""A request in, alerts out. What it cannot read becomes an alert that says so.

Raises only `IntakeError`, for a request that its own service would refuse too.
"""
Verify = Callable[[Received, str, datetime], bool]
"""Whether a request is signed with this secret, and fresh at this time."""


@dataclass(frozen=True)
class Format:
    """One kind of sender."""

    name: str
    """As policies say it, and the last part of its address."""
    title: str
    """As people call it."""
    parse: Parse
    verify: Verify | None = None
    """Where the sender can sign; asked when the integration has a `signing_secret`."""
    methods: tuple[str, ...] = ("POST",)
    media_types: tuple[str, ...] = ("application/json",)
    is_hook: bool = True
    """Whether it comes in at `/hooks/<name>`; some have the addresses of their own service instead."""


def from_json(parse: Callable[[Any, Sender], list[Alert]]) -> Parse:
    """A parser of JSON values as a parser of requests."""

    def read(received: Received, sender: Sender) -> list[Alert]:
        try:
            payload = received.json()
        except TooDeepError:
            why = "the payload is nested too deeply to be read"
            return [sender.unreadable(received.text, why)]
        return parse(payload, sender)

    return read
